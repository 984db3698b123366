"""Entities of the ledger as documents of the read models. Pure: the same entity gives the same bytes.

A document follows from its entity alone (and from what never changes about its operation), so it can be written at any
time after the entity was last touched, in any order, by anyone: ``sequence_number`` says which of two is newer. Marks
(current price, unrealised profit) are live values and are not in here; see :mod:`live_trading.models.marks`.

Numbers are Decimal128 without trailing zeros, so that equal numbers are equal bytes however they came about.
Percentages are fractions (0.02 is 2 %) of ten decimals.
"""

import hashlib
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from bson import Decimal128, ObjectId

from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import TransactionRole
from live_trading.projections.fold import FOLD_VERSION
from live_trading.projections.ledger import Ledger, Removed
from live_trading.projections.state import PART_BITS, ZERO, Operation, Order, Position, Transaction

OPERATIONS: Final = "trading_operations"
TRANSACTIONS: Final = "transactions"
POSITIONS: Final = "positions"
ORDERS: Final = "orders"
TRADES: Final = "trades"

Document = dict[str, Any]

_CONTEXT: Final = Context(prec=34, rounding=ROUND_HALF_EVEN)
_FRACTION_STEP: Final = Decimal("1e-10")
_LARGEST_QUANTISED: Final = 20
_NUMBER_SETTINGS: Final = tuple(
    name
    for name, field in OperationSettings.model_fields.items()
    if Decimal in (field.annotation, *get_args(field.annotation))
)


class Replacement(NamedTuple):
    """A document to be stored unless the stored one is as new; its ``sequence_number`` decides."""

    collection: str
    document: Document


class Deletion(NamedTuple):
    """A document that is gone as of ``sequence_number``, unless the stored one is newer."""

    collection: str
    id: ObjectId
    sequence_number: int


class Changes(NamedTuple):
    """What a run of entries does to the read models."""

    replacements: list[Replacement]
    deletions: list[Deletion]


def take_changes(ledger: Ledger) -> Changes:
    """The documents of all that changed in the ledger since the last call, and of what is gone."""
    changed, removed = ledger.take_changes()
    operations = ledger.state.operations
    replacements: list[Replacement] = []
    for entity in changed:
        if isinstance(entity, Operation):
            replacements.append(Replacement(OPERATIONS, operation_document(entity)))
        elif isinstance(entity, Order):
            replacements.append(Replacement(ORDERS, order_document(entity, operations[entity.operation])))
        elif isinstance(entity, Position):
            replacements.append(Replacement(POSITIONS, position_document(entity, operations[entity.operation])))
        else:
            operation = operations[entity.operation]
            replacements.append(Replacement(TRANSACTIONS, transaction_document(entity, operation)))
            if entity.role is TransactionRole.EXIT:
                replacements.append(Replacement(TRADES, trade_document(entity, operation)))
    return Changes(replacements, [_deletion(gone) for gone in removed])


_REMOVED: Final = {
    "transaction": (TRANSACTIONS, Kind.TRANSACTION),
    "trade": (TRADES, Kind.TRADE),
    "position": (POSITIONS, Kind.POSITION),
}


def _deletion(gone: Removed) -> Deletion:
    collection, kind = _REMOVED[gone.kind]
    identifier = derived_id(kind, gone.key) if kind is Kind.POSITION else _id_of_key(kind, gone.key)
    return Deletion(collection, identifier, gone.number)


def _id_of_key(kind: Kind, key: int) -> ObjectId:
    return derived_id(kind, key >> PART_BITS, key & ((1 << PART_BITS) - 1))


@lru_cache(maxsize=16_384)
def number(value: Decimal) -> Decimal128:
    """A number without trailing zeros and without a positive exponent, at most 34 digits."""
    plain = _CONTEXT.normalize(value)
    sign, digits, exponent = plain.as_tuple()
    if not plain:
        plain = ZERO
    elif isinstance(exponent, int) and exponent > 0 and len(digits) + exponent <= _CONTEXT.prec:
        plain = Decimal((sign, digits + (0,) * exponent, 0))
    return Decimal128(plain)


def number_or_none(value: Decimal | None) -> Decimal128 | None:
    return None if value is None else number(value)


def fraction(part: Decimal, whole: Decimal) -> Decimal128 | None:
    """``part`` of ``whole`` to ten decimals; None where there is no whole to compare with."""
    if not whole:
        return None
    result = _CONTEXT.divide(part, abs(whole))
    if result.adjusted() < _LARGEST_QUANTISED:
        result = result.quantize(_FRACTION_STEP, context=_CONTEXT)
    return number(result)


