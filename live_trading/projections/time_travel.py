"""The ledger as it was: as of any entry or any time, from the nearest snapshot; and a picture of it for people."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from bson import ObjectId

from live_trading.domain.errors import InvalidInput
from live_trading.domain.ids import Kind, derived_id
from live_trading.journal.base import JournalReader
from live_trading.journal.snapshots import Snapshots
from live_trading.projections.fold import FOLD_VERSION, apply
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import ZERO, LedgerState, Operation, Order


async def ledger_at(reader: JournalReader, snapshots: Snapshots | None, at: int | datetime | None = None) -> Ledger:
    """The ledger as of an entry's number, as of a time (with all entries up to it), or (None) as of now.

    Raises :class:`InvalidInput` for a number after the journal's end, and a
    :class:`~live_trading.journal.errors.Damaged` when what is needed cannot be read.
    """
    if isinstance(at, datetime):
        at = await sequence_number_at(reader, at)
    elif at is not None:
        head = await reader.head()
        if not 0 <= at <= head.sequence_number:
            raise InvalidInput("at", f"there is no entry {at}", f"Give a number from 0 to {head.sequence_number}")
    ledger = await _from_snapshot(reader, snapshots, at)
    if at is None or ledger.sequence_number < at:
        async for entries in reader.read_batches(ledger.sequence_number, at):
            for entry in entries:
                apply(ledger, entry)
            ledger.forget_changes()
    return ledger


async def _from_snapshot(reader: JournalReader, snapshots: Snapshots | None, at: int | None) -> Ledger:
    if snapshots is None:
        return Ledger()
    found = await snapshots.load(FOLD_VERSION, at_most=at, reader=reader)
    return Ledger() if found.snapshot is None else Ledger.from_bytes(found.snapshot.state)


async def sequence_number_at(reader: JournalReader, at: datetime) -> int:
    """The number of the last entry made at ``at`` or before; 0 when there was none yet.

    Raises :class:`InvalidInput` for a time without a zone. Times never decrease along the journal, so it is a binary
    search of some twenty reads. Entries that are not there any more (archived) count as earlier.
    """
    if at.tzinfo is None:
        raise InvalidInput("at", "the time has no time zone", "Give it like 2026-03-01T12:00:00Z")
    low, high = 0, (await reader.head()).sequence_number
    while low < high:
        middle = (low + high + 1) // 2
        entry = await reader.entry(middle)
        if entry is None or entry.timestamp <= at:
            low = middle
        else:
            high = middle - 1
    return low


def describe(ledger: Ledger) -> dict[str, Any]:
    """The whole state as plain JSON values, for people: numbers as strings, times in ISO 8601, ids in hexadecimal."""
    state = ledger.state
    operations = list(state.operations.values())
    return {
        "sequence_number": state.sequence_number,
        "timestamp": _plain(state.timestamp),
        "epoch": state.epoch,
        "deployment_id": state.deployment_id,
        "engine": "stopped" if state.stopped else "recovering" if state.recovering_since is not None else "running",
        "kill_switch": _kill_switch(state),
        "circuit_breaker_open_until": _plain(state.breaker.until if state.breaker is not None else None),
        "pnl_by_currency": _pnl_by_currency(operations),
        "operations": [_operation(operation) for operation in operations],
        "open_positions": [_position(operation) for operation in operations if operation.position is not None],
        "working_orders": [
            _order(order) for operation in operations for order in operation.orders.values() if order.is_working
        ],
        "discrepancies": [
            {
                "broker": found.broker,
                "symbol": found.symbol,
                "ledger_quantity": _plain(found.ledger_quantity),
                "broker_quantity": _plain(found.broker_quantity),
                "sequence_number": found.number,
            }
            for found in state.discrepancies.values()
        ],
        "foreign_quantities": {key: _plain(quantity) for key, quantity in sorted(state.foreign_quantities.items())},
        "anomalies": [{"sequence_number": anomaly.number, "text": anomaly.text} for anomaly in state.anomalies],
    }


def _plain(value: Decimal | datetime | ObjectId | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return format(value.normalize() if value else ZERO, "f")
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _kill_switch(state: LedgerState) -> dict[str, Any] | None:
    switch = state.kill_switch
    if switch is None:
        return None
    return {
        "sequence_number": switch.number,
        "at": _plain(switch.at),
        "reason": switch.reason,
        "actor": switch.actor,
    }


def _pnl_by_currency(operations: Iterable[Operation]) -> dict[str, dict[str, Any]]:
    sums: dict[str, dict[str, Decimal]] = {}
    for operation in operations:
        mine = sums.setdefault(operation.currency, dict.fromkeys(("gross_pnl", "commission", "total_pnl"), ZERO))
        mine["gross_pnl"] += operation.totals.gross_pnl
        mine["commission"] += operation.totals.commission
        mine["total_pnl"] += operation.total_pnl
    return {currency: {name: _plain(total) for name, total in mine.items()} for currency, mine in sorted(sums.items())}


def _operation(operation: Operation) -> dict[str, Any]:
    totals = operation.totals
    return {
        "id": _plain(derived_id(Kind.OPERATION, operation.number)),
        "asset": operation.symbol,
        "broker": operation.broker,
        "strategy_name": operation.settings.get("strategy_name"),
        "status": operation.status.value,
        "status_reason": operation.status_reason,
        "currency": operation.currency,
        "quantity": _plain(operation.quantity),
        "initial_capital": _plain(operation.initial_capital),
        "current_capital": _plain(operation.current_capital),
        "total_pnl": _plain(operation.total_pnl),
        "commission": _plain(totals.commission),
        "other_commissions": {currency: _plain(sum_) for currency, sum_ in sorted(totals.other_commissions.items())},
        "trades": totals.trades,
        "winning_trades": totals.winning,
        "losing_trades": totals.losing,
        "signals": operation.signals,
        "to_be_closed": operation.exit_intent.reason if operation.exit_intent is not None else None,
        "created_at": _plain(operation.created_at),
        "closed_at": _plain(operation.closed_at),
    }


def _position(operation: Operation) -> dict[str, Any]:
    position = operation.position
    assert position is not None
    return {
        "id": _plain(derived_id(Kind.POSITION, position.number)),
        "operation_id": _plain(derived_id(Kind.OPERATION, operation.number)),
        "contract_symbol": position.symbol,
        "position_type": position.position_type.value,
        "quantity": _plain(position.quantity),
        "entry_price": _plain(position.entry_price),
        "realized_pnl": _plain(position.realized_pnl),
        "stop_loss": _plain(position.stop_loss),
        "take_profit": _plain(position.take_profit),
        "opened_at": _plain(position.opened_at),
        "lots": [{"quantity": _plain(lot.quantity), "price": _plain(lot.price)} for lot in operation.lots],
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": _plain(derived_id(Kind.ORDER, order.number)),
        "operation_id": _plain(derived_id(Kind.OPERATION, order.operation)),
        "client_order_id": order.client_order_id,
        "broker": order.broker,
        "broker_order_id": order.broker_order_id,
        "symbol": order.symbol,
        "action": order.side.value,
        "order_type": order.order_type.value,
        "purpose": order.purpose.value,
        "status": order.status.value,
        "doubt": order.doubt.value if order.doubt is not None else None,
        "quantity": _plain(order.quantity),
        "filled_quantity": _plain(order.filled_quantity),
        "limit_price": _plain(order.limit_price),
        "stop_price": _plain(order.stop_price),
        "trailing_distance": _plain(order.trailing_distance),
        "requested_at": _plain(order.requested_at),
    }
