"""Trades that a person asks for. They take a strategy's way: signal, Gatekeeper, order with its protections.

The command's id stands on the order's request and nowhere before it. So a command that was cut short between the signal
and the order is carried out again and leads to an order; one whose order was asked for is told of that order, whatever
became of it since. It never ends as done without one.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId
from bson.errors import InvalidId
from pydantic import BaseModel, ConfigDict, Field

from live_trading.domain.entries import Draft, Entry, OperationCreated, OrderRequested, SignalGenerated
from live_trading.domain.errors import InvalidInput
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.operation import MAX_QUANTITY, OperationSettings
from live_trading.domain.values import OperationStatus, PositionSizing, SignalType, StopLossType, TakeProfitType
from live_trading.engine.context import EngineContext
from live_trading.engine.inbox import Command, Refused
from live_trading.projections.state import Operation, Order
from live_trading.strategies.manual import MANUAL_STRATEGY

if TYPE_CHECKING:
    from live_trading.engine.operation_runner import OperationRunner

MANUAL: Final = "manual"
"""What a manual trade's signal has as strategy_name, and how the reason of its order begins."""

_LOOK_SECONDS = 0.02
_PRICE = 10**12


class ManualTrade(BaseModel):
    """What was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    instrument: str = Field(min_length=1, max_length=32)
    direction: str = Field(pattern="^(Long|Short)$")
    quantity: Decimal = Field(gt=0, le=MAX_QUANTITY)
    stopLoss: Decimal | None = Field(default=None, gt=0, le=_PRICE)  # noqa: N815 - the interface's own names
    targetPrice: Decimal | None = Field(default=None, gt=0, le=_PRICE)  # noqa: N815
    limitPrice: Decimal | None = Field(default=None, gt=0, le=_PRICE)  # noqa: N815
    operation_id: str | None = None
    broker: str | None = Field(default=None, max_length=32)
    reason: str = Field(default="", max_length=500)

    @property
    def signal(self) -> SignalType:
        return SignalType.ENTER_LONG if self.direction == "Long" else SignalType.ENTER_SHORT


Enter = Callable[[int, Command, ManualTrade], Awaitable[Entry]]
Run = Callable[[int, Callable[[], Awaitable[Any]]], Awaitable[Any]]


async def manual_trade(
    context: EngineContext, created: Callable[[Operation], None], run: Run, enter: Enter, command: Command
) -> Entry:
    """Enter in the operation that is named, else in the instrument's operation for manual trades, which is made where
    there is none. Raises :class:`Refused`, :class:`InvalidInput`, or pydantic's ``ValidationError``."""
    trade = ManualTrade.model_validate(dict(command.arguments))
    operation = _named(context, trade) if trade.operation_id is not None else _manual_operation(context, trade)
    if operation is None:
        operation = await _create_operation(context, trade, command.actor)
        created(operation)
    await _wait_for_price(context, operation)
    number = operation.number
    entry: Entry = await run(number, lambda: enter(number, command, trade))
    return entry


def _named(context: EngineContext, trade: ManualTrade) -> Operation:
    try:
        operation_id = ObjectId(trade.operation_id)
    except InvalidId:
        raise Refused("INVALID_INPUT", "operation_id: is not an id", "operation_id") from None
    operation = context.live.ledger.operation(operation_id)
    if operation is None or derived_id(Kind.OPERATION, operation.number) != operation_id:
        raise Refused("NOT_FOUND", f"there is no operation {operation_id}", "operation_id")
    if trade.instrument not in (operation.symbol, operation.settings.get("asset")):
        raise Refused("INVALID_INPUT", f"instrument: the operation trades {operation.symbol}", "instrument")
    return operation


def _manual_operation(context: EngineContext, trade: ManualTrade) -> Operation | None:
    """The open operation for manual trades in the instrument, the newest if there are several."""
    broker = trade.broker or _default_broker(context)
    found = [
        operation
        for operation in context.live.ledger.state.operations.values()
        if operation.settings.get("strategy_name") == MANUAL_STRATEGY
        and trade.instrument in (operation.symbol, operation.settings.get("asset"))
        and operation.broker == broker
        and operation.status not in (OperationStatus.CLOSED, OperationStatus.CLOSING)
    ]
    return found[-1] if found else None


def _default_broker(context: EngineContext) -> str:
    chosen = context.config.operation_defaults.get("broker")
    if chosen in context.sessions:
        return str(chosen)
    if len(context.sessions) == 1:
        return next(iter(context.sessions))
    raise Refused("INVALID_INPUT", f"broker: name one of {', '.join(sorted(context.sessions))}", "broker")


