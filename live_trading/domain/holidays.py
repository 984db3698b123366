"""When an exchange really opens: its holidays, half days and lunch breaks.

The knowledge is that of the ``exchange_calendars`` package (https://github.com/gerrymanoim/exchange_calendars), which
takes it from the exchanges' own notices. It is imported at the first question about a calendar, for that takes a second
and most instruments have none, and asked for a whole year at a time; answers are kept.
"""

import warnings
from bisect import bisect_right
from datetime import date
from functools import lru_cache

from live_trading.domain.errors import InvalidInput

Spans = tuple[tuple[int, int], ...]
"""Times in which a market trades, as (opens, closes) in nanoseconds since 1970, UTC; ascending."""


@lru_cache(maxsize=128)
def open_spans(calendar: str, year: int) -> Spans:
    """When the exchange trades in a year, and in the days around it. A lunch break makes two spans of a day.

    ``calendar`` is a name of ``exchange_calendars``: ``XNYS``, ``CMES``, ``XLON`` … Raises :class:`InvalidInput` for an
    unknown name and for a year the calendar knows nothing of: a guess here would be an order into a closed market.
    """
    import exchange_calendars  # type: ignore[import-untyped]
    from exchange_calendars.errors import CalendarError  # type: ignore[import-untyped]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pandas means to change is for exchange_calendars to follow
            found = exchange_calendars.get_calendar(calendar, start=date(year - 1, 12, 20), end=date(year + 1, 1, 10))
            columns = (found.opens_nanos, found.break_starts_nanos, found.break_ends_nanos, found.closes_nanos)
    except (CalendarError, ValueError) as error:
        known = ", ".join(exchange_calendars.get_calendar_names(include_aliases=False))
        raise InvalidInput("hours.calendar", f"{calendar} has no year {year}: {error}", f"Known are {known}") from error
    spans: list[tuple[int, int]] = []
    for opens, pauses, resumes, closes in zip(*(map(int, column) for column in columns), strict=True):
        if opens < pauses < resumes < closes:  # "not a time" is the least of all integers
            spans += [(opens, pauses), (resumes, closes)]
        else:
            spans.append((opens, closes))
    return tuple(spans)


def span_from(calendar: str, year: int, time_ns: int) -> tuple[int, int] | None:
    """The span that contains ``time_ns``, a time of ``year``, else the next one; None when the known ones are over."""
    spans = open_spans(calendar, year)
    index = bisect_right(spans, time_ns, key=lambda span: span[1])
    return spans[index] if index < len(spans) else None
