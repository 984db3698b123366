"""What is traded: tick size, lot, multiplier, currency and trading hours."""

from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from live_trading.domain.values import AssetClass

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
    aligned to). Holidays are not in here; a market that stays shut on one is seen as having no data.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: str = "UTC"
    sessions: tuple[tuple[str, str], ...] = ()
    day_start: str = "00:00"

    @field_validator("sessions")
    @classmethod
    def _well_formed(cls, sessions: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for opening, closing in sessions:
            _second_of_week(opening), _second_of_week(closing)
        return sessions

    def is_open(self, at: datetime) -> bool:
        """Whether the market trades at the aware time ``at``."""
        if not self.sessions:
            return True
        local = at.astimezone(ZoneInfo(self.timezone))
        second = local.weekday() * 86_400 + local.hour * 3600 + local.minute * 60 + local.second
        return any((second - start) % _WEEK < length for start, length in _spans(self.sessions))

    def next_open(self, at: datetime) -> datetime:
        """The first moment from ``at`` on (to the minute) when the market trades; ``at`` itself if it does now."""
        if self.is_open(at):
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
)
CME_HOURS = TradingHours(
    timezone="America/New_York",
    sessions=tuple(
        (f"{day} 18:00", f"{after} 17:00")
        for day, after in (("SUN", "MON"), ("MON", "TUE"), ("TUE", "WED"), ("WED", "THU"), ("THU", "FRI"))
    ),
    day_start="18:00",
)


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

    def round_price(self, price: Decimal, direction: Literal["nearest", "up", "down"] = "nearest") -> Decimal:
        """The price on this instrument's grid."""
        rounding = {"nearest": ROUND_HALF_EVEN, "up": ROUND_CEILING, "down": ROUND_FLOOR}[direction]
        return (price / self.tick_size).to_integral_value(rounding) * self.tick_size

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """The quantity on this instrument's grid, never rounded up."""
        return (quantity / self.quantity_step).to_integral_value(ROUND_DOWN) * self.quantity_step
