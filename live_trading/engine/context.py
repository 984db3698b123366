"""What the parts of one engine share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from live_trading.config import RiskSettings
from live_trading.data import MAX_FILLED_NS, BackFill, BarStore
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import AccountType, CrashRecoveryMode
from live_trading.engine.account_session import AccountSession, SessionTimes
from live_trading.engine.turns import Turns
from live_trading.observability import Latency
from live_trading.orders.gatekeeper import Gatekeeper, Limits, Situation
from live_trading.projections.live import LiveLedger
from live_trading.projections.state import Operation
from live_trading.recovery.policies import TrustedPrice
from live_trading.runtime import Runtime, utc_from_ns


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The engine's settings. Times in seconds."""

    engine_id: str = "default"
    limits: Limits = field(default_factory=Limits)
    times: SessionTimes = field(default_factory=SessionTimes)
    order_timeout: float = 10.0
    doubt_patience: float = 60.0
    entry_patience: float = 60.0
    """An entry that is not filled after so long is cancelled."""
    price_patience: float = 5.0
    """How long recovery waits for a fresh price before it says that there is none."""
    broker_patience: float = 10.0
    """How long a start waits for a broker at which nothing of ours is open, where there are several."""
    look_interval: float = 1.0
    """Between looks at loss limits, marks and decisions that wait."""
    stale_after: float = 5.0
    late_grace_ns: int = 0
    tick_buffer: int = 10_000
    tick_max_age: float = 60.0
    lossless_ticks: bool = False
    """Wait rather than drop ticks: for recorded feeds, which can wait too."""
    keeps_bars: bool = True
    """Whether bars are stored: a backtest has them already."""
    max_filled_ns: int = MAX_FILLED_NS
    """The longest silence filled with flat bars; the broker's history is asked for longer ones."""
    strategy_workers: bool = False
    """Whether heavy strategies run in processes of their own: not in virtual time, where nobody waits for one."""
    ticks_directory: Path | None = None
    """Where all ticks are recorded; None records none."""
    snapshot_every: int = 5_000
    stop_patience: float = 10.0
    trailing_stops_at_broker: bool = True
    """Whether stops that trail are left to a broker that can trail them; else the engine moves every one."""
    operation_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Settings an operation gets where its creator gave none."""
    account_types: Mapping[str, AccountType] = field(default_factory=dict)
    """Which brokers' accounts hold real money, by name; what an operation's own account type has to agree with."""
    risk: RiskSettings | None = None
    """What limits and defaults follow from, where people may change them while running."""
    manual_capital: Decimal = Decimal(100_000)
    """Initial capital of an operation that is made for manual trades."""

    def as_changed(self, changes: Mapping[str, Any]) -> "EngineConfig":
        """The same with risk settings as people changed them. What fits no more (an older program's) is left out."""
        if self.risk is None or not changes:
            return self
        risk = self.risk
        for name, value in changes.items():
            try:
                risk = RiskSettings.model_validate({**risk.model_dump(), name: value})
            except ValidationError:
                continue
        return replace(
            self,
            risk=risk,
            limits=limits_of(risk),
            trailing_stops_at_broker=risk.trailing_stops_at_broker,
            operation_defaults={**self.operation_defaults, **risk.operation_defaults(None)},
        )

    def defaults_at(self, broker: str, account_type: AccountType | None = None) -> dict[str, Any]:
        """Settings of an operation at that broker where its creator gave none. ``account_type``: what he said it is."""
        defaults = dict(self.operation_defaults)
        known = self.account_types.get(broker)
        if known is not None:
            defaults["account_type"] = known
        if defaults.get("crash_recovery_mode") is None:
            is_live = (account_type or known) is AccountType.LIVE
            defaults["crash_recovery_mode"] = CrashRecoveryMode.RESUME if is_live else CrashRecoveryMode.CLOSE_ALL
        return defaults

    def completed(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a person gave of an operation's settings, with defaults in the place of what he left out."""
        given = dict(arguments)
        broker = str(given.get("broker", self.operation_defaults.get("broker")))
        is_live = given.get("account_type") == AccountType.LIVE
        defaults = self.defaults_at(broker, AccountType.LIVE if is_live else None)
        for kind in ("stop_loss", "take_profit"):
            if f"{kind}_type" in given or f"{kind}_value" in given:  # a type and a value belong together
                defaults.pop(f"{kind}_type", None), defaults.pop(f"{kind}_value", None)
                given.setdefault(f"{kind}_type", None), given.setdefault(f"{kind}_value", None)
        sizes = given.get("bar_sizes")
        if "primary_bar_size" not in given and isinstance(sizes, list | tuple) and sizes:
            given["primary_bar_size"] = sizes[0]
        return {**defaults, **given}


def limits_of(risk: RiskSettings) -> Limits:
    """The Gatekeeper's limits."""
    return Limits(**{limit.name: getattr(risk, limit.name) for limit in fields(Limits)})


@dataclass(slots=True)
class EngineContext:
    """One engine's journal, ledger, brokers, data and rules.

    ``trading`` is False while recovering and while stopping: then strategies' signals are not acted on.
    """

    live: LiveLedger
    runtime: Runtime
    gatekeeper: Gatekeeper
    bars: BarStore
    config: EngineConfig
    sessions: dict[str, AccountSession] = field(default_factory=dict)
    trading: bool = False
    latency: Latency | None = None
    """What is told when a bar closes and a signal is given; None where nobody asks how long things take."""
    back_fills: dict[str, BackFill] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    """For what an operation does when nobody waits for it."""

    def session(self, operation: Operation) -> AccountSession:
        return self.sessions[operation.broker]

    def back_fill(self, operation: Operation) -> BackFill:
        """What asks the operation's broker for bars that are missing."""
        filling = self.back_fills.get(operation.broker)
        if filling is None:
            broker = self.session(operation).broker
            history = broker.history if broker.capabilities.history else None
            filling = self.back_fills[operation.broker] = BackFill(history, self.bars, self.runtime.clock)
        return filling

    def quote(self, operation: Operation) -> TrustedPrice | None:
        """The last price, if it is fresh enough to decide on; None as well where its broker is not configured."""
        session = self.sessions.get(operation.broker)
        if session is None:
            return None
        market = session.market
        quote = market.last_price(operation.symbol)
        if quote is None or market.is_stale(operation.symbol):
            return None
        return TrustedPrice(quote.price, quote.age)

    def trails_at_broker(self, operation: Operation) -> bool:
        """Whether a stop that trails is the operation's broker's to move; else the engine moves it."""
        able = self.session(operation).broker.capabilities
        return self.config.trailing_stops_at_broker and able.stops and able.trailing_stops

    def market_open(self, operation: Operation, instrument: Instrument) -> bool:
        """Whether the instrument trades, by the market's own time."""
        market_ns = self.session(operation).broker.market_time_ns()
        return instrument.hours.is_open(self.runtime.clock.now() if market_ns is None else utc_from_ns(market_ns))

    def situation(self, operation: Operation, instrument: Instrument) -> Situation:
        """What the Gatekeeper looks at for an order of this operation."""
        session = self.session(operation)
        quote = session.market.last_price(operation.symbol)
        return Situation(
            now=self.runtime.clock.now(),
            broker_ready=session.ready.is_set(),
            market_open=self.market_open(operation, instrument),
            last_price=quote.price if quote is not None else None,
            data_stale=session.market.is_stale(operation.symbol),
            data_age=quote.age if quote is not None else None,
            prices=LastPrices(self),
        )


class LastPrices(Mapping[int, Decimal]):
    """Last prices by operation number, each looked up when it is asked for: most entries ask for a few of hundreds."""

    def __init__(self, context: EngineContext) -> None:
        self._sessions = context.sessions
        self._operations = context.live.ledger.state.operations

    def __getitem__(self, number: int) -> Decimal:
        operation = self._operations[number]
        session = self._sessions.get(operation.broker)
        quote = session.market.last_price(operation.symbol) if session is not None else None
        if quote is None:
            raise KeyError(number)
        return quote.price

    def __iter__(self) -> Iterator[int]:
        return (number for number in self._operations if number in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
