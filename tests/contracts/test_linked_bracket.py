"""Brackets sent one by one: what is told of the entry never hides what is not known of its protections."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from live_trading.brokers.errors import InDoubt, Retryable
from live_trading.brokers.linked_bracket import place_linked
from live_trading.brokers.types import OrderRequest, Placed, Rejected
from live_trading.domain.instrument import Instrument
from live_trading.domain.values import AssetClass, OrderType, Side

INSTRUMENT = Instrument(
    symbol="EUR-USD", asset_class=AssetClass.FX, currency="USD", tick_size=Decimal("0.00001"), quantity_step=Decimal(1)
)
ENTRY = OrderRequest("ENTRY", INSTRUMENT, Side.BUY, OrderType.MARKET, Decimal(1000))
STOP = replace(ENTRY, client_order_id="STOP", side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(1))
TARGET = replace(ENTRY, client_order_id="TARGET", side=Side.SELL, order_type=OrderType.LIMIT, limit_price=Decimal(2))
BRACKET = replace(ENTRY, attached=(STOP, TARGET))

Answer = Placed | Rejected | Exception


class Peer:
    """The far end of a connection: it gives the answers it was told to, and remembers what it was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.asked: list[str] = []
        self._answers = answers

    async def place(self, request: OrderRequest) -> Placed | Rejected:
        assert not request.attached
        self.asked.append(request.client_order_id)
        answer = self._answers.get(request.client_order_id, Placed(request.client_order_id.lower(), {}))
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_entry_first_then_each_protection_and_all_are_named() -> None:
    peer = Peer()
    assert await place_linked(peer.place, BRACKET) == Placed("entry", {"STOP": "stop", "TARGET": "target"})
    assert peer.asked == ["ENTRY", "STOP", "TARGET"]


async def test_entry_that_is_refused_takes_no_protection_with_it() -> None:
    peer = Peer(ENTRY=Rejected("MARGIN", "not enough"))
    assert await place_linked(peer.place, BRACKET) == Rejected("MARGIN", "not enough")
    assert peer.asked == ["ENTRY"]


async def test_protection_that_is_refused_is_not_named_and_the_other_is_placed() -> None:
    peer = Peer(STOP=Rejected("PRICE", "too near"))
    assert await place_linked(peer.place, BRACKET) == Placed("entry", {"TARGET": "target"})


async def test_protection_that_could_not_be_sent_leaves_the_bracket_in_doubt_not_unsent() -> None:
    with pytest.raises(InDoubt):
        await place_linked(Peer(STOP=Retryable("no connection")).place, BRACKET)


async def test_entry_that_could_not_be_sent_is_unsent() -> None:
    with pytest.raises(Retryable):
        await place_linked(Peer(ENTRY=Retryable("no connection")).place, BRACKET)
