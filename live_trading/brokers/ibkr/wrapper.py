"""What the library's decoder calls: each message of TWS handed on to one handler, or to the request that waits for it.

The library's own ``IB`` and ``Wrapper`` are left out on purpose. They forget trades and fills on disconnecting, call
an order cancelled for messages that are none, drop a commission that comes before its execution, and count a corrected
execution twice. Its ``Client`` and ``Decoder`` (the protocol itself) are what is used.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC
from typing import Any, Protocol

import structlog
from ib_async.client import Client
from ib_async.contract import Contract, ContractDetails
from ib_async.decoder import Decoder
from ib_async.objects import BarData, CommissionReport, Execution, TickAttribBidAsk, TickAttribLast
from ib_async.order import Order, OrderState

_log = structlog.get_logger(__name__)

Ohlc = tuple[float, float, float, float]


class RequestFailed(Exception):  # noqa: N818 - it tells what happened
    """TWS answered a question with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Handler(Protocol):
    """Who is told what TWS says on its own."""

    def on_open_order(self, contract: Contract, order: Order, state: OrderState) -> None: ...
    def on_order_status(self, perm_id: int, order_id: int, client_id: int, status: str, filled: float) -> None: ...
    def on_execution(self, contract: Contract, execution: Execution) -> None: ...
    def on_commission(self, report: CommissionReport) -> None: ...
    def on_position(self, account: str, contract: Contract, quantity: float, average_cost: float) -> None: ...
    def on_account_value(self, account: str, tag: str, value: str, currency: str) -> None: ...
    def on_account_complete(self, account: str) -> None: ...
    def on_message(self, request_id: int, code: int, text: str) -> None: ...
    def on_price(self, request_id: int, kind: int, price: float, size: float) -> None: ...
    def on_size(self, request_id: int, kind: int, size: float) -> None: ...
    def on_tick_by_tick(self, request_id: int, prices: tuple[float, ...], sizes: tuple[float, ...]) -> None: ...
    def on_bar(self, request_id: int, second: int, ohlc: Ohlc, volume: float, count: int) -> None: ...
    def on_time(self, second: int) -> None: ...
    def on_data(self) -> None: ...
    def on_data_processed(self) -> None: ...
    def on_lost(self, reason: str) -> None: ...


class StrictDecoder(Decoder):
    """The library's decoder, which only logs what it cannot read. Here that ends the connection: an order's message
    that was lost is worse than connecting again."""

    def __init__(self, wrapper: "TwsWrapper", server_version: int, unreadable: Callable[[str], None]) -> None:
        super().__init__(wrapper, server_version)  # type: ignore[arg-type]
        self.logger = _Telling(self.logger, unreadable)  # type: ignore[assignment]


class _Telling(logging.LoggerAdapter[logging.Logger]):
    def __init__(self, logger: logging.Logger, unreadable: Callable[[str], None]) -> None:
        super().__init__(logger, {})
        self._unreadable = unreadable

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        super().exception(msg, *args, **kwargs)
        self._unreadable(str(msg)[:200])


