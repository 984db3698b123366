"""Whatever is ordered and however the market moves, these hold after every step."""

from decimal import Decimal

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from live_trading.domain.values import OrderStatus, OrderType, Side, TimeInForce
from live_trading.paper_exchange import AccountSettings, Catalogue, MatchingEngine
from live_trading.paper_exchange.core import Change, EngineState, Executed, NewOrder, OrderChanged
from live_trading.paper_exchange.core.types import ExecutionAmended
from tests.paper_exchange.worlds import ACCOUNT, CommissionModel, D, LiquidityModel, SlippageModel, World, listing

prices = st.integers(10_950, 11_050).map(lambda ticks: Decimal(ticks) / 10_000)
quantities = st.integers(1, 12)
sides = st.sampled_from(Side)
groups = st.sampled_from([None, None, "G1", "G2"])

ticks = st.tuples(st.just("tick"), prices, st.integers(1, 6), st.integers(1, 10))
singles = st.tuples(st.just("single"), sides, st.sampled_from(OrderType), quantities, prices, groups)
brackets = st.tuples(st.just("bracket"), sides, st.booleans(), quantities, prices, st.tuples(quantities, quantities))
joins = st.tuples(st.just("join"), st.integers(0, 50), quantities)
cancels = st.tuples(st.just("cancel"), st.integers(0, 50))
changes = st.tuples(st.just("change"), st.integers(0, 50), prices, st.none() | quantities)
corrections = st.tuples(st.just("correct"), st.integers(1, 20), prices, st.none() | st.integers(0, 12))

steps = st.lists(
    st.one_of(ticks, ticks, ticks, singles, brackets, brackets, joins, cancels, changes, corrections),
    min_size=10,
    max_size=60,
)


def act(world: World, step: tuple[object, ...]) -> None:
    orders = list(world.engine.orders)
    match step:
        case ("tick", Decimal() as price, int() as spread, int() as size):
            world.quote(str(price), str(price + spread * D("0.0001")), size=size)
        case ("single", Side() as side, OrderType() as kind, int() as quantity, Decimal() as price, group):
            limit = price if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None
            stop = price if kind in (OrderType.STOP, OrderType.STOP_LIMIT) else None
            distance = (price - D("1.0949")) if kind is OrderType.TRAILING_STOP else None
            prices = {"limit_price": limit, "stop_price": stop, "trailing_distance": distance}
            world.try_place(world.new(side, kind, quantity, oca_group=group, **prices))
        case (
            "bracket",
            Side() as side,
            bool() as at_market,
            int() as quantity,
            Decimal() as price,
            (int() as loss, int() as profit),
        ):
            place_bracket(world, side, quantity, None if at_market else price, price, (loss, profit))
        case ("join", int() as index, int() as quantity) if orders:
            member = orders[index % len(orders)]
            if member.oca_group:
                world.try_place(world.market(member.side, quantity, oca_group=member.oca_group))
        case ("cancel", int() as index) if orders:
            world.engine.cancel(ACCOUNT, orders[index % len(orders)].order_id, world.now)
        case ("change", int() as index, Decimal() as price, new_quantity) if orders:
            order = orders[index % len(orders)]
            change = Change(
                None if new_quantity is None else D(str(new_quantity)),
                None if order.limit_price is None else price,
                None if order.stop_price is None else price,
            )
            world.engine.modify(ACCOUNT, order.order_id, change, world.now)
        case ("correct", int() as number, Decimal() as price, quantity):
            old = world.engine.accounts[ACCOUNT].current(f"X{number:07d}")
            if old is not None:
                kept = None if quantity is None else min(old.quantity, D(str(quantity)))
                world.engine.correct_execution(ACCOUNT, old.execution_id, world.now, price, kept)
    world.effects += world.engine.take_effects()


def place_bracket(
    world: World, side: Side, quantity: int, limit: Decimal | None, price: Decimal, distances: tuple[int, int]
) -> None:
    loss, profit = (D(distance) / 1000 * side.sign for distance in distances)
    attached = (
        world.stop(side.opposite, quantity, str(price - loss)),
        world.limit(side.opposite, quantity, str(price + profit)),
    )
    if limit is None:
        world.try_place(world.market(side, quantity, attached=attached))
    else:
        world.try_place(world.limit(side, quantity, str(limit), attached=attached, time_in_force=TimeInForce.GTC))


