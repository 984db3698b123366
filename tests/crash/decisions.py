"""What recoveries decided, against the policies that operations ask for."""

from live_trading.domain.entries import Entry, RecoveryDecided
from live_trading.domain.values import CrashRecoveryMode, OperationStatus, RecoveryDecision
from live_trading.projections import Ledger, apply


def decisions_unlike_their_mode(entries: list[Entry]) -> list[str]:
    """Recoveries that decided something their operation's mode does not allow, or that decided nothing.

    Every operation that held a position when a recovery from a crash began, and still holds it when that is complete,
    was decided about (or is being closed anyway).
    """
    problems = []
    ledger = Ledger()
    decided: dict[int, RecoveryDecision] = {}
    recovering = False
    for entry in entries:
        apply(ledger, entry)
        ledger.forget_changes()
        if entry.action_type == "RECOVERY_STARTED":
            recovering, decided = entry.data.after_crash, {}
        elif isinstance(entry.data, RecoveryDecided):
            operation = ledger.operation(entry.operation_id)
            assert operation is not None
            mode, decision = operation.settings["crash_recovery_mode"], entry.data.decision
            decided[operation.number] = decision
            if mode == CrashRecoveryMode.CLOSE_ALL and decision is not RecoveryDecision.CLOSE:
                problems.append(f"entry {entry.sequence_number}: {decision} under {mode}")
        elif entry.action_type == "RECOVERY_COMPLETED" and recovering:
            recovering = False
            problems += [
                f"entry {entry.sequence_number}: nothing was decided about operation {operation.number}"
                for operation in ledger.state.operations.values()
                if operation.quantity and operation.exit_intent is None and operation.number not in decided
                if operation.status not in (OperationStatus.CLOSED, OperationStatus.CLOSING)
            ]
    return problems
