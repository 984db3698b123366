"""What ``run`` shows, taken from the engine as plain values at one moment: drawing it needs nothing of the engine."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from live_trading.assembly import Phase, Status
from live_trading.cli.entries import entry_line, style_of
from live_trading.domain.entries import Entry
from live_trading.domain.values import OperationStatus
from live_trading.engine.trading_engine import TradingEngine
from live_trading.orders.money import unrealized_pnl
from live_trading.projections.state import Operation
from live_trading.runtime import utc_from_ns

TAIL_LINES = 200


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation. Amounts are texts, None where they are not known."""

    number: int
    asset: str
    strategy: str
    bars: str
    status: str
    quantity: str
    entry: str | None
    price: str | None
    unrealized: str | None
    realized: str
    currency: str
    trades: int
    signals: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment. ``tail`` are the journal's last lines with their styles, ``log`` the log's last lines."""

    phase: Phase
    waiting_for: str
    where: str
    head: int
    lag: int
    market_time: str
    alarms: tuple[str, ...]
    operations: tuple[OperationRow, ...]
    totals: dict[str, tuple[str, str]]
    tail: tuple[tuple[str, str], ...]
    log: tuple[str, ...]


@dataclass(slots=True)
class Tail:
    """The journal's last entries as lines."""

    lines: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    head: int = 0

    def take(self, entries: Sequence[Entry]) -> None:
        """Add entries."""
        for entry in entries:
            self.head = entry.sequence_number
            self.lines.append((entry_line(entry), style_of(entry)))


def take_picture(status: Status, tail: Tail, log: Sequence[str], where: str) -> Picture:
    """The present moment."""
    engine, projector = status.engine, status.projector
    rows: tuple[OperationRow, ...] = ()
    totals: dict[str, tuple[str, str]] = {}
    if engine is not None:
        rows = tuple(
            _row(engine, operation)
            for operation in engine.live.ledger.state.operations.values()
            if operation.status is not OperationStatus.CLOSED or operation.quantity
        )
        totals = _totals(engine)
    return Picture(
        phase=status.phase,
        waiting_for=status.waiting_for,
        where=where,
        head=tail.head,
        lag=projector.lag if projector is not None else 0,
        market_time=_market_time(engine),
        alarms=tuple(_alarms(status)),
        operations=rows,
        totals=totals,
        tail=tuple(tail.lines),
        log=tuple(log),
    )


def _price(engine: TradingEngine, operation: Operation) -> Decimal | None:
    quote = engine.context.session(operation).market.last_price(operation.symbol)
    return quote.price if quote is not None else None


def _row(engine: TradingEngine, operation: Operation) -> OperationRow:
    price, position = _price(engine, operation), operation.position
    unrealized = unrealized_pnl(operation, price) if price is not None and position is not None else None
    return OperationRow(
        number=operation.number,
        asset=operation.symbol,
        strategy=str(operation.settings["strategy_name"]),
        bars=str(operation.settings["primary_bar_size"]),
        status=operation.status.value,
        quantity=f"{operation.quantity:f}",
        entry=f"{position.entry_price.normalize():f}" if position is not None else None,
        price=f"{price:f}" if price is not None else None,
        unrealized=f"{unrealized:f}" if unrealized is not None else None,
        realized=f"{operation.total_pnl:f}",
        currency=operation.currency,
        trades=operation.totals.trades,
        signals=operation.signals,
    )


def _totals(engine: TradingEngine) -> dict[str, tuple[str, str]]:
    """Realised and unrealised profit by currency."""
    sums: dict[str, list[Decimal]] = {}
    for operation in engine.live.ledger.state.operations.values():
        mine = sums.setdefault(operation.currency, [Decimal(0), Decimal(0)])
        mine[0] += operation.total_pnl
        price = _price(engine, operation)
        if price is not None:
            mine[1] += unrealized_pnl(operation, price)
    return {currency: (f"{mine[0]:f}", f"{mine[1]:f}") for currency, mine in sorted(sums.items())}


def _market_time(engine: TradingEngine | None) -> str:
    times = [
        told
        for session in (engine.context.sessions.values() if engine is not None else ())
        if (told := session.broker.market_time_ns()) is not None
    ]
    return f"{utc_from_ns(max(times)):%Y-%m-%d %H:%M:%S}" if times else ""


def _alarms(status: Status) -> list[str]:
    """What a person should see at once."""
    found: list[str] = []
    engine, projector = status.engine, status.projector
    if projector is not None and projector.halted is not None:
        found.append(f"read models halted: {projector.halted}")
    if engine is None:
        return found
    state = engine.live.ledger.state
    if state.kill_switch is not None:
        found.append(f"kill switch on: {state.kill_switch.reason}")
    if state.breaker is not None:
        found.append(f"circuit breaker open until {state.breaker.until:%H:%M:%S}")
    found += [f"position of {each.symbol} differs at {each.broker}" for each in state.discrepancies.values()]
    for name, session in engine.context.sessions.items():
        if not session.ready.is_set():
            found.append(f"broker {name} is not connected")
        if session.ticks.dropped or session.ticks.evicted:
            found.append(f"{session.ticks.dropped + session.ticks.evicted} ticks dropped")
    return found
