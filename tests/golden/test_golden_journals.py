"""Journals that released versions wrote are read by this one, and fold to the same state."""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, ClassVar

import pytest

from live_trading.archive import check_journal_file
from live_trading.domain.entries import CATALOGUE, EntryData, OrderFilled
from live_trading.domain.entries.upcasting import Facts, Upcaster
from live_trading.journal import EntryCodec, UnknownEntry
from tests.golden.record import FOLDER, JOURNALS, entries_of, folded, state_path, whole_state


def told(name: str) -> dict[str, Any]:
    """What the export that wrote it said."""
    answer: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return answer


def differences(recorded: Any, now: Any, path: str = "state") -> Iterator[str]:
    """Where what a release recorded is not what it is now. Fields that the state got since are no difference."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for key, value in recorded.items():
            if key in now:
                yield from differences(value, now[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is gone"
    elif isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        for index, (old, new) in enumerate(zip(recorded, now, strict=True)):
            yield from differences(old, new, f"{path}[{index}]")
    elif recorded != now:
        yield f"{path} was {recorded!r} and is {now!r}"


def test_this_version_has_a_golden_journal() -> None:
    assert version("live-trading") in JOURNALS, "add one: tests/golden/README.md says how"


@pytest.mark.parametrize("name", JOURNALS)
async def test_golden_journal_is_sound_and_folds_to_the_recorded_state(name: str) -> None:
    _, whole = await check_journal_file(FOLDER / f"{name}.bson.gz")
    expected = told(name)
    assert (whole.entries, f"{whole.entries}:{whole.head_hash}") == (expected["entries"], expected["head"])
    assert (whole.sha256, whole.program) == (expected["sha256"], expected["program"])
    recorded = json.loads(state_path(name).read_text(encoding="utf-8"))
    now = whole_state(folded(await entries_of(name)))
    assert list(differences(recorded, now)) == []
    if not any(differences(now, recorded)):  # the state has the shape it had then, and so has its hash
        assert whole.state_hash == expected["state_hash"]


@pytest.mark.parametrize("name", JOURNALS)
async def test_golden_journal_folds_to_figures_that_add_up(name: str) -> None:
    ledger = folded(await entries_of(name))
    operations = ledger.state.operations.values()
    assert operations
    assert any(operation.totals.trades for operation in operations)
    for operation in operations:
        assert operation.totals.winning + operation.totals.losing <= operation.totals.trades
        assert operation.current_capital == operation.initial_capital + operation.total_pnl
        assert sum(lot.quantity for lot in operation.lots) == abs(operation.quantity)


async def test_golden_journal_with_one_entry_less_folds_to_another_state() -> None:
    entries = await entries_of("0.1.0")
    recorded = json.loads(state_path("0.1.0").read_text(encoding="utf-8"))
    assert "state.sequence_number was 78 and is 77" in differences(recorded, whole_state(folded(entries[:-1])))


def test_a_field_that_came_later_is_no_difference_and_any_other_change_is() -> None:
    old = {"a": 1, "b": [{"c": "x"}]}
    assert list(differences(old, {"a": 1, "b": [{"c": "x", "d": 2}], "e": 3})) == []
    assert list(differences(old, {"a": 1, "b": [{"c": "y"}]})) == ["state.b[0].c was 'x' and is 'y'"]
    assert list(differences(old, {"a": 1})) == ["state.b is gone"]
    assert list(differences(old, {"a": 1, "b": []})) == ["state.b was [{'c': 'x'}] and is []"]


class LaterFill(OrderFilled):
    """ORDER_FILLED as some later version might have it: it must say where it was filled."""

    ACTION_VERSION: ClassVar[int] = 3
    venue: str
    liquidity: str


def with_venue(facts: Facts) -> Facts:
    """Version 1 to 2."""
    return {**facts, "venue": "unknown"}


def with_liquidity(facts: Facts) -> Facts:
    """Version 2 to 3."""
    return {**facts, "liquidity": "taken" if facts["venue"] == "unknown" else "added"}


LATER: Mapping[str, type[EntryData]] = {**CATALOGUE, "ORDER_FILLED": LaterFill}
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {("ORDER_FILLED", 1): with_venue, ("ORDER_FILLED", 2): with_liquidity}


@pytest.mark.parametrize("name", JOURNALS)
async def test_golden_journal_is_read_by_a_program_with_a_later_catalogue(name: str) -> None:
    now = await entries_of(name)
    later = await entries_of(name, EntryCodec(LATER, UPCASTERS))
    fills = [entry.data for entry in later if entry.action_type == "ORDER_FILLED"]
    assert fills
    assert {(type(data), data.venue, data.liquidity) for data in fills} == {(LaterFill, "unknown", "taken")}
    assert [entry.hash for entry in later] == [entry.hash for entry in now], "what is stored is what was written"
    assert folded(later).state_hash() == folded(now).state_hash()


async def test_later_catalogue_without_its_upcaster_names_the_first_entry_it_cannot_read() -> None:
    first = next(entry for entry in await entries_of("0.1.0") if entry.action_type == "ORDER_FILLED")
    half = {key: upcaster for key, upcaster in UPCASTERS.items() if key[1] == 1}
    with pytest.raises(UnknownEntry, match="from version 2 to version 3") as error:
        await entries_of("0.1.0", EntryCodec(LATER, half))
    assert error.value.sequence_number == first.sequence_number
