"""Executions as IB numbers them, and the cursor that says which of them are known.

An execution's id ends with a counter: ``0000e0d5.67e0c1a2.01.01`` is corrected by ``0000e0d5.67e0c1a2.01.02``. What is
before the last dot stays, and is the execution's identity for us; the counter is its revision.

IB has no cursor: a question is answered with all executions since midnight. Ours is the second of the newest execution
known, with what that second alone does not say: the executions of that very second, the corrections (they keep the time
of what they correct), and those whose commission is still to come.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from ib_async.contract import Contract
from ib_async.objects import CommissionReport
from ib_async.objects import Execution as IbExecution

from live_trading.brokers.errors import Fatal
from live_trading.brokers.ibkr.contracts import number, symbol_of
from live_trading.brokers.types import Execution
from live_trading.domain.values import Side

UNSET = 1e300
FIRST_CURSOR = "0"


def stable_id(exec_id: str) -> tuple[str, str]:
    """An execution's identity and its revision ("" for the first)."""
    prefix, dot, counter = exec_id.rpartition(".")
    if not dot or not counter.isdigit():
        return exec_id, ""
    return prefix, "" if int(counter) <= 1 else str(int(counter) - 1)


def execution_of(contract: Contract, told: IbExecution, commission: CommissionReport | None) -> Execution:
    """The contract's word for an execution and what is known of its commission."""
    identifier, revision = stable_id(told.execId)
    assert isinstance(told.time, datetime), "the decoder gives an execution's time"
    known = commission is not None
    return Execution(
        execution_id=identifier,
        broker_order_id=str(told.permId),
        client_order_id=told.orderRef or None,
        symbol=symbol_of(contract),
        side=Side.BUY if told.side.upper().startswith("B") else Side.SELL,
        price=number(told.price),
        quantity=number(told.shares),
        executed_at=told.time,
        commission=money(commission.commission) if commission is not None else None,
        commission_currency=commission.currency if known and commission is not None else None,
        revision=revision,
    )


def money(value: float) -> Decimal:
    """An amount as TWS sent it; 0 where it is not set."""
    return number(value) if abs(value) < UNSET else Decimal(0)


def in_force(executions: Iterable[Execution]) -> list[Execution]:
    """Of each execution the newest revision, in the order in which they happened."""
    newest: dict[str, Execution] = {}
    for execution in executions:
        known = newest.get(execution.execution_id)
        if known is None or int(execution.revision or 0) >= int(known.revision or 0):
            newest[execution.execution_id] = execution
    return sorted(newest.values(), key=lambda each: (each.executed_at, each.execution_id))


def key_of(execution: Execution) -> str:
    """An execution with its revision, as the cursor names it."""
    return f"{execution.execution_id}/{execution.revision}"


def cursor_of(executions: Sequence[Execution]) -> str:
    """The cursor when all of these (in force, oldest first) are known."""
    if not executions:
        return FIRST_CURSOR
    last = _second(executions[-1])
    at_last = [key_of(each) for each in executions if _second(each) == last]
    corrected = [key_of(each) for each in executions if each.revision and _second(each) < last]
    awaiting = [key_of(each) for each in executions if each.commission is None]
    parts = [str(last), ",".join(at_last), ",".join(corrected), ",".join(awaiting)]
    return "|".join(parts).rstrip("|")


def after(name: str, cursor: str | None, executions: Sequence[Execution]) -> list[Execution]:
    """Of these those that a client with this cursor must learn; :class:`Fatal` for a cursor that is none of ours."""
    if cursor is None:
        return list(executions)
    second, *rest = cursor.split("|")
    if not second.isdigit() or len(rest) > 3:
        raise Fatal(
            f"broker {name}: cursor {cursor[:80]!r} is not one of Interactive Brokers. "
            "The journal belongs to another broker: name that one, or start a new journal"
        )
    sets = [frozenset(part.split(",")) - {""} for part in (*rest, "", "", "")]
    at_last, corrected, awaiting = sets[0], sets[1], sets[2]
    last = int(second)

    def is_news(each: Execution) -> bool:
        key = key_of(each)
        if key in awaiting:
            return each.commission is not None
        if each.revision:
            return key not in corrected and key not in at_last
        return _second(each) > last or (_second(each) == last and key not in at_last)

    return [each for each in executions if is_news(each)]


def _second(execution: Execution) -> int:
    return int(execution.executed_at.timestamp())


def with_commissions(
    told: Iterable[tuple[Contract, IbExecution]], commissions: Mapping[str, CommissionReport]
) -> list[Execution]:
    """What was answered, with what is known of commissions."""
    return [execution_of(contract, each, commissions.get(each.execId)) for contract, each in told]
