"""Every entry there is survives being written and read, exactly."""

import copy
import hashlib
import string
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import (
    CATALOGUE,
    GENESIS_HASH,
    Entry,
    EntryData,
    NoteAdded,
    OperationCreated,
    OperationUpdated,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    OrderRequested,
    ProtectionMoved,
    SignalGenerated,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import FX_HOURS, Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import AssetClass, SignalType, StopLossType
from live_trading.journal import ChainBroken, Damaged, EntryCodec, GapDetected, UnknownEntry
from live_trading.journal.codec import OPTIONS, read_slowly
from live_trading.journal.decimals import from_decimal128, to_decimal128
from live_trading.journal.envelope_reader import DATA, read_envelopes
from live_trading.journal.facts_writer import NotFlat, writer_of
from live_trading.journal.shapes import has_open_values, nulls_that_matter

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
KEYS = st.text(string.ascii_letters + "_. é", min_size=1, max_size=10)
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
DECIMALS = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(0, 1),
    st.integers(0, 10**34 - 1),
    st.integers(-40, 40),
)
FLOATS = st.floats(allow_nan=False)
OPEN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | TEXT | DECIMALS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
SETTINGS = st.builds(
    OperationSettings,
    asset=st.just("EUR-USD"),
    bar_sizes=st.just((BarSize.MIN_1, BarSize.HOUR_1)),
    primary_bar_size=st.just(BarSize.HOUR_1),
    strategy_name=st.just("MomentumStrategy"),
    strategy_config=st.dictionaries(KEYS, OPEN, max_size=4),
    quantity=st.decimals(Decimal("0.001"), 10**6, places=3),
    initial_capital=st.just(Decimal("10000.00")),
    stop_loss_type=st.just(None),
    stop_loss_value=st.just(None),
    take_profit_type=st.just(None),
    take_profit_value=st.just(None),
)
INSTRUMENT = st.just(
    Instrument(
        symbol="EUR-USD",
        asset_class=AssetClass.FX,
        currency="USD",
        tick_size=Decimal("0.00001"),
        quantity_step=Decimal(1),
        hours=FX_HOURS,
    )
)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    float: FLOATS,
    bool: st.booleans(),
    Decimal: DECIMALS,
    datetime: TIMES,
    type(None): st.none(),
    OperationSettings: SETTINGS,
    Instrument: INSTRUMENT,
    dict[str, Any]: st.dictionaries(KEYS, OPEN, max_size=4),
    dict[str, Decimal]: st.dictionaries(KEYS, DECIMALS, max_size=4),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return st.sampled_from(arguments)
    return st.one_of(*map(values_of, arguments))


def facts_of(kind: type[EntryData]) -> st.SearchStrategy[EntryData]:
    required = {name: values_of(field.annotation) for name, field in kind.model_fields.items() if field.is_required()}
    optional = {
        name: values_of(field.annotation) for name, field in kind.model_fields.items() if not field.is_required()
    }
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: kind(**values))


ENTRIES = st.sampled_from(list(CATALOGUE.values())).flatmap(facts_of)
CODEC = EntryCodec()


def encode(data: EntryData, number: int = 1, previous_hash: bytes = GENESIS_HASH, **more: Any) -> tuple[Entry, bytes]:
    fields: dict[str, Any] = {
        "sequence_number": number,
        "operation_id": None,
        "data": data,
        "timestamp": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "epoch": 1,
        "actor": "engine",
        "correlation_id": number,
        "causation_id": None,
        "previous_hash": previous_hash,
    }
    return CODEC.encode(**fields | more)


