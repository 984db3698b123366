"""Running a backtest."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from typing import Any

from live_trading.backtest.data import Recording, open_recording
from live_trading.backtest.engine_run import EngineRun
from live_trading.backtest.loop import DrivenLoop
from live_trading.backtest.playback import BarPlayback, TickPlayback
from live_trading.backtest.request import BacktestRequest
from live_trading.backtest.result import BacktestResult, OpenPosition
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar, Tick
from live_trading.domain.operation import OperationSettings
from live_trading.orders.money import unrealized_pnl
from live_trading.runtime import SystemClock, collector_paused, utc_from_ns


def run_backtest(request: BacktestRequest, recording: Recording | None = None) -> BacktestResult:
    """Run it to the end of the data. ``recording``: data already at hand, in place of the request's files.

    Must not be called where an event loop runs: it brings its own. Raises :class:`InvalidInput` for data and settings
    that are wrong, :class:`~live_trading.backtest.engine_run.BacktestFailed` when the engine fails.
    """
    recording = recording or open_recording(request.data, request.symbol, request.span)
    items: Iterator[Any] = recording.bars() if recording.bars is not None else _ticks_of(recording)
    first: Bar | Tick | None = next(items, None)
    if first is None:
        raise InvalidInput("--data", f"{recording.name} holds nothing within these times", "Choose others")
    first_ns = first.start_ns if isinstance(first, Bar) else first.time_ns
    began = SystemClock().monotonic()
    with DrivenLoop.starting_at(first_ns - 1_000_000_000) as loop, collector_paused():
        run = EngineRun(loop, request)
        try:
            run.start(recording.symbol, recording.bar_size)
            played = _play(run, recording, chain([first], items))
            run.close()
        except BaseException:
            run.abandon()
            raise
        return _result(run, recording, first_ns, played, SystemClock().monotonic() - began)


def _ticks_of(recording: Recording) -> Iterator[Tick]:
    assert recording.ticks is not None
    return recording.ticks()


def _play(run: EngineRun, recording: Recording, items: Iterator[Any]) -> int:
    if recording.bar_size is None:
        return TickPlayback(run).play(items)
    return BarPlayback(run, recording.bar_size).play(items)


def _result(run: EngineRun, recording: Recording, first_ns: int, played: int, seconds: float) -> BacktestResult:
    operation, recorder = run.operation, run.recorder
    return BacktestResult(
        source=recording.name,
        settings=OperationSettings.model_validate(operation.settings),
        instrument=run.instrument,
        operation=operation,
        first=utc_from_ns(first_ns),
        last=utc_from_ns(run.loop.now_ns),
        ticks=0 if recording.has_bars else played,
        source_bars=played if recording.has_bars else 0,
        times=recorder.times,
        equity=recorder.equity,
        bars=recorder.bars,
        bars_in_position=recorder.bars_in_position,
        trades=recorder.trades,
        entries=run.journal.entries,
        journal_hash=run.journal.head.hash,
        open_position=_open_position(run),
        seconds=seconds,
    )


def _open_position(run: EngineRun) -> OpenPosition | None:
    position = run.operation.position
    quote = run.market.last_price(run.operation.symbol)
    if position is None:
        return None
    price = Decimal(position.entry_price) if quote is None else quote.price
    return OpenPosition(
        position.quantity, position.entry_price, price, unrealized_pnl(run.operation, price), position.opened_at
    )
