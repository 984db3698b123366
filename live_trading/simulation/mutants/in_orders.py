"""Bugs in how orders are sent, and in what is made of no answer."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from msgspec import structs

from live_trading.brokers.errors import InDoubt
from live_trading.brokers.in_process import InProcessBroker
from live_trading.brokers.types import OrderChange, OrderRequest, Placed
from live_trading.domain.entries import (
    OrderCancelled,
    OrderNotPlaced,
    OrderRejected,
)
from live_trading.domain.ids import Kind, client_order_id, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import DoubtfulAction
from live_trading.orders import facts, order_manager
from live_trading.orders.order_manager import OrderManager
from live_trading.runtime import SystemIds
from live_trading.simulation.mutants.base import Apply, put


def sent_before_journal(stack: ExitStack) -> None:
    """An order is sent first and journaled afterwards."""
    place = OrderManager.place

    async def sent_first(self: OrderManager, operation: Any, instrument: Any, plan: Any, **rest: Any) -> Any:
        number = self.live.journal.head.sequence_number + len(rest.get("before", ())) + 1
        identifier = client_order_id(
            self.live.journal.deployment_id, derived_id(Kind.OPERATION, operation.number), number
        )
        request = OrderRequest(
            client_order_id=identifier,
            instrument=instrument,
            side=plan.side,
            order_type=plan.order_type,
            quantity=plan.quantity,
            limit_price=plan.limit_price,
            stop_price=plan.stop_price,
            oca_group=plan.oca_group,
        )
        answer = await self.broker.place(request)

        async def told(_: Any) -> Any:
            return answer

        with patch.object(self.broker, "place", told):
            return await place(self, operation, instrument, plan, **rest)

    put(stack, OrderManager, "place", sent_first)


def _timeout_taken_for(data: Callable[[Any], Any]) -> Apply:
    def apply(stack: ExitStack) -> None:
        doubt = OrderManager._doubt

        async def concluded(self: OrderManager, orders: Any, action: DoubtfulAction, error: Exception) -> None:
            if action is DoubtfulAction.PLACE:
                await self._tell(orders, data)
            else:
                await doubt(self, orders, action, error)

        put(stack, OrderManager, "_doubt", concluded)

    return apply


def timeout_taken_for_rejection(stack: ExitStack) -> None:
    """No answer to an order is taken for a refusal."""
    _timeout_taken_for(lambda o: OrderRejected(client_order_id=o.client_order_id, code="TIMEOUT", text="no answer"))(
        stack
    )


def timeout_taken_for_nothing(stack: ExitStack) -> None:
    """No answer to an order is taken for never sent."""
    _timeout_taken_for(lambda o: OrderNotPlaced(client_order_id=o.client_order_id, evidence="no answer"))(stack)


def sent_again_on_doubt(stack: ExitStack) -> None:
    """An order that nobody answered is sent again under a new id."""
    doubt = OrderManager._doubt

    async def again(self: OrderManager, orders: Any, action: DoubtfulAction, error: Exception) -> None:
        await doubt(self, orders, action, error)
        if action is DoubtfulAction.PLACE:
            parent = orders[0]
            renamed = structs.replace(
                order_manager._request(parent, _instrument(self, parent), ()),
                client_order_id=_another(parent.client_order_id),
            )
            await self.broker.place(renamed)

    put(stack, OrderManager, "_doubt", again)


def _another(identifier: str) -> str:
    return identifier[:-1] + ("Y" if identifier.endswith("Z") else "Z")


def _instrument(manager: OrderManager, order: Any) -> Any:
    return Instrument.model_validate(manager.live.ledger.state.operations[order.operation].instrument)


def cancel_taken_for_done(stack: ExitStack) -> None:
    """A cancel that nobody answered is taken for done."""
    doubt = OrderManager._doubt

    async def done(self: OrderManager, orders: Any, action: DoubtfulAction, error: Exception) -> None:
        if action is DoubtfulAction.CANCEL:
            for order in orders:
                await self.live.append(facts.about(order, OrderCancelled(client_order_id=order.client_order_id), "x"))
        else:
            await doubt(self, orders, action, error)

    put(stack, OrderManager, "_doubt", done)


def change_taken_for_done(stack: ExitStack) -> None:
    """A change that nobody answered is taken for done."""
    modify = InProcessBroker.modify

    async def done(self: InProcessBroker, client_order_id: str, change: OrderChange) -> Any:
        try:
            return await modify(self, client_order_id, change)
        except InDoubt:
            return Placed("unknown")

    put(stack, InProcessBroker, "modify", done)


def random_ids(stack: ExitStack) -> None:
    """Orders' ids are drawn by chance and not derived from what is journaled."""

    def drawn(deployment_id: str, operation_id: Any, sequence_number: int) -> str:
        return client_order_id(deployment_id, operation_id, sequence_number)[:10] + SystemIds().token(10).upper()

    put(stack, order_manager, "client_order_id", drawn)
