"""The exchange's durable store: one SQLite file, written ahead and synced at each commit.

The effects of a step are one transaction, on disk before anybody is told of them; so the process may be killed at any
point. Numbers are kept as text, exactly. The file may be read by others while the exchange runs:

==============  =====================================================================================================
table           rows
==============  =====================================================================================================
meta            ``schema_version``, ``market_time_ns`` and ``feed`` (where the feed stands, JSON)
accounts        account, its currency and what was paid in
cash            account, currency, amount: paid in, plus realised profit, less commissions
orders          every order ever accepted, as it is now; columns as :class:`core.Order`
executions      the execution log, one row an ``entry``, columns as :class:`core.Execution`; what holds now are the rows
                with ``superseded = 0 AND kind <> 'COMMISSION'``: they sum up to the positions
positions       account, symbol, signed quantity, average price, realised profit
instruments     symbol and the listing as JSON
minutes         closed one-minute bars, JSON, for history
==============  =====================================================================================================
"""

import fcntl
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import LiveTradingError
from live_trading.domain.market import Bar, Ohlc
from live_trading.domain.values import OrderStatus, OrderType, Side, TimeInForce
from live_trading.paper_exchange.core.engine import EngineState
from live_trading.paper_exchange.core.models import AccountSettings, Listing
from live_trading.paper_exchange.core.types import (
    AccountChanged,
    CommissionTold,
    Effect,
    Executed,
    Execution,
    ExecutionAmended,
    ExecutionKind,
    Order,
    OrderChanged,
    Position,
    PositionChanged,
)
from live_trading.paper_exchange.exchange import Note

SCHEMA_VERSION = 2
MINUTES_KEPT = 14 * 86_400 * 1_000_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY, currency TEXT NOT NULL, paid_in TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS cash (
    account TEXT NOT NULL, currency TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (account, currency)) STRICT;
CREATE TABLE IF NOT EXISTS orders (
    order_id INTEGER PRIMARY KEY, account TEXT NOT NULL, client_order_id TEXT, symbol TEXT NOT NULL, side TEXT NOT NULL,
    order_type TEXT NOT NULL, nominal TEXT NOT NULL, quantity TEXT NOT NULL, limit_price TEXT, stop_price TEXT,
    time_in_force TEXT NOT NULL, oca_group TEXT, parent_id INTEGER, accepted_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL, priority INTEGER NOT NULL, status TEXT NOT NULL, filled TEXT NOT NULL,
    filled_value TEXT NOT NULL, commission TEXT NOT NULL, dormant INTEGER NOT NULL, triggered INTEGER NOT NULL,
    posted INTEGER NOT NULL, reason TEXT NOT NULL, labels TEXT NOT NULL, trailing_distance TEXT) STRICT;
