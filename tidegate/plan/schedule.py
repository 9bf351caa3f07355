"""The real dates of a rollout: when each wave may begin at the earliest, and when all of it is done."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidegate.plan.model import Plan, timezone_of
from tidegate.plan.raise_window import next_allowed


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """One wave, or the post-rollout days: local instants, each the earliest possible."""

    name: str
    title: str
    percent: float | None
    day: int
    gate_opens: datetime | None
    raised: datetime
    soaked: datetime

    def to_json(self) -> dict[str, object]:
        """As printed by `plan calendar --json`."""
        return {
            "name": self.name,
            "title": self.title,
            "percent": self.percent,
            "day": self.day,
            "gate_opens": None if self.gate_opens is None else self.gate_opens.isoformat(),
            "raised": self.raised.isoformat(),
            "soaked": self.soaked.isoformat(),
        }


def rollout_calendar(plan: Plan, start: date) -> tuple[CalendarRow, ...]:
    """Every wave and the post-rollout days if day 1 is `start` and nothing is held; pace plays no part."""
    zone = timezone_of(plan)
    rows: list[CalendarRow] = []
    free: datetime | None = None
    for wave in plan.waves:
        earliest = day_begins(start, wave.starts, zone)
        raised = next_allowed(plan.raising, zone, earliest if free is None else max(earliest, free))
        opens = _later(raised, -plan.approval_ttl, zone)
        # A gate asks about the wave before it, so it never opens while that one is still soaking.
        opens = opens if free is None else max(opens, free)
        free = _later(raised, wave.soak, zone)
        rows.append(CalendarRow(wave.name, wave.title, wave.percent, _day_of(raised, start), opens, raised, free))
    begins = rows[-1].soaked
    ends = _later(begins, plan.post_rollout.soak, zone)
    rows.append(CalendarRow("post-rollout", "Post-rollout", None, _day_of(begins, start), None, begins, ends))
    return tuple(rows)


def day_begins(start: date, day: int, zone: ZoneInfo) -> datetime:
    """Local midnight of day `day` (day 1 is `start`), or the first instant after it where the clock skips midnight."""
    local = datetime.combine(start + timedelta(days=day - 1), time(), zone)
    return local.astimezone(UTC).astimezone(zone)


def minimum_duration(plan: Plan) -> timedelta:
    """From the first raise to the end of the post-rollout days when nothing is held; without daylight saving."""
    begins = free = timedelta(days=plan.waves[0].starts - 1)
    for wave in plan.waves:
        free = max(free, timedelta(days=wave.starts - 1)) + wave.soak
    return free + plan.post_rollout.soak - begins


def _later(at: datetime, span: timedelta, zone: ZoneInfo) -> datetime:
    # Elapsed time: adding to a local datetime would follow the wall clock over a change to daylight saving.
    return (at.astimezone(UTC) + span).astimezone(zone)


def _day_of(at: datetime, start: date) -> int:
    return (at.date() - start).days + 1