def spelled(value: Any) -> Any:
    """With types and decimals' exponents, which ``==`` does not look at."""
    if isinstance(value, BaseModel):
        return {name: spelled(inner) for name, inner in value.__dict__.items()}
    if isinstance(value, dict):
        return {key: spelled(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [spelled(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else repr(value)


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
@settings(max_examples=20)
@given(st.data())
def test_every_kind_of_entry_is_read_back_exactly(kind: type[EntryData], data: st.DataObject) -> None:
    facts = data.draw(facts_of(kind))
    entry, document = encode(facts)
    assert CODEC.decode(document) == entry
    assert spelled(entry.data) == spelled(CODEC.decode(document).data)
    assert spelled(entry.data) == spelled(facts)


@given(
    ENTRIES,
    st.integers(1, 2**62),
    st.none() | st.binary(min_size=12, max_size=12).map(ObjectId),
    TIMES,
    st.integers(1, 2**40),
    TEXT,
    st.binary(min_size=32, max_size=32),
)
def test_what_is_written_is_read_back_exactly(
    data: EntryData, number: int, operation_id: ObjectId | None, at: datetime, epoch: int, actor: str, previous: bytes
) -> None:
    entry, document = encode(
        data, number, previous, operation_id=operation_id, timestamp=at, epoch=epoch, actor=actor, causation_id=number
    )
    read = CODEC.decode(document)
    assert read == entry
    assert read.data == data
    assert spelled(read.data) == spelled(entry.data)
    assert encode(
        read.data, number, previous, operation_id=operation_id, timestamp=at, epoch=epoch, actor=actor,
        causation_id=number,
    )[1] == document  # fmt: skip


@given(DECIMALS)
def test_decimals_agree_with_the_drivers_own_conversion(value: Decimal) -> None:
    ours = to_decimal128(value)
    assert ours == Decimal128(value)
    assert str(from_decimal128(ours)) == str(value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e7000", "1e-7000", "1" * 35])
def test_numbers_that_cannot_be_kept_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        to_decimal128(Decimal(text))


def test_nulls_that_say_something_are_kept() -> None:
    moved = ProtectionMoved(kind="STOP_LOSS", client_order_id="X", before=None, after=Decimal(1))
    assert CODEC.decode(encode(moved)[1]).data == moved
    settings = OperationSettings(
        asset="NQ",
        bar_sizes=(BarSize.MIN_1,),
        primary_bar_size=BarSize.MIN_1,
        strategy_name="s",
        quantity=Decimal(1),
        initial_capital=Decimal(1),
        stop_loss_type=None,
        stop_loss_value=None,
        take_profit_type=None,
        take_profit_value=None,
    )
    instrument = Instrument(
        symbol="NQ",
        asset_class=AssetClass.FUTURE,
        currency="USD",
        tick_size=Decimal("0.25"),
        quantity_step=Decimal(1),
    )
    read = CODEC.decode(encode(OperationCreated(settings=settings, instrument=instrument))[1]).data
    assert read.settings.stop_loss_type is None
    assert read.settings == settings


def signal(**inputs: Any) -> SignalGenerated:
    return SignalGenerated(
        signal=SignalType.EXIT,
        symbol="X",
        strategy_name="s",
        bar_size=BarSize.MIN_1,
        bar_start=datetime(2026, 1, 1, tzinfo=UTC),
        price=Decimal(1),
        reason="",
        inputs=inputs,
    )


def test_open_values_are_folded_as_they_will_be_read() -> None:
    """A live fold must not see a tuple or an enum where a rebuild sees a list or a string."""
    given = signal(levels=(1, 2), stop=StopLossType.ATR, deep={"none": None, "when": datetime(2026, 1, 1, tzinfo=UTC)})
    entry, document = encode(given)
    read = CODEC.decode(document)
    assert spelled(entry.data) == spelled(read.data)
    assert entry.data.inputs == {
        "levels": [1, 2],
        "stop": "ATR",
        "deep": {"none": None, "when": datetime(2026, 1, 1, tzinfo=UTC)},
    }
    assert type(entry.data.inputs["stop"]) is str


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"$ref": 1}, r"inputs\.v"),
        ({"a": {1: 2}}, r"inputs\.v\.a"),
        ([0, object()], r"inputs\.v\[1\]"),
        (2**63, r"inputs\.v"),
        (datetime(2026, 1, 1), r"inputs\.v"),
        (Decimal("NaN"), "SIGNAL_GENERATED"),
    ],
)
def test_values_that_would_not_come_back_are_refused_by_name(value: Any, place: str) -> None:
    with pytest.raises(InvalidInput, match=place):
        encode(signal(v=value))


def chain(count: int) -> list[bytes]:
    documents: list[bytes] = []
    previous = GENESIS_HASH
    for number in range(1, count + 1):
        entry, document = encode(NoteAdded(text=f"note {number}"), number, previous)
        previous = entry.hash
        documents.append(document)
    return documents


def test_the_document_has_the_fields_in_the_order_that_is_documented() -> None:
    document = bson.decode(encode(NoteAdded(text="x"))[1])
    assert list(document) == [
        *("_id", "operation_id", "action_type", "action_version", "action_data", "timestamp", "epoch", "actor"),
        *("correlation_id", "causation_id", "previous_hash", "hash"),
    ]
    assert type(document["_id"]) is Int64
    assert document["action_data"] == {"text": "x"}


@given(
    number=st.integers(1, 2**62),
    operation=st.none() | st.binary(min_size=12, max_size=12).map(ObjectId),
    at=st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1)).map(
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    epoch=st.integers(0, 2**40),
    actor=st.text(max_size=20),
    cause=st.none() | st.integers(1, 2**62),
)
def test_the_envelope_is_what_the_driver_would_write(
    number: int, operation: ObjectId | None, at: datetime, epoch: int, actor: str, cause: int | None
) -> None:
    entry, document = EntryCodec().encode(
        sequence_number=number,
        operation_id=operation,
        data=NoteAdded(text="x"),
        timestamp=at,
        epoch=epoch,
        actor=actor,
        correlation_id=number,
        causation_id=cause,
        previous_hash=GENESIS_HASH,
    )
    body = {
        "_id": Int64(number),
        "operation_id": operation,
        "action_type": "NOTE_ADDED",
        "action_version": 1,
        "action_data": {"text": "x"},
        "timestamp": at,
        "epoch": epoch,
        "actor": actor,
        "correlation_id": Int64(number),
        "causation_id": None if cause is None else Int64(cause),
        "previous_hash": GENESIS_HASH,
        "hash": entry.hash,
    }
    assert document == bson.encode(body)