CREATE INDEX IF NOT EXISTS orders_by_client_order_id ON orders (account, client_order_id);
CREATE TABLE IF NOT EXISTS executions (
    entry INTEGER PRIMARY KEY, number INTEGER NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL,
    execution_id TEXT NOT NULL, revision TEXT NOT NULL, order_id INTEGER NOT NULL, client_order_id TEXT,
    symbol TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL, quantity TEXT NOT NULL, time_ns INTEGER NOT NULL,
    commission TEXT NOT NULL, commission_currency TEXT NOT NULL, commission_due_ns INTEGER NOT NULL,
    superseded INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS executions_by_number ON executions (account, number) WHERE number > 0;
CREATE TABLE IF NOT EXISTS positions (
    account TEXT NOT NULL, symbol TEXT NOT NULL, quantity TEXT NOT NULL, average_price TEXT NOT NULL,
    realised TEXT NOT NULL, PRIMARY KEY (account, symbol)) STRICT;
CREATE TABLE IF NOT EXISTS instruments (symbol TEXT PRIMARY KEY, listing TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS minutes (
    symbol TEXT NOT NULL, start_ns INTEGER NOT NULL, bar TEXT NOT NULL, PRIMARY KEY (symbol, start_ns)) STRICT;
CREATE TABLE IF NOT EXISTS notes (
    front TEXT NOT NULL, account TEXT NOT NULL, number INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (front, account, number)) STRICT;
"""

_ORDER_COLUMNS = (
    "order_id, account, client_order_id, symbol, side, order_type, nominal, quantity, limit_price, stop_price, "
    "time_in_force, oca_group, parent_id, accepted_ns, updated_ns, priority, status, filled, filled_value, commission, "
    "dormant, triggered, posted, reason, labels, trailing_distance"
)
_EXECUTION_COLUMNS = (
    "entry, number, kind, account, execution_id, revision, order_id, client_order_id, symbol, side, price, quantity, "
    "time_ns, commission, commission_currency, commission_due_ns, superseded"
)


class StoreError(LiveTradingError):
    """The store cannot be used: it is locked, of another version, or does not add up."""


class ExchangeStore:
    """The store in ``path``, held by this process alone.

    ``feed_state`` is asked at each commit where the feed stands, so that a fill and the tick that made it are never
    apart.
    """

    def __init__(self, path: Path) -> None:
        self.feed_state: Callable[[], object] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be kept there: {error.strerror}. Take another folder") from error
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            self._open(path)
        except sqlite3.Error as error:
            self.close()
            raise StoreError(f"{path} cannot be used: {error}. Look for room on its disk, or restore it") from error

    def _open(self, path: Path) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        version = self._meta("schema_version")
        if version is None:
            self._database.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
        elif version == "1":
            self._from_version_1()
        elif version != str(SCHEMA_VERSION):
            self.close()
            raise StoreError(f"{path} has schema version {version}, this program reads {SCHEMA_VERSION}")

    def _from_version_1(self) -> None:
        """A store from before there were orders that trail."""
        with _Transaction(self._database):
            self._database.execute("ALTER TABLE orders ADD COLUMN trailing_distance TEXT")
            self._database.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")

    def close(self) -> None:
        self._database.close()
        self._lock.close()

    # Opening

    def open_accounts(self, wanted: Iterable[AccountSettings]) -> tuple[AccountSettings, ...]:
        """The accounts there are, after opening those wanted that are not. An account's money is set at its birth."""
        with _Transaction(self._database):
            for settings in wanted:
                row = (settings.account, settings.currency, str(settings.cash))
                self._database.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?, ?)", row)
        rows = self._database.execute("SELECT account, currency, paid_in FROM accounts ORDER BY account")
        return tuple(AccountSettings(account=row[0], currency=row[1], cash=Decimal(row[2])) for row in rows)

    def open_listings(self, wanted: Iterable[Listing]) -> tuple[Listing, ...]:
        """The listings wanted, and those known from before that orders may exist in."""
        listings = {listing.symbol: listing for listing in wanted}
        for symbol, text in self._database.execute("SELECT symbol, listing FROM instruments"):
            if symbol not in listings:
                listings[symbol] = Listing.model_validate_json(text)
        with _Transaction(self._database):
            for listing in listings.values():
                row = (listing.symbol, listing.model_dump_json())
                self._database.execute("INSERT OR REPLACE INTO instruments VALUES (?, ?)", row)
        return tuple(listings.values())

    def load(self) -> EngineState:
        """What the matching engine is rebuilt from."""
        orders = self._database.execute(f"SELECT {_ORDER_COLUMNS} FROM orders ORDER BY order_id")  # noqa: S608
        rows = self._database.execute(f"SELECT {_EXECUTION_COLUMNS} FROM executions ORDER BY entry")  # noqa: S608
        now_ns = int(self._meta("market_time_ns") or 0)
        return EngineState([_order(row) for row in orders], [_execution(row) for row in rows], now_ns)

    def check(self, positions: Iterable[Position]) -> None:
        """Raise :class:`StoreError` unless the positions rebuilt from the log are those written down beside it."""
        rebuilt = {(position.account, position.symbol): position.quantity for position in positions}
        stored = {
            (account, symbol): Decimal(quantity)
            for account, symbol, quantity in self._database.execute("SELECT account, symbol, quantity FROM positions")
            if Decimal(quantity)
        }
        if rebuilt != stored:
            raise StoreError(f"the store does not add up: executions give {rebuilt}, positions say {stored}")

    def feed(self) -> Any:
        """Where the feed stood at the last commit; None before the first."""
        text = self._meta("feed")
        return None if text is None else json.loads(text)

    def minutes(self) -> list[Bar]:
        """The stored one-minute bars, oldest first."""
        rows = self._database.execute("SELECT symbol, start_ns, bar FROM minutes ORDER BY start_ns, symbol")
        return [_bar(*row) for row in rows]

    def notes(self, front: str) -> list[Note]:
        """What a protocol front has written down, oldest first."""
        rows = self._database.execute("SELECT * FROM notes WHERE front = ? ORDER BY account, number", (front,))
        return [Note(*row) for row in rows]

    # Writing

    def commit(self, effects: Sequence[Effect], now_ns: int, notes: Sequence[Note] = ()) -> None:
        """Write the effects of one step and the notes on them. They are on disk when this returns."""
        orders = {effect.order.order_id: effect.order for effect in effects if isinstance(effect, OrderChanged)}
        rows: dict[int, Execution] = {}
        positions: dict[tuple[str, str], Position] = {}
        cash: dict[tuple[str, str], Decimal] = {}
        for effect in effects:
            if isinstance(effect, Executed | ExecutionAmended):
                rows[effect.execution.entry] = effect.execution
            elif isinstance(effect, CommissionTold):
                rows[effect.row.entry] = effect.row
            elif isinstance(effect, PositionChanged):
                positions[effect.position.account, effect.position.symbol] = effect.position
            elif isinstance(effect, AccountChanged):
                cash.update({(effect.view.account, key): amount for key, amount in effect.view.cash.items()})
        with _Transaction(self._database):
            self._replace("orders", [_order_row(order) for order in orders.values()])
            self._replace("executions", [_execution_row(row) for row in rows.values()])
            self._replace("positions", [_position_row(position) for position in positions.values()])
            self._replace("cash", [(account, currency, str(amount)) for (account, currency), amount in cash.items()])
            self._replace("notes", [(note.front, note.account, note.number, note.text) for note in notes])
            self._progress(now_ns)

    def save_progress(self, now_ns: int, minutes: Sequence[Bar] = ()) -> None:
        """Write how far the market has come, and the minutes that have closed."""
        with _Transaction(self._database):
            self._replace("minutes", [(bar.symbol, bar.start_ns, _bar_text(bar)) for bar in minutes])
            self._database.execute("DELETE FROM minutes WHERE start_ns < ?", (now_ns - MINUTES_KEPT,))
            self._progress(now_ns)

    def _progress(self, now_ns: int) -> None:
        rows = [("market_time_ns", str(now_ns))]
        if self.feed_state is not None:
            rows.append(("feed", json.dumps(self.feed_state())))
        self._replace("meta", rows)

    def _replace(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)  # noqa: S608

    def _meta(self, key: str) -> str | None:
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])


