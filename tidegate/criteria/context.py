"""Where and when a criterion is asked, the same in an evaluation, a back-test and an explanation."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.criteria.plan_facts import PlanFacts, TimingFacts


@dataclass(frozen=True, slots=True)
class Context:
    """One criterion of a plan at one instant of one wave; whoever judges it knows nothing else of the world.

    `stand_in` tells which series stand for the new path of a metric (None: of everything) where there was none yet.
    """

    id: str
    plan: PlanFacts
    timing: TimingFacts
    wave: int
    now: datetime
    raised_at: datetime | None = None  # when the wave under way began
    first_raise_at: datetime | None = None
    under_way: bool = True  # whether a wave has begun
    stand_in: Callable[[str | None], str] | None = None

    @property
    def began(self) -> datetime:
        """When the wave under way was raised; before any wave, now."""
        return self.raised_at or self.now

    @property
    def exposed(self) -> timedelta:
        """For how long the new path has had users."""
        return max(self.now - (self.first_raise_at or self.now), timedelta(0))

    @property
    def percent(self) -> float:
        """Of users on the new path; the post-rollout days go on with the last wave's."""
        return self.plan.waves[min(self.wave, len(self.plan.waves)) - 1].percent

    def variant(self, metric: str | None = None) -> str | None:
        """The series that are asked in place of the new path's, or None for the new path itself."""
        return None if self.stand_in is None else self.stand_in(metric)
