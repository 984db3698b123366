"""Becoming the writer: lease, fence, tail, ``ENGINE_STARTED``, in this order."""

from contextlib import suppress
from dataclasses import dataclass

import bson

from live_trading.domain.entries import GENESIS_HASH, Draft, EngineStarted
from live_trading.domain.errors import InvalidInput
from live_trading.journal.base import Head
from live_trading.journal.codec import OPTIONS, EntryCodec
from live_trading.journal.errors import Fenced, JournalUnavailable
from live_trading.journal.lease import DEFAULT_TTL, Lease, OnWaiting
from live_trading.journal.store import Store
from live_trading.journal.writer import Writer
from live_trading.runtime import Runtime

EMPTY = Head(0, GENESIS_HASH, None)


@dataclass(frozen=True, slots=True)
class Opener:
    """Who opens a journal to write. ``engine_id`` names the journal's engine, ``instance`` this process of it."""

    engine_id: str
    instance: str
    version: str
    host: str = ""
    process_id: int = 0


async def open_writer(
    store: Store,
    opener: Opener,
    runtime: Runtime,
    *,
    lease_ttl: float = DEFAULT_TTL,
    on_waiting: OnWaiting | None = None,
    codec: EntryCodec | None = None,
) -> Writer:
    """Take the journal over, as long as that takes, and return its writer with ``ENGINE_STARTED`` durable.

    ``on_waiting`` is told, in a sentence, what a standby waits for. Raises :class:`InvalidInput` when the journal
    belongs to another ``engine_id``, :class:`Damaged` when its tail is, :class:`Fenced` when yet another engine came
    in between.
    """
    holder = f"{opener.instance}@{opener.host}#{opener.process_id} {runtime.ids.token(8)}"
    lease = Lease(store, opener.engine_id, holder, runtime, lease_ttl, on_waiting)
    codec = codec or EntryCodec()
    await _prepare(store, runtime, on_waiting)
    await _check_owner(store, opener.engine_id)
    await lease.acquire(floor=await _highest_epoch(store, codec))
    try:
        await store.fence(lease.epoch)
        tail = await store.tail()
        lease.check()
        head, deployment_id = _head(codec, tail, lease.epoch), await _deployment_id(store, runtime)
    except BaseException:
        # Given back if that is possible; else it runs out by itself.
        with suppress(JournalUnavailable, TimeoutError):
            await lease.release()
        raise
    writer = Writer(store, lease, codec, runtime, head, deployment_id)
    writer.start()
    try:
        await writer.append(
            Draft(
                EngineStarted(
                    deployment_id=writer.deployment_id,
                    engine_id=opener.engine_id,
                    instance=opener.instance,
                    version=opener.version,
                    host=opener.host,
                    process_id=opener.process_id,
                    took_over_from=lease.took_over_from,
                )
            )
        )
    except BaseException:
        await writer.close()
        raise
    return writer


async def _prepare(store: Store, runtime: Runtime, on_waiting: OnWaiting | None) -> None:
    while True:
        try:
            return await store.prepare()
        except JournalUnavailable as error:
            if on_waiting is not None:
                on_waiting(str(error))
            await runtime.clock.sleep(0.5)


def _head(codec: EntryCodec, tail: bytes | None, epoch: int) -> Head:
    if tail is None:
        return EMPTY
    newest = codec.decode(tail)
    if newest.epoch >= epoch:
        raise Fenced(epoch, f"entry {newest.sequence_number} was written under epoch {newest.epoch}")
    return Head(newest.sequence_number, newest.hash, newest.timestamp)


async def _highest_epoch(store: Store, codec: EntryCodec) -> int:
    """What ours must be over, even if the lease was lost with a restored backup."""
    newest = await store.newest()
    return max(await store.fenced_epoch(), 0 if newest is None else codec.decode(newest).epoch)


async def _a_start(store: Store) -> EngineStarted | None:
    """Any of the journal's ``ENGINE_STARTED``: what is asked of it never changes. Entry 1 is one."""
    document = await store.origin() or await store.last_of_type(EngineStarted.ACTION_TYPE)
    if document is None:
        return None
    return EngineStarted.model_validate(bson.decode(document, OPTIONS)["action_data"])


async def _check_owner(store: Store, engine_id: str) -> None:
    started = await _a_start(store)
    if started is not None and started.engine_id != engine_id:
        raise InvalidInput(
            "ENGINE_ID",
            f"the journal in this database belongs to engine {started.engine_id!r}, not to {engine_id!r}",
            f"Set ENGINE_ID to {started.engine_id} or use another database: one engine owns one journal",
        )


async def _deployment_id(store: Store, runtime: Runtime) -> str:
    started = await _a_start(store)
    return runtime.ids.token() if started is None else started.deployment_id
