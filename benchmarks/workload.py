"""A journal such as a busy engine writes: operations that signal, enter, protect themselves and exit, over and over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bson import ObjectId

from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import (
    GENESIS_HASH,
    EngineStarted,
    Entry,
    EntryData,
    OperationCreated,
    OrderCancelled,
    OrderCancelRequested,
    OrderFilled,
    OrderPlaced,
    OrderRequested,
    ProtectionSet,
    SignalGenerated,
)
from live_trading.domain.ids import Kind, client_order_id, derived_id
from live_trading.domain.instrument import FX_HOURS, Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import AssetClass, OrderPurpose, OrderType, Side, SignalType
from live_trading.journal import EntryCodec

OPERATIONS = 20
DEPLOYMENT = "0123456789abcdef01234567"
SECONDS_APART = 10
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)

INSTRUMENT = Instrument(
    symbol="EUR-USD",
    asset_class=AssetClass.FX,
    currency="USD",
    tick_size=Decimal("0.00001"),
    quantity_step=Decimal(1),
    hours=FX_HOURS,
)
SETTINGS = OperationSettings(
    asset="EUR-USD",
    bar_sizes=(BarSize.MIN_1, BarSize.HOUR_1),
    primary_bar_size=BarSize.MIN_1,
    strategy_name="MomentumStrategy",
    strategy_config={"fast": 10, "slow": 30, "threshold": 0.5},
    quantity=Decimal(10_000),
    initial_capital=Decimal("100000.00"),
)


def filled(number: int, order: str, side: Side, price: Decimal) -> OrderFilled:
    """One execution of a whole order."""
    return OrderFilled(
        client_order_id=order,
        execution_id=f"0000e0d5.{number:08x}.01.01",
        broker="paper",
        symbol="EUR-USD",
        side=side,
        price=price,
        quantity=Decimal(10_000),
        executed_at=BEGIN + timedelta(seconds=number * SECONDS_APART),
        broker_order_id=str(100_000 + number),
        commission=Decimal("0.20"),
        commission_currency="USD",
        cursor=str(number),
    )


def requested(order: str, side: Side, purpose: OrderPurpose, price: Decimal) -> OrderRequested:
    """The intent of an order."""
    return OrderRequested(
        client_order_id=order,
        broker="paper",
        symbol="EUR-USD",
        side=side,
        order_type=OrderType.STOP if purpose is OrderPurpose.STOP_LOSS else OrderType.LIMIT,
        quantity=Decimal(10_000),
        purpose=purpose,
        limit_price=None if purpose is OrderPurpose.STOP_LOSS else price,
        stop_price=price if purpose is OrderPurpose.STOP_LOSS else None,
        reference_price=price,
        reason="fast average over slow average",
    )


def signal(kind: SignalType, price: Decimal, number: int) -> SignalGenerated:
    """What a strategy asked for."""
    return SignalGenerated(
        signal=kind,
        symbol="EUR-USD",
        strategy_name="MomentumStrategy",
        bar_size=BarSize.MIN_1,
        bar_start=BEGIN + timedelta(seconds=number * SECONDS_APART // 60 * 60),
        price=price,
        reason="fast average over slow average",
        inputs={"fast": 1.08432, "slow": 1.08411, "atr": 0.00042},
    )


class _RoundTrip:
    """One operation's next thirteen entries: in, protected, out. Each is made when its number is known."""

    def __init__(self, operation_id: ObjectId) -> None:
        self.operation_id = operation_id
        self._step = 0
        self._order = self._stop = ""

    def next(self, number: int) -> EntryData:
        step, self._step = self._step, (self._step + 1) % 13
        price = Decimal(108_000 + number % 997).scaleb(-5)
        if step in (1, 5, 10):
            name = client_order_id(DEPLOYMENT, self.operation_id, number)
            if step == 5:
                self._stop = name
                return requested(name, Side.SELL, OrderPurpose.STOP_LOSS, price - Decimal("0.00100"))
            self._order = name
            entry = step == 1
            return requested(
                name, Side.BUY if entry else Side.SELL, OrderPurpose.ENTRY if entry else OrderPurpose.EXIT, price
            )
        if step in (2, 6, 11):
            return OrderPlaced(client_order_id=self._stop if step == 6 else self._order, broker_order_id=str(number))
        if step in (3, 12):
            return filled(number, self._order, Side.BUY if step == 3 else Side.SELL, price)
        if step == 4:
            return ProtectionSet(stop_loss=price - Decimal("0.00100"), stop_loss_client_order_id=self._stop or None)
        if step == 8:
            return OrderCancelRequested(client_order_id=self._stop, reason="the position is closed")
        if step == 9:
            return OrderCancelled(client_order_id=self._stop)
        return signal(SignalType.ENTER_LONG if step == 0 else SignalType.EXIT, price, number)


def journal(count: int, codec: EntryCodec) -> Iterator[tuple[Entry, bytes]]:
    """``count`` entries with their documents, as a writer would have numbered and chained them."""
    trips: list[_RoundTrip] = []
    previous = GENESIS_HASH
    for number in range(1, count + 1):
        operation_id = None
        data: EntryData
        if number == 1:
            data = EngineStarted(deployment_id=DEPLOYMENT, engine_id="main", instance="bench", version="1")
        elif len(trips) < OPERATIONS:
            operation_id = derived_id(Kind.OPERATION, number)
            trips.append(_RoundTrip(operation_id))
            data = OperationCreated(settings=SETTINGS, instrument=INSTRUMENT)
        else:
            trip = trips[number % OPERATIONS]
            operation_id, data = trip.operation_id, trip.next(number)
        entry, document = codec.encode(
            sequence_number=number,
            operation_id=operation_id,
            data=data,
            timestamp=BEGIN + timedelta(seconds=number * SECONDS_APART),
            epoch=1,
            actor="broker:paper" if isinstance(data, (OrderFilled, OrderPlaced)) else "engine",
            correlation_id=max(1, number - 3),
            causation_id=number - 1 or None,
            previous_hash=previous,
        )
        previous = entry.hash
        yield entry, document
