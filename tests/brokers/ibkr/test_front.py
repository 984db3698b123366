"""The TWS front against whoever connects: every server version, the official client, and nonsense."""

import asyncio
from decimal import Decimal
from threading import Thread
from typing import Any

import ib_async
import pytest

from live_trading.paper_exchange import FaultKind
from live_trading.paper_exchange.protocols.tws.codes import Code
from tests.brokers.ibkr.gateways import ACCOUNT, Gateway, frame

CASH = (0, "EUR", "CASH", "", 0, "", "", "IDEALPRO", "", "USD", "", "")


def plain_order(client: Any, order_id: int, **changes: Any) -> None:
    """A placeOrder as ib_async writes it, sent on a bare socket."""
    fields = {"action": "BUY", "totalQuantity": Decimal(1000), "orderType": "MKT", "tif": "GTC", "orderRef": "R1"}
    order = ib_async.Order(**{**fields, **changes})
    writer: Any = _Writer(client.version)
    writer.placeOrder(order_id, ib_async.Forex("EURUSD"), order)
    client.raw(frame(writer.message, end=""))


class _Writer(ib_async.Client):
    """The library's client, which keeps the message instead of sending it."""

    def __init__(self, version: int) -> None:
        super().__init__(object())  # type: ignore[no-untyped-call]
        self._serverVersion = version
        self.connState = self.CONNECTED
        self.message = ""

    def sendMsg(self, msg: str) -> None:  # noqa: N802
        self.message = msg


