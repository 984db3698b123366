"""What a person decides about a position that differs at the broker.

* ``ignore``: the difference is somebody else's. It is left alone, and counted as foreign from now on.
* ``adopt``: it is an operation's after all. What the broker has and the journal has not is booked to that operation, at
  a price, as one execution that no order of ours made.
* ``flatten``: adopt, and close what the operation then holds.

What is adopted is an ordinary order and its execution, appended together and never sent, so that lots, trades and money
need no rules of their own. The execution's id says what it is (:func:`~live_trading.domain.ids.is_adopted`). A batch
that was cut short leaves nothing odd: a request without its execution is proved absent by recovery, and an execution
without the decision makes the positions agree. Only the decision, the last of them, carries the command's id, so what
was cut short is asked for again.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from live_trading.domain.entries import (
    Draft,
    Entry,
    EntryData,
    OrderCancelRequested,
    OrderFilled,
    OrderRequested,
    PositionCloseRequested,
    PositionDiscrepancyResolved,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.ids import ADOPTED, Kind, client_order_id, derived_id, is_adopted
from live_trading.domain.operation import MAX_MONEY
from live_trading.domain.values import OperationStatus, OrderPurpose, OrderType, Side
from live_trading.engine.context import EngineContext, LastPrices
from live_trading.engine.inbox import Command, Refused
from live_trading.orders.facts import about
from live_trading.projections.state import Discrepancy, Operation

RESOLUTIONS = ("ignore", "adopt", "flatten")


def open_discrepancy(context: EngineContext, command: Command) -> Discrepancy:
    """The one that the command is about. Raises :class:`Refused` when there is none, :class:`InvalidInput`."""
    arguments = command.arguments
    broker, symbol = str(arguments.get("broker", "")), str(arguments.get("symbol", ""))
    known = context.live.ledger.state.discrepancies.get(f"{broker}|{symbol}")
    if known is None:
        raise Refused("NOT_FOUND", f"no discrepancy of {symbol!r} at {broker!r} is open", "symbol")
    if arguments.get("resolution") not in RESOLUTIONS:
        raise InvalidInput(
            "resolution",
            f"{arguments.get('resolution')!r} is none",
            "Use ignore (it is somebody else's), adopt (it is an operation's) or flatten (adopt it and close)",
        )
    return known


def whose(context: EngineContext, command: Command, known: Discrepancy) -> Operation:
    """The operation that takes the difference: the one that is named, or the only one there.

    Raises :class:`Refused`, :class:`InvalidInput`.
    """
    candidates = [
        operation
        for operation in context.live.ledger.state.operations.values()
        if (operation.broker, operation.symbol) == (known.broker, known.symbol)
        and operation.status is not OperationStatus.CLOSED
    ]
    named = command.arguments.get("operation_id")
    if named is not None:
        candidates = [each for each in candidates if str(derived_id(Kind.OPERATION, each.number)) == str(named)]
    if not candidates:
        raise Refused(
            "NOT_FOUND",
            f"no open operation trades {known.symbol} at {known.broker}"
            + (f" under the id {named}" if named is not None else "")
            + ": close the position at the broker, or ignore it",
            "operation_id",
        )
    if len(candidates) > 1:
        ids = ", ".join(str(derived_id(Kind.OPERATION, each.number)) for each in candidates)
        raise InvalidInput("operation_id", f"{len(candidates)} operations trade {known.symbol}", f"Name one of {ids}")
    return candidates[0]


async def leave_alone(context: EngineContext, command: Command, known: Discrepancy) -> Entry:
    """The difference is somebody else's."""
    difference = _difference(context, known)
    (entry,) = await context.live.append(Draft(_resolved(command, known, difference), None, command.actor))
    return entry


