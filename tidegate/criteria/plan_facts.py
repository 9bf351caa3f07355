"""What a criterion may know of the plan that it stands in, and of how long its spans really take."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from tidegate.criteria.comparisons.cohort_labels import CohortLabels
from tidegate.values.comparisons import Comparisons
from tidegate.values.costs import Costs
from tidegate.values.metrics import Audience, Baseline, Metric, Traffic, Variants


class AskedCriterion(Protocol):
    """Another criterion of the plan."""

    @property
    def sends_as(self) -> tuple[str, ...]:
        """Groups of the flag's always_off that it sends requests as, which are no customers."""

    @property
    def dry_run(self) -> bool:
        """Whether it is measured and decides nothing."""

    @property
    def alpha_weight(self) -> float | None:
        """Its part of the plan's alpha; None where it takes none."""

    @property
    def cohorts_by_wave(self) -> Mapping[str, CohortLabels]:
        """The labels of who is on each path, by wave."""


class StepFacts(Protocol):
    """What is observed together: a wave, or the post-rollout days."""

    @property
    def criteria(self) -> Sequence[AskedCriterion]:
        """What is asked there."""


class WaveFacts(StepFacts, Protocol):
    """One step of exposure."""

    @property
    def name(self) -> str:
        """Unique in the plan."""

    @property
    def percent(self) -> float:
        """The share of its audience."""

    @property
    def audience(self) -> str:
        """Its name in the plan."""


class FlagFacts(Protocol):
    """Who is on one path whatever the percent is."""

    @property
    def always_on(self) -> tuple[str, ...]:
        """Groups on the new path."""

    @property
    def always_off(self) -> tuple[str, ...]:
        """Groups on the old one."""


class PlanFacts(Protocol):
    """The plan, as far as a criterion may know it."""

    @property
    def flag(self) -> FlagFacts:
        """Whom the flag holds on one path."""

    @property
    def waves(self) -> Sequence[WaveFacts]:
        """The steps of exposure, in order."""

    @property
    def post_rollout(self) -> StepFacts:
        """The days after the last wave."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What is measured, by name."""

    @property
    def roles(self) -> Mapping[str, Sequence[str]]:
        """People by role."""

    @property
    def audiences(self) -> Mapping[str, Audience]:
        """Sets of users by name."""

    @property
    def variants(self) -> Variants:
        """The series of the new and the old path."""

    @property
    def traffic(self) -> Traffic:
        """Requests completed on either path."""

    @property
    def baseline(self) -> Baseline | None:
        """How the old path is measured before the first wave."""

    @property
    def comparisons(self) -> Comparisons:
        """How often comparisons may stop a healthy release."""

    @property
    def costs(self) -> Costs | None:
        """The cost model."""

    @property
    def scrape_interval(self) -> timedelta:
        """How often Prometheus scrapes."""


class PaceFacts(Protocol):
    """How a rehearsal shrinks spans."""

    def real(self, span: timedelta, floor: timedelta = ...) -> timedelta:
        """How long `span` of the plan really takes, never below the smaller of `floor` and `span`."""


class TimingFacts(Protocol):
    """The plan's spans as they are really waited for."""

    @property
    def plan(self) -> PlanFacts:
        """Whose they are."""

    @property
    def pace(self) -> PaceFacts:
        """How a rehearsal shrinks them."""

    @property
    def guard(self) -> timedelta:
        """Between two evaluations."""

    def window(self, planned: timedelta) -> timedelta:
        """A query's window: at least four scrapes."""

    def lookback(self, metric: Metric) -> timedelta:
        """How far back counts may accumulate."""

    def interval(self, wave: int) -> timedelta:
        """Between two recorded reviews of a wave."""

    def soak(self, wave: int) -> timedelta:
        """Healthy observed time a wave has to collect."""
