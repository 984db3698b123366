"""The journal and the broker side by side: every fill, every working order, every position. Pure; changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from live_trading.brokers.types import BrokerOrder, BrokerPosition, Execution
from live_trading.domain.entries import CommissionReported, Entry, ExternalFillSeen, FillCorrected, OrderFilled
from live_trading.domain.ids import is_adopted
from live_trading.domain.values import Side
from live_trading.orders.trailing import may_have_trailed
from live_trading.projections.ledger import Ledger
from live_trading.recovery.reconcile import differences


class KnownFill(NamedTuple):
    """One execution as the journal has it. ``commission`` None: not told yet. ``is_ours``: of an order of ours."""

    sequence_number: int
    execution_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    executed_at: datetime
    commission: Decimal | None
    is_ours: bool


class FillBook:
    """Every execution of one broker that the journal tells of, as it now holds. Feed it all entries, in order."""

    def __init__(self, broker: str) -> None:
        self.fills: dict[str, KnownFill] = {}
        self._broker = broker

    def take(self, entry: Entry) -> None:
        """Take an entry in; those that are about no fill of this broker are passed over."""
        data = entry.data
        if isinstance(data, OrderFilled) and data.broker == self._broker:
            if is_adopted(data.execution_id):
                return  # booked by a person: the broker has no execution of that name
            self._add(entry.sequence_number, data, data.commission, is_ours=True)
        elif isinstance(data, ExternalFillSeen) and data.broker == self._broker:
            self._add(entry.sequence_number, data, None, is_ours=False)
        elif isinstance(data, FillCorrected) and data.execution_id in self.fills:
            known = self.fills[data.execution_id]
            self.fills[data.execution_id] = known._replace(price=data.price, quantity=data.quantity)
        elif isinstance(data, CommissionReported) and data.execution_id in self.fills:
            known = self.fills[data.execution_id]
            self.fills[data.execution_id] = known._replace(commission=data.commission)

    def _add(
        self, number: int, data: OrderFilled | ExternalFillSeen, commission: Decimal | None, *, is_ours: bool
    ) -> None:
        fill = KnownFill(
            number,
            data.execution_id,
            data.client_order_id,
            data.symbol,
            data.side,
            data.price,
            data.quantity,
            data.executed_at,
            commission,
            is_ours,
        )
        self.fills.setdefault(data.execution_id, fill)


class Mismatch(NamedTuple):
    """One thing that is not the same. ``what`` is fill, order or position; ``name`` its id or symbol."""

    what: str
    name: str
    field: str
    journal: str
    broker: str

    def __str__(self) -> str:
        return f"{self.what} {self.name}: {self.field} is {self.journal} in the journal, {self.broker} at the broker"


@dataclass(slots=True)
class Comparison:
    """What was compared, and every difference."""

    sequence_number: int
    fills: int = 0
    orders: int = 0
    positions: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        return not self.mismatches


def compare(
    ledger: Ledger,
    book: FillBook,
    broker: str,
    executions: Sequence[Execution],
    orders: Sequence[BrokerOrder],
    positions: Sequence[BrokerPosition],
    told_from: datetime | None = None,
) -> Comparison:
    """Compare to the last unit. ``executions`` must be all there were since ``told_from`` (None: ever); fills of before
    are compared by the positions they made."""
    result = Comparison(ledger.sequence_number)
    _compare_fills(result, book, executions, told_from)
    _compare_orders(result, ledger, broker, orders)
    symbols = {op.symbol for op in ledger.state.operations.values() if op.broker == broker}
    result.positions = len(symbols | {position.symbol for position in positions})
    for difference in differences(ledger, broker, positions):
        ours, theirs = f"{difference.ledger_quantity:f}", f"{difference.broker_quantity:f}"
        result.mismatches.append(Mismatch("position", difference.symbol, "quantity", ours, theirs))
    return result


def _compare_fills(
    result: Comparison, book: FillBook, executions: Iterable[Execution], told_from: datetime | None
) -> None:
    theirs = {execution.execution_id: execution for execution in executions}
    result.fills = len(theirs.keys() | book.fills.keys())
    for identifier in sorted(theirs.keys() | book.fills.keys()):
        known, execution = book.fills.get(identifier), theirs.get(identifier)
        if known is None:
            assert execution is not None
            text = f"{execution.side} {execution.quantity:f} {execution.symbol} at {execution.price:f}"
            result.mismatches.append(Mismatch("fill", identifier, "presence", "absent", text))
        elif execution is None:
            is_told = told_from is None or known.executed_at >= told_from
            if known.quantity and is_told:  # a cancelled execution may be gone at the broker
                text = f"{known.side} {known.quantity:f} {known.symbol} at {known.price:f}"
                result.mismatches.append(Mismatch("fill", identifier, "presence", text, "absent"))
        else:
            _compare_fill(result, known, execution)


def _compare_fill(result: Comparison, known: KnownFill, execution: Execution) -> None:
    pairs: list[tuple[str, object, object]] = [
        ("client_order_id", known.client_order_id, execution.client_order_id),
        ("symbol", known.symbol, execution.symbol),
        ("side", known.side, execution.side),
        ("price", known.price, execution.price),
        ("quantity", known.quantity, execution.quantity),
    ]
    if known.is_ours and execution.commission is not None:
        pairs.append(("commission", known.commission, execution.commission))
    for name, ours, theirs in pairs:
        if ours != theirs:
            result.mismatches.append(Mismatch("fill", known.execution_id, name, str(ours), str(theirs)))


def _compare_orders(result: Comparison, ledger: Ledger, broker: str, orders: Sequence[BrokerOrder]) -> None:
    ours = {
        order.client_order_id: order
        for order in ledger.orders.values()
        if order.broker == broker and not order.status.is_terminal
    }
    theirs = {order.client_order_id or f"#{order.broker_order_id}": order for order in orders}
    external = {key.split("|", 1)[1] for key in ledger.state.external_orders if key.startswith(f"{broker}|")}
    result.orders = len(ours.keys() | theirs.keys())
    for name in sorted(ours.keys() | theirs.keys()):
        known, order = ours.get(name), theirs.get(name)
        if known is None:
            assert order is not None
            if order.broker_order_id not in external:
                text = f"working, {order.side} {order.quantity:f} {order.symbol}"
                result.mismatches.append(Mismatch("order", name, "presence", "not working", text))
        elif order is None:
            result.mismatches.append(Mismatch("order", name, "presence", known.status.value, "not working"))
        else:
            for what, mine, other in (
                ("quantity", known.quantity, order.quantity),
                ("filled quantity", known.filled_quantity, order.filled_quantity),
                ("limit price", known.limit_price, order.limit_price),
                ("stop price", known.stop_price, order.stop_price),
            ):
                if mine != other and not (what == "stop price" and may_have_trailed(known, order.stop_price)):
                    result.mismatches.append(Mismatch("order", name, what, str(mine), str(other)))