async def _create_operation(context: EngineContext, trade: ManualTrade, actor: str) -> Operation:
    """An operation without a strategy of its own, in which a person trades. Made where there is none."""
    broker = trade.broker or _default_broker(context)
    session = context.sessions.get(broker)
    if session is None:
        raise Refused("INVALID_INPUT", f"broker: use one of {', '.join(sorted(context.sessions))}", "broker")
    if not session.ready.is_set():
        raise Refused("BROKER_UNAVAILABLE", f"{broker} is not connected; try again when it is")
    instrument = await session.broker.resolve(trade.instrument)
    if f"{broker}|{instrument.symbol}" in context.live.ledger.state.discrepancies:
        detail = f"{broker} holds a position in {instrument.symbol} that is not ours: resolve that first"
        raise Refused("DISCREPANCY", detail, "instrument")
    settings = OperationSettings.model_validate(
        {
            **context.config.defaults_at(broker),
            "asset": trade.instrument,
            "broker": broker,
            "bar_sizes": ("1 min",),
            "primary_bar_size": "1 min",
            "strategy_name": MANUAL_STRATEGY,
            "quantity": trade.quantity,
            "initial_capital": context.config.manual_capital,
        }
    )
    created = OperationCreated(settings=settings, instrument=instrument)
    draft = Draft(created, lambda number: derived_id(Kind.OPERATION, number), actor)
    (entry,) = await context.live.append(draft)
    return context.live.ledger.state.operations[entry.sequence_number]


async def _wait_for_price(context: EngineContext, operation: Operation) -> None:
    """A fresh operation has no price yet. Waits a while; what then is not there is refused by the Gatekeeper."""
    clock = context.runtime.clock
    deadline = clock.monotonic() + context.config.price_patience
    while context.quote(operation) is None and clock.monotonic() < deadline:
        await clock.sleep(_LOOK_SECONDS)


def by_hand(trade: ManualTrade, runner: "OperationRunner", last: Decimal, now: datetime) -> SignalGenerated:
    """The person's wish as a signal. Prices are put on the instrument's grid, the quantity must be on it."""
    instrument = runner.instrument
    if instrument.round_quantity(trade.quantity) != trade.quantity:
        step = instrument.quantity_step
        raise InvalidInput(
            "quantity", f"{trade.quantity:f} is not a multiple of {step:f}", f"{instrument.symbol} trades so"
        )
    prices = {
        name: None if price is None else instrument.round_price(price)
        for name, price in (
            ("limit_price", trade.limitPrice),
            ("stop_loss", trade.stopLoss),
            ("take_profit", trade.targetPrice),
        )
    }
    _check_sides(trade, prices["limit_price"] or last)
    return SignalGenerated(
        signal=trade.signal,
        symbol=instrument.symbol,
        strategy_name=MANUAL,
        bar_size=runner.settings.primary_bar_size,
        bar_start=now,
        price=last,
        reason=trade.reason or "asked for by hand",
        **prices,
    )


def _check_sides(trade: ManualTrade, price: Decimal) -> None:
    """A stop on the winning side, or a target on the losing one, would close the position at once."""
    sign = 1 if trade.direction == "Long" else -1
    if trade.stopLoss is not None and (price - trade.stopLoss) * sign <= 0:
        side = "below" if sign > 0 else "above"
        raise InvalidInput(
            "stopLoss", f"{trade.stopLoss:f} is on the wrong side of {price:f}", f"Give a price {side} it"
        )
    if trade.targetPrice is not None and (trade.targetPrice - price) * sign <= 0:
        side = "above" if sign > 0 else "below"
        raise InvalidInput(
            "targetPrice", f"{trade.targetPrice:f} is on the wrong side of {price:f}", f"Give a price {side} it"
        )


def as_given(settings: OperationSettings, trade: ManualTrade, price: Decimal) -> OperationSettings:
    """The operation's settings for this one entry: its quantity, and a stop and a target where they were given."""
    changes: dict[str, Any] = {"position_sizing": PositionSizing.FIXED, "position_sizing_value": None}
    if trade.stopLoss is not None:
        changes |= {"stop_loss_type": StopLossType.FIXED, "stop_loss_value": abs(price - trade.stopLoss)}
    if trade.targetPrice is not None:
        changes |= {"take_profit_type": TakeProfitType.FIXED, "take_profit_value": abs(price - trade.targetPrice)}
    return settings.model_copy(update=changes)


def asked_for(order: Order, operation_id: ObjectId, command: Command) -> Entry:
    """The order's request, as far as an outcome needs it."""
    data = OrderRequested(
        client_order_id=order.client_order_id,
        broker=order.broker,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        purpose=order.purpose,
        command_id=command.id,
    )
    return Entry(
        order.number, operation_id, data.ACTION_TYPE, 1, data, order.requested_at, 0, command.actor, 0, None, b"", b""
    )


async def trade_by_hand(runner: "OperationRunner", command: Command, trade: ManualTrade) -> Entry:
    """Enter, or say why not. For the operation's runner, between its other work."""
    if runner.operation.status is not OperationStatus.ACTIVE:
        raise Refused("WRONG_STATUS", f"the operation is {runner.operation.status.value}, not active")
    return await runner.signals.enter_by_hand(command, trade)
