"""Commands for every operation at once: all of them paused, all that are paused resumed."""

from live_trading.domain.entries import Draft, Entry, OperationPaused, OperationResumed
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OperationStatus, OrderStatus
from live_trading.engine.context import EngineContext
from live_trading.engine.inbox import Command, Refused
from live_trading.projections.state import Operation


async def start_trading(context: EngineContext, command: Command) -> Entry:
    """Resume what is paused and can be resumed. What is held in error needs a decision of its own."""
    discrepancies = context.live.ledger.state.discrepancies
    resumable = [
        operation
        for operation in _in_status(context, OperationStatus.PAUSED)
        if f"{operation.broker}|{operation.symbol}" not in discrepancies
        and not any(order.status is OrderStatus.NEEDS_OPERATOR for order in operation.orders.values())
    ]
    return await _all(context, command, resumable, OperationResumed, "paused, or can be resumed as things are")


async def stop_trading(context: EngineContext, command: Command) -> Entry:
    """Pause what is active: no new entries; positions, protections and exits stay."""
    return await _all(context, command, _in_status(context, OperationStatus.ACTIVE), OperationPaused, "active")


def _in_status(context: EngineContext, status: OperationStatus) -> list[Operation]:
    return [operation for operation in context.live.ledger.state.operations.values() if operation.status is status]


async def _all(
    context: EngineContext,
    command: Command,
    operations: list[Operation],
    kind: type[OperationPaused | OperationResumed],
    what: str,
) -> Entry:
    """The same for several. The last entry alone carries the command's id: what was cut short is done to its end."""
    if not operations:
        raise Refused("WRONG_STATUS", f"no operation is {what}")
    reason = str(command.arguments.get("reason", ""))
    drafts = [
        Draft(
            kind(reason=reason, command_id=command.id if operation is operations[-1] else None),
            derived_id(Kind.OPERATION, operation.number),
            command.actor,
        )
        for operation in operations
    ]
    *_, entry = await context.live.append(*drafts)
    return entry