def _sums(sums: dict[str, Decimal]) -> Document:
    return {currency: number(amount) for currency, amount in sorted(sums.items())}


def _other_commissions(*parts: tuple[str | None, Decimal]) -> Document:
    sums: dict[str, Decimal] = {}
    for currency, amount in parts:
        if currency is not None:
            sums[currency] = sums.get(currency, ZERO) + amount
    return _sums(sums)


def operation_id(operation: int) -> ObjectId:
    """The id of the operation of that number."""
    return derived_id(Kind.OPERATION, operation)


def operation_document(operation: Operation) -> Document:
    """``trading_operations``: settings flat, status, capital and results."""
    settings = dict(operation.settings)
    for name in _NUMBER_SETTINGS:
        if settings.get(name) is not None:
            settings[name] = number(Decimal(str(settings[name])))
    totals = operation.totals
    position, intent, recovery = operation.position, operation.exit_intent, operation.recovery
    return {
        "_id": operation_id(operation.number),
        "sequence_number": operation.touched,
        **settings,
        "symbol": operation.symbol,
        "currency": operation.currency,
        "instrument": _instrument(operation.instrument),
        "status": operation.status.value,
        "status_reason": operation.status_reason,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
        "closed_at": operation.closed_at,
        "initial_capital": number(operation.initial_capital),
        "current_capital": number(operation.current_capital),
        "total_pnl": number(operation.total_pnl),
        "total_pnl_pct": fraction(operation.total_pnl, operation.initial_capital),
        "gross_pnl": number(totals.gross_pnl),
        "total_commission": number(totals.commission),
        "other_commissions": _sums(totals.other_commissions),
        "trade_count": totals.trades,
        "winning_trades": totals.winning,
        "losing_trades": totals.losing,
        "net_profit": number(totals.net_profit),
        "net_loss": number(totals.net_loss),
        "volume": number(totals.volume),
        "signal_count": operation.signals,
        "refusal_count": operation.refusals,
        "position_id": derived_id(Kind.POSITION, position.number) if position is not None else None,
        "open_quantity": number(operation.quantity),
        "stop_loss": number_or_none(operation.stop_loss),
        "take_profit": number_or_none(operation.take_profit),
        "exit_intent": None
        if intent is None
        else {"sequence_number": intent.number, "reason": intent.reason, "recovery": intent.recovery},
        "last_recovery": None
        if recovery is None
        else {
            "sequence_number": recovery.number,
            "decision": recovery.decision.value,
            "reason": recovery.reason,
        },
    }


def _instrument(instrument: Document) -> Document:
    steps = {name: number(Decimal(instrument[name])) for name in ("tick_size", "quantity_step", "multiplier")}
    return {**instrument, **steps}


def transaction_document(transaction: Transaction, operation: Operation) -> Document:
    """``transactions``: a fill, or its part that opens or closes one lot. ``profit`` is before commissions."""
    is_exit = transaction.role is TransactionRole.EXIT
    related = transaction.related_entry
    return {
        "_id": derived_id(Kind.TRANSACTION, transaction.number, transaction.part),
        "sequence_number": transaction.touched,
        "operation_id": operation_id(transaction.operation),
        "symbol": operation.symbol,
        "currency": operation.currency,
        "transaction_type": transaction.side.value,
        "transaction_role": transaction.role.value,
        "position_type": transaction.position_type.value,
        "order_id": derived_id(Kind.ORDER, transaction.order),
        "execution_id": transaction.execution_id,
        "purpose": transaction.purpose.value,
        "price": number(transaction.price),
        "quantity": number(transaction.quantity),
        "commission": number(transaction.commission),
        "other_commissions": _other_commissions((transaction.other_currency, transaction.other_commission)),
        "executed_at": transaction.executed_at,
        "profit": number(transaction.profit),
        "profit_pct": _profit_pct(transaction, operation) if is_exit else number(ZERO),
        "related_entry_transaction_id": None if related is None else _id_of_key(Kind.TRANSACTION, related),
        "position_id": derived_id(Kind.POSITION, transaction.position),
        "notes": transaction.reason,
    }


def _profit_pct(exit_: Transaction, operation: Operation) -> Decimal128 | None:
    """Profit over what the quantity cost at its entry."""
    assert exit_.entry_price is not None
    return fraction(exit_.profit, exit_.entry_price * exit_.quantity * operation.multiplier)


