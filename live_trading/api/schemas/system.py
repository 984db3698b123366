"""Health, configuration, strategies, instruments, statistics, settings."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from live_trading.api.schemas.base import Given, Read, Told
from live_trading.api.schemas.ledger import Bar
from live_trading.domain.bar_size import BarSize


class Live(Told):
    """The process answers."""

    status: str = Field(description="ok", examples=["ok"])


class Dependency(Told):
    """One thing the system stands on."""

    name: str = Field(description="database, engine, journal, read models")
    ok: bool = Field(description="whether it does its work")
    detail: str = Field(description="in words")


class Health(Told):
    """How things are. 200 when the api can serve; the engine may be away all the same."""

    live: bool = Field(description="the process answers")
    ready: bool = Field(description="it can read and take commands")
    trading: bool = Field(description="an engine holds the journal and its process lives, as far as can be told")
    version: str = Field(description="the program's version")
    time: datetime = Field(description="the server's time")
    dependencies: list[Dependency] = Field(description="each dependency")


class Config(Told):
    """What can be traded, on which bars, and how this installation is set up."""

    instruments: list[str] = Field(description="symbols")
    timeframes: list[BarSize] = Field(description="bar sizes")
    strategies: list[str] = Field(description="names of the strategies")
    broker: str = Field(description="the broker's type")
    account_type: str = Field(description="PAPER or LIVE")
    version: str = Field(description="the program's version")
    defaults: dict[str, Any] = Field(description="what an operation gets where its creator says nothing")


class Strategy(Told):
    """A strategy that operations can run."""

    name: str = Field(description="its registered name")
    about: str = Field(description="what it does")
    parameters: dict[str, Any] = Field(description="JSON Schema of strategy_config: forms are made of it")


class Strategies(Told):
    """Every strategy."""

    items: list[Strategy] = Field(description="by name")


class Instruments(Told):
    """Instruments found."""

    items: list[dict[str, Any]] = Field(description="symbol, class, currency, tick size, step, multiplier, hours")


class Candles(Read):
    """Bars of an instrument, oldest first, of whichever operation has them."""

    instrument: str = Field(description="of what")
    timeframe: BarSize = Field(description="their size")
    items: list[Bar] = Field(description="the bars")


class Statistics(Told):
    """Results of completed trades in one currency. Money after commissions unless said otherwise."""

    trade_count: int = Field(description="completed trades")
    winning_trades: int = Field(description="with a net profit")
    losing_trades: int = Field(description="with a net loss")
    win_rate: Decimal | None = Field(description="winning over all, a fraction; null without trades")
    gross_pnl: Decimal = Field(description="before commissions")
    total_commission: Decimal = Field(description="of the trades")
    net_pnl: Decimal = Field(description="after commissions")
    unrealized_pnl: Decimal = Field(description="of what is open, before commissions")
    profit_factor: Decimal | None = Field(description="net wins over net losses; null without a loss")
    average_win: Decimal | None = Field(description="of a winning trade")
    average_loss: Decimal | None = Field(description="of a losing trade, negative")
    expectancy: Decimal | None = Field(description="of a trade")
    largest_win: Decimal | None = Field(description="the best trade")
    largest_loss: Decimal | None = Field(description="the worst trade")
    max_drawdown: Decimal = Field(description="largest fall of the summed net results from a height, positive")
    average_duration_seconds: float | None = Field(description="of a trade")
    pnl_today: Decimal = Field(description="net results of trades that ended since midnight UTC")


class OperationStatistics(Statistics, Read):
    """Results of one operation."""

    currency: str = Field(description="of its money")


class Overall(Read):
    """Results over all operations."""

    by_currency: dict[str, Statistics] = Field(description="money of different currencies is never added up")
    operations: dict[str, int] = Field(description="their number by status")
    open_positions: int = Field(description="how many")
    orders_waiting_for_operator: int = Field(description="orders in doubt that wait for a person")


class EquityPoint(Told):
    """The summed net results after a trade."""

    time: datetime = Field(description="when the trade ended")
    equity: Decimal = Field(description="initial capital and net results up to it")
    net_pnl: Decimal = Field(description="net results up to it")


class EquityCurve(Read):
    """Equity by currency, thinned out to at most as many points as asked for; the last is always there."""

    by_currency: dict[str, list[EquityPoint]] = Field(description="by currency, oldest first")


class Setting(Told):
    """One setting."""

    value: Any = Field(description="its value; secrets are hidden")
    origin: str = Field(description="where it comes from: the file's line, a variable, the default, or the journal")
    description: str = Field(description="its meaning")
    unit: str = Field(description="its unit")
    expected: str = Field(description="what may be given")
    changeable: bool = Field(description="whether it can be changed here; the others are the file's")


class Settings(Read):
    """Every setting."""

    settings: dict[str, Setting] = Field(description="by dotted key")


class SettingsChange(Given):
    """New values of risk settings. They hold for the running engine at once, and after every restart."""

    risk_management: dict[str, Any] = Field(
        min_length=1, max_length=50, description="by name; null switches an optional limit off",
        examples=[{"max_daily_loss": "1000"}],
    )  # fmt: skip
