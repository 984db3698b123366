"""Carrying out commands: each becomes journal entries exactly once, or is refused without changing anything.

A command is looked up in the ledger first: if an entry carries its id it was carried out before a crash, and only its
outcome is told again. The outcome is read off the entry, so it is the same the second time.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import structlog
from bson import ObjectId
from bson.errors import InvalidId
from pydantic import ValidationError

from live_trading.brokers.errors import BrokerError
from live_trading.brokers.types import OrderChange, Rejected
from live_trading.domain.entries import (
    CommandRefused,
    Draft,
    Entry,
    EntryData,
    JournalArchived,
    KillSwitchReset,
    KillSwitchTripped,
    NoteAdded,
    OperationClosing,
    OperationCreated,
    OperationPaused,
    OperationResumed,
    OperationUpdated,
    OrderCancelled,
    OrderCancelRequested,
    OrderModifyRequested,
    OrderNotPlaced,
    OrderRequested,
    PositionCloseRequested,
    ProtectionMoved,
)
from live_trading.domain.errors import InvalidInput
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import MAX_MONEY, UPDATABLE, OperationSettings
from live_trading.domain.values import (
    OperationStatus,
    OrderPurpose,
    OrderStatus,
    OrderType,
)
from live_trading.engine.context import EngineContext, LastPrices
from live_trading.engine.discrepancies import leave_alone, open_discrepancy, take_over, whose
from live_trading.engine.inbox import Command, Outcome, Refused
from live_trading.engine.manual_trades import Enter, manual_trade
from live_trading.engine.records import RECORDS, change_settings, record
from live_trading.engine.switches import start_trading, stop_trading
from live_trading.journal.errors import JournalError
from live_trading.orders.facts import about
from live_trading.orders.watched import warning, watched
from live_trading.projections.state import Operation, Order
from live_trading.strategies import LiveStrategyAdapter, load_strategy, parse_parameters

_log = structlog.get_logger(__name__)


Handler = Callable[[Command], Awaitable[Entry]]


class CommandDesk:
    """Carries out the commands of one engine. ``created`` is told of a new operation, ``run`` puts a job to the runner
    of an operation, so that orders are touched by nobody else at the same time."""

    def __init__(
        self,
        context: EngineContext,
        created: Callable[[Operation], None],
        run: Callable[[int, Callable[[], Awaitable[Any]]], Awaitable[Any]],
        enter: Enter,
    ) -> None:
        self._context = context
        self._live = context.live
        self._created = created
        self._run = run
        self._handlers: dict[str, Handler] = {
            "create_operation": self._create,
            "update_operation": self._update,
            "pause_operation": self._pause,
            "resume_operation": self._resume,
            "close_operation": self._close,
            "close_position": self._close_position,
            "cancel_order": self._cancel_order,
            "resolve_order": self._resolve_order,
            "move_protection": self._move_protection,
            "resolve_discrepancy": self._resolve_discrepancy,
            "trip_kill_switch": self._trip,
            "reset_kill_switch": self._reset,
            "add_note": self._note,
            "record_archived_segment": self._record_archived,
            "manual_trade": partial(manual_trade, context, created, self._run, enter),
            "start_trading": partial(start_trading, context),
            "stop_trading": partial(stop_trading, context),
            "change_settings": partial(change_settings, context),
            **dict.fromkeys(RECORDS, partial(record, context)),
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """The commands there are."""
        return tuple(self._handlers)

    def entry_of(self, command: Command) -> int | None:
        """The number of the entry a command came to before, if it did."""
        seen = self._live.ledger.state.commands.get(command.id)
        return seen.number if seen is not None else None

    async def carry_out(self, command: Command) -> Outcome:
        """Do what is asked, or journal why not."""
        handler = self._handlers.get(command.kind)
        try:
            if handler is None:
                raise Refused("UNKNOWN_COMMAND", f"there is no command {command.kind!r}: use {', '.join(self.kinds)}")
            return outcome_of(await handler(command))
        except InvalidInput as error:
            return await self._refuse(command, Refused("INVALID_INPUT", str(error), error.field))
        except ValidationError as error:
            return await self._refuse(command, _explained(error))
        except Refused as error:
            return await self._refuse(command, error)
        except (BrokerError, TimeoutError) as error:
            return await self._refuse(command, Refused("BROKER_UNAVAILABLE", str(error)))
        except JournalError:
            raise
        except Exception as error:
            if self.entry_of(command) is not None:
                raise  # it was carried out: the next engine finds that, and tells its outcome
            # Most likely a strategy's own code. The command would be found again, and end every engine after this one.
            _log.exception("a command could not be carried out", command=command.kind)
            fault = f"{command.kind} failed and changed nothing: {type(error).__name__}: {error}"
            return await self._refuse(command, Refused("INTERNAL_ERROR", fault))

    async def _refuse(self, command: Command, refused: Refused) -> Outcome:
        data = CommandRefused(
            command_id=command.id,
            command=command.kind,
            code=refused.code,
            detail=str(refused)[:2000],
            field=refused.field,
        )
        (entry,) = await self._live.append(Draft(data, actor=command.actor))
        return outcome_of(entry)

    async def _append(self, command: Command, operation_id: ObjectId | None, data: EntryData) -> Entry:
        (entry,) = await self._live.append(Draft(data, operation_id, command.actor))
        return entry

    # ---- what commands are about ------------------------------------------------------------------------------------

    def _operation(self, command: Command) -> tuple[ObjectId, Operation]:
        text = command.arguments.get("operation_id")
        try:
            operation_id = ObjectId(str(text))
        except InvalidId:
            raise Refused("INVALID_INPUT", f"operation_id: {text!r} is not an id", "operation_id") from None
        operation = self._live.ledger.operation(operation_id)
        if operation is None or derived_id(Kind.OPERATION, operation.number) != operation_id:
            raise Refused("NOT_FOUND", f"there is no operation {operation_id}", "operation_id")
        return operation_id, operation

    def _open_operation(self, command: Command) -> tuple[ObjectId, Operation]:
        operation_id, operation = self._operation(command)
        if operation.status in (OperationStatus.CLOSED, OperationStatus.CLOSING):
            raise Refused("WRONG_STATUS", f"the operation is {operation.status.value}")
        return operation_id, operation

    def _check_has_broker(self, operation: Operation) -> None:
        if operation.broker not in self._context.sessions:
            detail = f"its broker {operation.broker!r} is not configured; configure it again, or close there by hand"
            raise Refused("BROKER_UNAVAILABLE", detail)

    def _order(self, command: Command) -> Order:
        identifier = str(command.arguments.get("client_order_id", ""))
        order = self._live.ledger.order(identifier)
        if order is None:
            raise Refused("NOT_FOUND", f"there is no order {identifier!r}", "client_order_id")
        return order

    # ---- operations -------------------------------------------------------------------------------------------------

    async def _create(self, command: Command) -> Entry:
        settings = OperationSettings.model_validate(self._context.config.completed(command.arguments))
        session = self._context.sessions.get(settings.broker)
        if session is None:
            known = ", ".join(sorted(self._context.sessions))
            raise InvalidInput("broker", f"there is no broker {settings.broker!r}", f"Use one of {known}")
        account_type = self._context.config.account_types.get(settings.broker, settings.account_type)
        if settings.account_type is not account_type:
            problem = f"{settings.broker} is a {account_type} account"
            raise InvalidInput("account_type", problem, "Leave it out, or name another broker")
        if not session.ready.is_set():
            raise Refused("BROKER_UNAVAILABLE", f"{settings.broker} is not connected; try again when it is")
        strategy = load_strategy(settings.strategy_name)
        parameters = parse_parameters(strategy, settings.strategy_config)
        clock = self._context.runtime.clock
        LiveStrategyAdapter(
            strategy, parameters, settings.asset, settings.bar_sizes, settings.primary_bar_size, clock
        )  # refuses bar sizes that do not fit the strategy
        instrument = await session.broker.resolve(settings.asset)
        followed = strategy.follows(parameters, instrument)
        if followed != instrument.symbol:
            await session.broker.resolve(followed)  # refuses what the broker does not know
        if f"{settings.broker}|{instrument.symbol}" in self._live.ledger.state.discrepancies:
            detail = f"{settings.broker} holds a position in {instrument.symbol} that is not ours: resolve that first"
            raise Refused("DISCREPANCY", detail, "asset")
        _check_quantity(instrument, settings.quantity)
        told = warning(session.broker.capabilities, settings.protections, settings.broker)
        created = OperationCreated(settings=settings, instrument=instrument, warning=told, command_id=command.id)
        draft = Draft(created, lambda number: derived_id(Kind.OPERATION, number), command.actor)
        (entry,) = await self._live.append(draft)
        self._created(self._live.ledger.state.operations[entry.sequence_number])
        return entry

    async def _update(self, command: Command) -> Entry:
        operation_id, operation = self._open_operation(command)
        changes = {key: value for key, value in command.arguments.items() if key != "operation_id"}
        fixed = sorted(set(changes) - UPDATABLE)
        if fixed or not changes:
            allowed = f"only {', '.join(sorted(UPDATABLE))} can be changed"
            raise Refused(
                "INVALID_INPUT", f"{fixed[0] if fixed else 'changes'}: {allowed}", fixed[0] if fixed else None
            )
        settings = OperationSettings.model_validate({**operation.settings, **changes})
        parse_parameters(load_strategy(settings.strategy_name), settings.strategy_config)
        _check_quantity(Instrument.model_validate(operation.instrument), settings.quantity)
        normal = settings.model_dump(mode="json")
        updated = OperationUpdated(changes={key: normal[key] for key in changes}, command_id=command.id)
        return await self._append(command, operation_id, updated)

    async def _pause(self, command: Command) -> Entry:
        operation_id, operation = self._open_operation(command)
        if operation.status is not OperationStatus.ACTIVE:
            raise Refused("WRONG_STATUS", f"the operation is {operation.status.value}, not active")
        reason = str(command.arguments.get("reason", ""))
        return await self._append(command, operation_id, OperationPaused(reason=reason, command_id=command.id))

    async def _resume(self, command: Command) -> Entry:
        operation_id, operation = self._open_operation(command)
        if operation.status is OperationStatus.ACTIVE:
            raise Refused("WRONG_STATUS", "the operation is active already")
        self._check_has_broker(operation)
        key = f"{operation.broker}|{operation.symbol}"
        if key in self._live.ledger.state.discrepancies:
            raise Refused(
                "DISCREPANCY", f"the position of {operation.symbol} differs at the broker: resolve that first"
            )
        if any(order.status is OrderStatus.NEEDS_OPERATOR for order in operation.orders.values()):
            raise Refused("ORDER_IN_DOUBT", "an order in doubt waits for a person: resolve that first")
        reason = str(command.arguments.get("reason", ""))
        return await self._append(command, operation_id, OperationResumed(reason=reason, command_id=command.id))

    async def _close(self, command: Command) -> Entry:
        operation_id, operation = self._operation(command)
        if operation.status in (OperationStatus.CLOSED, OperationStatus.CLOSING):
            raise Refused("WRONG_STATUS", f"the operation is {operation.status.value} already")
        self._check_has_broker(operation)
        reason = str(command.arguments.get("reason", ""))
        return await self._append(command, operation_id, OperationClosing(reason=reason, command_id=command.id))

    async def _close_position(self, command: Command) -> Entry:
        operation_id, operation = self._operation(command)
        if not operation.quantity:
            raise Refused("NO_POSITION", "the operation has no open position")
        self._check_has_broker(operation)
        named = command.arguments.get("position_id")
        held = str(derived_id(Kind.POSITION, operation.position.number)) if operation.position is not None else None
        if named is not None and named != held:
            raise Refused("NO_POSITION", f"position {named} is closed already", "position_id")
        if operation.exit_intent is not None:
            raise Refused("ALREADY_CLOSING", f"the position is being closed: {operation.exit_intent.reason}")
        reason = str(command.arguments.get("reason") or "closed by hand")
        return await self._append(command, operation_id, PositionCloseRequested(reason=reason, command_id=command.id))

    async def _note(self, command: Command) -> Entry:
        operation_id, _ = self._operation(command)
        text = str(command.arguments.get("text", "")).strip()
        if not 0 < len(text) <= 4000:
            raise Refused("INVALID_INPUT", "text: give 1 to 4000 characters", "text")
        return await self._append(command, operation_id, NoteAdded(text=text, command_id=command.id))

    # ---- orders -----------------------------------------------------------------------------------------------------

    async def _cancel_order(self, command: Command) -> Entry:
        order = self._order(command)

        async def job() -> Entry:
            if order.status.is_terminal:
                raise Refused("WRONG_STATUS", f"the order is {order.status.value}")
            if order.status.is_uncertain:
                raise Refused("ORDER_IN_DOUBT", "the order's fate is being found out; cancel it when it is known")
            reason = str(command.arguments.get("reason", "by hand"))
            data = OrderCancelRequested(client_order_id=order.client_order_id, reason=reason, command_id=command.id)
            (entry,) = await self._live.append(about(order, data, command.actor))
            await self._context.sessions[order.broker].orders.send_cancel(order)
            return entry

        result: Entry = await self._run(order.operation, job)
        return result

    async def _resolve_order(self, command: Command) -> Entry:
        """A person who looked at the broker's own screen says that the order is not there, or not any more."""
        order = self._order(command)
        is_gone = order.doubt is not None and not order.status.is_uncertain  # placed for certain; what is it now?
        if order.status is not OrderStatus.NEEDS_OPERATOR and not is_gone:
            raise Refused("WRONG_STATUS", f"the order is {order.status.value}; nobody needs to resolve it")
        if command.arguments.get("resolution") != "not_placed":
            text = "resolution: only not_placed can be said by a person; an order that exists is found by asking on"
            raise Refused("INVALID_INPUT", text, "resolution")
        note = str(command.arguments.get("note", "")).strip()
        if not note:
            raise Refused("INVALID_INPUT", "note: say what shows that the broker does not have the order", "note")
        identifier, said = order.client_order_id, f"{command.actor}: {note}"
        gone: EntryData = OrderNotPlaced(client_order_id=identifier, evidence=said)
        word = "not placed"
        if is_gone:
            gone, word = OrderCancelled(client_order_id=identifier, reason=said), "no longer working"
        told = NoteAdded(text=f"order {identifier} resolved as {word}: {note}", command_id=command.id)
        # The note, which answers the command, comes last: what a cut-off batch leaves of the two is true without it.
        _, entry = await self._live.append(
            about(order, gone, command.actor),
            Draft(told, derived_id(Kind.OPERATION, order.operation), command.actor),
        )
        return entry

    async def _move_protection(self, command: Command) -> Entry:
        operation_id, operation = self._open_operation(command)
        kind, price = _protection_arguments(command.arguments)

        async def job() -> Entry:
            working = self._live.ledger.working_orders(operation)
            orders = [o for o in working if o.purpose is kind]
            on_grid = Instrument.model_validate(operation.instrument).round_price(price)
            if on_grid <= 0:
                raise Refused("INVALID_INPUT", f"price: {price:f} is none that {operation.symbol} can have", "price")
            capabilities = self._context.session(operation).broker.capabilities
            level = watched(capabilities, operation, working).get(kind)
            if level is not None and operation.quantity:  # no order to change: the engine watches another price
                moved = ProtectionMoved(
                    kind="STOP_LOSS" if kind is OrderPurpose.STOP_LOSS else "TAKE_PROFIT",
                    before=level,
                    after=on_grid,
                    reason="by hand",
                    command_id=command.id,
                )
                return await self._append(command, operation_id, moved)
            if not orders or not operation.quantity:
                raise Refused("NOT_FOUND", f"there is no working {kind.value.lower().replace('_', ' ')}", "kind")
            (order, *_) = orders
            if order.status.is_uncertain or order.doubt is not None:
                raise Refused("ORDER_IN_DOUBT", "the order's fate is being found out; move it when it is known")
            is_stop = kind is OrderPurpose.STOP_LOSS
            _check_follows(order, on_grid)
            change = OrderChange(stop_price=on_grid) if is_stop else OrderChange(limit_price=on_grid)
            before = self._live.ledger.sequence_number
            refused = await self._context.sessions[order.broker].orders.modify(
                order, change, "by hand", actor=command.actor, command_id=command.id
            )
            seen = self._live.ledger.state.commands[command.id]
            assert seen.number > before
            return _moved_entry(seen.number, operation_id, command, order, change, refused)

        result: Entry = await self._run(operation.number, job)
        return result

    # ---- everything -------------------------------------------------------------------------------------------------

    async def _resolve_discrepancy(self, command: Command) -> Entry:
        known = open_discrepancy(self._context, command)
        if command.arguments["resolution"] == "ignore":
            return await leave_alone(self._context, command, known)
        operation = whose(self._context, command, known)
        job = partial(take_over, self._context, command, operation)
        result: Entry = await self._run(operation.number, job)
        return result

    async def _trip(self, command: Command) -> Entry:
        if self._live.ledger.state.kill_switch is not None:
            raise Refused("WRONG_STATUS", "the kill switch is tripped already")
        reason = str(command.arguments.get("reason") or "by hand")
        return await self._append(command, None, KillSwitchTripped(reason=reason, command_id=command.id))

    async def _reset(self, command: Command) -> Entry:
        if self._live.ledger.state.kill_switch is None:
            raise Refused("WRONG_STATUS", "the kill switch is not tripped")
        prices = LastPrices(self._context)
        for number, operation in self._live.ledger.state.operations.items():
            if operation.quantity and operation.broker in self._context.sessions and number not in prices:
                detail = f"{operation.symbol} is held and has no price yet, so the loss to acknowledge is not known"
                raise Refused("STALE_DATA", f"{detail}: reset it when a price has come, or close the position")
        note = str(command.arguments.get("note", ""))
        losses = self._context.gatekeeper.day_losses(prices)
        return await self._append(command, None, KillSwitchReset(note=note, acknowledged=losses, command_id=command.id))

    async def _record_archived(self, command: Command) -> Entry:
        """Somebody sealed and proved a segment; the entries go once the journal vouches for it."""
        data = JournalArchived.model_validate({**command.arguments, "command_id": command.id})
        if not 0 < data.first_sequence_number <= data.last_sequence_number < self._live.ledger.sequence_number:
            text = f"last_sequence_number: entry {data.last_sequence_number} cannot be archived"
            raise Refused("INVALID_INPUT", text, "last_sequence_number")
        return await self._append(command, None, data)


