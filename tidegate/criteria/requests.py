"""What a criterion may ask, as values; an evaluation, a back-test and an explanation each answer them in their way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, NoReturn, Protocol, TypeVar

from tidegate.criteria.alerting.alert_rules import AlertRules
from tidegate.criteria.comparisons.counts import Counted, Series
from tidegate.criteria.external.known_requests import Probe, Probed
from tidegate.criteria.metrics.queries import Widened
from tidegate.values.samples import AlertReading, NoData, Reading, Sample
from tidegate.values.verdict import Verdict

A_co = TypeVar("A_co", covariant=True)


class UnansweredError(Exception):
    """A world has no answer to such a request: nothing can be judged from it."""


class Request(Generic[A_co]):
    """A question without an answer yet; equal questions are one question."""

    __slots__ = ()

    def of(self, world: "Answers") -> A_co:
        """The answer that this world gives; raises UnansweredError where it gives none to such questions."""
        raise NotImplementedError


class ReviewedWave(Protocol):
    """What the journal has of a wave's reviews."""

    @property
    def looked(self) -> int:
        """How many recorded the metrics."""

    @property
    def reported(self) -> Mapping[str, int]:
        """In how many of them each metric had a value."""


class AlarmOutcome(Protocol):
    """What became of a test alarm."""

    @property
    def at(self) -> datetime:
        """When it was sent."""

    @property
    def verdict(self) -> Verdict:
        """Of all its steps."""

    @property
    def sentence(self) -> str:
        """What became of each step."""

    @property
    def arrived(self) -> int:
        """How many steps went well."""

    @property
    def wanted(self) -> int:
        """How many there were."""


@dataclass(frozen=True, slots=True)
class MetricNow(Request[Reading]):
    """A metric of the plan on the new path, as the table of metrics has it."""

    metric: str

    def of(self, world: "Answers") -> Reading:
        """The reading, or why there is none."""
        return world.metric(self)


@dataclass(frozen=True, slots=True)
class Widening(Request[Widened | None]):
    """How far back the metric was counted, where its window had too few events."""

    metric: str

    def of(self, world: "Answers") -> Widened | None:
        """None where its window was enough."""
        return world.widening(self)


@dataclass(frozen=True, slots=True)
class TrafficFlows(Request[bool]):
    """Whether the new path has requests now."""

    def of(self, world: "Answers") -> bool:
        """False where nobody knows."""
        return world.traffic_flows(self)


@dataclass(frozen=True, slots=True)
class ControlNow(Request[Reading]):
    """A metric on the old path at the same moment, read over `span`."""

    metric: str
    span: timedelta

    def of(self, world: "Answers") -> Reading:
        """The reading, or why there is none."""
        return world.control(self)


@dataclass(frozen=True, slots=True)
class MetricPast(Request[list[Sample] | NoData]):
    """A metric on the new path from `start` until now, without the points at which events were too few."""

    metric: str
    start: datetime
    step: timedelta

    def of(self, world: "Answers") -> list[Sample] | NoData:
        """The points, oldest first."""
        return world.metric_past(self)


@dataclass(frozen=True, slots=True)
class Instant(Request[Mapping[str, Reading]]):
    """PromQL by name, asked at this instant; NoData(stale) where what an answer was made from is old."""

    queries: tuple[tuple[str, str], ...]

    @classmethod
    def named(cls, queries: Mapping[str, str]) -> "Instant":
        """From names and their queries."""
        return cls(tuple(queries.items()))

    def of(self, world: "Answers") -> Mapping[str, Reading]:
        """One reading a name."""
        return world.instant(self)


@dataclass(frozen=True, slots=True)
class Events(Request[Reading]):
    """A query about events, whose series end when the event does and are not stale then."""

    query: str

    def of(self, world: "Answers") -> Reading:
        """The reading, or why there is none."""
        return world.events(self)


@dataclass(frozen=True, slots=True)
class Range(Request[list[Sample] | NoData]):
    """A query's points from `start` until now."""

    query: str
    start: datetime
    step: timedelta

    def of(self, world: "Answers") -> list[Sample] | NoData:
        """The points, oldest first."""
        return world.range(self)


@dataclass(frozen=True, slots=True)
class AlertsNow(Request[AlertReading]):
    """Alerts with these labels, and the rules that could fire them."""

    labels: tuple[tuple[str, str], ...]
    rules: AlertRules | None = None

    @property
    def known_by(self) -> frozenset[tuple[str, str]]:
        """The same for every question about these alerts and these rules."""
        return frozenset({*self.labels, *([("rules:", self.rules.words)] if self.rules else [])})

    def of(self, world: "Answers") -> AlertReading:
        """What fires, and how many healthy rules there are."""
        return world.alerts(self)