async def take_over(context: EngineContext, command: Command, operation: Operation) -> Entry:
    """The difference is the operation's. Its protections, of another size than its position now, are taken away in the
    same append and placed anew. Raises :class:`Refused`, :class:`InvalidInput`; then nothing was changed."""
    known = open_discrepancy(context, command)  # as it is now: the job may have waited for others of the operation
    live = context.live
    working = live.ledger.working_orders(operation)
    on_their_way = [order.client_order_id for order in working if not order.purpose.is_protection]
    if on_their_way or any(order.status.is_uncertain or order.doubt is not None for order in working):
        detail = "orders of the operation are on their way, or their fate is being found out"
        raise Refused("ORDER_IN_DOUBT", f"{detail}: try again when they have come to an end")
    operation_id = derived_id(Kind.OPERATION, operation.number)
    difference = _difference(context, known)
    after = operation.quantity + difference
    drafts = _adopted(context, command, operation, difference) if difference else []
    for order in working:
        reason = "the position is another one: placed anew"
        data = OrderCancelRequested(client_order_id=order.client_order_id, reason=reason)
        drafts.append(about(order, data, command.actor))
    if command.arguments["resolution"] == "flatten" and after and operation.exit_intent is None:
        reason = str(command.arguments.get("note") or "the position that differed is to be flat")
        closing = PositionCloseRequested(reason=reason[:500])
        drafts.append(Draft(closing, operation_id, command.actor))
    drafts.append(Draft(_resolved(command, known, Decimal(0)), operation_id, command.actor))
    *_, entry = await live.append(*drafts)
    for order in working:
        await context.sessions[order.broker].orders.send_cancel(order)
    return entry


def _difference(context: EngineContext, known: Discrepancy) -> Decimal:
    """What the broker has and the journal has not: as it was found, both numbers being of one moment, since which our
    own fills have moved both alike; less what has been adopted of it by a decision that was cut short."""
    adopted = (
        fill.quantity * fill.side.sign
        for fill in context.live.ledger.executions.values()
        if fill.number > known.number and is_adopted(fill.execution_id) and fill.broker == known.broker
        if context.live.ledger.state.operations[fill.operation].symbol == known.symbol
    )
    return known.broker_quantity - known.ledger_quantity - sum(adopted, Decimal(0))


def _resolved(command: Command, known: Discrepancy, adjustment: Decimal) -> PositionDiscrepancyResolved:
    return PositionDiscrepancyResolved(
        broker=known.broker,
        symbol=known.symbol,
        resolution=command.arguments["resolution"],
        adjustment=adjustment,
        note=str(command.arguments.get("note", "")),
        command_id=command.id,
    )


def _adopted(context: EngineContext, command: Command, operation: Operation, difference: Decimal) -> list[Draft]:
    live, now = context.live, context.runtime.clock.now()
    operation_id = derived_id(Kind.OPERATION, operation.number)
    price = _price(context, command, operation)
    side = Side.BUY if difference > 0 else Side.SELL
    held = operation.quantity
    is_exit = held * difference < 0 and abs(difference) <= abs(held)
    names: list[str] = []

    def asked(number: int) -> EntryData:
        names.append(client_order_id(live.journal.deployment_id, operation_id, number))
        return OrderRequested(
            client_order_id=names[0],
            broker=operation.broker,
            symbol=operation.symbol,
            side=side,
            order_type=OrderType.MARKET,
            quantity=abs(difference),
            purpose=OrderPurpose.EXIT if is_exit else OrderPurpose.ENTRY,
            reason="adopted: the broker's position was another one",
        )

    def filled(number: int) -> EntryData:
        return OrderFilled(
            client_order_id=names[0],
            execution_id=f"{ADOPTED}{names[0]}",
            broker=operation.broker,
            symbol=operation.symbol,
            side=side,
            price=price,
            quantity=abs(difference),
            executed_at=now,
        )

    return [Draft(asked, operation_id, command.actor), Draft(filled, operation_id, command.actor)]


def _price(context: EngineContext, command: Command, operation: Operation) -> Decimal:
    """The price that was given, else the market's last."""
    given: Any = command.arguments.get("price")
    if given is None:
        last = LastPrices(context).get(operation.number)
        if last is None:
            raise Refused("STALE_DATA", f"{operation.symbol} has no price now: give one, or try again later", "price")
        return last
    try:
        price = Decimal(str(given))
    except InvalidOperation:
        raise InvalidInput("price", f"{given!r} is not a number", "Give the price it is to be booked at") from None
    if not price.is_finite() or not 0 < price <= MAX_MONEY:
        raise InvalidInput("price", f"{str(given)[:80]} is no price above zero", "Give the price it is to be booked at")
    return price