def _protection_arguments(arguments: Mapping[str, Any]) -> tuple[OrderPurpose, Decimal]:
    kind = arguments.get("kind")
    if kind not in (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT):
        raise Refused("INVALID_INPUT", "kind: use STOP_LOSS or TAKE_PROFIT", "kind")
    try:
        price = Decimal(str(arguments.get("price")))
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not 0 < price <= MAX_MONEY:
        raise Refused("INVALID_INPUT", f"price: give a price above 0, at most {MAX_MONEY:,f}", "price")
    return OrderPurpose(kind), price


def _check_follows(order: Order, price: Decimal) -> None:
    """A stop that the broker trails is not moved back: the broker would not, or would move it right away again."""
    stands = order.stop_price
    if order.order_type is OrderType.TRAILING_STOP and stands is not None and (price - stands) * order.side.sign > 0:
        text = (
            f"price: the stop trails at the broker and stands at {stands:f}; it can only be moved nearer to the market"
        )
        raise Refused("INVALID_INPUT", text, "price")


def _moved_entry(
    number: int, operation_id: ObjectId, command: Command, order: Order, change: OrderChange, refused: Rejected | None
) -> Entry:
    """The request's entry, as far as an outcome needs it: that it holds, or that the broker refused it (which is
    journaled as ORDER_NOT_MODIFIED)."""
    data: EntryData = OrderModifyRequested(
        client_order_id=order.client_order_id,
        limit_price=change.limit_price,
        stop_price=change.stop_price,
        command_id=command.id,
    )
    if refused is not None:
        detail = f"the broker refused it: {refused.code}: {refused.text}"[:2000]
        data = CommandRefused(
            command_id=command.id, command=command.kind, code="BROKER_REFUSED", detail=detail, field="price"
        )
    return Entry(
        number, operation_id, data.ACTION_TYPE, 1, data, order.requested_at, 0, command.actor, 0, None, b"", b""
    )


