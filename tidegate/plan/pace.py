"""Plan time and real time: how a rehearsal shrinks durations, and when a wave may begin."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tidegate.plan.model import Metric, Plan, PostRollout, Wave
from tidegate.plan.raise_window import next_allowed

DAY = timedelta(days=1)
INTERVAL_FLOOR = timedelta(seconds=1)
NO_DATA_FLOOR = timedelta(seconds=60)
SCRAPES_IN_A_WINDOW = 4
QUERY_DELAY = timedelta(seconds=2)  # what an instant query takes to answer, counted generously
_SCRAPES_TO_SEE_A_STOP = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """How many plan seconds pass in one real second, counted from `anchor`; 1 is the real thing."""

    anchor: datetime
    factor: float = 1.0

    @classmethod
    def of(cls, anchor: datetime, day: timedelta | None) -> "Pace":
        """The pace at which one plan day takes `day`; None is real time."""
        return cls(anchor, 1.0 if day is None else DAY / day)

    def real(self, span: timedelta, floor: timedelta = timedelta(0)) -> timedelta:
        """How long `span` of the plan really takes, never below the smaller of `floor` and `span`."""
        return span if self.factor == 1 else max(span / self.factor, min(floor, span))

    def plan_time(self, now: datetime) -> datetime:
        """The instant on the plan's calendar."""
        return self.anchor + (now - self.anchor) * self.factor

    def real_time(self, planned: datetime) -> datetime:
        """The inverse of `plan_time`."""
        return self.anchor + (planned - self.anchor) / self.factor


@dataclass(frozen=True, slots=True)
class Timing:
    """Every duration of a plan as it is really waited for."""

    plan: Plan
    pace: Pace

    @property
    def guard(self) -> timedelta:
        """Between two looks."""
        return self.pace.real(self.plan.guard, INTERVAL_FLOOR)

    @property
    def no_data_budget(self) -> timedelta:
        """How long there may be no data before the policy applies; not shrunk below a minute."""
        return self.pace.real(self.plan.no_data_budget, NO_DATA_FLOOR)

    def interval(self, wave: int) -> timedelta:
        """Between two recorded reviews of a wave; the wave after the last is the post-rollout time."""
        return self.pace.real(self.step(wave).interval, INTERVAL_FLOOR)

    def soak(self, wave: int) -> timedelta:
        """Healthy observed time a wave has to collect."""
        return self.pace.real(self.step(wave).soak, INTERVAL_FLOOR)

    def step(self, wave: int) -> Wave | PostRollout:
        """The wave, or the post-rollout time for the number after the last wave."""
        return self.plan.waves[wave - 1] if wave <= len(self.plan.waves) else self.plan.post_rollout

    def window(self, planned: timedelta) -> timedelta:
        """A query's window: at least four scrapes."""
        return self.pace.real(planned, self.plan.scrape_interval * SCRAPES_IN_A_WINDOW)

    def lookback(self, metric: Metric) -> timedelta:
        """How far back counts may accumulate: as many windows as planned."""
        return self.window(metric.window) * (metric.lookback / metric.window)

    def earliest(self, wave: int, first_raise: datetime | None) -> datetime | None:
        """The real instant from which a wave may be raised; None before day 1 is known (wave 1 begins it)."""
        if first_raise is None:
            return None
        zone = ZoneInfo(self.plan.timezone)
        day_one = self.pace.plan_time(first_raise).astimezone(zone).date()
        day = day_one + timedelta(days=self.plan.waves[wave - 1].starts - 1)
        return self.pace.real_time(datetime(day.year, day.month, day.day, tzinfo=zone))

    def may_raise_from(self, wave: int, first_raise: datetime | None, now: datetime) -> datetime:
        """The first real instant from `now` on at which the plan's day and its calendar allow this wave to rise."""
        begins = max(now, self.earliest(wave, first_raise) or now)
        if self.plan.raising.is_always:
            return begins
        planned = self.pace.plan_time(begins)
        allowed = next_allowed(self.plan.raising, ZoneInfo(self.plan.timezone), planned)
        return begins if allowed <= planned else self.pace.real_time(allowed)

    def gate_opens(self, wave: int, first_raise: datetime | None, now: datetime) -> datetime:
        """The real instant from which a wave's gate may open, so that an approval cannot grow old before it counts."""
        return self.may_raise_from(wave, first_raise, now) - self.pace.real(self.plan.approval_ttl)


def did_not_take_deadline(plan: Plan, propagation: timedelta) -> timedelta:
    """How long after zero the counter may still move: propagation, three scrapes, and a query."""
    return propagation + _SCRAPES_TO_SEE_A_STOP * plan.scrape_interval + QUERY_DELAY
