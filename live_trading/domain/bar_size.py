"""Bar sizes, under Interactive Brokers' names: ``"5 secs"`` to ``"1 day"``."""

from enum import StrEnum

from live_trading.domain.errors import InvalidInput

_UNITS = {"secs": 1, "min": 60, "mins": 60, "hour": 3600, "hours": 3600, "day": 86_400}


class BarSize(StrEnum):
    """How much time a bar covers. Days are trading days of the instrument's session, not calendar days."""

    SECS_5 = "5 secs"
    SECS_10 = "10 secs"
    SECS_15 = "15 secs"
    SECS_30 = "30 secs"
    MIN_1 = "1 min"
    MINS_2 = "2 mins"
    MINS_3 = "3 mins"
    MINS_5 = "5 mins"
    MINS_10 = "10 mins"
    MINS_15 = "15 mins"
    MINS_20 = "20 mins"
    MINS_30 = "30 mins"
    HOUR_1 = "1 hour"
    HOURS_2 = "2 hours"
    HOURS_3 = "3 hours"
    HOURS_4 = "4 hours"
    HOURS_8 = "8 hours"
    DAY_1 = "1 day"

    def __init__(self, name: str) -> None:
        count, unit = name.split()
        self.seconds = int(count) * _UNITS[unit]
        """Nominal length; a day's bar is as long as its session."""
        self.nanoseconds = self.seconds * 1_000_000_000
        self.collection = "market_data_" + name.replace(" ", "")
        """The MongoDB collection that keeps bars of this size, e.g. ``market_data_1hour``."""

    @classmethod
    def parse(cls, text: str, field: str = "bar_size") -> "BarSize":
        """The bar size of that name; :class:`InvalidInput` lists the names there are."""
        try:
            return cls(text)
        except ValueError:
            known = ", ".join(f'"{size.value}"' for size in cls)
            raise InvalidInput(field, f'"{text}" is not a bar size', f"Use one of {known}") from None
