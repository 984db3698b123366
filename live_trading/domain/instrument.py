"""What is traded: tick size, lot, multiplier, currency and trading hours."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from live_trading.domain.errors import InvalidInput
from live_trading.domain.holidays import span_from
from live_trading.domain.market import ns_from_utc
from live_trading.domain.values import AssetClass, OptionRight
from live_trading.runtime.clock import utc_from_ns

_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_WEEK = 7 * 86_400


def _second_of_week(text: str) -> int:
    """``"SUN 17:00"`` as seconds since Monday midnight, local time."""
    day, clock = text.split()
    hour, minute = clock.split(":")
    return _DAYS.index(day) * 86_400 + int(hour) * 3600 + int(minute) * 60


class TradingHours(BaseModel):
    """A weekly schedule in the exchange's own time zone, so daylight saving needs no thought.

    ``sessions`` are pairs ``("SUN 17:00", "MON 17:00")`` of local opening and closing times; no session at all means
    the market never closes. ``day_start`` is the local time at which a new trading day begins (what a daily bar is
    aligned to). ``calendar`` names the exchange's calendar of holidays and half days (``XNYS``, ``CMES``, …, see
    :mod:`live_trading.domain.holidays`): the market trades when the sessions say so and the calendar does too. Without
    one, a holiday is seen as a day without data.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: str = "UTC"
    sessions: tuple[tuple[str, str], ...] = ()
    day_start: str = "00:00"
    calendar: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_./-]{1,32}$")

    @field_validator("sessions")
    @classmethod
    def _well_formed(cls, sessions: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for opening, closing in sessions:
            _second_of_week(opening), _second_of_week(closing)
        return sessions

    @property
    def never_closes(self) -> bool:
        """Whether there is nothing to ask."""
        return not self.sessions and self.calendar is None

    def is_open(self, at: datetime) -> bool:
        """Whether the market trades at the aware time ``at``."""
        if not self._is_scheduled(at):
            return False
        if self.calendar is None:
            return True
        span = span_from(self.calendar, at.astimezone(UTC).year, ns_from_utc(at))
        return span is not None and span[0] <= ns_from_utc(at)

    def _is_scheduled(self, at: datetime) -> bool:
        """Whether it is a session's time by the week alone."""
        return not self.sessions or _is_in_session(self.timezone, self.sessions, at)

    def next_open(self, at: datetime) -> datetime:
        """The first moment from ``at`` on (to the minute) when the market trades; ``at`` itself if it does now."""
        moment = self._next_scheduled(at)
        if self.calendar is None:
            return moment
        while not self.is_open(moment):
            span = span_from(self.calendar, moment.year, ns_from_utc(moment))
            if span is None:
                raise InvalidInput("hours.calendar", f"{self.calendar} knows no session after {moment}", "Name another")
            opens = max(moment, utc_from_ns(span[0]))
            # Within the calendar's session but not within ours: nothing of this session may be left.
            moment = self._next_scheduled(opens if opens > moment else moment + timedelta(minutes=1))
        return moment

    def _next_scheduled(self, at: datetime) -> datetime:
        """The first moment from ``at`` on that is a session's by the week alone."""
        if self._is_scheduled(at):
            return at
        zone = ZoneInfo(self.timezone)
        local = at.astimezone(zone)
        candidates = []
        for opening, _ in self.sessions:
            second = _second_of_week(opening)
            days = (second // 86_400 - local.weekday()) % 7
            for week in (0, 7):
                day = local.date() + timedelta(days=days + week)
                moment = datetime.combine(day, time(second % 86_400 // 3600, second % 3600 // 60), zone)
                if moment.astimezone(UTC) > at:
                    candidates.append(moment.astimezone(UTC))
                    break
        return min(candidates)

    def trading_day_start(self, at: datetime) -> datetime:
        """When the trading day that contains ``at`` began, in UTC."""
        zone = ZoneInfo(self.timezone)
        hour, minute = map(int, self.day_start.split(":"))
        local = at.astimezone(zone)
        start = datetime.combine(local.date(), time(hour, minute), zone)
        if start > local:
            start = datetime.combine(local.date() - timedelta(days=1), time(hour, minute), zone)
        return start.astimezone(UTC)


@lru_cache(maxsize=1024)  # the engine and its exchange, and every instrument of one schedule, ask for the same moment
def _is_in_session(timezone: str, sessions: tuple[tuple[str, str], ...], at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(timezone))
    second = local.weekday() * 86_400 + local.hour * 3600 + local.minute * 60 + local.second
    return any((second - start) % _WEEK < length for start, length in _spans(sessions))


@lru_cache(maxsize=64)
def _spans(sessions: tuple[tuple[str, str], ...]) -> tuple[tuple[int, int], ...]:
    """Each session as (second of the week it opens, length in seconds)."""
    spans = []
    for opening, closing in sessions:
        start = _second_of_week(opening)
        spans.append((start, (_second_of_week(closing) - start) % _WEEK or _WEEK))
    return tuple(spans)


ALWAYS_OPEN = TradingHours()
FX_HOURS = TradingHours(timezone="America/New_York", sessions=(("SUN 17:00", "FRI 17:00"),), day_start="17:00")
US_STOCK_HOURS = TradingHours(
    timezone="America/New_York",
    sessions=tuple((f"{day} 09:30", f"{day} 16:00") for day in _DAYS[:5]),
    day_start="09:30",
    calendar="XNYS",
)
CME_HOURS = TradingHours(
    timezone="America/New_York",
    sessions=tuple(
        (f"{day} 18:00", f"{after} 17:00")
        for day, after in (("SUN", "MON"), ("MON", "TUE"), ("TUE", "WED"), ("WED", "THU"), ("THU", "FRI"))
    ),
    day_start="18:00",
    calendar="CMES",
)


class OptionContract(BaseModel):
    """What makes an option that option."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    underlying: str = Field(
        description='our symbol of what it is an option on, e.g. "SPY"', min_length=1, max_length=32
    )
    right: OptionRight
    strike: Decimal = Field(gt=0, description="the price at which it may be exercised")
    expiry: str = Field(
        description="the last day it trades, in the exchange's time zone, as 2026-01-16: the journal keeps no days"
    )

    @field_validator("expiry", mode="before")
    @classmethod
    def _is_a_day(cls, expiry: object) -> str:
        return (expiry if isinstance(expiry, date) else date.fromisoformat(str(expiry))).isoformat()

    @property
    def last_day(self) -> date:
        """``expiry`` as a date."""
        return date.fromisoformat(self.expiry)


_ROUNDING = {"nearest": ROUND_HALF_EVEN, "up": ROUND_CEILING, "down": ROUND_FLOOR}


class Instrument(BaseModel):
    """One thing that can be traded, as the broker described it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str = Field(description='our name for it, e.g. "EUR-USD", "NQ", "SPY"', min_length=1, max_length=32)
    asset_class: AssetClass
    currency: str = Field(description="the currency its price is quoted in, ISO 4217", pattern=r"^[A-Z]{3}$")
    tick_size: Decimal = Field(gt=0, description="the smallest step of a price")
    quantity_step: Decimal = Field(gt=0, description="the smallest step of a quantity; 1 where only whole units trade")
    multiplier: Decimal = Field(default=Decimal(1), gt=0, description="money per unit of price and unit of quantity")
    quote_kind: Literal["QUOTE", "TRADE"] = Field(
        default="QUOTE", description="whether its ticks are quotes (bid, ask) or trades (price, size)"
    )
    hours: TradingHours = ALWAYS_OPEN
    option: OptionContract | None = Field(default=None, description="for options, and only for them")

    @model_validator(mode="after")
    def _option_is_described(self) -> Self:
        if (self.asset_class is AssetClass.OPTION) != (self.option is not None):
            raise ValueError("option goes with asset_class OPTION: give both or neither")
        return self

    def round_price(self, price: Decimal, direction: Literal["nearest", "up", "down"] = "nearest") -> Decimal:
        """The price on this instrument's grid."""
        tick_size = self.tick_size
        return (price / tick_size).to_integral_value(_ROUNDING[direction]) * tick_size

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """The quantity on this instrument's grid, never rounded up."""
        return (quantity / self.quantity_step).to_integral_value(ROUND_DOWN) * self.quantity_step