@pytest.mark.parametrize("version", [157, 158, 160, 162, 163, 164, 166, 169, 170, 176, 177, 178])
async def test_orders_are_placed_listed_and_ended_in_every_server_version(gateway: Gateway, version: int) -> None:
    ib = ib_async.IB()
    ib.client.MaxClientVersion = version
    ib.client.MinClientVersion = 157
    await ib.connectAsync("127.0.0.1", gateway.port, clientId=version, timeout=20)
    assert ib.client.serverVersion() == version
    (details,) = await ib.reqContractDetailsAsync(ib_async.Forex("EURUSD"))
    assert details.minTick == 0.00001
    contract = details.contract
    assert contract is not None
    parent = ib_async.LimitOrder(
        "BUY", 1000, 1.05, orderId=ib.client.getReqId(), orderRef="P", tif="GTC", transmit=False
    )
    stop = ib_async.StopOrder("SELL", 1000, 1.01, parentId=parent.orderId, orderRef="S", tif="GTC", ocaGroup="G")
    trades = [ib.placeOrder(contract, parent), ib.placeOrder(contract, stop)]
    async with asyncio.timeout(20):
        while [trade.orderStatus.status for trade in trades] != ["Submitted", "PreSubmitted"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    listed = await ib.reqAllOpenOrdersAsync()
    assert [(trade.order.orderRef, trade.order.lmtPrice, trade.order.auxPrice) for trade in listed] == [
        ("P", 1.05, 0.0),
        ("S", 0.0, 1.01),
    ]
    market = ib.placeOrder(contract, ib_async.MarketOrder("BUY", 500, orderRef="M", tif="GTC"))
    ib.cancelOrder(parent)
    async with asyncio.timeout(20):
        while not (market.fills and market.fills[0].commissionReport.commission and trades[1].isDone()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    completed = await ib.reqCompletedOrdersAsync(False)
    assert {trade.order.orderRef: trade.orderStatus.status for trade in completed} == {
        "P": "Cancelled",
        "S": "Cancelled",
        "M": "Filled",
    }
    assert [fill.execution.orderRef for fill in await ib.reqExecutionsAsync()] == ["M"]
    assert [position.position for position in await ib.reqPositionsAsync()] == [500.0]
    assert any(value.tag == "NetLiquidation" for value in await ib.accountSummaryAsync())
    profit = ib.reqPnL(ACCOUNT)
    async with asyncio.timeout(20):
        while profit.unrealizedPnL != profit.unrealizedPnL:  # noqa: ASYNC110 - not a number yet
            await asyncio.sleep(0.02)
    ib.disconnect()


async def test_the_official_client_connects_trades_and_lists(gateway: Gateway) -> None:
    from ibapi.client import EClient  # type: ignore[import-untyped]
    from ibapi.contract import Contract  # type: ignore[import-untyped]
    from ibapi.execution import ExecutionFilter  # type: ignore[import-untyped]
    from ibapi.order import Order  # type: ignore[import-untyped]
    from ibapi.wrapper import EWrapper  # type: ignore[import-untyped]

    said: dict[str, list[Any]] = {}

    class Program(EWrapper, EClient):  # type: ignore[misc]
        def __init__(self) -> None:
            EClient.__init__(self, self)

    for name in ("nextValidId", "managedAccounts", "openOrder", "orderStatus", "execDetails", "commissionReport",
                 "position", "positionEnd", "openOrderEnd", "execDetailsEnd", "contractDetails", "completedOrder",
                 "completedOrdersEnd", "historicalData", "tickPrice", "error", "currentTime"):  # fmt: skip

        def note(self: Any, *values: Any, name: str = name) -> None:
            said.setdefault(name, []).append(values)

        setattr(Program, name, note)

    async def until(name: str, count: int = 1) -> Any:
        async with asyncio.timeout(30):
            while len(said.get(name, [])) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return said[name][-1]

    program = Program()
    await asyncio.to_thread(program.connect, "127.0.0.1", gateway.port, 77)
    reading = Thread(target=program.run, daemon=True)
    reading.start()
    try:
        (order_id,) = await until("nextValidId")
        assert program.serverVersion() == 157
        assert said["managedAccounts"] == [(ACCOUNT,)]
        contract = Contract()
        contract.symbol, contract.secType, contract.exchange, contract.currency = "EUR", "CASH", "IDEALPRO", "USD"
        program.reqContractDetails(1001, contract)
        assert (await until("contractDetails"))[1].minTick == 0.00001
        order = Order()
        order.action, order.orderType, order.totalQuantity, order.tif, order.orderRef = "BUY", "MKT", 1000, "GTC", "X"
        program.placeOrder(order_id, contract, order)
        assert (await until("execDetails"))[2].orderRef == "X"
        assert (await until("commissionReport"))[0].commission == 2.0
        resting = Order()
        resting.action, resting.orderType, resting.totalQuantity, resting.tif = "BUY", "LMT", 1000, "GTC"
        resting.lmtPrice = 1.05
        program.placeOrder(order_id + 1, contract, resting)
        program.reqAllOpenOrders()
        await until("openOrderEnd")
        assert said["openOrder"][-1][2].lmtPrice == 1.05
        program.reqPositions()
        await until("positionEnd")
        assert said["position"][-1][2] == 1000
        program.reqExecutions(1002, ExecutionFilter())
        await until("execDetailsEnd")
        program.cancelOrder(order_id + 1)
        async with asyncio.timeout(30):
            while not any(values[1] == "Cancelled" for values in said["orderStatus"]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        program.reqCompletedOrders(False)
        await until("completedOrdersEnd")
        assert len(said["completedOrder"]) == 2
        assert {values[1] for values in said["error"]} <= {2104, 2106, 2158, 202}
    finally:
        await asyncio.to_thread(program.disconnect)
        await asyncio.to_thread(reading.join, 10)


# Nonsense


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"API\0" + frame("v1..99", end=""),
        b"API\0" + frame("v300..400", end=""),
        b"API\0" + frame("banana", end=""),
        b"API\0\xff\xff\xff\xff",
        b"API\0" + frame("v157..178", end="") + frame(3, 1, "not startApi"),
        b"API\0" + frame("v157..178", end="") + frame(71, 2, "minus", ""),
    ],
)
async def test_whoever_does_not_shake_hands_is_hung_up_on(gateway: Gateway, bytes_sent: bytes) -> None:
    stranger = await gateway.socket()
    stranger.raw(bytes_sent)
    await stranger.closed()
    await gateway.plain()


async def test_a_frame_too_long_ends_the_connection_and_no_other(gateway: Gateway) -> None:
    bad, good = await gateway.plain(), await gateway.plain()
    bad.raw(b"\x7f\xff\xff\xff" + b"x" * 100)
    await bad.closed()
    good.send(49, 1)
    await good.until("49")


async def test_nonsense_gets_an_error_and_changes_nothing(gateway: Gateway) -> None:
    client = await gateway.plain()
    for fields, code in (
        ((99999, 1), Code.UNKNOWN_REQUEST),
        ((3, "one", *CASH), Code.BAD_MESSAGE),
        ((3, 1, *CASH, "", "", "BUY", "NaN"), Code.BAD_MESSAGE),
        ((3, 1), Code.BAD_MESSAGE),
        ((9, 8), Code.BAD_MESSAGE),
        ((20, 5, *CASH, 0, "yesterday", "1 min", "1 D", 0, "MIDPOINT", 2, 0, ""), Code.VALIDATION),
        ((20, 6, *CASH, 0, "", "7 secs", "1 D", 0, "MIDPOINT", 2, 0, ""), Code.VALIDATION),
        ((20, 7, *CASH, 0, "", "1 min", "9 X", 0, "MIDPOINT", 2, 0, ""), Code.VALIDATION),
        ((1, 11, 8, 0, "XYZ", "STK", "", 0, "", "", "SMART", "", "USD", "", "", 0, "", 0, 0, ""), Code.NO_SECURITY),
        ((2, 2, 4711), Code.NO_SUCH_TICKER),
        ((4, 1, 4711, ""), Code.CANCEL_NOT_FOUND),
    ):
        client.send(*fields)
        assert await client.error(code)
    assert gateway.exchange.open_orders(ACCOUNT) == []
    assert gateway.exchange.positions(ACCOUNT) == []


async def test_order_that_is_more_than_the_exchange_knows_is_refused_by_name(gateway: Gateway) -> None:
    client = await gateway.plain()
    extras: tuple[dict[str, Any], ...] = (
        {"algoStrategy": "Adaptive", "algoParams": [ib_async.TagValue("adaptivePriority", "Normal")]},
        {"orderType": "VOL"},
        {"allOrNone": True},
        {"hedgeType": "D", "hedgeParam": "1"},
        {"conditions": [ib_async.PriceCondition(price=1.1, conId=1, exch="X")]},
        {"goodTillDate": "20991231 00:00:00 UTC"},
        {"scalePriceIncrement": 0.1},
        {"deltaNeutralOrderType": "MKT", "orderType": "VOL"},
        {"whatIf": True},
    )
    for number, changes in enumerate(extras, start=1):
        plain_order(client, number, **changes)
        assert "not supported here" in await client.error(Code.VALIDATION)
    assert gateway.exchange.orders(ACCOUNT) == []


async def test_number_of_an_order_is_used_once_and_names_a_change_while_it_works(gateway: Gateway) -> None:
    client = await gateway.plain()
    plain_order(client, 1, orderType="LMT", lmtPrice=1.05)
    await client.until("3", "Submitted")
    plain_order(client, 1, orderType="LMT", lmtPrice=1.06)
    while (order := await client.until("5"))[16] != "1.06":
        pass
    client.send(4, 1, 1, "")
    await client.until("3", "Cancelled")
    client.send(4, 1, 1, "")
    await client.error(Code.CANNOT_CANCEL)
    plain_order(client, 1)
    await client.error(Code.DUPLICATE_ORDER_ID)
    assert order[1] == "1"


async def test_client_number_belongs_to_one_connection_at_a_time(gateway: Gateway) -> None:
    first = await gateway.plain(5)
    second = await gateway.socket()
    second.raw(b"API\0" + frame("v157..178", end="") + frame(71, 2, 5, ""))
    await second.error(Code.CLIENT_ID_IN_USE)
    await second.closed()
    first.close()
    for _ in range(100):
        third = await gateway.socket()
        third.raw(b"API\0" + frame("v157..178", end="") + frame(71, 2, 5, ""))
        try:
            await third.until("9")
        except asyncio.IncompleteReadError:
            continue  # the first one's end has not been seen yet
        break


async def test_orders_of_a_client_are_told_to_it_alone_and_listed_to_all(gateway: Gateway) -> None:
    owner, other = await gateway.plain(5), await gateway.plain(6)
    plain_order(owner, 1, orderType="LMT", lmtPrice=1.05)
    await owner.until("3", "Submitted")
    other.send(5, 1)
    await other.until("53")
    assert not [fields for fields in other.frames if fields[0] in ("3", "5")]
    other.send(16, 1)
    await other.until("53")
    assert [fields[0] for fields in other.frames if fields[0] in ("3", "5")] == ["5", "3"]
    other.send(4, 1, 1, "")
    await other.error(Code.CANCEL_NOT_FOUND)


async def test_part_of_a_bracket_that_is_never_transmitted_is_gone_with_its_connection(gateway: Gateway) -> None:
    client = await gateway.plain(5)
    plain_order(client, 1, orderType="LMT", lmtPrice=1.05, transmit=False)
    client.send(49, 1)
    await client.until("49")
    client.close()
    assert gateway.exchange.orders(ACCOUNT) == []


async def test_executions_are_listed_by_the_filter(gateway: Gateway) -> None:
    client = await gateway.plain(5)
    plain_order(client, 1)
    plain_order(client, 2, action="SELL")
    for _ in range(2):
        await client.until("59")
    for number, (filters, expected) in enumerate(
        (
            (("", "", "", "", "", "", ""), 2),
            ((5, ACCOUNT, "", "EUR", "CASH", "IDEALPRO", "BUY"), 1),
            ((6, "", "", "", "", "", ""), 0),
            (("", "NOBODY", "", "", "", "", ""), 0),
            (("", "", "20991231-00:00:00", "", "", "", ""), 0),
        ),
        start=900,
    ):
        client.send(7, 3, number, *filters)
        await client.until("55", str(number))
        found = [fields for fields in client.frames if fields[0] == "11" and fields[1] == str(number)]
        assert len(found) == expected


async def test_history_asked_for_too_often_is_refused(gateway: Gateway) -> None:
    client = await gateway.plain()
    for number in range(900, 902):
        client.send(20, number, *CASH, 0, "", "5 secs", "60 S", 0, "MIDPOINT", 2, 0, "")
    assert "pacing" in (await client.until("4", "901"))[4]


async def test_connectivity_is_told_lost_and_restored(gateway: Gateway) -> None:
    client = await gateway.plain()
    gateway.fault(FaultKind.CONNECTIVITY_LOST, seconds=0, match="1101")
    await client.error(Code.CONNECTIVITY_LOST)
    newcomer = await gateway.plain()
    await newcomer.error(Code.CONNECTIVITY_LOST)
    gateway.exchange.faults.remove()
    await client.error(Code.RESTORED_DATA_LOST)
