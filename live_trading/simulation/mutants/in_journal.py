"""Bugs in how entries are written."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from live_trading.domain.entries import (
    GENESIS_HASH,
)
from live_trading.journal.codec import EntryCodec
from live_trading.journal.lease import Lease
from live_trading.journal.writer import Writer
from live_trading.runtime import Tasks
from live_trading.simulation.mutants.base import put
from live_trading.simulation.trouble import TroubledStore


def acknowledged_before_durable(stack: ExitStack) -> None:
    """The writer acknowledges at once and writes a moment later (``j: false``)."""
    insert, tasks = TroubledStore.insert, Tasks()

    async def behind(self: TroubledStore, documents: Sequence[bytes]) -> None:
        tasks.start(insert(self, documents), "a write that was acknowledged already")

    put(stack, TroubledStore, "insert", behind)


def doubt_taken_for_done(stack: ExitStack) -> None:
    """A write whose answer was lost is taken for done."""

    async def settle(self: Writer, batch: Any, doubt: Any) -> None:
        return None

    put(stack, Writer, "_settle", settle)


def numbers_not_given_back(stack: ExitStack) -> None:
    """A batch whose answer was lost is given up, and the next one takes the numbers after it."""
    settle = Writer._settle

    async def skip(self: Writer, batch: Any, doubt: Any) -> None:
        if len(batch.entries) > 1:
            await settle(self, batch, doubt)

    put(stack, Writer, "_settle", skip)


def no_fence(stack: ExitStack) -> None:
    """A new engine does not fence the old one, and nobody minds its lease."""

    async def fence(self: TroubledStore, epoch: int) -> None:
        return None

    put(stack, TroubledStore, "fence", fence)
    no_lease_check(stack)


def no_lease_check(stack: ExitStack) -> None:
    """An engine whose lease ran out goes on sending."""
    put(stack, Lease, "check", lambda self: None)
    put(stack, Writer, "check_may_act", lambda self: None)


def chain_not_linked(stack: ExitStack) -> None:
    """An entry does not carry the hash of the one before it."""
    encode = EntryCodec.encode

    def unlinked(self: EntryCodec, **fields: Any) -> Any:
        return encode(self, **(fields | {"previous_hash": GENESIS_HASH}))

    put(stack, EntryCodec, "encode", unlinked)


def clock_believed(stack: ExitStack) -> None:
    """Entries take the wall clock as it is, also when it was set back."""
    number = Writer._number

    def believing(self: Writer, drafts: Any) -> Any:
        self._time_given = None
        return number(self, drafts)

    put(stack, Writer, "_number", believing)