def trade_document(exit_: Transaction, operation: Operation) -> Document:
    """``trades``: an EXIT with the ENTRY it matches. ``pnl`` is before commissions, ``net_pnl`` after."""
    assert exit_.related_entry is not None
    assert exit_.entry_price is not None
    assert exit_.entry_time is not None
    value = exit_.entry_price * exit_.quantity * operation.multiplier
    return {
        "_id": derived_id(Kind.TRADE, exit_.number, exit_.part),
        "sequence_number": exit_.touched,
        "operation_id": operation_id(exit_.operation),
        "position_id": derived_id(Kind.POSITION, exit_.position),
        "symbol": operation.symbol,
        "currency": operation.currency,
        "position_type": exit_.position_type.value,
        "entry_transaction_id": _id_of_key(Kind.TRANSACTION, exit_.related_entry),
        "exit_transaction_id": _id_of_key(Kind.TRANSACTION, exit_.key),
        "exit_order_id": derived_id(Kind.ORDER, exit_.order),
        "exit_purpose": exit_.purpose.value,
        "exit_reason": exit_.reason,
        "entry_price": number(exit_.entry_price),
        "exit_price": number(exit_.price),
        "quantity": number(exit_.quantity),
        "pnl": number(exit_.profit),
        "pnl_pct": _profit_pct(exit_, operation),
        "total_commission": number(exit_.trade_commission),
        "other_commissions": _other_commissions(
            (exit_.other_currency, exit_.other_commission), (exit_.entry_other_currency, exit_.entry_other_commission)
        ),
        "net_pnl": number(exit_.net_profit),
        "net_pnl_pct": fraction(exit_.net_profit, value),
        "entry_time": exit_.entry_time,
        "exit_time": exit_.executed_at,
        "duration_seconds": (exit_.executed_at - exit_.entry_time).total_seconds(),
    }


def position_document(position: Position, operation: Operation) -> Document:
    """``positions``: from flat to flat again; ``quantity`` is signed. Current price and unrealised profit are marks."""
    return {
        "_id": derived_id(Kind.POSITION, position.number),
        "sequence_number": position.touched,
        "operation_id": operation_id(position.operation),
        "contract_symbol": position.symbol,
        "broker": operation.broker,
        "currency": operation.currency,
        "position_type": position.position_type.value,
        "status": "open" if position.closed_at is None else "closed",
        "quantity": number(position.quantity),
        "peak_quantity": number(position.peak),
        "entry_price": number(position.entry_price),
        "realized_pnl": number(position.realized_pnl),
        "stop_loss": number_or_none(position.stop_loss),
        "take_profit": number_or_none(position.take_profit),
        "opened_at": position.opened_at,
        "closed_at": position.closed_at,
    }


def order_document(order: Order, operation: Operation) -> Document:
    """``orders``: ``price`` is the limit price, or the stop price of an order that has no limit."""
    filled = order.filled_quantity
    return {
        "_id": derived_id(Kind.ORDER, order.number),
        "sequence_number": order.touched,
        "operation_id": operation_id(order.operation),
        "client_order_id": order.client_order_id,
        "broker": order.broker,
        "broker_order_id": order.broker_order_id,
        "symbol": order.symbol,
        "currency": operation.currency,
        "order_type": order.order_type.value,
        "action": order.side.value,
        "purpose": order.purpose.value,
        "reason": order.reason,
        "quantity": number(order.quantity),
        "price": number_or_none(order.limit_price if order.limit_price is not None else order.stop_price),
        "limit_price": number_or_none(order.limit_price),
        "stop_price": number_or_none(order.stop_price),
        "trailing_distance": number_or_none(order.trailing_distance),
        "time_in_force": order.time_in_force.value,
        "parent_client_order_id": order.parent_client_order_id,
        "oca_group": order.oca_group,
        "status": order.status.value,
        "detail": order.detail,
        "doubt": None if order.doubt is None else order.doubt.value,
        "is_working": order.is_working,
        "cancel_requested": order.cancel_requested is not None,
        "modify_requested": order.modify_requested is not None,
        "filled_quantity": number(filled),
        "avg_fill_price": number(_CONTEXT.divide(order.filled_value, filled)) if filled else None,
        "commission": number(order.commission),
        "other_commissions": _sums(order.other_commissions),
        "correlation_id": order.correlation_id,
        "requested_at": order.requested_at,
        "placed_at": order.placed_at,
        "filled_at": order.filled_at,
        "cancelled_at": order.cancelled_at,
    }


DOCUMENTS_VERSION: Final = hashlib.sha256(FOLD_VERSION.encode() + Path(__file__).read_bytes()).hexdigest()[:16]
"""Changes with the fold and with the documents' shape: read models of another version are built anew."""
