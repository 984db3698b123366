"""Brackets and one-cancels-all groups: what one order's fill or end does to the others.

A *plain* group cancels its other members when one of them is filled, and reduces them by what is filled in part.

A group with *protections* (a bracket's attached orders) guards a quantity. Each fill of a member reduces every other
member by as much, and a member with nothing left is cancelled: so a close sent into the group replaces the
protections as it fills, and together they can never trade more than was guarded.
"""

from collections.abc import Callable
from decimal import Decimal

from live_trading.domain.values import OrderStatus
from live_trading.paper_exchange.core.orders import OrderTable
from live_trading.paper_exchange.core.types import ZERO, NewOrder, Order, Refusal, Refused

Changed = Callable[[Order], None]
End = Callable[[Order, OrderStatus, str], None]


class Groups:
    """``changed`` is told of every order whose figures changed, ``end`` ends an order."""

    def __init__(self, table: OrderTable, changed: Changed, end: End) -> None:
        self._table = table
        self._changed = changed
        self._end = end

    def after_fill(self, order: Order, quantity: Decimal) -> None:
        """Carry a fill of ``quantity`` of ``order`` through its bracket and its group."""
        for child in self._table.children(order):
            if child.working:
                self._grow(order, child, quantity)
        if order.oca_group is not None:
            self._reduce_siblings(order, quantity)
            self._end_closed_parents(order)

    def _grow(self, parent: Order, child: Order, quantity: Decimal) -> None:
        """The protection covers what of its parent is filled, no more than was asked for."""
        if child.dormant:
            child.dormant = False
            child.quantity = min(child.nominal, parent.filled)
        else:
            child.quantity = min(child.nominal, child.quantity + quantity)
        self._changed(child)

    def _reduce_siblings(self, order: Order, quantity: Decimal) -> None:
        members = self._table.group(order.account, order.oca_group)
        guards = any(member.parent_id is not None for member in members)
        for sibling in members:
            if sibling is order or not sibling.live:
                continue
            if sibling.remaining <= quantity:
                self._end(sibling, OrderStatus.CANCELLED, f"one-cancels-all with order {order.order_id}")
            elif not guards and not order.remaining:
                self._end(sibling, OrderStatus.CANCELLED, f"order {order.order_id} of the group is filled")
            else:
                sibling.quantity -= quantity
                self._changed(sibling)

    def _end_closed_parents(self, order: Order) -> None:
        """An entry filled in part whose whole quantity has been closed again shall not go on filling unguarded."""
        members = self._table.group(order.account, order.oca_group)
        for parent_id in dict.fromkeys(member.parent_id for member in members if member.parent_id is not None):
            parent = self._table[parent_id]
            if not parent.working or parent.filled == ZERO:
                continue
            if not any(child.live and child.remaining for child in self._table.children(parent)):
                self._end(parent, OrderStatus.CANCELLED, "what was filled of it is closed")

    def after_end(self, order: Order) -> None:
        """An order that ended without a fill takes its protections with it."""
        if order.filled:
            return
        for child in self._table.children(order):
            if child.working:
                self._end(child, OrderStatus.CANCELLED, f"order {order.order_id} ended unfilled")

    def open_quantity(self, parent: Order, oca_group: str | None) -> Decimal:
        """What of a parent's fills its protections have not closed again."""
        closed = sum((member.filled for member in self._table.group(parent.account, oca_group)), ZERO)
        return parent.filled - closed

    def joining_quantity(self, account: str, order: NewOrder) -> Decimal | Refused:
        """How much an order may trade that joins its group now.

        Once a member has traded, no more than the group still guards, and nothing where that is nothing: so a close
        that crosses with a protection's fill on its way cannot turn the position around."""
        members = self._table.group(account, order.oca_group)
        if not any(member.filled for member in members):
            if any(member.working and member.dormant for member in members):
                return Refused(Refusal.OCA_NOTHING_LEFT, f"group {order.oca_group}: what it protects has no fill yet")
            return order.quantity
        parents = {member.parent_id for member in members if member.parent_id is not None}
        if parents:
            left = sum((self._table[parent_id].filled for parent_id in parents), ZERO)
            left -= sum((member.filled for member in members), ZERO)
        elif any(member.status is OrderStatus.FILLED for member in members):
            left = ZERO
        else:
            left = max(
                (member.remaining for member in members if member.live and member.side is order.side), default=ZERO
            )
        if left <= 0:
            return Refused(Refusal.OCA_NOTHING_LEFT, f"group {order.oca_group} has been filled")
        return min(order.quantity, left)
