"""Entries of the system itself: the engine, recovery, brokers, data, limits and people."""

from decimal import Decimal
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from live_trading.domain.entries.envelope import CommandEntryData, EntryData, UtcTime
from live_trading.domain.values import CrashRecoveryMode, RecoveryDecision, Side


class EngineStarted(EntryData):
    """An engine took the lease over and writes from here on under its epoch.

    The first one of a journal carries its birth: ``deployment_id``, from which every client order id is made.
    ``took_over_from`` is who held the lease until it ran out; empty where it had been given back, or none had it.
    """

    ACTION_TYPE: ClassVar[str] = "ENGINE_STARTED"
    deployment_id: str
    engine_id: str
    instance: str
    version: str
    host: str = ""
    process_id: int = 0
    took_over_from: str = ""


class EngineStopped(EntryData):
    """The engine ended in order; what follows is a restart, not a recovery from a crash."""

    ACTION_TYPE: ClassVar[str] = "ENGINE_STOPPED"
    reason: str


class RecoveryStarted(EntryData):
    """Recovery began. ``after_crash`` is False when the last engine stopped in order: then no policy is applied."""

    ACTION_TYPE: ClassVar[str] = "RECOVERY_STARTED"
    after_crash: bool
    ledger_sequence_number: int
    snapshot_sequence_number: int = 0
    orders_in_doubt: int = 0
    open_positions: int = 0


class RecoveryDecided(EntryData):
    """What will be done with one operation's open position, and why. Durable before any order it leads to."""

    ACTION_TYPE: ClassVar[str] = "RECOVERY_DECIDED"
    mode: CrashRecoveryMode
    symbol: str
    quantity: Decimal
    decision: RecoveryDecision
    reason: str
    price: Decimal | None = None
    price_age_seconds: float | None = None
    unrealized_pnl: Decimal | None = None
    unrealized_pnl_pct: Decimal | None = None
    threshold_pct: Decimal | None = None


class RecoveryCompleted(EntryData):
    """Trading goes on. The counts summarise what recovery found and did."""

    ACTION_TYPE: ClassVar[str] = "RECOVERY_COMPLETED"
    duration_seconds: float
    fills_recovered: int = 0
    orders_resolved: int = 0
    orders_waiting_for_operator: int = 0
    discrepancies: int = 0
    operations_closed: int = 0
    operations_kept: int = 0
    operations_waiting: int = 0


class BrokerConnected(EntryData):
    """A broker's session is up and its state is synchronised. ``cursor``: executions up to it are in the journal."""

    ACTION_TYPE: ClassVar[str] = "BROKER_CONNECTED"
    broker: str
    account: str
    connection_epoch: int
    cursor: str | None = None


class BrokerDisconnected(EntryData):
    """A broker's session was lost. Nothing is sent to it until it is connected and synchronised again."""

    ACTION_TYPE: ClassVar[str] = "BROKER_DISCONNECTED"
    broker: str
    reason: str


class MarketDataStale(EntryData):
    """No tick for longer than allowed in an open session: entries are refused until data resumes."""

    ACTION_TYPE: ClassVar[str] = "MARKET_DATA_STALE"
    broker: str
    symbol: str
    age_seconds: float


class MarketDataResumed(EntryData):
    """Ticks come again."""

    ACTION_TYPE: ClassVar[str] = "MARKET_DATA_RESUMED"
    broker: str
    symbol: str
    gap_seconds: float


class KillSwitchTripped(CommandEntryData):
    """No new risk from here on, in any operation, until a person resets it. Survives restarts."""

    ACTION_TYPE: ClassVar[str] = "KILL_SWITCH_TRIPPED"
    reason: str
    loss: Decimal | None = None
    limit: Decimal | None = None
    currency: str | None = None


class KillSwitchReset(CommandEntryData):
    """A person allowed entries again. ``acknowledged``: the day's losses so far, by currency, realised and not; until
    the day ends the limits count what is lost beyond them."""

    ACTION_TYPE: ClassVar[str] = "KILL_SWITCH_RESET"
    note: str = ""
    acknowledged: dict[str, Decimal] = Field(default_factory=dict)