def _check_quantity(instrument: Instrument, quantity: Decimal) -> None:
    if instrument.round_quantity(quantity) != quantity:
        step = instrument.quantity_step
        raise InvalidInput("quantity", f"{quantity:f} is not a multiple of {step:f}", f"{instrument.symbol} trades so")


def _explained(error: ValidationError) -> Refused:
    """The first thing wrong, with its field's name and what would be right."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    text = first["msg"].removeprefix("Value error, ")
    given = "" if field is None or first["type"] == "missing" else f" (given: {str(first['input'])[:80]!r})"
    return Refused("INVALID_INPUT", f"{field}: {text}{given}" if field else text, field)


def outcome_of(entry: Entry) -> Outcome:
    """What a command came to, read off its entry: the same whenever it is read."""
    number = entry.sequence_number
    if isinstance(entry.data, CommandRefused):
        data = entry.data
        return Outcome(number, True, {"code": data.code, "detail": data.detail, "field": data.field})
    result: dict[str, Any] = {"sequence_number": number}
    if entry.operation_id is not None:
        result["operation_id"] = str(entry.operation_id)
    if isinstance(entry.data, OperationCreated) and entry.data.warning is not None:
        result["warning"] = entry.data.warning
    if isinstance(entry.data, OrderRequested):
        result["client_order_id"] = entry.data.client_order_id
        result["order_id"] = str(derived_id(Kind.ORDER, number))
    if isinstance(entry.data, KillSwitchReset) and entry.data.acknowledged:
        result["acknowledged"] = {currency: f"{loss:f}" for currency, loss in entry.data.acknowledged.items()}
    return Outcome(number, False, result)
