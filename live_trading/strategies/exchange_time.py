"""Times of day as an exchange's clock shows them, for strategies that trade by the session."""

from datetime import UTC, date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from live_trading.domain.holidays import span_from
from live_trading.domain.market import Bar, ns_from_utc
from live_trading.runtime import utc_from_ns


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone; use a name as America/New_York") from error
    return name


def _without_zone(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("give the time of day alone, as 09:30; the time zone has a parameter of its own")
    return at


ZoneName = Annotated[str, AfterValidator(_known_zone)]
TimeOfDay = Annotated[time, AfterValidator(_without_zone)]


def moment_ns(day: date, at: time, zone: str) -> int:
    """A time of day of an exchange in nanoseconds since 1970, daylight saving included."""
    return ns_from_utc(datetime.combine(day, at, ZoneInfo(zone)))


def local_start(bar: Bar, zone: str) -> datetime:
    """When a bar began by the exchange's clock."""
    return bar.start.astimezone(ZoneInfo(zone))


def closes_at(calendar: str, day: date, at: time, zone: str) -> datetime | None:
    """When the session of ``calendar`` that is on at a local time closes; None on a day without one."""
    time_ns = moment_ns(day, at, zone)
    span = span_from(calendar, day.year, time_ns)
    if span is None or span[0] > time_ns:
        return None
    return utc_from_ns(span[1]).astimezone(UTC)