class CircuitBreakerOpened(EntryData):
    """Too many orders failed in a short time: entries are refused until ``until``."""

    ACTION_TYPE: ClassVar[str] = "CIRCUIT_BREAKER_OPENED"
    failures: int
    window_seconds: float
    until: UtcTime


class CircuitBreakerClosed(EntryData):
    """The breaker's pause is over."""

    ACTION_TYPE: ClassVar[str] = "CIRCUIT_BREAKER_CLOSED"


class PositionDiscrepancyFound(EntryData):
    """The broker's position is not the ledger's. The operations on the instrument are held until a person decides."""

    ACTION_TYPE: ClassVar[str] = "POSITION_DISCREPANCY_FOUND"
    broker: str
    symbol: str
    ledger_quantity: Decimal
    broker_quantity: Decimal


class PositionDiscrepancyResolved(CommandEntryData):
    """The difference is gone, or a person decided what it means.

    ``adjustment`` is the broker's quantity minus the ledger's, from now on taken as somebody else's (``ignore``);
    zero when the positions agree again (``agreed``), or when an operation took the difference (``adopt``, and
    ``flatten``, which closes it too): that is an order and its execution of the same append.
    """

    ACTION_TYPE: ClassVar[str] = "POSITION_DISCREPANCY_RESOLVED"
    broker: str
    symbol: str
    resolution: Literal["agreed", "ignore", "adopt", "flatten"]
    adjustment: Decimal = Decimal(0)
    note: str = ""


class ExternalOrderSeen(EntryData):
    """The broker has a working order that this journal did not place. It is watched, never adopted."""

    ACTION_TYPE: ClassVar[str] = "EXTERNAL_ORDER_SEEN"
    broker: str
    broker_order_id: str
    client_order_id: str | None = None
    symbol: str
    side: Side
    quantity: Decimal


class ExternalFillSeen(EntryData):
    """An execution of an order that this journal did not place. It moves no operation's position."""

    ACTION_TYPE: ClassVar[str] = "EXTERNAL_FILL_SEEN"
    broker: str
    execution_id: str
    broker_order_id: str
    client_order_id: str | None = None
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    executed_at: UtcTime


RISK_SECTION: Final = "risk_management"
"""The section whose changes hold for the running engine, and for every later one."""


class SettingsChanged(CommandEntryData):
    """A person changed settings while running. ``before`` and ``after`` hold those that changed, and never secrets."""

    ACTION_TYPE: ClassVar[str] = "SETTINGS_CHANGED"
    section: str
    before: dict[str, Any]
    after: dict[str, Any]


class UserAuthenticated(CommandEntryData):
    """A person logged in."""

    ACTION_TYPE: ClassVar[str] = "USER_AUTHENTICATED"
    user: str
    address: str = ""


class UserRefused(CommandEntryData):
    """A log-in or an act was refused."""

    ACTION_TYPE: ClassVar[str] = "USER_REFUSED"
    user: str
    address: str = ""
    reason: str


class UserChanged(CommandEntryData):
    """A user was added, changed or removed."""

    ACTION_TYPE: ClassVar[str] = "USER_CHANGED"
    user: str
    change: str


class CommandRefused(CommandEntryData):
    """A person's command was not carried out, and nothing was changed. ``code`` is stable, ``detail`` is for people."""

    ACTION_TYPE: ClassVar[str] = "COMMAND_REFUSED"
    command: str
    code: str
    detail: str
    field: str | None = None


class JournalArchived(CommandEntryData):
    """Entries up to ``last_sequence_number`` are sealed in an archive segment, proved, and about to be deleted from the
    collection. ``segment_sha256`` is of the whole file, so that the chain vouches for it."""

    ACTION_TYPE: ClassVar[str] = "JOURNAL_ARCHIVED"
    segment: str
    first_sequence_number: int
    last_sequence_number: int
    count: int
    first_hash: str
    last_hash: str
    segment_sha256: str