@given(
    ENTRIES,
    st.integers(1, 2**62),
    st.none() | st.binary(min_size=12, max_size=12).map(ObjectId),
    TIMES,
    st.integers(0, 2**40),
    TEXT,
    st.none() | st.integers(1, 2**62),
)
def test_the_fast_way_of_reading_an_envelope_finds_what_the_slow_one_finds(
    data: EntryData, number: int, operation: ObjectId | None, at: datetime, epoch: int, actor: str, cause: int | None
) -> None:
    document = encode(
        data, number, GENESIS_HASH, operation_id=operation, timestamp=at, epoch=epoch, actor=actor, causation_id=cause
    )[1]
    fast = read_envelopes(document, number - 1, GENESIS_HASH)
    assert fast is not None
    ((row,), facts) = fast
    (slow,), (decoded,) = read_slowly(document, number - 1, GENESIS_HASH)
    row[DATA] = bson.decode(facts, OPTIONS)
    assert spelled(row) == spelled(slow)
    assert spelled(row[DATA]) == spelled(decoded)


@pytest.mark.parametrize("order", [(2, 3), (5, 6), (6, 7), (8, 9)], ids=str)
def test_a_sound_entry_of_another_layout_is_not_taken_for_ours(order: tuple[int, int]) -> None:
    one, other = order
    elements = list(bson.decode(chain(1)[0], OPTIONS).items())[:-1]
    elements[one], elements[other] = elements[other], elements[one]
    body = dict(elements)
    body |= {name: Int64(body[name]) for name in ("_id", "correlation_id")}
    canonical = bson.encode(body, codec_options=OPTIONS)[4:-1]
    document = bson.encode(body | {"hash": hashlib.sha256(canonical).digest()}, codec_options=OPTIONS)
    assert read_envelopes(document, 0, GENESIS_HASH) is None
    with pytest.raises(Damaged):
        CODEC.decode_batch(document, 0, GENESIS_HASH)


WRITERS = {kind: write for kind in CATALOGUE.values() if (write := writer_of(kind)) is not None}


@pytest.mark.parametrize("kind", WRITERS, ids=lambda kind: kind.ACTION_TYPE)
@given(st.data())
@settings(max_examples=50)
def test_the_facts_are_what_the_driver_would_write(kind: type[EntryData], data: st.DataObject) -> None:
    facts = data.draw(facts_of(kind))
    kept = {
        name: value for name, value in facts.__dict__.items() if value is not None or name in nulls_that_matter(kind)
    }
    try:
        written = WRITERS[kind](facts.__dict__)
    except NotFlat:
        assert has_open_values(kind)  # then the driver writes them
    else:
        assert written == bson.encode(kept, codec_options=OPTIONS)


@given(st.dictionaries(KEYS, st.none() | st.booleans() | FLOATS | TEXT | DECIMALS, max_size=5))
def test_what_a_strategy_looked_at_is_written_at_once_as_the_driver_would(inputs: dict[str, Any]) -> None:
    seen = signal().model_copy(update={"inputs": inputs})
    kept = {name: value for name, value in seen.__dict__.items() if value is not None}
    assert WRITERS[SignalGenerated](seen.__dict__) == bson.encode(kept, codec_options=OPTIONS)
    read = CODEC.decode(encode(seen)[1]).data.inputs
    assert list(map(repr, read.items())) == list(map(repr, inputs.items()))


