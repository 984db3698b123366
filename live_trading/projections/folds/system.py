"""The meaning of the system's own entries."""

from collections.abc import Callable
from typing import Any

from live_trading.domain import entries as e
from live_trading.domain.entries import Entry
from live_trading.domain.values import RecoveryDecision
from live_trading.projections.folds.operations import touch
from live_trading.projections.ledger import Ledger
from live_trading.projections.state import Acknowledged, Breaker, Discrepancy, ExitIntent, KillSwitch, Recovery, Seen


def _nothing(ledger: Ledger, entry: Entry, data: Any) -> None:
    """A fact for people and audits; no state follows from it."""


def _engine_started(ledger: Ledger, entry: Entry, data: e.EngineStarted) -> None:
    if not ledger.state.deployment_id:
        ledger.state.deployment_id = data.deployment_id


def _engine_stopped(ledger: Ledger, entry: Entry, data: e.EngineStopped) -> None:
    ledger.state.stopped = True


def _recovery_started(ledger: Ledger, entry: Entry, data: e.RecoveryStarted) -> None:
    ledger.state.recovering_since = entry.sequence_number


def _recovery_decided(ledger: Ledger, entry: Entry, data: e.RecoveryDecided) -> None:
    operation = ledger.operation(entry.operation_id)
    if operation is None:
        ledger.note(entry.sequence_number, "a recovery decision for an unknown operation")
        return
    operation.recovery = Recovery(entry.sequence_number, data.decision, data.reason)
    if data.decision is RecoveryDecision.CLOSE and operation.quantity:
        operation.exit_intent = ExitIntent(entry.sequence_number, entry.correlation_id, data.reason, recovery=True)
    touch(ledger, operation, entry)


def _recovery_completed(ledger: Ledger, entry: Entry, data: e.RecoveryCompleted) -> None:
    ledger.state.recovering_since = None
    ledger.state.stopped = False


def _broker_connected(ledger: Ledger, entry: Entry, data: e.BrokerConnected) -> None:
    if data.cursor is not None:
        ledger.state.cursors[data.broker] = data.cursor


def _kill_switch_tripped(ledger: Ledger, entry: Entry, data: e.KillSwitchTripped) -> None:
    if ledger.state.kill_switch is None:
        ledger.state.kill_switch = KillSwitch(entry.sequence_number, entry.timestamp, data.reason, entry.actor)


def _kill_switch_reset(ledger: Ledger, entry: Entry, data: e.KillSwitchReset) -> None:
    state = ledger.state
    state.kill_switch = None
    state.acknowledged = Acknowledged(entry.sequence_number, state.day, dict(data.acknowledged))


def _breaker_opened(ledger: Ledger, entry: Entry, data: e.CircuitBreakerOpened) -> None:
    ledger.state.breaker = Breaker(entry.sequence_number, data.until, data.failures)


def _breaker_closed(ledger: Ledger, entry: Entry, data: e.CircuitBreakerClosed) -> None:
    ledger.state.breaker = None


def _discrepancy_found(ledger: Ledger, entry: Entry, data: e.PositionDiscrepancyFound) -> None:
    ledger.state.discrepancies[f"{data.broker}|{data.symbol}"] = Discrepancy(
        entry.sequence_number, data.broker, data.symbol, data.ledger_quantity, data.broker_quantity
    )


def _discrepancy_resolved(ledger: Ledger, entry: Entry, data: e.PositionDiscrepancyResolved) -> None:
    state = ledger.state
    key = f"{data.broker}|{data.symbol}"
    state.discrepancies.pop(key, None)
    if data.adjustment:
        foreign = state.foreign_quantities.get(key, data.adjustment - data.adjustment) + data.adjustment
        if foreign:
            state.foreign_quantities[key] = foreign
        else:
            state.foreign_quantities.pop(key, None)


def _external_order_seen(ledger: Ledger, entry: Entry, data: e.ExternalOrderSeen) -> None:
    key = f"{data.broker}|{data.broker_order_id}"
    ledger.state.external_orders.setdefault(key, Seen(entry.sequence_number, entry.timestamp))


def _external_fill_seen(ledger: Ledger, entry: Entry, data: e.ExternalFillSeen) -> None:
    key = f"{data.broker}|{data.execution_id}"
    ledger.state.external_fills.setdefault(key, Seen(entry.sequence_number, entry.timestamp))


def _settings_changed(ledger: Ledger, entry: Entry, data: e.SettingsChanged) -> None:
    if data.section == e.RISK_SECTION:
        ledger.state.settings.setdefault(data.section, {}).update(data.after)


HANDLERS: dict[str, Callable[[Ledger, Entry, Any], None]] = {
    "ENGINE_STARTED": _engine_started,
    "ENGINE_STOPPED": _engine_stopped,
    "RECOVERY_STARTED": _recovery_started,
    "RECOVERY_DECIDED": _recovery_decided,
    "RECOVERY_COMPLETED": _recovery_completed,
    "BROKER_CONNECTED": _broker_connected,
    "BROKER_DISCONNECTED": _nothing,
    "MARKET_DATA_STALE": _nothing,
    "MARKET_DATA_RESUMED": _nothing,
    "KILL_SWITCH_TRIPPED": _kill_switch_tripped,
    "KILL_SWITCH_RESET": _kill_switch_reset,
    "CIRCUIT_BREAKER_OPENED": _breaker_opened,
    "CIRCUIT_BREAKER_CLOSED": _breaker_closed,
    "POSITION_DISCREPANCY_FOUND": _discrepancy_found,
    "POSITION_DISCREPANCY_RESOLVED": _discrepancy_resolved,
    "EXTERNAL_ORDER_SEEN": _external_order_seen,
    "EXTERNAL_FILL_SEEN": _external_fill_seen,
    "SETTINGS_CHANGED": _settings_changed,
    "USER_AUTHENTICATED": _nothing,
    "USER_REFUSED": _nothing,
    "USER_CHANGED": _nothing,
    "COMMAND_REFUSED": _nothing,
    "JOURNAL_ARCHIVED": _nothing,
}
