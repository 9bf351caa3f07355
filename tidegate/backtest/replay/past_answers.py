"""What the past answers to a criterion's requests: the questions to fetch beforehand, and the answers at one look."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from tidegate.backtest.replay.backtest_data import BacktestData, Watched, watched_series
from tidegate.backtest.replay.past import Asked
from tidegate.backtest.replay.surrogate import stand_in
from tidegate.criteria import requests
from tidegate.criteria.alerting.alerts import firing_alerts_query
from tidegate.criteria.context import Context
from tidegate.criteria.metrics.queries import metric_reading
from tidegate.criteria.metrics.references import BASELINE, reference_queries, zero_where_absent
from tidegate.criteria.stances import FROM_NOW_ONLY, NOBODY_BESIDE
from tidegate.plan.in_force import InForce
from tidegate.plan.model import Plan
from tidegate.plan.pace import DAY, Timing
from tidegate.values.samples import AlertReading, NoData, Reading, Sample

_ALWAYS = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Steps:
    """How densely the past is asked: at each look, and between two starts."""

    look: timedelta
    start: timedelta


def context_then(plan: Plan, timing: Timing, wave: int, item: InForce) -> Context:
    """A criterion asked in the past, where the old path stood in for the new one, and had users for long."""

    @cache
    def series(metric: str | None) -> str:
        return plan.variants.control if metric is None else stand_in(plan, wave, metric).canary

    now = timing.pace.anchor
    return Context(item.id, plan, timing, wave, now, None, now - _ALWAYS, stand_in=series)


@dataclass(frozen=True, slots=True)
class PastQuestions:
    """The range queries behind a criterion's requests."""

    metrics: Mapping[str, Watched]
    controls: Mapping[str, Watched]
    queries: Mapping[str, Asked]
    alerts: Mapping[frozenset[tuple[str, str]], tuple[requests.AlertsNow, Asked]]
    references: Mapping[str, tuple[tuple[str, Asked], ...]]

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Each question."""
        watching = (asked for what in (*self.metrics.values(), *self.controls.values()) for asked in what.asked)
        before = (asked for each in self.references.values() for _, asked in each)
        return (*watching, *self.queries.values(), *(asked for _, asked in self.alerts.values()), *before)


def past_questions(at: Context, asked: Iterable[requests.Request[Any]], steps: Steps) -> PastQuestions:
    """What must be fetched to answer these requests; raises UnansweredError where the past cannot answer one."""
    plan, timing, wave = at.plan, at.timing, at.wave
    metrics: dict[str, Watched] = {}
    controls: dict[str, Watched] = {}
    queries: dict[str, Asked] = {}
    alerts: dict[frozenset[tuple[str, str]], tuple[requests.AlertsNow, Asked]] = {}
    references: dict[str, tuple[tuple[str, Asked], ...]] = {}

    def seen(metric: str, matchers: str | None) -> Watched:
        return watched_series(plan, timing, metric, wave, matchers or plan.variants.control, steps.look)

    for request in asked:
        match request:
            case requests.MetricNow(metric=metric) | requests.MetricPast(metric=metric):
                metrics[metric] = seen(metric, at.variant(metric))
            case requests.ControlNow(metric=metric):
                if (beside := stand_in(plan, wave, metric).control) is None:
                    raise requests.UnansweredError(NOBODY_BESIDE)
                controls[metric] = seen(metric, beside)
            case requests.Instant(queries=every):
                queries |= {query: Asked(query, steps.look) for _, query in every}
            case requests.Events(query=query):
                queries[query] = Asked(query, steps.look)
            case requests.Range(query=query, start=start):
                queries[query] = Asked(query, steps.look, at.now - start)
            case requests.AlertsNow(labels=labels):
                # Where nothing was scraped nobody knows what fired.
                query = f"count({firing_alerts_query(dict(labels))}) or 0 * count(up)"
                alerts[request.known_by] = request, Asked(query, steps.look)
            case requests.Reference(metric=metric):
                window = plan.baseline.window if plan.baseline is not None else DAY
                before = reference_queries(plan, BASELINE, window)
                references[metric] = tuple(
                    (key, Asked(query, steps.start)) for key, query in before.items() if key.rsplit("_", 1)[0] == metric
                )
            case requests.Widening() | requests.TrafficFlows():
                pass
            case _:
                raise requests.UnansweredError(FROM_NOW_ONLY)
    return PastQuestions(metrics, controls, queries, alerts, references)


class PastAnswers(requests.Answers):
    """The answers at one look; `factor` says how many times as large a metric is there, by its name and place."""

    def __init__(
        self,
        scene: BacktestData,
        questions: PastQuestions,
        place: int,
        raised: int,
        factor: Callable[[str, int], float],
        reading: Reading | None = None,
    ) -> None:
        self._scene, self._questions = scene, questions
        self._place, self._raised = place, raised
        self._factor, self._reading = factor, reading

    def metric(self, request: requests.MetricNow) -> Reading:
        """As it stood then."""
        return self._metric(request.metric, self._place) if self._reading is None else self._reading

    def _metric(self, name: str, place: int) -> Reading:
        return self._scene.reading(self._questions.metrics[name], place, self._factor(name, place))

    def widening(self, request: requests.Widening) -> None:
        """A look reads a metric over the longer time by itself."""
        return

    def traffic_flows(self, request: requests.TrafficFlows) -> bool:
        """There was no new path."""
        return False

    def control(self, request: requests.ControlNow) -> Reading:
        """The users beside, whom no harm is put into."""
        return self._scene.reading(self._questions.controls[request.metric], self._place)

    def metric_past(self, request: requests.MetricPast) -> list[Sample] | NoData:
        """The looks since then, as far apart as is asked."""
        grid = self._scene.grid
        places = range(self._place, grid.place(request.start) - 1, -max(1, grid.places(request.step)))
        past = [self._metric(request.metric, place) for place in places]
        return [reading for reading in reversed(past) if isinstance(reading, Sample)]

    def instant(self, request: requests.Instant) -> Mapping[str, Reading]:
        """As they were answered then."""
        return {name: self._asked(query) for name, query in request.queries}

    def events(self, request: requests.Events) -> Reading:
        """As it was answered then."""
        return self._asked(request.query)

    def _asked(self, query: str) -> Reading:
        return self._scene.past.reading(self._questions.queries[query], self._scene.grid.at(self._place))

    def range(self, request: requests.Range) -> list[Sample] | NoData:
        """The points there were; where there was none, why."""
        now, asked = self._scene.grid.at(self._place), self._questions.queries[request.query]
        back = (now - request.start) // request.step
        found = [self._scene.past.reading(asked, now - request.step * number) for number in range(back, -1, -1)]
        lost = next((reading for reading in found if isinstance(reading, NoData)), None)
        return [reading for reading in found if isinstance(reading, Sample)] or lost or []

    def alerts(self, request: requests.AlertsNow) -> AlertReading:
        """How many fired then; whether a healthy rule could have reported is known of today's rules only."""
        at = self._scene.grid.at(self._place)
        found = self._scene.past.reading(self._questions.alerts[request.known_by][1], at)
        if isinstance(found, NoData):
            return AlertReading(at, (), 0, found)
        firing = (f"{found.value:.0f} of them",) if found.value else ()
        return AlertReading(at, firing, self._scene.healthy_rules.get(request.known_by, 0))

    def reference(self, request: requests.Reference) -> Reading | None:
        """The old path over the plan's baseline window before the wave, whichever reference is meant."""
        name, at = request.metric, self._scene.grid.at(self._raised)
        answers = {key: self._scene.past.reading(asked, at) for key, asked in self._questions.references[name]}
        if (part := f"{name}_part") in answers:
            answers[part] = zero_where_absent(answers[part], answers[f"{name}_whole"])
        return metric_reading(self._scene.plan, name, answers)
