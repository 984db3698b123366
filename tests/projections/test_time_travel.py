"""The ledger as it was, at every entry and at any time."""

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from live_trading.domain import entries as e
from live_trading.domain.entries import Entry
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import Side
from live_trading.journal import MemoryJournal, MemoryJournalReader, MemoryStore, Opener
from live_trading.journal.snapshots import MemorySnapshots, Snapshot
from live_trading.projections import FOLD_VERSION, describe, ledger_at, sequence_number_at
from live_trading.runtime import Runtime
from tests.projections.histories import eventful
from tests.stories import START, D, Story, fold


@pytest.fixture
async def journal(runtime: Runtime) -> MemoryJournalReader:
    """An eventful journal."""
    store = MemoryStore()
    writer = await MemoryJournal.open_writer(store, Opener(engine_id="test", instance="1", version="0"), runtime)
    await writer.append(*eventful(rounds=15).drafts())
    await writer.close()
    return MemoryJournalReader(store)


@pytest.fixture
async def entries(journal: MemoryJournalReader) -> Sequence[Entry]:
    return [entry async for entry in journal.read()]


async def test_ledger_at_each_entry_is_the_fold_of_all_up_to_it(
    journal: MemoryJournalReader, entries: Sequence[Entry]
) -> None:
    snapshots = MemorySnapshots()
    for number in (20, 50):
        prefix = entries[:number]
        await snapshots.save(Snapshot(number, prefix[-1].hash, FOLD_VERSION, fold(prefix).to_bytes()))
    for number in (0, 1, 19, 20, 21, 49, 50, 51, len(entries)):
        expected = fold(entries[:number]).to_bytes()
        assert (await ledger_at(journal, snapshots, number)).to_bytes() == expected
        assert (await ledger_at(journal, None, number)).to_bytes() == expected
    assert (await ledger_at(journal, snapshots)).sequence_number == len(entries)


async def test_number_that_does_not_exist_is_refused(journal: MemoryJournalReader) -> None:
    for number in (-1, 10**9):
        with pytest.raises(InvalidInput, match="there is no entry"):
            await ledger_at(journal, None, number)


class Told(MemoryJournalReader):
    """A journal of a story, with the story's times."""

    def __init__(self, story: Story) -> None:
        super().__init__(MemoryStore())
        self.story = story

    async def head(self):  # type: ignore[no-untyped-def]
        return (await super().head())._replace(sequence_number=len(self.story.entries))

    async def entry(self, sequence_number: int) -> Entry | None:
        return self.story.entries[sequence_number - 1]


async def test_time_is_the_last_entry_made_until_then() -> None:
    story = Story(step=timedelta(seconds=10))
    operation = story.operation()
    for _ in range(7):
        story.tell(e.OperationPaused(), operation)
    twin = story.entries[-1]._replace(sequence_number=story.number)  # two entries of one moment
    story.entries.append(twin)
    reader = Told(story)
    assert await sequence_number_at(reader, START - timedelta(seconds=1)) == 0
    for index, entry in enumerate(story.entries[:-2]):
        assert await sequence_number_at(reader, entry.timestamp) == index + 1
        assert await sequence_number_at(reader, entry.timestamp + timedelta(seconds=9)) == index + 1
    assert await sequence_number_at(reader, twin.timestamp) == len(story.entries)
    assert await sequence_number_at(reader, START + timedelta(days=1)) == len(story.entries)
    with pytest.raises(InvalidInput, match="no time zone"):
        await sequence_number_at(reader, START.replace(tzinfo=None))


def test_picture_of_the_state_is_plain_json_and_says_what_matters() -> None:
    story = Story()
    operation = story.operation()
    yen = story.operation(currency="JPY")
    story.trade(operation, Side.BUY, "100.50", "2", commission=D("1"), commission_currency="USD")
    story.trade(operation, Side.SELL, "110", "1")
    story.trade(yen, Side.SELL, "10", "3")
    story.order(operation, Side.SELL, "1")
    story.tell(e.ProtectionSet(stop_loss=D("95.10")), operation)
    story.tell(e.PositionCloseRequested(reason="a person"), operation)
    story.tell(e.KillSwitchTripped(reason="loss over 2 %"))
    picture = json.loads(json.dumps(describe(story.ledger())))
    assert picture["sequence_number"] == len(story.entries)
    assert picture["engine"] == "stopped"
    assert picture["kill_switch"]["reason"] == "loss over 2 %"
    assert picture["pnl_by_currency"] == {
        "JPY": {"gross_pnl": "0", "commission": "0", "total_pnl": "0"},
        "USD": {"gross_pnl": "9.5", "commission": "1", "total_pnl": "8.5"},
    }
    first, second = picture["open_positions"]
    assert (first["quantity"], first["entry_price"], first["stop_loss"]) == ("1", "100.5", "95.1")
    assert (second["quantity"], second["position_type"]) == ("-3", "SHORT")
    assert [order["status"] for order in picture["working_orders"]] == ["PENDING"]
    assert picture["operations"][0]["to_be_closed"] == "a person"
    assert picture["operations"][0]["current_capital"] == "100008.5"
