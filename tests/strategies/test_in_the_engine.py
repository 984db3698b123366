"""What the engine does for strategies, in virtual time: gaps, restarts, symbols that are followed, latency."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

from bson import ObjectId

from live_trading.data import StoredBar
from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import Entry, OrderFilled, OrderRequested, SignalGenerated
from live_trading.domain.ids import sequence_of
from live_trading.domain.instrument import ALWAYS_OPEN, Instrument, OptionContract
from live_trading.domain.values import AssetClass, OptionRight, OrderPurpose, Side, SignalType
from live_trading.engine.bar_supply import followed_series_id
from live_trading.engine.context import EngineConfig
from live_trading.observability import STAGES, Latency
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core.models import Catalogue, Listing
from live_trading.simulation import World, run_virtual

S5, M1 = BarSize.SECS_5, BarSize.MIN_1

Signals = list[tuple[int, SignalType]]


async def stored(world: World, operation_id: Any, size: BarSize = S5) -> list[StoredBar]:
    return await world.bars.last(operation_id, size, 100_000)


def signals(entries: list[Entry]) -> Signals:
    return [
        (int(entry.data.bar_start.timestamp() * 1e9), entry.data.signal)
        for entry in entries
        if isinstance(entry.data, SignalGenerated)
    ]


def assert_complete(bars: list[StoredBar]) -> None:
    assert len(bars) > 100
    for before, after in pairwise(bars):
        assert after.bar.start_ns == before.bar.end_ns, f"{before.bar.end} to {after.bar.start}"


async def watched(seed: int, seconds: float, *, lost_at: float | None = None) -> tuple[Signals, list[StoredBar]]:
    """An operation that only watches (paused: every signal is journaled and refused), with its bars."""
    async with World(seed) as world:
        await world.start_engine()
        identifier = await world.create_operation(bar_sizes=["5 secs", "1 min"], primary_bar_size="5 secs")
        await world.command("pause_operation", operation_id=identifier)
        if lost_at is not None:
            await world.clock.sleep(lost_at)
            world.exchange.disconnect_all("the line is dead")
            await world.clock.sleep(seconds - lost_at)
        else:
            await world.clock.sleep(seconds)
        bars = await stored(world, ObjectId(identifier))
        return signals(await world.entries()), bars


def test_bars_missed_by_a_lost_connection_come_from_the_brokers_history() -> None:
    _, bars = run_virtual(watched(3, 900, lost_at=403))
    assert_complete(bars)
    late = [each.bar for each in bars if each.from_history]
    after = max(each.start_ns for each in late)
    assert 1 <= sum(each.start_ns > bars[60].bar.start_ns for each in late) <= 4
    assert after < bars[-50].bar.start_ns


def test_after_a_gap_was_filled_the_signals_are_those_of_a_run_without_it() -> None:
    seeds = range(3, 7)
    seen = 0
    for seed in seeds:
        whole, _ = run_virtual(watched(seed, 900))
        interrupted, bars = run_virtual(watched(seed, 900, lost_at=403))
        late = {each.bar.start_ns for each in bars if each.from_history}
        # A bar that came late was shown to nobody as the last one: that signal alone is not given.
        assert interrupted == [each for each in whole if each[0] not in late]
        seen += len(interrupted)
    assert seen > 20


def test_between_a_crash_and_the_next_engine_no_bar_is_missing() -> None:
    async def main() -> None:
        async with World(8) as world:
            await world.start_engine()
            identifier = await world.create_operation(crash_recovery_mode="RESUME")
            await world.clock.sleep(500)
            world.crash()
            await world.clock.sleep(67)
            await world.start_engine()
            await world.clock.sleep(300)
            bars = await stored(world, ObjectId(identifier))
            assert_complete(bars)
            assert sum(each.from_history for each in bars[90:]) >= 13

    run_virtual(main())


def test_what_the_broker_does_not_have_is_recorded_as_missing() -> None:
    async def main() -> None:
        async with World(5) as world:
            await world.start_engine()
            identifier = ObjectId(await world.create_operation())
            await world.clock.sleep(200)
            world.quiet = True
            await world.clock.sleep(300)  # longer than is filled
            world.quiet = False
            await world.clock.sleep(100)
            [missing] = await world.bars.missing(identifier, S5)
            assert 58 <= missing.missing <= 61
            assert missing.reason == "the broker has no bars for it"
            bars = await stored(world, identifier)
            gaps = [(a.bar.end_ns, b.bar.start_ns) for a, b in pairwise(bars) if a.bar.end_ns != b.bar.start_ns]
            assert gaps == [(missing.start_ns, missing.end_ns)]
            assert not any(each.bar.filled for each in bars)

    run_virtual(main())


def test_a_gap_holds_up_bars_and_nothing_else() -> None:
    async def main() -> None:
        async with World(5) as world:
            engine = await world.start_engine()
            identifier = await world.create_operation()
            await world.clock.sleep(520)
            broker = engine.context.sessions["paper"].broker
            answer = broker.history

            async def slowly(*arguments: Any) -> Any:
                await world.clock.sleep(8)
                return await answer(*arguments)

            engine.context.back_fills.clear()
            broker.history = slowly  # type: ignore[method-assign, assignment]
            world.exchange.disconnect_all("the line is dead")
            await world.clock.sleep(13)  # the broker's answer takes eight of them
            outcome = await world.command("pause_operation", operation_id=identifier)
            assert not outcome.refused
            await world.clock.sleep(60)
            assert_complete(await stored(world, ObjectId(identifier)))

    run_virtual(main())


# -- following another symbol

PUT = Instrument(
    symbol="SPY-P520",
    asset_class=AssetClass.OPTION,
    currency="USD",
    tick_size=Decimal("0.01"),
    quantity_step=Decimal(1),
    multiplier=Decimal(100),
    hours=ALWAYS_OPEN,
    option=OptionContract(underlying="SPY", right=OptionRight.PUT, strike=Decimal(520), expiry="2026-01-16"),
)


def catalogue() -> Catalogue:
    listing = Listing(instrument=PUT, reference_price=Decimal(5), margin_rate=Decimal("0.2"), spread_ticks=2)
    return Catalogue((*default_catalogue(), listing))


STRADDLE = {
    "fast_period": 5, "slow_period": 20, "max_moneyness": 0.5, "entry_from": "00:00", "entry_until": "23:58",
    "flat_at": None, "min_adx": 30,
}  # fmt: skip


def test_an_option_is_traded_by_the_bars_of_its_underlying() -> None:
    async def main() -> None:
        config = EngineConfig()
        async with World(2, symbols=("SPY-P520", "SPY"), catalogue=catalogue(), config=config) as world:
            engine = await world.start_engine()
            identifier = await world.create_operation(
                strategy_name="StraddleStrategy", strategy_config=STRADDLE, quantity="1", stop_loss_value="0.5",
                take_profit_type=None, take_profit_value=None, initial_capital="100000",
            )  # fmt: skip
            await world.clock.sleep(1_500)
            entries = await world.entries()
            given = [entry.data for entry in entries if isinstance(entry.data, SignalGenerated)]
            assert given
            assert {signal.symbol for signal in given} == {"SPY"}
            requests = [entry.data for entry in entries if isinstance(entry.data, OrderRequested)]
            opening = [order for order in requests if order.purpose is OrderPurpose.ENTRY]
            assert {(order.symbol, order.side) for order in opening} == {("SPY-P520", Side.SELL)}
            assert any(isinstance(entry.data, OrderFilled) for entry in entries)
            number = sequence_of(ObjectId(identifier))
            followed = await stored(world, followed_series_id(number))
            own = await stored(world, ObjectId(identifier))
            assert {each.bar.symbol for each in followed} == {"SPY"}
            assert {each.bar.symbol for each in own} == {"SPY-P520"}
            assert "adx" in followed[-1].indicators
            assert not own[-1].indicators
            before = engine.live.ledger.sequence_number
            world.crash()
            await world.clock.sleep(20)
            again = await world.start_engine()
            await world.clock.sleep(60)
            assert again.live.ledger.sequence_number > before
            assert_complete(await stored(world, followed_series_id(number)))

    run_virtual(main())


def test_an_option_whose_underlying_the_broker_does_not_have_is_refused() -> None:
    async def main() -> None:
        orphan = PUT.model_copy(update={"option": PUT.option.model_copy(update={"underlying": "GONE"})})  # type: ignore[union-attr]
        listing = Listing(instrument=orphan, reference_price=Decimal(5), margin_rate=Decimal("0.2"))
        listings = Catalogue((*default_catalogue(), listing))
        async with World(2, symbols=("SPY-P520",), catalogue=listings) as world:
            await world.start_engine()
            arguments = {
                "asset": "SPY-P520", "bar_sizes": ["5 secs"], "strategy_name": "StraddleStrategy", "quantity": "1",
                "initial_capital": "1000",
            }  # fmt: skip
            outcome = await world.command("create_operation", **arguments)
            assert outcome.refused
            assert "GONE" in str(outcome.result["detail"])

    run_virtual(main())


# -- latency


def test_every_order_that_a_signal_led_to_is_measured_from_its_tick_on() -> None:
    async def main() -> None:
        async with World(4) as world:
            engine = await world.start_engine()
            latency = engine.context.latency = Latency(world.clock)
            await world.create_operation()
            await world.clock.sleep(1_200)

            def value(stage: str, what: str, name: str = "live_trading_latency_seconds") -> float:
                found = latency.registry.get_sample_value(f"{name}_{what}", {"stage": stage})
                assert found is not None
                return found

            counts = {stage: value(stage, "count") for stage in STAGES}
            assert counts["bar_closed"] >= 235
            assert counts["signal"] >= counts["durable"] >= counts["acknowledged"] == counts["sent"] >= 3
            for stage, least in (("durable", 0.002), ("acknowledged", 0.005)):
                assert least <= value(stage, "sum") / counts[stage] < 0.1
            total = value("acknowledged", "sum", "live_trading_latency_from_tick_seconds")
            assert total >= value("acknowledged", "sum") + value("sent", "sum")

    run_virtual(main())