class TwsWrapper:
    """The methods that the decoder looks for, by the names it looks for (hence camel case)."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.ib = self  # the decoder asks it for TimezoneTWS
        self.TimezoneTWS = "UTC"
        self.defaultTimezone = UTC
        self.waiting: dict[Any, asyncio.Future[Any]] = {}
        self.results: dict[Any, list[Any]] = {}

    def __getattr__(self, name: str) -> Callable[..., None]:
        """What TWS tells and we do not use (greeks of an option's data, say) is passed over."""
        if name.startswith("_"):
            raise AttributeError(name)
        return _passed_over

    def expect(self, key: Any) -> "asyncio.Future[Any]":
        """Wait for the answer to a question; of two with the same key one would hang, so they are never concurrent."""
        assert key not in self.waiting, f"{key} is being asked already"
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting[key], self.results[key] = future, []
        return future

    def forget(self, key: Any) -> None:
        self.waiting.pop(key, None)
        self.results.pop(key, None)

    def _add(self, key: Any, item: Any) -> None:
        if key in self.results:
            self.results[key].append(item)

    def _end(self, key: Any, result: Any = None) -> None:
        future, found = self.waiting.get(key), self.results.get(key)
        if future is not None and not future.done():
            future.set_result(found if result is None else result)

    def fail_all(self, error: Exception) -> None:
        """The connection is gone: nothing that is waited for will come."""
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(error)

    # Connection

    def connectAck(self) -> None:  # noqa: N802
        """Nothing: what follows tells."""

    def tcpDataArrived(self) -> None:  # noqa: N802
        self.handler.on_data()

    def tcpDataProcessed(self) -> None:  # noqa: N802
        try:
            self.handler.on_data_processed()
        except Exception as error:
            _log.exception("a message of TWS cannot be used")
            self.handler.on_lost(f"an unreadable message: {type(error).__name__}: {error}")

    def setEventsDone(self) -> None:  # noqa: N802
        """Nothing: there are no events of the library's own here."""

    def connectionClosed(self) -> None:  # noqa: N802
        self.handler.on_lost("the connection was lost")

    def currentTime(self, second: int) -> None:  # noqa: N802
        self.handler.on_time(second)

    def error(self, reqId: int, errorCode: int, errorString: str, _json: str = "") -> None:  # noqa: N803
        self.handler.on_message(reqId, errorCode, errorString)

    # Orders and executions

    def openOrder(self, _order_id: int, contract: Contract, order: Order, state: OrderState) -> None:  # noqa: N802
        self.handler.on_open_order(contract, order, state)
        self._add("openOrders", (contract, order, state))

    def openOrderEnd(self) -> None:  # noqa: N802
        self._end("openOrders")

    def orderStatus(  # noqa: N802
        self, order_id: int, status: str, filled: float, _remaining: float, _average: float, perm_id: int,
        _parent: int, _last: float, client_id: int, _why: str, _cap: float = 0.0,
    ) -> None:  # fmt: skip
        self.handler.on_order_status(perm_id, order_id, client_id, status, filled)

    def completedOrder(self, contract: Contract, order: Order, state: OrderState) -> None:  # noqa: N802
        self._add("completedOrders", (contract, order, state))

    def completedOrdersEnd(self) -> None:  # noqa: N802
        self._end("completedOrders")

    def execDetails(self, reqId: int, contract: Contract, execution: Execution) -> None:  # noqa: N802, N803
        if reqId in self.results:
            self._add(reqId, (contract, execution))
        else:
            self.handler.on_execution(contract, execution)

    def execDetailsEnd(self, reqId: int) -> None:  # noqa: N802, N803
        self._end(reqId)

    def commissionReport(self, report: CommissionReport) -> None:  # noqa: N802
        self.handler.on_commission(report)

    # Money

    def position(self, account: str, contract: Contract, quantity: float, average_cost: float) -> None:
        self.handler.on_position(account, contract, quantity, average_cost)
        self._add("positions", (account, contract, quantity, average_cost))

    def positionEnd(self) -> None:  # noqa: N802
        self._end("positions")

    def updateAccountValue(self, tag: str, value: str, currency: str, account: str) -> None:  # noqa: N802
        self.handler.on_account_value(account, tag, value, currency)

    def updateAccountTime(self, _time: str) -> None:  # noqa: N802
        self.handler.on_account_complete("")

    def updatePortfolio(self, *_figures: Any) -> None:  # noqa: N802
        """Nothing: positions are told by ``position``."""

    def accountDownloadEnd(self, account: str) -> None:  # noqa: N802
        self.handler.on_account_complete(account)
        self._end("accountUpdates")

    def accountUpdateMulti(self, reqId: int, account: str, _model: str, tag: str, value: str, currency: str) -> None:  # noqa: N802, N803
        self._add(reqId, (account, tag, value, currency))

    def accountUpdateMultiEnd(self, reqId: int) -> None:  # noqa: N802, N803
        self._end(reqId)

    # Contracts and data

    def contractDetails(self, reqId: int, details: ContractDetails) -> None:  # noqa: N802, N803
        self._add(reqId, details)

    def contractDetailsEnd(self, reqId: int) -> None:  # noqa: N802, N803
        self._end(reqId)

    def historicalData(self, reqId: int, bar: BarData) -> None:  # noqa: N802, N803
        self._add(reqId, bar)

    def historicalDataEnd(self, reqId: int, _start: str, _end: str) -> None:  # noqa: N802, N803
        self._end(reqId)

    def priceSizeTick(self, reqId: int, kind: int, price: float, size: float) -> None:  # noqa: N802, N803
        self.handler.on_price(reqId, kind, price, size)

    def tickSize(self, reqId: int, kind: int, size: float) -> None:  # noqa: N802, N803
        self.handler.on_size(reqId, kind, size)

    def tickByTickAllLast(  # noqa: N802
        self, reqId: int, _kind: int, second: int, price: float, size: float,  # noqa: N803
        _attributes: TickAttribLast, _exchange: str, _conditions: str,
    ) -> None:  # fmt: skip
        self.handler.on_tick_by_tick(reqId, (price,), (size,))

    def tickByTickBidAsk(  # noqa: N802
        self, reqId: int, second: int, bid: float, ask: float, bid_size: float, ask_size: float,  # noqa: N803
        _attributes: TickAttribBidAsk,
    ) -> None:  # fmt: skip
        self.handler.on_tick_by_tick(reqId, (bid, ask), (bid_size, ask_size))

    def realtimeBar(  # noqa: N802
        self, reqId: int, second: int, opened: float, high: float, low: float, close: float, volume: float,  # noqa: N803
        _average: float, count: int,
    ) -> None:  # fmt: skip
        self.handler.on_bar(reqId, second, (opened, high, low, close), volume, count)


def _passed_over(*_values: object) -> None:
    """Nothing."""


def make_client(wrapper: TwsWrapper, unreadable: Callable[[str], None]) -> Any:
    """A client of the library over our wrapper. Its throttle is off: it queues orders behind market data, and sends
    them when their guard has long been asked; the budget of messages is kept by :mod:`.budget`."""
    client: Any = Client(wrapper)  # type: ignore[no-untyped-call]
    client.MaxRequests = 0
    client.decoder = StrictDecoder(wrapper, 0, unreadable)
    return client
