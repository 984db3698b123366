"""``python -m tests.golden.record``: write the whole state of each golden journal that has none recorded yet.

What is recorded is never written anew: a later version must come to the same, so only the release that added a journal
may say what it folds to.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from live_trading.archive import JournalFile
from live_trading.archive.whole import FileSource
from live_trading.domain.entries import Entry
from live_trading.journal import EntryCodec
from live_trading.journal.reader import Reader
from live_trading.projections import Ledger, apply

FOLDER = Path(__file__).parent
JOURNALS = sorted(path.name.removesuffix(".bson.gz") for path in FOLDER.glob("*.bson.gz"))


async def entries_of(name: str, codec: EntryCodec | None = None) -> list[Entry]:
    """A golden journal's entries, every hash checked."""
    source = FileSource(JournalFile(FOLDER / f"{name}.bson.gz"))
    return [entry async for entry in Reader(source, codec).read()]


def folded(entries: list[Entry]) -> Ledger:
    """What they fold to."""
    ledger = Ledger()
    for entry in entries:
        apply(ledger, entry)
    return ledger


def whole_state(ledger: Ledger) -> Any:
    """Every field of the state, as JSON has it."""
    return json.loads(msgspec.json.encode(ledger.state))


def state_path(name: str) -> Path:
    return FOLDER / f"{name}.state.json"


async def main() -> None:
    for name in JOURNALS:
        if not state_path(name).exists():
            text = json.dumps(whole_state(folded(await entries_of(name))), separators=(",", ":"))
            state_path(name).write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")
            print(f"wrote {state_path(name).name}")


if __name__ == "__main__":
    asyncio.run(main())
