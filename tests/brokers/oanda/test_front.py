"""The v20 front serves clients that are not ours: OANDA's own package connects, trades and lists; and what it keeps."""

import asyncio
import warnings
from typing import Any

from live_trading.domain.values import OrderType, Side
from live_trading.paper_exchange.core import NewOrder
from tests.brokers.oanda.conftest import ACCOUNT, Stage
from tests.contracts.venues import SYMBOL, D

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", category=SyntaxWarning)  # that package compares with "is", as was once usual
    import v20
    from v20.response import Response

TIMEOUT = 60


def context(stage: Stage, **options: Any) -> Any:
    return v20.Context("127.0.0.1", stage.port, ssl=False, token="anybody", poll_timeout=TIMEOUT, **options)


async def ask(call: Any, *arguments: Any, **options: Any) -> Response:
    """A blocking call of the package, off the event loop that the front is on."""
    return await asyncio.to_thread(call, *arguments, **options)


async def test_package_of_oandas_connects_trades_and_lists(stage: Stage) -> None:
    api = context(stage)
    accounts = await ask(api.account.list)
    assert [each.id for each in accounts.get("accounts", 200)] == [ACCOUNT, "PAPER-2"]
    names = [each.name for each in (await ask(api.account.instruments, ACCOUNT)).get("instruments", 200)]
    assert "EUR_USD" in names
    assert "ES_USD" not in names, "a future's multiplier is nothing that OANDA has"
    placed = await ask(
        api.order.market,
        ACCOUNT,
        instrument="EUR_USD",
        units=1000,
        stopLossOnFill=v20.transaction.StopLossDetails(price="1.09000"),
        takeProfitOnFill=v20.transaction.TakeProfitDetails(price="1.11000"),
    )
    fill = placed.get("orderFillTransaction", 201)
    assert (fill.price, fill.tradeOpened.units, fill.commission) == (1.1002, 1000.0, 2.0)
    (trade,) = (await ask(api.trade.list_open, ACCOUNT)).get("trades", 200)
    assert (trade.id, trade.currentUnits, trade.stopLossOrder.price) == (fill.id, 1000.0, 1.09)
    (position,) = (await ask(api.position.list_open, ACCOUNT)).get("positions", 200)
    assert (position.instrument, position.long.units) == ("EUR_USD", 1000.0)
    pending = (await ask(api.order.list_pending, ACCOUNT)).get("orders", 200)
    assert {order.type for order in pending} == {"STOP_LOSS", "TAKE_PROFIT"}
    closed = await ask(api.trade.close, ACCOUNT, trade.id, units="ALL")
    assert closed.get("orderFillTransaction", 200).tradesClosed[0].tradeID == trade.id
    assert (await ask(api.order.list_pending, ACCOUNT)).get("orders", 200) == []
    summary = (await ask(api.account.summary, ACCOUNT)).get("account", 200)
    assert (summary.openTradeCount, summary.balance) == (0, 999995.8)


async def test_package_of_oandas_orders_of_every_kind_and_their_ends(stage: Stage) -> None:
    api = context(stage)
    extensions = v20.transaction.ClientExtensions(id="mine")
    limit = await ask(
        api.order.limit, ACCOUNT, instrument="EUR_USD", units=100, price="1.05000", clientExtensions=extensions
    )
    assert limit.status == 201
    replaced = await ask(
        api.order.limit_replace, ACCOUNT, "@mine", instrument="EUR_USD", units=200, price="1.06000",
        clientExtensions=extensions,
    )  # fmt: skip
    assert replaced.get("orderCreateTransaction", 201).replacesOrderID == limit.get("orderCreateTransaction", 201).id
    found = (await ask(api.order.get, ACCOUNT, "@mine")).get("order", 200)
    assert (found.units, found.price, found.state) == (200.0, 1.06, "PENDING")
    assert (await ask(api.order.cancel, ACCOUNT, "@mine")).status == 200
    gone = await ask(api.order.cancel, ACCOUNT, "@mine")
    assert (gone.status, gone.body["errorCode"]) == (404, "ORDER_DOESNT_EXIST")
    assert gone.body["orderCancelRejectTransaction"].type == "ORDER_CANCEL_REJECT"
    for place, price in ((api.order.stop, "1.20000"), (api.order.market_if_touched, "1.08000")):
        assert (await ask(place, ACCOUNT, instrument="EUR_USD", units=100, price=price)).status == 201
    wrong = await ask(api.order.market, ACCOUNT, instrument="XXX_YYY", units=1)
    assert (wrong.status, wrong.body["errorCode"]) == (400, "INSTRUMENT_UNKNOWN")
    stage.quote("1.07990", "1.08000")
    (trade,) = (await ask(api.trade.list_open, ACCOUNT)).get("trades", 200)
    assert trade.price == 1.08