class _Transaction:
    """All or nothing."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self._database.execute("COMMIT")
        elif self._database.in_transaction:  # a full disk has ended it already
            self._database.execute("ROLLBACK")


def _lock(path: Path) -> IO[str]:
    """Hold the store for this process; the lock goes with it, however it ends."""
    file = path.with_suffix(".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StoreError(f"{path} is in use by another paper exchange: stop that one, or take another folder") from None
    return file


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _order_row(order: Order) -> tuple[Any, ...]:
    return (
        order.order_id, order.account, order.client_order_id, order.symbol, order.side.value, order.order_type.value,
        str(order.nominal), str(order.quantity), _text(order.limit_price), _text(order.stop_price),
        order.time_in_force.value, order.oca_group, order.parent_id, order.accepted_ns, order.updated_ns,
        order.priority, order.status.value, str(order.filled), str(order.filled_value), str(order.commission),
        order.dormant, order.triggered, order.posted, order.reason, json.dumps(dict(order.labels)),
        _text(order.trailing_distance),
    )  # fmt: skip


def _order(row: tuple[Any, ...]) -> Order:
    return Order(
        order_id=row[0],
        account=row[1],
        client_order_id=row[2],
        symbol=row[3],
        side=Side(row[4]),
        order_type=OrderType(row[5]),
        nominal=Decimal(row[6]),
        quantity=Decimal(row[7]),
        limit_price=_number(row[8]),
        stop_price=_number(row[9]),
        time_in_force=TimeInForce(row[10]),
        oca_group=row[11],
        parent_id=row[12],
        accepted_ns=row[13],
        updated_ns=row[14],
        priority=row[15],
        status=OrderStatus(row[16]),
        filled=Decimal(row[17]),
        filled_value=Decimal(row[18]),
        commission=Decimal(row[19]),
        dormant=bool(row[20]),
        triggered=bool(row[21]),
        posted=bool(row[22]),
        reason=row[23],
        labels=json.loads(row[24]),
        trailing_distance=_number(row[25]),
    )


def _execution_row(row: Execution) -> tuple[Any, ...]:
    return (
        row.entry, row.number, row.kind.value, row.account, row.execution_id, row.revision, row.order_id,
        row.client_order_id, row.symbol, row.side.value, str(row.price), str(row.quantity), row.time_ns,
        str(row.commission), row.commission_currency, row.commission_due_ns, row.superseded,
    )  # fmt: skip


def _execution(row: tuple[Any, ...]) -> Execution:
    return Execution(
        entry=row[0],
        number=row[1],
        kind=ExecutionKind(row[2]),
        account=row[3],
        execution_id=row[4],
        revision=row[5],
        order_id=row[6],
        client_order_id=row[7],
        symbol=row[8],
        side=Side(row[9]),
        price=Decimal(row[10]),
        quantity=Decimal(row[11]),
        time_ns=row[12],
        commission=Decimal(row[13]),
        commission_currency=row[14],
        commission_due_ns=row[15],
        superseded=bool(row[16]),
    )


def _position_row(position: Position) -> tuple[Any, ...]:
    figures = (position.quantity, position.average_price, position.realised)
    return (position.account, position.symbol, *(str(figure) for figure in figures))


def _bar_text(bar: Bar) -> str:
    sides = [None if side is None else [str(price) for price in side] for side in (bar.bid, bar.ask)]
    prices = [str(price) for price in (bar.open, bar.high, bar.low, bar.close, bar.volume)]
    return json.dumps([*prices, bar.tick_count, *sides])


def _bar(symbol: str, start_ns: int, text: str) -> Bar:
    *prices, ticks, bid, ask = json.loads(text)
    opened, high, low, close, volume = map(Decimal, prices)
    sides = [None if side is None else Ohlc(*map(Decimal, side)) for side in (bid, ask)]
    return Bar(symbol, BarSize.MIN_1, start_ns, opened, high, low, close, volume, ticks, sides[0], sides[1])
