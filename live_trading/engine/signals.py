"""From a signal to an order, or to a refusal that says why: every signal is journaled, whatever comes of it."""

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from live_trading.domain.entries import (
    PREVIOUS,
    Draft,
    Entry,
    PositionCloseRequested,
    SignalGenerated,
    SignalRefused,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import OrderPurpose, OrderType, Side, SignalType, StopLossType, TakeProfitType
from live_trading.engine.context import EngineContext
from live_trading.engine.convergence import RESTING_ENTRY
from live_trading.engine.inbox import Command, Refused
from live_trading.engine.manual_trades import ManualTrade, as_given, asked_for, by_hand
from live_trading.orders.gatekeeper import Entering, Refusal
from live_trading.orders.order_manager import OrderPlan
from live_trading.orders.protections import Protection, protection_prices
from live_trading.orders.sizing import entry_quantity
from live_trading.orders.trailing import first_stop, trailing_distance
from live_trading.projections.state import Operation
from live_trading.strategies import Signal

if TYPE_CHECKING:
    from live_trading.engine.operation_runner import OperationRunner


class SignalDesk:
    """Acts on one operation's signals, on behalf of its runner."""

    def __init__(self, context: EngineContext, runner: "OperationRunner") -> None:
        self._context = context
        self._runner = runner
        self._reversal: Entry | None = None

    @property
    def is_reversing(self) -> bool:
        """Whether an entry waits until the position that goes the other way is closed."""
        return self._reversal is not None

    async def act(self, signal: Signal, bar: Bar) -> None:
        """Journal the signal with what follows from it in one append."""
        runner, operation = self._runner, self._runner.operation
        data = self._generated(signal, bar)
        generated = Draft(data, runner.operation_id)
        if signal.type is SignalType.EXIT:
            if operation.quantity:
                await self._context.live.append(generated)  # the fold makes an intent of it; converging acts on it
            else:
                await self._refuse(generated, Refusal("NO_POSITION", "there is nothing to exit"))
            return
        side = _side_of(signal.type)
        working = self._context.live.ledger.working_orders(operation)
        if operation.quantity * side.sign > 0 or any(order.purpose is OrderPurpose.ENTRY for order in working):
            await self._refuse(generated, Refusal("ALREADY_IN_POSITION", "an entry is open or working already"))
        elif operation.quantity:
            reversal = PositionCloseRequested(reason=f"reversal: {signal.reason}")
            entries = await self._context.live.append(generated, Draft(reversal, runner.operation_id))
            self._reversal = entries[0]
        elif working:
            # What guarded the last position has not ended yet; it would close parts of the next one.
            (self._reversal,) = await self._context.live.append(generated)
        else:
            await self._enter(data, generated, None)

    async def enter_by_hand(self, command: Command, trade: ManualTrade) -> Entry:
        """Enter as a person asks, or raise :class:`Refused`: what the Gatekeeper refuses is journaled as a signal's is.

        The entry that is returned is the order's request; no other one of the append carries the command's id.
        """
        context, runner, operation = self._context, self._runner, self._runner.operation
        situation = context.situation(operation, runner.instrument)
        last = situation.last_price
        if last is None:
            raise Refused("STALE_DATA", f"{operation.symbol} has no price yet; try again when one has come")
        side = _side_of(trade.signal)
        self._check_free(operation, side)
        data = by_hand(trade, runner, last, context.runtime.clock.now())
        generated = Draft(data, runner.operation_id, command.actor)
        plan = replace(
            self._plan(data, side, last, as_given(self._runner.settings, trade, data.limit_price or last)),
            quantity=trade.quantity,
            reason="manual " + ("entry at market" if data.limit_price is None else RESTING_ENTRY),
            command_id=command.id,
        )
        asked = Entering(
            operation, runner.instrument, side, plan.order_type, plan.quantity, plan.limit_price, plan.stop_price
        )
        refusal = context.gatekeeper.check(asked, situation)
        if refusal is not None:
            await self._refuse(generated, refusal)
            raise Refused(refusal.rule, refusal.detail)
        orders = context.session(operation).orders
        order = await orders.place(
            operation, runner.instrument, self._at_limit(plan), before=[generated], actor=command.actor
        )
        return asked_for(order, runner.operation_id, command)

    def _check_free(self, operation: Operation, side: Side) -> None:
        if operation.exit_intent is not None:
            raise Refused("ALREADY_CLOSING", f"the position is being closed: {operation.exit_intent.reason}")
        if operation.quantity * side.sign > 0:
            raise Refused("ALREADY_IN_POSITION", f"{abs(operation.quantity):f} are held that way already")
        if operation.quantity:
            detail = f"{abs(operation.quantity):f} are held the other way: close that position first"
            raise Refused("ALREADY_IN_POSITION", detail)
        if self._context.live.ledger.working_orders(operation):
            raise Refused("ORDERS_WORKING", "orders of the operation are still working: cancel them, or wait")

    def _generated(self, signal: Signal, bar: Bar) -> SignalGenerated:
        instrument = self._runner.instrument
        round_price = instrument.round_price
        return SignalGenerated(
            signal=signal.type,
            symbol=bar.symbol,
            strategy_name=self._runner.settings.strategy_name,
            bar_size=bar.bar_size,
            bar_start=bar.start,
            price=bar.close,
            reason=signal.reason,
            inputs=dict(signal.inputs),
            limit_price=None if signal.limit_price is None else round_price(signal.limit_price),
            stop_price=None if signal.stop_price is None else round_price(signal.stop_price),
            stop_loss=None if signal.stop_loss is None else round_price(signal.stop_loss),
            take_profit=None if signal.take_profit is None else round_price(signal.take_profit),
        )

    async def _refuse(self, generated: Draft | None, refusal: Refusal, cause: Entry | None = None) -> None:
        drafts = [generated] if generated is not None else []
        refused = SignalRefused(rule=refusal.rule, detail=refusal.detail, numbers=refusal.numbers)
        caused_by = PREVIOUS if generated is not None else cause
        drafts.append(Draft(refused, self._runner.operation_id, caused_by=caused_by))
        if refusal.trip is not None:
            drafts.append(Draft(refusal.trip, caused_by=PREVIOUS))
        await self._context.live.append(*drafts)

    async def after_reversal(self) -> None:
        """Flat after a reversal's exit: enter the other way, if the signal is not stale by now."""
        entry, self._reversal = self._reversal, None
        if entry is None or not self._context.trading:
            return
        age = (self._context.runtime.clock.now() - entry.timestamp).total_seconds()
        if age <= self._context.config.entry_patience:
            await self._enter(entry.data, None, entry)

    async def _enter(self, signal: SignalGenerated, generated: Draft | None, cause: Entry | None) -> None:
        """Size, protect and check an entry, and place it; or journal which rule refused it."""
        context, operation, instrument = self._context, self._runner.operation, self._runner.instrument
        situation = context.situation(operation, instrument)
        last = situation.last_price
        side = _side_of(signal.signal)
        refusal = None
        plan: OrderPlan | None = None
        if last is not None:
            try:
                plan = self._plan(signal, side, last)
            except InvalidInput as error:
                refusal = Refusal("INVALID_ENTRY", str(error), {"field": error.field})
        quantity = plan.quantity if plan is not None else self._runner.settings.quantity
        if refusal is None:
            asked = Entering(
                operation, instrument, side, _order_type(signal), quantity, signal.limit_price, signal.stop_price
            )
            refusal = context.gatekeeper.check(asked, situation)
        if refusal is not None or plan is None:
            await self._refuse(generated, refusal or Refusal("STALE_DATA", "no price has come yet"), cause)
            return
        before = [generated] if generated is not None else []
        orders = context.session(operation).orders
        await orders.place(operation, instrument, self._at_limit(plan), before=before, caused_by=cause)

    def _plan(
        self, signal: SignalGenerated, side: Side, last: Decimal, settings: OperationSettings | None = None
    ) -> OrderPlan:
        instrument = self._runner.instrument
        settings = settings or self._runner.settings
        order_type = _order_type(signal)
        price = signal.limit_price or signal.stop_price or last
        wants_atr = settings.stop_loss_type is StopLossType.ATR or settings.take_profit_type is TakeProfitType.ATR
        atr = self._runner.atr if wants_atr else None
        wanted = protection_prices(settings, instrument, side, price, atr)
        if signal.stop_loss is not None or signal.take_profit is not None:
            wanted = Protection(signal.stop_loss or wanted.stop_loss, signal.take_profit or wanted.take_profit)
        distance = None
        if self._context.trails_at_broker(self._runner.operation):
            distance = trailing_distance(settings, instrument, price)
        if distance is not None and wanted.stop_loss is not None:
            wanted = Protection(first_stop(instrument, side, price, distance, wanted.stop_loss), wanted.take_profit)
        quantity = entry_quantity(settings, instrument, self._runner.operation.current_capital, price, wanted.stop_loss)
        return OrderPlan(
            side=side,
            order_type=order_type,
            quantity=quantity,
            purpose=OrderPurpose.ENTRY,
            reason="entry at market" if order_type is OrderType.MARKET else RESTING_ENTRY,
            limit_price=signal.limit_price,
            stop_price=signal.stop_price,
            reference_price=last,
            stop_loss=wanted.stop_loss,
            take_profit=wanted.take_profit,
            trailing_distance=distance,
        )

    def _at_limit(self, plan: OrderPlan) -> OrderPlan:
        """Slippage protection: a market entry goes out as a limit order near the last price."""
        keeper = self._context.gatekeeper
        if plan.order_type is not OrderType.MARKET or not keeper.limits.slippage_protection:
            return plan
        assert plan.reference_price is not None
        limit = keeper.marketable_limit(self._runner.instrument, plan.side, plan.reference_price)
        return replace(plan, order_type=OrderType.LIMIT, limit_price=limit)


def _side_of(signal: SignalType) -> Side:
    return Side.BUY if signal is SignalType.ENTER_LONG else Side.SELL


def _order_type(signal: SignalGenerated) -> OrderType:
    if signal.stop_price is not None:
        return OrderType.STOP if signal.limit_price is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if signal.limit_price is None else OrderType.LIMIT