async def test_package_of_oandas_reads_candles_prices_and_transactions_and_streams(stage: Stage) -> None:
    api = context(stage, stream_timeout=TIMEOUT)
    price = (await ask(api.pricing.get, ACCOUNT, instruments="EUR_USD")).get("prices", 200)[0]
    assert (price.bids[0].price, price.asks[0].price, price.tradeable) == (1.1, 1.1002, True)
    await ask(api.order.market, ACCOUNT, instrument="EUR_USD", units=1)
    since = await ask(api.transaction.since, ACCOUNT, id="2")
    assert [each.type for each in since.get("transactions", 200)] == ["MARKET_ORDER", "ORDER_FILL"]
    assert since.get("lastTransactionID", 200) == "4"
    pages = (await ask(api.transaction.list, ACCOUNT)).get("pages", 200)
    assert len(pages) == 1
    candles = await ask(api.instrument.candles, "EUR_USD", granularity="S5", count=1, price="MBA")
    assert candles.get("granularity", 200) == "S5"

    def first_beat(stream: Any) -> Any:
        for kind, message in stream.parts():
            return kind, message
        return None

    prices = await ask(api.pricing.stream, ACCOUNT, snapshot=True, instruments="EUR_USD")
    kind, beat = await asyncio.to_thread(first_beat, prices)
    assert kind == "pricing.PricingHeartbeat"
    told = await ask(api.transaction.stream, ACCOUNT)
    kind, beat = await asyncio.to_thread(first_beat, told)
    assert (kind, beat.lastTransactionID) == ("transaction.TransactionHeartbeat", "4")


async def test_package_of_oandas_protects_and_closes_what_is_open(stage: Stage) -> None:
    api = context(stage)
    await ask(api.order.market, ACCOUNT, instrument="EUR_USD", units=1000)
    (trade,) = (await ask(api.trade.list_open, ACCOUNT)).get("trades", 200)
    set_up = await ask(
        api.trade.set_dependent_orders,
        ACCOUNT,
        trade.id,
        stopLoss=v20.transaction.StopLossDetails(price="1.09000"),
        trailingStopLoss=v20.transaction.TrailingStopLossDetails(distance="0.00500"),
    )
    assert set_up.get("stopLossOrderTransaction", 200).price == 1.09
    moved = await ask(
        api.trade.set_dependent_orders, ACCOUNT, trade.id, stopLoss=v20.transaction.StopLossDetails(price="1.09500")
    )
    assert moved.get("stopLossOrderCancelTransaction", 200).reason == "CLIENT_REQUEST_REPLACED"
    found = (await ask(api.trade.get, ACCOUNT, trade.id)).get("trade", 200)
    assert (found.stopLossOrder.price, found.trailingStopLossOrder.trailingStopValue) == (1.095, 1.095)
    half = await ask(api.trade.close, ACCOUNT, trade.id, units="400")
    assert half.get("orderFillTransaction", 200).tradeReduced.units == -400.0
    closed = await ask(api.position.close, ACCOUNT, "EUR_USD", longUnits="ALL")
    assert closed.get("longOrderFillTransaction", 200).units == -600.0
    assert stage.held() == 0
    assert stage.exchange.open_orders(ACCOUNT) == []
    again = await ask(api.position.close, ACCOUNT, "EUR_USD", longUnits="ALL")
    assert (again.status, again.body["errorCode"]) == (400, "CLOSEOUT_POSITION_DOESNT_EXIST")


async def test_orders_that_only_reduce_never_turn_a_position_around(stage: Stage) -> None:
    api = context(stage)
    await ask(api.order.market, ACCOUNT, instrument="EUR_USD", units=1000)
    stop = await ask(
        api.order.stop, ACCOUNT, instrument="EUR_USD", units=-1000, price="1.09000", positionFill="REDUCE_ONLY"
    )
    assert stop.status == 201
    await ask(api.order.market, ACCOUNT, instrument="EUR_USD", units=-700)
    stage.quote("1.08990", "1.09010")
    assert stage.held() == 0
    assert stage.exchange.open_orders(ACCOUNT) == []


async def test_times_are_given_in_seconds_where_that_is_asked_for(stage: Stage) -> None:
    api = context(stage, datetime_format="UNIX")
    found = (await ask(api.transaction.get, ACCOUNT, "1")).get("transaction", 200)
    assert float(found.time) > 1_500_000_000


async def test_what_other_fronts_did_before_is_in_the_record_too(stage: Stage) -> None:
    await stage.stop()
    stage._store = type(stage._store)(stage._directory / "exchange.sqlite")
    stage._store._database.execute("DELETE FROM notes")
    stage._store.close()
    await stage.start()
    stage.quote("1.10000", "1.10020")
    stage.exchange.place(ACCOUNT, NewOrder("native", SYMBOL, Side.BUY, OrderType.MARKET, D(500)))
    stage._store._database.execute("DELETE FROM notes")
    await stage.restart()
    book = stage.front._chronicle.books[ACCOUNT]
    assert [each["type"] for each in book.transactions] == ["CREATE", "TRANSFER_FUNDS", "MARKET_ORDER", "ORDER_FILL"]
    (trade,) = book.open_trades()
    assert (trade.units, trade.price) == (D(500), D("1.10020"))


