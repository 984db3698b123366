"""One client's connection: handshake, requests, messages. Nonsense gets an error, or the connection's end."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from live_trading.domain.market import QuoteTick, TradeTick
from live_trading.paper_exchange import core
from live_trading.paper_exchange.exchange import MarketHeartbeat, Notice, SimulatedExchange
from live_trading.paper_exchange.faults import ON_COMMAND, Fault, FaultKind
from live_trading.paper_exchange.protocols.tws.codes import Code
from live_trading.paper_exchange.protocols.tws.contracts import AskedContract, ContractBook
from live_trading.paper_exchange.protocols.tws.desk import OrderDesk, OrderIds
from live_trading.paper_exchange.protocols.tws.frames import (
    GREETING,
    BadField,
    BadFrame,
    Fields,
    encode,
    fields_of,
    read_frame,
)
from live_trading.paper_exchange.protocols.tws.market import MarketDesk
from live_trading.paper_exchange.protocols.tws.money import MoneyDesk
from live_trading.paper_exchange.protocols.tws.place_order import PlacedOrder, read_place_order
from live_trading.runtime import utc_from_ns

OLDEST_VERSION, NEWEST_VERSION = 157, 178
"""Server versions spoken: what a client says it knows decides."""
HANDSHAKE_SECONDS = 10.0
_OUTBOX_LIMIT = 50_000
_SECOND = 1_000_000_000
_START_API = 71
_PLACE, _CANCEL = 3, 4


class Registry(Protocol):
    """What a connection needs of its front."""

    def admit(self, session: "Session") -> bool:
        """Whether its client id is free; it is taken from then on."""

    def connected_to_servers(self) -> bool:
        """Whether the gateway has its servers."""


class Session:
    """A connection from its first byte to its last."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        book: ContractBook,
        ids: OrderIds,
        registry: Registry,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.client_id = -1
        self.ready = False
        self._exchange = exchange
        self._book = book
        self._ids = ids
        self._registry = registry
        self._reader = reader
        self._writer = writer
        self._outbox: deque[bytes] = deque()
        self._something = asyncio.Event()
        self._paused_until = 0.0
        self._muted = False
        self._over = False
        self._version = 0

    # The connection's life

    async def serve(self) -> None:
        """Read until the client goes, or says something that makes no sense."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._handshake()
            while not self._over:
                frame = await read_frame(self._reader)
                if not self._exchange.silent:  # a peer that plays dead loses what it is sent
                    self._take(fields_of(frame))
        except (BadFrame, BadField, ConnectionError, asyncio.IncompleteReadError, TimeoutError, OSError):
            return
        finally:
            self.hang_up()

    async def _handshake(self) -> None:
        if await self._reader.readexactly(len(GREETING)) != GREETING:
            raise BadFrame("no greeting")
        text = (await read_frame(self._reader)).decode("ascii", errors="replace")
        bounds = text.split(" ")[0].removeprefix("v").split("..")
        if not all(bound.isdigit() for bound in bounds):
            raise BadFrame("no versions")
        oldest, newest = int(bounds[0]), int(bounds[-1])
        self._version = min(newest, NEWEST_VERSION)
        if self._version < OLDEST_VERSION or oldest > NEWEST_VERSION:
            raise BadFrame(f"versions {oldest} to {newest}")
        self.send(encode(self._version, f"{utc_from_ns(self._exchange.now_ns):%Y%m%d %H:%M:%S} UTC"))
        start = Fields(fields_of(await read_frame(self._reader)))
        if start.integer() != _START_API:
            raise BadFrame("startApi must come first")
        start.skip(1)
        self.client_id = start.integer()
        self._start_api()

    def _start_api(self) -> None:
        self._orders = OrderDesk(self._exchange, self._book, self._ids, self.client_id, self._version, self.send)
        self._market = MarketDesk(self._exchange, self._book, self._version, self.send, self._orders.error)
        self._money = MoneyDesk(self._exchange, self._book, self.send, self._orders.error)
        self._requests = self._table()
        if self.client_id < 0 or not self._registry.admit(self):
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            self._orders.error(-1, Code.CLIENT_ID_IN_USE, text)
            self.hang_up()
            return
        rolled_back = self._exchange.faults.take(FaultKind.IDS_ROLLED_BACK) is not None
        self.send(encode(15, 1, ",".join(self._exchange.engine.accounts)))
        self.send(encode(9, 1, self._orders.issue_id(rolled_back=rolled_back)))
        for code, farm in (
            (Code.MARKET_DATA_OK, "Market data farm connection is OK:paper"),
            (Code.HISTORY_OK, "HMDS data farm connection is OK:paper"),
            (Code.SECURITY_DATA_OK, "Sec-def data farm connection is OK:paper"),
        ):
            self._orders.error(-1, code, farm)
        if not self._registry.connected_to_servers():
            self.tell_connectivity(Code.CONNECTIVITY_LOST)
        self.ready = True

    def hang_up(self) -> None:
        """End the connection; what waits is still written. Orders that were never transmitted are gone with it."""
        self._over = True
        self.ready = False
        self._something.set()

    def cut(self) -> None:
        """End it at once, without a word."""
        self._outbox.clear()
        self.hang_up()
        self._writer.transport.abort()

    # Writing

    def send(self, message: bytes) -> None:
        if self._over or self._muted:
            return
        if len(self._outbox) >= _OUTBOX_LIMIT:
            self.cut()  # too slow
            return
        self._outbox.append(message)
        self._something.set()

    async def write(self) -> None:
        """Write what waits, until the end."""
        clock = self._exchange.clock
        try:
            while self._outbox or not self._over:
                if not self._outbox:
                    self._something.clear()
                    if not self._over:
                        await self._something.wait()
                    continue
                await self._exchange.until_answering()
                if (wait := self._paused_until - clock.monotonic()) > 0:
                    await clock.sleep(wait)
                data = b"".join(self._outbox)
                self._outbox.clear()
                self._writer.write(data)
                await self._writer.drain()
        except (ConnectionError, OSError):
            return
        finally:
            self._over = True
            self._writer.close()

    # Requests

    def _table(self) -> dict[int, Callable[[Fields], None]]:
        orders, market, money = self._orders, self._market, self._money
        return {
            1: market.quotes,
            2: market.end_quotes,
            5: lambda _: orders.list_open(everyone=False),
            6: money.updates,
            7: orders.list_executions,
            8: lambda _: self.send(encode(9, 1, orders.issue_id(rolled_back=False))),
            9: self._contract_details,
            14: lambda _: None,  # log level
            15: lambda _: None,  # autoOpenOrders: what client 0 has bound is told it anyway
            16: lambda _: orders.list_open(everyone=True),
            17: lambda _: self.send(encode(15, 1, ",".join(self._exchange.engine.accounts))),
            20: market.history,
            25: lambda _: None,  # history is answered at once
            49: lambda _: self.send(encode(49, 1, self._exchange.now_ns // _SECOND)),
            50: market.bars,
            51: market.end_bars,
            58: lambda _: orders.cancel_all(),
            59: lambda _: None,  # market data type: all of it is live
            61: lambda _: money.positions(),
            62: money.summary,
            63: money.end_summary,
            64: lambda _: money.end_positions(),
            76: money.updates_multi,
            77: money.end_updates_multi,
            92: money.profit,
            93: money.end_profit,
            97: market.tick_by_tick,
            98: market.end_tick_by_tick,
            99: lambda fields: orders.list_completed(api_only=fields.flag()),
        }

    _QUESTIONS = frozenset({5, 6, 7, 16, 61, 62, 76, 99})
    """What ``FAIL_QUERIES`` fails."""
    _NEED_SERVERS = frozenset({1, 3, 4, 9, 20, 50, 97})
    """What is not answered while the gateway has lost its servers."""

    def _take(self, fields: list[str]) -> None:
        read = Fields(fields)
        kind = read.integer(-1)
        if kind in self._NEED_SERVERS and not self._registry.connected_to_servers():
            return
        if kind in (_PLACE, _CANCEL):
            self._take_command(kind, read)
            return
        handler = self._requests.get(kind)
        if handler is None:
            self._orders.error(-1, Code.UNKNOWN_REQUEST, f"Fatal Error: Unknown message id {kind}.")
            return
        if kind in self._QUESTIONS and self._exchange.faults.take(FaultKind.FAIL_QUERIES, (str(kind),)) is not None:
            request_id = _request_id(kind, fields)
            self._orders.error(request_id, Code.PROCESSING, "Error processing request:-'bz' : cause - fault")
            return
        try:
            handler(read)
        except BadField as error:
            text = f"Error reading request. Message id {kind}: {error}"
            self._orders.error(-1, Code.BAD_MESSAGE, text)

    def _take_command(self, kind: int, read: Fields) -> None:
        """A command, with what a fault makes of it."""
        asked: PlacedOrder | None = None
        try:
            if kind == _PLACE:
                asked = read_place_order(read, self._version)
            else:
                read.skip(1)
        except BadField as error:
            self._orders.error(-1, Code.BAD_MESSAGE, f"Error reading request. Message id {kind}: {error}")
            return
        about, operation = self._about(asked, read)
        faults = self._exchange.faults
        fault = next((f for k in ON_COMMAND if (f := faults.take(k, about, operation))), None)
        if fault is not None and fault.kind is FaultKind.DROP_BEFORE_ACCEPT:
            self.cut()
            return
        self._begin(fault)
        try:
            if asked is not None:
                self._orders.place(asked)
            else:
                self._orders.cancel(read)
        except BadField as error:
            self._orders.error(-1, Code.BAD_MESSAGE, str(error))
        self._muted = False
        if fault is not None and fault.kind is FaultKind.DROP_AFTER_ACCEPT:
            self.cut()

    def _begin(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.kind is FaultKind.SLOW:
            self._paused_until = self._exchange.clock.monotonic() + fault.seconds
        self._muted = fault.kind is not FaultKind.SLOW

    def _about(self, asked: PlacedOrder | None, read: Fields) -> tuple[tuple[str | None, ...], str]:
        """What a fault may be for: the order's reference and symbol, and what is done with it."""
        if asked is not None:
            operation = "modify" if self._orders.is_working(asked.order_id) else "place"
            if operation == "place" and not asked.transmit:
                operation = "hold"
            return (asked.order_ref, asked.contract.symbol), operation
        return (self._orders.reference(read.peek_integer()),), "cancel"

    def _contract_details(self, fields: Fields) -> None:
        fields.skip(1)
        request_id, asked = fields.integer(), AskedContract.read(fields)
        found = self._book.find(asked)
        if not found:
            text = "No security definition has been found for the request"
            self._orders.error(request_id, Code.NO_SECURITY, text)
            return
        now = utc_from_ns(self._exchange.now_ns)
        for symbol in found:
            details = self._book.details(symbol, self._version, now)
            head = (10, 8, request_id) if self._version < 164 else (10, request_id)
            self.send(encode(*head, *details))
        self.send(encode(52, 1, request_id))

    # Telling

    @property
    def symbols(self) -> set[str]:
        return self._market.symbols if self.ready else set()

    def deliver(self, notice: Notice) -> None:
        """Tell what has happened, if it is this client's business."""
        match notice:
            case QuoteTick() | TradeTick():
                self._market.on_tick(notice)
            case MarketHeartbeat():
                self._market.on_time(notice.time_ns)
            case core.OrderChanged() if self._orders.is_mine(notice.order):
                self._orders.tell(notice.order)
            case core.Executed() if self._orders.placed(notice.execution):
                self._orders.tell_execution(notice.execution)
            case core.CommissionTold() if self._orders.placed(notice.row):
                self._orders.tell_commission(notice.row)
            case core.PositionChanged():
                self._money.on_position(notice.position)
            case core.AccountChanged():
                self._money.on_account(notice.view)

    def tell_connectivity(self, code: Code) -> None:
        """1100, and after it 1101 or 1102."""
        text = {
            Code.CONNECTIVITY_LOST: "Connectivity between IBKR and Trader Workstation has been lost.",
            Code.RESTORED_DATA_LOST: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
            Code.RESTORED: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
        }[code]
        self._orders.error(-1, code, text)
        if code is Code.RESTORED_DATA_LOST:
            self._market.forget()


def _request_id(kind: int, fields: list[str]) -> int:
    """The id to which a failed question's error is told; -1 where it has none."""
    place = {7: 2, 62: 2, 76: 2}.get(kind)
    if place is None or len(fields) <= place or not fields[place].isdigit():
        return -1
    return int(fields[place])
