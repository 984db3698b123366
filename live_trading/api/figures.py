"""Statistics and equity, from the trades. Exact, and by currency: money of different currencies is never added up."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128, ObjectId
from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.models.marks import POSITION_MARKS
from live_trading.models.queries import outliving_renames
from live_trading.projections.documents import OPERATIONS, TRADES

Database = AsyncDatabase[dict[str, Any]]
Fields = dict[str, Any]

_ZERO: Final = Decimal(0)
_STEP: Final = Decimal("1e-10")


@dataclass(slots=True)
class Tally:
    """Sums over trades that come in the order they ended."""

    day_began: datetime
    trades: int = 0
    winning: int = 0
    losing: int = 0
    gross: Decimal = _ZERO
    commission: Decimal = _ZERO
    net: Decimal = _ZERO
    wins: Decimal = _ZERO
    losses: Decimal = _ZERO
    best: Decimal | None = None
    worst: Decimal | None = None
    height: Decimal = _ZERO
    drawdown: Decimal = _ZERO
    seconds: float = 0.0
    today: Decimal = _ZERO
    unrealized: Decimal = field(default=_ZERO)

    def add(self, trade: Mapping[str, Any]) -> None:
        """One more trade."""
        net = trade["net_pnl"].to_decimal()
        self.trades += 1
        self.gross += trade["pnl"].to_decimal()
        self.commission += trade["total_commission"].to_decimal()
        self.net += net
        if net > 0:
            self.winning, self.wins = self.winning + 1, self.wins + net
        elif net < 0:
            self.losing, self.losses = self.losing + 1, self.losses + net
        self.best = net if self.best is None else max(self.best, net)
        self.worst = net if self.worst is None else min(self.worst, net)
        self.height = max(self.height, self.net)
        self.drawdown = max(self.drawdown, self.height - self.net)
        self.seconds += trade["duration_seconds"]
        if trade["exit_time"] >= self.day_began:
            self.today += net

    def fields(self) -> Fields:
        """As they are told."""
        return {
            "trade_count": self.trades,
            "winning_trades": self.winning,
            "losing_trades": self.losing,
            "win_rate": _over(Decimal(self.winning), self.trades),
            "gross_pnl": _plain(self.gross),
            "total_commission": _plain(self.commission),
            "net_pnl": _plain(self.net),
            "unrealized_pnl": _plain(self.unrealized),
            "profit_factor": _over(self.wins, -self.losses),
            "average_win": _over(self.wins, self.winning),
            "average_loss": _over(self.losses, self.losing),
            "expectancy": _over(self.net, self.trades),
            "largest_win": None if self.best is None else _plain(self.best),
            "largest_loss": None if self.worst is None else _plain(self.worst),
            "max_drawdown": _plain(self.drawdown),
            "average_duration_seconds": self.seconds / self.trades if self.trades else None,
            "pnl_today": _plain(self.today),
        }


def _over(part: Decimal, whole: Decimal | int) -> str | None:
    return _plain((part / whole).quantize(_STEP)) if whole else None


def _plain(value: Decimal) -> str:
    return format(value.normalize() if value else _ZERO, "f")


def day_began(now: datetime) -> datetime:
    """Midnight, UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


async def _trades(database: Database, criteria: Mapping[str, Any], *fields: str) -> AsyncIterator[Mapping[str, Any]]:
    found = database[TRADES].find(dict(criteria), dict.fromkeys((*fields, "exit_time", "currency"), 1))
    async for trade in found.sort([("exit_time", ASCENDING), ("_id", ASCENDING)]):
        yield trade


_TALLIED: Final = ("net_pnl", "pnl", "total_commission", "duration_seconds")


@outliving_renames
async def of_operation(database: Database, operation_id: ObjectId, now: datetime) -> Fields | None:
    """One operation's statistics; None when there is none of that id."""
    operation = await database[OPERATIONS].find_one({"_id": operation_id}, {"currency": 1})
    if operation is None:
        return None
    tally = Tally(day_began(now))
    async for trade in _trades(database, {"operation_id": operation_id}, *_TALLIED):
        tally.add(trade)
    async for mark in database[POSITION_MARKS].find({"operation_id": operation_id}):
        tally.unrealized += mark["unrealized_pnl"].to_decimal()
    return {**tally.fields(), "currency": operation["currency"]}


@outliving_renames
async def overall(database: Database, now: datetime) -> dict[str, Fields]:
    """Statistics over all operations, by currency."""
    tallies: dict[str, Tally] = {}
    currencies: dict[ObjectId, str] = {}
    async for operation in database[OPERATIONS].find({}, {"currency": 1}):
        currencies[operation["_id"]] = operation["currency"]
        tallies.setdefault(operation["currency"], Tally(day_began(now)))
    async for trade in _trades(database, {}, *_TALLIED):
        tallies.setdefault(trade["currency"], Tally(day_began(now))).add(trade)
    async for mark in database[POSITION_MARKS].find():
        currency = currencies.get(mark["operation_id"])
        if currency is not None:
            tallies[currency].unrealized += mark["unrealized_pnl"].to_decimal()
    return {currency: tally.fields() for currency, tally in sorted(tallies.items())}


@outliving_renames
async def equity_curve(database: Database, operation_id: ObjectId | None, points: int) -> dict[str, list[Fields]]:
    """The summed net results by currency, at most so many points each, the last always among them."""
    criteria: Fields = {} if operation_id is None else {"operation_id": operation_id}
    chosen: Fields = {} if operation_id is None else {"_id": operation_id}
    capital: dict[str, Decimal] = {}
    async for operation in database[OPERATIONS].find(chosen, {"currency": 1, "initial_capital": 1}):
        initial: Decimal128 = operation["initial_capital"]
        currency = operation["currency"]
        capital[currency] = capital.get(currency, _ZERO) + initial.to_decimal()
    curves: dict[str, list[tuple[datetime, Decimal]]] = {currency: [] for currency in sorted(capital)}
    async for trade in _trades(database, criteria, "net_pnl"):
        curve = curves.setdefault(trade["currency"], [])
        before = curve[-1][1] if curve else _ZERO
        curve.append((trade["exit_time"], before + trade["net_pnl"].to_decimal()))
    return {
        currency: [_point(at, net, capital.get(currency, _ZERO)) for at, net in _thinned(curve, points)]
        for currency, curve in curves.items()
    }


def _point(at: datetime, net: Decimal, capital: Decimal) -> Fields:
    return {"time": at, "equity": _plain(capital + net), "net_pnl": _plain(net)}


def _thinned(curve: Sequence[tuple[datetime, Decimal]], points: int) -> Iterable[tuple[datetime, Decimal]]:
    if len(curve) <= points:
        return curve
    step = len(curve) / points
    return [curve[min(len(curve) - 1, round((index + 1) * step) - 1)] for index in range(points)]
