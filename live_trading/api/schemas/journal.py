"""The journal and the state that follows from it."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from live_trading.api.schemas.base import Id, Read, Told

_EXAMPLE: dict[str, Any] = {
    "sequence_number": 42,
    "operation_id": "6f706e000000000000010000",
    "action_type": "ORDER_PLACED",
    "action_version": 1,
    "action_data": {"client_order_id": "AB12CD000100000000 5A".replace(" ", ""), "broker_order_id": "1001"},
    "timestamp": "2026-03-02T14:30:00.123Z",
    "epoch": 1,
    "actor": "engine",
    "correlation_id": 40,
    "causation_id": 41,
    "previous_hash": "00" * 32,
    "hash": "ab" * 32,
}


class Entry(Told):
    """One record of the journal."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    sequence_number: int = Field(ge=1, description="its identity and its place in time")
    operation_id: Id | None = Field(description="whose entry it is; null: the system's")
    action_type: str = Field(description="what happened, e.g. ORDER_FILLED")
    action_version: int = Field(description="the version of action_data's shape")
    action_data: dict[str, Any] = Field(description="the facts")
    timestamp: datetime = Field(description="when it happened, by the engine's clock")
    epoch: int = Field(description="the writer's lease epoch")
    actor: str = Field(description="engine, recovery, broker:<name>, user:<name> or api")
    correlation_id: int = Field(description="the entry that began this chain")
    causation_id: int | None = Field(description="the entry that directly caused it")
    previous_hash: str = Field(description="the hash of the entry before it, hexadecimal")
    hash: str = Field(description="SHA-256 of its canonical bytes, hexadecimal")


class Entries(Read):
    """A part of the journal."""

    items: list[Entry] = Field(description="entries, in the order asked for")
    next_cursor: str | None = Field(description="give it as cursor to go on; null when there is nothing more")
    head: int = Field(description="the journal's last entry")


class EntryDetail(Entry, Read):
    """One entry."""


class State(Read):
    """The whole state as of an entry, folded from the journal."""

    model_config = ConfigDict(extra="allow")

    sequence_number: int = Field(description="the entry it is as of")
    timestamp: datetime | None = Field(description="when that entry was made")
    epoch: int = Field(description="the writer's lease epoch")
    deployment_id: str = Field(description="the journal's own id")
    engine: str = Field(description="stopped, recovering or running")
    kill_switch: dict[str, Any] | None = Field(description="why it is tripped; null when it is not")
    circuit_breaker_open_until: datetime | None = Field(description="null when it is closed")
    pnl_by_currency: dict[str, dict[str, Any]] = Field(description="realised results")
    operations: list[dict[str, Any]] = Field(description="every operation")
    open_positions: list[dict[str, Any]] = Field(description="positions with their lots")
    working_orders: list[dict[str, Any]] = Field(description="orders that may still be filled")
    discrepancies: list[dict[str, Any]] = Field(description="positions that differ at the broker")
    foreign_quantities: dict[str, Any] = Field(description="what is known to be somebody else's")
    anomalies: list[dict[str, Any]] = Field(description="entries that did not fit")


class Integrity(Read):
    """Whether the journal, as far as it was looked at, is whole."""

    first: int = Field(description="the first entry that was looked at")
    last: int = Field(description="the last one")
    ok: bool = Field(description="numbers without a gap, every hash right, each linked to the one before it")
    problem: str | None = Field(description="the first thing wrong")
    head_hash: str = Field(description="the journal's last hash: write it down elsewhere to anchor it")