@pytest.mark.parametrize("inputs", [{"n": 1}, {"of": [1.0]}, {"by": SignalType.EXIT}, {"in": {}}, {"$a": 1.0}], ids=str)
def test_other_shapes_in_an_open_dictionary_are_left_to_the_driver(inputs: dict[str, Any]) -> None:
    with pytest.raises(NotFlat):
        WRITERS[SignalGenerated](signal().model_copy(update={"inputs": inputs}).__dict__)


def test_orders_and_fills_have_writers_of_their_own() -> None:
    assert {OrderRequested, OrderPlaced, OrderFilled, OrderCancelled} <= WRITERS.keys()


@given(st.integers(0, 4), st.data())
def test_any_changed_byte_is_found_in_the_entry_it_is_in(index: int, data: st.DataObject) -> None:
    documents = chain(5)
    altered = bytearray(documents[index])
    position = data.draw(st.integers(17, len(altered) - 2))
    altered[position] ^= data.draw(st.integers(1, 255))
    documents[index] = bytes(altered)
    with pytest.raises(ChainBroken) as broken:
        CODEC.decode_batch(b"".join(documents), 0, GENESIS_HASH)
    assert broken.value.sequence_number == index + 1


def test_a_missing_and_a_replaced_entry_are_named() -> None:
    documents = chain(5)
    with pytest.raises(GapDetected) as gap:
        CODEC.decode_batch(b"".join(documents[:2] + documents[3:]), 0, GENESIS_HASH)
    assert (gap.value.expected, gap.value.found) == (3, 4)
    documents[2] = encode(NoteAdded(text="forged"), 3, CODEC.decode(documents[1]).hash)[1]
    with pytest.raises(ChainBroken, match="does not follow") as broken:
        CODEC.decode_batch(b"".join(documents), 0, GENESIS_HASH)
    assert broken.value.sequence_number == 4


def test_what_this_program_does_not_know_is_never_skipped() -> None:
    class Strange(EntryData):
        ACTION_TYPE = "STRANGE_THING"

    class NewerNote(EntryData):
        ACTION_TYPE = "NOTE_ADDED"
        ACTION_VERSION = 2
        text: str

    strange = EntryCodec({"STRANGE_THING": Strange})
    newer = EntryCodec({"NOTE_ADDED": NewerNote})
    for codec, data, message in (
        (strange, Strange(), "knows no action_type 'STRANGE_THING'"),
        (newer, NewerNote(text="x"), "version 2 is newer"),
    ):
        document = codec.encode(
            sequence_number=7, operation_id=None, data=data, timestamp=datetime(2026, 1, 1, tzinfo=UTC), epoch=1,
            actor="engine", correlation_id=7, causation_id=None, previous_hash=GENESIS_HASH,
        )[1]  # fmt: skip
        with pytest.raises(UnknownEntry, match=message) as unknown:
            CODEC.decode(document)
        assert unknown.value.sequence_number == 7


def test_old_shapes_are_made_new_on_read() -> None:
    class NoteV3(EntryData):
        ACTION_TYPE = "NOTE_ADDED"
        ACTION_VERSION = 3
        lines: list[str]
        author: str

    def split_lines(facts: dict[str, Any]) -> dict[str, Any]:
        return {"lines": facts["text"].split("\n")}

    def add_author(facts: dict[str, Any]) -> dict[str, Any]:
        return facts | {"author": "unknown"}

    document = encode(NoteAdded(text="a\nb"))[1]
    before = copy.copy(document)
    newer = EntryCodec({"NOTE_ADDED": NoteV3}, {("NOTE_ADDED", 1): split_lines, ("NOTE_ADDED", 2): add_author})
    assert newer.decode(document).data == NoteV3(lines=["a", "b"], author="unknown")
    assert document == before
    with pytest.raises(UnknownEntry, match="no way from version 2"):
        EntryCodec({"NOTE_ADDED": NoteV3}, {("NOTE_ADDED", 1): split_lines}).decode(document)


def test_changes_of_settings_hold_what_the_json_form_holds() -> None:
    changes = {"quantity": "2.5", "strategy_config": {"fast": 3, "slow": 10.5, "on": True, "names": ["a"]}}
    assert CODEC.decode(encode(OperationUpdated(changes=changes))[1]).data.changes == changes


def test_times_are_cut_to_what_is_kept() -> None:
    at = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))) + timedelta(microseconds=1_999)
    given = signal().model_copy(update={"bar_start": at})
    validated = SignalGenerated.model_validate(given.model_dump())
    assert CODEC.decode(encode(validated)[1]).data == validated
    assert validated.bar_start.isoformat() == "2026-01-01T00:00:00.001000+00:00"
