"""The next instant at which a plan's calendar allows exposure to rise."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidegate.plan.fields.calendar import WEEKDAYS, Raising

_A_DAY = timedelta(days=1)


def next_allowed(raising: Raising, zone: ZoneInfo, at: datetime) -> datetime:
    """`at` itself where raising is allowed then, else the first instant after it at which it is."""
    if raising.is_always:
        return at
    day = at.astimezone(zone).date()
    # A plan names at least one weekday and its freezes end, so some day comes.
    last = max((date.fromisoformat(freeze.last) for freeze in raising.freezes), default=day)
    end = max(last, day) + 8 * _A_DAY
    while day <= end:
        if _is_open(raising, day):
            opens, closes = _hours(raising, zone, day)
            if at < closes:
                return max(at, opens)
        day += _A_DAY
    raise AssertionError("a calendar that is never open is refused with the plan")


def why_closed(raising: Raising, zone: ZoneInfo, at: datetime) -> str:
    """Why nothing is raised at this instant, or empty."""
    if next_allowed(raising, zone, at) <= at:
        return ""
    local = at.astimezone(zone)
    for freeze in raising.freezes:
        if freeze.first <= local.date().isoformat() <= freeze.last:
            return f"frozen until {freeze.last} ({freeze.reason})"
    hours = f"{raising.from_} to {raising.until or '24:00'}"
    return f"outside of {', '.join(raising.days)}, {hours} {zone.key}"


def _is_open(raising: Raising, day: date) -> bool:
    frozen = any(freeze.first <= day.isoformat() <= freeze.last for freeze in raising.freezes)
    return WEEKDAYS[day.weekday()] in raising.days and not frozen


def _hours(raising: Raising, zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    """The day's opening and closing; a time that the clocks skip is the first instant after it."""
    opens = datetime.combine(day, time.fromisoformat(raising.from_), zone)
    if raising.until is None:
        closes = datetime.combine(day + _A_DAY, time(), zone)
    else:
        closes = datetime.combine(day, time.fromisoformat(raising.until), zone)
    return opens.astimezone(UTC).astimezone(zone), closes.astimezone(UTC).astimezone(zone)
