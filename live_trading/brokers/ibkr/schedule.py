"""What IB does at night: the gateway restarts daily, and once a week a person must log in again.

Orders sent while the gateway goes down were lost elsewhere (QuantConnect/Lean.Brokerages.InteractiveBrokers#242): none
is sent shortly before and after.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKLY_LOGIN_ZONE = "America/New_York"
_SUNDAY = 6
_AN_HOUR_AFTER_MIDNIGHT = time(1, 0)


@dataclass(frozen=True, slots=True)
class NightlyRestart:
    """The gateway's daily restart at ``at`` in ``zone``. Submissions are held from ``before`` seconds before it until
    ``after`` seconds after it."""

    at: time
    zone: str = "America/New_York"
    before: float = 60.0
    after: float = 120.0

    def is_held(self, now: datetime) -> bool:
        """Whether nothing may be submitted now."""
        local = now.astimezone(ZoneInfo(self.zone))
        for day in (-1, 0, 1):
            restart = datetime.combine(local.date() + timedelta(days=day), self.at, local.tzinfo)
            if -self.before <= (local - restart).total_seconds() < self.after:
                return True
        return False


def next_weekly_login(now: datetime) -> datetime:
    """When the session ends for want of a log-in with the second factor: Sundays at 01:00 in New York."""
    zone = ZoneInfo(WEEKLY_LOGIN_ZONE)
    local = now.astimezone(zone)
    day = local.date() + timedelta(days=(_SUNDAY - local.weekday()) % 7)
    moment = datetime.combine(day, _AN_HOUR_AFTER_MIDNIGHT, zone)
    if moment <= local:
        moment = datetime.combine(day + timedelta(days=7), _AN_HOUR_AFTER_MIDNIGHT, zone)
    return moment
