"""Entries that were written once can be read for ever: a document of every type and version, kept as it was written."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import bson
import pytest
from bson import ObjectId

from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import CATALOGUE, GENESIS_HASH, EntryData, OrderRequested
from live_trading.domain.instrument import FX_HOURS, Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import AssetClass, OrderType
from live_trading.journal import EntryCodec

GOLDEN = Path(__file__).parent / "golden_entries.json"
AT = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
INSTRUMENT = Instrument(
    symbol="EUR-USD",
    asset_class=AssetClass.FX,
    currency="USD",
    tick_size=Decimal("0.00001"),
    quantity_step=Decimal(1),
    hours=FX_HOURS,
)
SETTINGS = OperationSettings(
    asset="EUR-USD",
    bar_sizes=(BarSize.MIN_1, BarSize.HOUR_1),
    primary_bar_size=BarSize.HOUR_1,
    strategy_name="MomentumStrategy",
    strategy_config={"fast": 10, "threshold": 0.5, "names": ["a", None, True]},
    quantity=Decimal("10000"),
    initial_capital=Decimal("100000.00"),
)
SAMPLES: dict[Any, Any] = {
    str: "text é",
    int: 5_000_000_000,
    float: 1.5,
    bool: True,
    Decimal: Decimal("-1.0840"),
    datetime: AT - timedelta(days=1),
    OperationSettings: SETTINGS,
    Instrument: INSTRUMENT,
    dict[str, Decimal]: {"USD": Decimal("12.50")},
    dict[str, Any]: {"number": 1, "ratio": 0.25, "price": Decimal("1.10"), "list": [1, "x", None]},
}


def sample_value(annotation: Any) -> Any:
    if annotation in SAMPLES:
        return SAMPLES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation))
    first = get_args(annotation)[0]
    return first if get_origin(annotation) is Literal else sample_value(first)


def sample(kind: type[EntryData]) -> EntryData:
    """An entry with every field filled."""
    return kind(**{name: sample_value(field.annotation) for name, field in kind.model_fields.items()})


LATER: dict[str, EntryData] = {
    "ORDER_REQUESTED/1/trailing": sample(OrderRequested).model_copy(update={"order_type": OrderType.TRAILING_STOP}),
}
"""Entries with fields and words that came later in a version, by the name of their document."""


def written(data: EntryData) -> str:
    _, document = EntryCodec().encode(
        sequence_number=42,
        operation_id=ObjectId("6f706e000000000000000007"),
        data=data,
        timestamp=AT,
        epoch=3,
        actor="engine",
        correlation_id=40,
        causation_id=41,
        previous_hash=GENESIS_HASH,
    )
    return document.hex()


def key(kind: type[EntryData]) -> str:
    return f"{kind.ACTION_TYPE}/{kind.ACTION_VERSION}"


def kept() -> dict[str, str]:
    return dict(json.loads(GOLDEN.read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
def test_every_entry_has_a_kept_document_of_its_present_version(kind: type[EntryData]) -> None:
    assert key(kind) in kept(), f"add to {GOLDEN.name}: {json.dumps({key(kind): written(sample(kind))})}"


@pytest.mark.parametrize("name", LATER)
def test_what_came_later_has_a_kept_document_too(name: str) -> None:
    assert name in kept(), f"add to {GOLDEN.name}: {json.dumps({name: written(LATER[name])})}"


@pytest.mark.parametrize("name", kept())
def test_a_kept_document_is_read_as_its_present_class(name: str) -> None:
    entry = EntryCodec().decode(bytes.fromhex(kept()[name]))
    assert entry.action_type == name.split("/")[0]
    kind = CATALOGUE[entry.action_type]
    assert type(entry.data) is kind
    kind.model_validate(entry.data.model_dump())
    if key(kind) == name or name in LATER:
        # A field that came later, with a default, is not in the document; every other is as it was given.
        given = LATER.get(name, sample(kind))
        for field in bson.decode(bytes.fromhex(kept()[name]))["action_data"]:
            assert getattr(entry.data, field) == getattr(given, field)