def world_with_everything() -> World:
    return World(
        listing(
            liquidity=LiquidityModel(quoted_size=True, max_fill=D(7), partial_probability=0.3),
            commission=CommissionModel(per_unit=D("0.013"), minimum=D("0.50")),
            slippage=SlippageModel(random_ticks=2),
        )
    )


def check_orders(world: World) -> None:
    working = set(world.engine.markets["EUR-USD"].working)
    for order in world.engine.orders:
        assert 0 <= order.filled <= max(order.quantity, order.nominal)
        assert (order.order_id in working) == order.working
        if order.status is OrderStatus.FILLED:
            assert order.remaining == 0
        if order.working:
            assert order.remaining > 0 or order.dormant


def check_money(world: World) -> None:
    ledger = world.engine.accounts[ACCOUNT]
    rows = [row for row in ledger.executions if row.moves_position]
    bought = sum((row.signed_quantity for row in rows), D(0))
    assert bought == ledger.quantity("EUR-USD")
    for row in ledger.executions:
        assert row.price % D("0.0001") == 0
        assert row.quantity % 1 == 0
    # Everything at one price: cash must be what was paid in, less what was paid for, less commissions. Exactly.
    mark = D("1.1")
    flat = sum((row.signed_quantity * (mark - row.price) for row in rows), D(0))
    commissions = sum((row.commission for row in rows), D(0))
    lots = ledger.lots.get("EUR-USD")
    open_profit = D(0) if lots is None else lots.unrealised(mark)
    assert ledger.cash()["USD"] + open_profit == D(1_000_000) + flat - commissions
    assert [row.number for row in ledger.executions] == list(range(1, len(ledger.executions) + 1))


def check_brackets(world: World, corrected: bool) -> None:
    """A protection never covers, nor trades, more than its parent has opened."""
    if corrected:
        return
    for parent in world.engine.orders:
        children = world.engine.orders.children(parent)
        if not children:
            continue
        closed = sum((child.filled for child in children), D(0))
        assert closed <= parent.filled
        for child in children:
            assert child.dormant == (parent.filled == 0) or not child.working
            if child.live:
                assert child.remaining <= parent.filled - closed


def rebuilt(world: World) -> MatchingEngine:
    """The engine that the stored effects give, as after a restart."""
    orders, rows = {}, {}
    for effect in world.effects:
        if isinstance(effect, OrderChanged):
            orders[effect.order.order_id] = effect.order.copy()
        elif isinstance(effect, Executed | ExecutionAmended):
            rows[effect.execution.entry] = effect.execution
    engine = MatchingEngine(Catalogue((listing(),)), (AccountSettings(account=ACCOUNT, cash=D(1_000_000)),))
    engine.restore(EngineState(list(orders.values()), [rows[entry] for entry in sorted(rows)], world.now))
    return engine


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_nothing_is_made_or_lost(script: list[tuple[object, ...]]) -> None:
    world = world_with_everything()
    for step in script:
        act(world, step)
        corrected = any(row.superseded for row in world.engine.accounts[ACCOUNT].executions)
        check_orders(world)
        check_money(world)
        check_brackets(world, corrected)
    again = rebuilt(world)
    ledger, kept = world.engine.accounts[ACCOUNT], again.accounts[ACCOUNT]
    assert list(again.orders) == list(world.engine.orders)
    assert kept.executions == ledger.executions
    assert kept.positions() == ledger.positions()
    assert kept.cash() == ledger.cash()


@settings(max_examples=30, deadline=None)
@given(steps)
def test_same_commands_and_ticks_give_the_same_effects(script: list[tuple[object, ...]]) -> None:
    runs = []
    for _ in range(2):
        world = world_with_everything()
        for step in script:
            act(world, step)
        runs.append(world.effects)
    assert runs[0] == runs[1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(prices, st.integers(1, 8)), min_size=1, max_size=30), quantities, quantities)
def test_bracket_with_a_close_joined_ends_flat_never_turned(
    market: list[tuple[Decimal, int]], quantity: int, at: int
) -> None:
    world = world_with_everything()
    world.quote("1.1000", "1.1001", size=3)
    world.bracket(quantity, loss="1.0990", profit="1.1010")
    group: list[NewOrder] = []
    for number, (price, size) in enumerate(market):
        world.quote(str(price), str(price + D("0.0002")), size=size)
        assert world.position() >= 0
        held = world.position()
        if number >= at and held and not group:
            group.append(world.market(Side.SELL, int(held), oca_group="G"))
            world.try_place(group[0])
            assert world.position() >= 0
