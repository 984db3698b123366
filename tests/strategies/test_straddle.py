"""One leg of a straddle: sold while the underlying's trend is not against it, bought back when it is."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import US_STOCK_HOURS, Instrument, OptionContract
from live_trading.domain.market import Bar
from live_trading.domain.values import AssetClass, OptionRight, SignalType
from live_trading.runtime import SystemClock
from live_trading.strategies import FLAT, LiveStrategyAdapter, SignalAt, StrategyFailed, parse_parameters, run_strategy
from live_trading.strategies.straddle import StraddleParameters, StraddleStrategy
from tests.strategies.markets import M1, NEW_YORK, path_bars

MONDAY = datetime(2024, 3, 4, 8, 30, tzinfo=NEW_YORK)
VALUES: dict[str, Any] = {"fast_period": 4, "slow_period": 10, "adx_period": 14, "min_adx": 40, "max_days": 30}


def option(right: OptionRight, *, strike: str = "500", expiry: str = "2024-03-15") -> Instrument:
    return Instrument(
        symbol=f"SPY240315{right.value[0]}00500",
        asset_class=AssetClass.OPTION,
        currency="USD",
        tick_size=Decimal("0.01"),
        quantity_step=Decimal(1),
        multiplier=Decimal(100),
        hours=US_STOCK_HOURS,
        option=OptionContract(underlying="SPY", right=right, strike=Decimal(strike), expiry=expiry),
    )


PUT, CALL = option(OptionRight.PUT), option(OptionRight.CALL)


def sideways(minutes: int) -> list[float]:
    return [500 + 0.1 * (0, 1, 2, 1, 0, -1, -2, -1)[minute % 8] for minute in range(minutes)]


def trending(minutes: int, sign: int) -> list[float]:
    return [500 + sign * 0.05 * minute for minute in range(minutes)]


def spy(closes: list[float], start: datetime = MONDAY) -> list[Bar]:
    return path_bars(start, closes, wick=0.02, symbol="SPY")


def run(closes: list[float], leg: Instrument, start: datetime = MONDAY, **values: Any) -> list[tuple[str, SignalType]]:
    parameters = parse_parameters(StraddleStrategy(), {**VALUES, **values})
    signals = run_strategy(StraddleStrategy(), parameters, spy(closes, start), M1, instrument=leg)
    return [(at(each), each.signal.type) for each in signals]


def at(signal: SignalAt) -> str:
    return signal.bar.start.astimezone(NEW_YORK).strftime("%H:%M")


def test_a_sideways_market_has_both_legs_sold_and_bought_back_at_the_end_of_the_day() -> None:
    for leg in (PUT, CALL):
        assert run(sideways(450), leg) == [("09:45", SignalType.ENTER_SHORT), ("15:45", SignalType.EXIT)]
        assert run(sideways(450), leg, sell_sideways=False) == []


@pytest.mark.parametrize(("sign", "sold", "kept"), [(1, PUT, CALL), (-1, CALL, PUT)])
def test_in_a_trend_only_the_leg_is_sold_that_it_moves_away_from(sign: int, sold: Instrument, kept: Instrument) -> None:
    assert run(trending(120, sign), sold) == [("09:45", SignalType.ENTER_SHORT)]
    assert run(trending(120, sign), kept) == []


@pytest.mark.parametrize(("sign", "against"), [(1, CALL), (-1, PUT)])
def test_a_trend_against_a_sold_leg_buys_it_back(sign: int, against: Instrument) -> None:
    closes = sideways(136) + trending(60, sign)
    entry, leave = run(closes, against)
    assert entry == ("09:45", SignalType.ENTER_SHORT)
    assert leave[1] is SignalType.EXIT
    assert "10:46" < leave[0] < "11:15"


def test_after_a_stop_the_same_leg_is_not_sold_again_until_something_changes() -> None:
    running = LiveStrategyAdapter(
        StraddleStrategy(), StraddleParameters(**VALUES), "SPY", [M1], M1, SystemClock(), instrument=PUT
    )
    signals = [signal for bar in spy(sideways(300)) if (signal := running.on_bar(bar, FLAT)) is not None]
    assert len(signals) == 1


def test_a_strike_too_far_away_and_an_expiry_too_near_or_too_far_are_not_sold() -> None:
    assert run(sideways(100), option(OptionRight.PUT, strike="470")) == []
    assert run(sideways(100), option(OptionRight.PUT, strike="470"), max_moneyness=0.1) != []
    assert run(sideways(100), option(OptionRight.PUT, expiry="2024-06-21")) == []
    assert run(sideways(100), option(OptionRight.PUT, expiry="2024-03-04")) == [], "no day is left"


def test_an_option_about_to_expire_is_bought_back() -> None:
    leg = option(OptionRight.PUT, expiry="2024-03-06")
    parameters = parse_parameters(StraddleStrategy(), {**VALUES, "flat_at": None, "exit_days": 1})
    bars = spy(sideways(450)) + spy(sideways(450), MONDAY + timedelta(days=1))
    signals = run_strategy(StraddleStrategy(), parameters, bars, M1, instrument=leg)
    assert [(at(each), each.signal.reason) for each in signals][1:] == [("08:30", "the option is about to expire")]


def test_it_follows_the_underlying_and_tells_the_journal_what_it_saw() -> None:
    assert StraddleStrategy().follows(StraddleParameters(), PUT) == "SPY"
    parameters = parse_parameters(StraddleStrategy(), VALUES)
    [entry] = run_strategy(StraddleStrategy(), parameters, spy(sideways(100)), M1, instrument=PUT)
    expected = {"underlying": "SPY", "right": "PUT", "strike": 500.0, "days_to_expiry": 11, "trend": "sideways"}
    assert expected.items() <= entry.signal.inputs.items()
    assert entry.signal.reason == "SPY goes sideways: the put is sold"


def test_what_is_no_option_is_refused() -> None:
    stock = PUT.model_copy(update={"asset_class": AssetClass.STOCK, "option": None})
    with pytest.raises(InvalidInput, match="StraddleStrategy trades options, SPY240315P00500 is none"):
        StraddleStrategy().follows(StraddleParameters(), stock)
    with pytest.raises(StrategyFailed, match="trades options"):
        run(sideways(100), stock)
    with pytest.raises(ValidationError, match="option goes with asset_class OPTION"):
        Instrument.model_validate({**PUT.model_dump(), "option": None})