@dataclass(frozen=True, slots=True)
class Figure(Request[Reading]):
    """The number at a place of what a named web source answers."""

    source: str
    pointer: str

    def of(self, world: "Answers") -> Reading:
        """The number, or why there is none."""
        return world.figure(self)


@dataclass(frozen=True, slots=True)
class CountsSoFar(Request[Counted]):
    """All raw counts of one thing; with `present_stay` only those since the wave was entered last."""

    series: Series
    present_stay: bool = False

    def of(self, world: "Answers") -> Counted:
        """By stay in a wave."""
        return world.counts(self)


@dataclass(frozen=True, slots=True)
class CountsOfBounds(Request[Sequence[Counted]]):
    """The counts at those of several bounds that the week before the first wave found worth watching."""

    series: tuple[Series, ...]

    def of(self, world: "Answers") -> Sequence[Counted]:
        """Empty where no bound tells anything."""
        return world.counts_of_bounds(self)


@dataclass(frozen=True, slots=True)
class Reference(Request[Reading | None]):
    """What was journalled of this metric as a reference: 0 is the baseline, others are waves."""

    number: int
    metric: str

    def of(self, world: "Answers") -> Reading | None:
        """None where it was never measured."""
        return world.reference(self)


@dataclass(frozen=True, slots=True)
class Reviews(Request[ReviewedWave | None]):
    """The reviews of the wave under way."""

    def of(self, world: "Answers") -> ReviewedWave | None:
        """None before the first wave."""
        return world.reviews(self)


@dataclass(frozen=True, slots=True)
class KnownRequests(Request[Probed]):
    """What both paths answer to the known requests."""

    asked: Probe

    def of(self, world: "Answers") -> Probed:
        """What became of each, or why none was sent."""
        return world.known_requests(self)


@dataclass(frozen=True, slots=True)
class AlarmSent(Request[AlarmOutcome | None]):
    """The newest test alarm that still counts, sent now where there is none."""

    rules: str
    reaches: tuple[str, ...]
    fresh: timedelta

    def of(self, world: "Answers") -> AlarmOutcome | None:
        """Its record."""
        return world.alarm_sent(self)


class Answers:
    """One world's answers: it overrides what it can answer, and whatever else is asked raises UnansweredError."""

    def __getitem__(self, request: Request[A_co]) -> A_co:
        """The answer to a request."""
        return request.of(self)

    def _none(self, request: Request[A_co]) -> NoReturn:
        raise UnansweredError(f"{type(request).__name__} has no answer here")

    def metric(self, request: MetricNow) -> Reading:
        """See MetricNow."""
        self._none(request)

    def widening(self, request: Widening) -> Widened | None:
        """See Widening."""
        self._none(request)

    def traffic_flows(self, request: TrafficFlows) -> bool:
        """See TrafficFlows."""
        self._none(request)

    def control(self, request: ControlNow) -> Reading:
        """See ControlNow."""
        self._none(request)

    def metric_past(self, request: MetricPast) -> list[Sample] | NoData:
        """See MetricPast."""
        self._none(request)

    def instant(self, request: Instant) -> Mapping[str, Reading]:
        """See Instant."""
        self._none(request)

    def events(self, request: Events) -> Reading:
        """See Events."""
        self._none(request)

    def range(self, request: Range) -> list[Sample] | NoData:
        """See Range."""
        self._none(request)

    def alerts(self, request: AlertsNow) -> AlertReading:
        """See AlertsNow."""
        self._none(request)

    def figure(self, request: Figure) -> Reading:
        """See Figure."""
        self._none(request)

    def counts(self, request: CountsSoFar) -> Counted:
        """See CountsSoFar."""
        self._none(request)

    def counts_of_bounds(self, request: CountsOfBounds) -> Sequence[Counted]:
        """See CountsOfBounds."""
        self._none(request)

    def reference(self, request: Reference) -> Reading | None:
        """See Reference."""
        self._none(request)

    def reviews(self, request: Reviews) -> ReviewedWave | None:
        """See Reviews."""
        self._none(request)

    def known_requests(self, request: KnownRequests) -> Probed:
        """See KnownRequests."""
        self._none(request)

    def alarm_sent(self, request: AlarmSent) -> AlarmOutcome | None:
        """See AlarmSent."""
        self._none(request)
