"""The catalogue of journal entries: one past-tense fact a class, and one discriminated union of all.

``docs/journal.md`` lists them. A fact is stored with its class's ``ACTION_VERSION``; when a shape changes, the version
goes up and :mod:`live_trading.domain.entries.upcasting` gets a pure function from the old shape to the new one.
"""

from typing import Final

from live_trading.domain.entries.envelope import (
    ENGINE,
    GENESIS_HASH,
    PREVIOUS,
    RECOVERY,
    Cause,
    CommandEntryData,
    Draft,
    Entry,
    EntryData,
    UtcTime,
)
from live_trading.domain.entries.operation import (
    NoteAdded,
    OperationClosed,
    OperationClosing,
    OperationCreated,
    OperationFailed,
    OperationPaused,
    OperationResumed,
    OperationUpdated,
    PositionCloseRequested,
)
from live_trading.domain.entries.system import (
    RISK_SECTION,
    BrokerConnected,
    BrokerDisconnected,
    CircuitBreakerClosed,
    CircuitBreakerOpened,
    CommandRefused,
    EngineStarted,
    EngineStopped,
    ExternalFillSeen,
    ExternalOrderSeen,
    JournalArchived,
    KillSwitchReset,
    KillSwitchTripped,
    MarketDataResumed,
    MarketDataStale,
    PositionDiscrepancyFound,
    PositionDiscrepancyResolved,
    RecoveryCompleted,
    RecoveryDecided,
    RecoveryStarted,
    SettingsChanged,
    UserAuthenticated,
    UserChanged,
    UserRefused,
)
from live_trading.domain.entries.trading import (
    CommissionReported,
    FillCorrected,
    OrderCancelled,
    OrderCancelRequested,
    OrderExpired,
    OrderFilled,
    OrderInDoubt,
    OrderModified,
    OrderModifyRequested,
    OrderNeedsOperator,
    OrderNotModified,
    OrderNotPlaced,
    OrderPlaced,
    OrderRejected,
    OrderRequested,
    ProtectionMoved,
    ProtectionSet,
    ProtectionTriggered,
    SignalGenerated,
    SignalRefused,
)

AnyEntryData = (
    EngineStarted
    | EngineStopped
    | RecoveryStarted
    | RecoveryDecided
    | RecoveryCompleted
    | BrokerConnected
    | BrokerDisconnected
    | MarketDataStale
    | MarketDataResumed
    | KillSwitchTripped
    | KillSwitchReset
    | CircuitBreakerOpened
    | CircuitBreakerClosed
    | PositionDiscrepancyFound
    | PositionDiscrepancyResolved
    | ExternalOrderSeen
    | ExternalFillSeen
    | SettingsChanged
    | UserAuthenticated
    | UserRefused
    | UserChanged
    | CommandRefused
    | JournalArchived
    | OperationCreated
    | OperationUpdated
    | OperationPaused
    | OperationResumed
    | PositionCloseRequested
    | OperationClosing
    | OperationClosed
    | OperationFailed
    | NoteAdded
    | SignalGenerated
    | SignalRefused
    | OrderRequested
    | OrderPlaced
    | OrderInDoubt
    | OrderNotPlaced
    | OrderNeedsOperator
    | OrderRejected
    | OrderCancelRequested
    | OrderCancelled
    | OrderExpired
    | OrderModifyRequested
    | OrderModified
    | OrderNotModified
    | OrderFilled
    | FillCorrected
    | CommissionReported
    | ProtectionSet
    | ProtectionMoved
    | ProtectionTriggered
)

CATALOGUE: Final[dict[str, type[EntryData]]] = {
    data.ACTION_TYPE: data
    for data in (
        EngineStarted,
        EngineStopped,
        RecoveryStarted,
        RecoveryDecided,
        RecoveryCompleted,
        BrokerConnected,
        BrokerDisconnected,
        MarketDataStale,
        MarketDataResumed,
        KillSwitchTripped,
        KillSwitchReset,
        CircuitBreakerOpened,
        CircuitBreakerClosed,
        PositionDiscrepancyFound,
        PositionDiscrepancyResolved,
        ExternalOrderSeen,
        ExternalFillSeen,
        SettingsChanged,
        UserAuthenticated,
        UserRefused,
        UserChanged,
        CommandRefused,
        JournalArchived,
        OperationCreated,
        OperationUpdated,
        OperationPaused,
        OperationResumed,
        PositionCloseRequested,
        OperationClosing,
        OperationClosed,
        OperationFailed,
        NoteAdded,
        SignalGenerated,
        SignalRefused,
        OrderRequested,
        OrderPlaced,
        OrderInDoubt,
        OrderNotPlaced,
        OrderNeedsOperator,
        OrderRejected,
        OrderCancelRequested,
        OrderCancelled,
        OrderExpired,
        OrderModifyRequested,
        OrderModified,
        OrderNotModified,
        OrderFilled,
        FillCorrected,
        CommissionReported,
        ProtectionSet,
        ProtectionMoved,
        ProtectionTriggered,
    )
}
"""Every entry there is, by its ``action_type``."""

__all__ = [
    "CATALOGUE",
    "ENGINE",
    "GENESIS_HASH",
    "PREVIOUS",
    "RECOVERY",
    "RISK_SECTION",
    "AnyEntryData",
    "BrokerConnected",
    "BrokerDisconnected",
    "Cause",
    "CircuitBreakerClosed",
    "CircuitBreakerOpened",
    "CommandEntryData",
    "CommandRefused",
    "CommissionReported",
    "Draft",
    "EngineStarted",
    "EngineStopped",
    "Entry",
    "EntryData",
    "ExternalFillSeen",
    "ExternalOrderSeen",
    "FillCorrected",
    "JournalArchived",
    "KillSwitchReset",
    "KillSwitchTripped",
    "MarketDataResumed",
    "MarketDataStale",
    "NoteAdded",
    "OperationClosed",
    "OperationClosing",
    "OperationCreated",
    "OperationFailed",
    "OperationPaused",
    "OperationResumed",
    "OperationUpdated",
    "OrderCancelRequested",
    "OrderCancelled",
    "OrderExpired",
    "OrderFilled",
    "OrderInDoubt",
    "OrderModified",
    "OrderModifyRequested",
    "OrderNeedsOperator",
    "OrderNotModified",
    "OrderNotPlaced",
    "OrderPlaced",
    "OrderRejected",
    "OrderRequested",
    "PositionCloseRequested",
    "PositionDiscrepancyFound",
    "PositionDiscrepancyResolved",
    "ProtectionMoved",
    "ProtectionSet",
    "ProtectionTriggered",
    "RecoveryCompleted",
    "RecoveryDecided",
    "RecoveryStarted",
    "SettingsChanged",
    "SignalGenerated",
    "SignalRefused",
    "UserAuthenticated",
    "UserChanged",
    "UserRefused",
    "UtcTime",
]