async def test_protection_whose_trade_was_closed_in_the_moment_the_process_died_is_cancelled_at_the_start(
    stage: Stage,
) -> None:
    stop = NewOrder(None, SYMBOL, Side.SELL, OrderType.STOP, D(1000), stop_price=D("1.09000"))
    stage.exchange.place(ACCOUNT, NewOrder("entry", SYMBOL, Side.BUY, OrderType.MARKET, D(1000), attached=(stop,)))
    stage.exchange._chroniclers[0].after_step = lambda: None  # type: ignore[method-assign]
    stage.exchange.place(ACCOUNT, NewOrder("exit", SYMBOL, Side.SELL, OrderType.MARKET, D(1000)))
    assert len(stage.exchange.open_orders(ACCOUNT)) == 1
    await stage.restart()
    assert stage.exchange.open_orders(ACCOUNT) == []
    assert stage.front._chronicle.books[ACCOUNT].transactions[-1]["reason"] == "LINKED_TRADE_CLOSED"


async def test_account_adds_up_whatever_is_closed_by_what(stage: Stage) -> None:
    api = context(stage)
    for units in (1000, 500, -700, -1300, 900):
        assert (await ask(api.order.market, ACCOUNT, instrument="EUR_USD", units=units)).status == 201
    book = stage.front._chronicle.books[ACCOUNT]
    held = sum((trade.units for trade in book.open_trades()), D(0))
    assert held == stage.held() == D(400)
    view = stage.exchange.account(ACCOUNT)
    assert book.balance == view.cash["USD"]
    charged = sum((D(each["commission"]) for each in book.transactions if each["type"] == "ORDER_FILL"), D(0))
    gained = sum((D(each["pl"]) for each in book.transactions if each["type"] == "ORDER_FILL"), D(0))
    assert book.balance == D(1_000_000) + gained - charged


async def test_good_till_date_orders_end_when_their_time_is_over(stage: Stage) -> None:
    from datetime import timedelta

    soon = stage.runtime.clock.now() + timedelta(seconds=1)
    body = {
        "type": "LIMIT", "instrument": "EUR_USD", "units": "10", "price": "1.05000", "timeInForce": "GTD",
        "gtdTime": f"{soon:%Y-%m-%dT%H:%M:%S.%fZ}",
    }  # fmt: skip
    created = await stage.raw("POST", f"/v3/accounts/{ACCOUNT}/orders", {"order": body})
    assert created.status_code == 201
    book = stage.front._chronicle.books[ACCOUNT]
    async with asyncio.timeout(60):
        while book.pending():  # noqa: ASYNC110 - the exchange's clock is the machine's
            await asyncio.sleep(0.05)
    assert book.transactions[-1]["reason"] == "TIME_IN_FORCE_EXPIRED"


async def test_nonsense_is_refused_with_v20s_own_words_and_changes_nothing(stage: Stage) -> None:
    path = f"/v3/accounts/{ACCOUNT}/orders"
    before = len(stage.exchange.orders(ACCOUNT))
    bad: list[tuple[Any, int, str]] = [
        ({"order": {"type": "MARKET", "instrument": "EUR_USD", "units": "0"}}, 400, "UNITS_INVALID"),
        ({"order": {"type": "MARKET", "instrument": "EUR_USD", "units": "0.5"}}, 400, "UNITS_PRECISION_EXCEEDED"),
        ({"order": {"type": "LIMIT", "instrument": "EUR_USD", "units": "1"}}, 400, "PRICE_MISSING"),
        ({"order": {"type": "STOP_LOSS", "tradeID": "77", "price": "1"}}, 404, "TRADE_DOESNT_EXIST"),
        ({"order": {"type": "MARKET", "instrument": "EUR_USD", "units": "1", "timeInForce": "GTC"}}, 400,
         "TIME_IN_FORCE_INVALID"),
    ]  # fmt: skip
    for body, status, code in bad:
        answer = await stage.raw("POST", path, body)
        assert (answer.status_code, answer.json()["errorCode"]) == (status, code)
        assert answer.json()["orderRejectTransaction"]["rejectReason"] == code
    for body in ({}, {"order": 1}, {"order": {"type": "WISH"}}, []):
        assert (await stage.raw("POST", path, body)).status_code == 400
    assert (await stage.raw("GET", "/v3/accounts/NOBODY/summary")).status_code == 403
    assert (await stage.raw("GET", "/v3/accounts", token="")).status_code == 401
    assert len(stage.exchange.orders(ACCOUNT)) == before
