"""What can be asked at one instant about one rollout; trouble is a value, never an exception."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from blocks.calls.bounded import all_within
from engine.measuring.answer_ages import AgedQuery, Ages, answers_at
from engine.measuring.highest_bucket import at_least_where_capped
from engine.measuring.shared_answers import shared
from engine.rollout.session import OpenRollout
from tidegate.criteria.alerting.alert_rules import AlertRules
from tidegate.criteria.control import has_control
from tidegate.criteria.metrics.queries import Widened, metric_queries, metric_reading, traffic_queries
from tidegate.criteria.metrics.references import reference_reading
from tidegate.journal.state import RolloutState
from tidegate.values.samples import AlertReading, NoData, NoDataReason, Reading, Sample

_log = logging.getLogger("tidegate.sight")
T = TypeVar("T")
_POOL = ThreadPoolExecutor(max_workers=8, thread_name_prefix="measure")
VERSIONS = "versions"  # of the new path, where the plan watches them; no metric's name has its form
_ROUNDS = 3  # of questions in a look: all at once, again over a longer time, the past of what is breached
_QUESTIONS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="question")


class Read(NamedTuple):
    """Every metric of the plan, and the answers that it was made from."""

    metrics: Mapping[str, Reading]
    raw: Mapping[str, Reading]
    widened: Mapping[str, Widened]  # of the metrics that were read over a longer time
    builds: frozenset[str] | NoData | None  # that serve the new path, where the plan watches them


@dataclass(frozen=True, slots=True)
class MetricSnapshot:
    """One look: every metric of the plan as read at `now`, and the further questions that criteria may ask.

    All questions are asked at once; whoever needs an answer waits for that one.
    """

    run: OpenRollout
    wave: int
    now: datetime
    read: Future[Read]
    noted: list[tuple[str, int, str, list[list[float]]]] = field(
        default_factory=list
    )  # counts that are not in the journal yet
    until: float = math.inf  # by the monotonic clock: Prometheus is asked no longer than that
    _asked: dict[object, Future[Any]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def in_time(self) -> AbstractContextManager[None]:
        """What is asked of Prometheus inside ends with this look, whatever came before."""
        return all_within(self.until - time.monotonic())

    @property
    def metrics(self) -> Mapping[str, Reading]:
        """Every metric of the plan as read at this instant."""
        return self.read.result().metrics

    @property
    def raw(self) -> Mapping[str, Reading]:
        """The answers that the metrics were made from."""
        return self.read.result().raw

    @property
    def builds(self) -> frozenset[str] | NoData | None:
        """The builds that serve the new path, or why nobody can tell; None where the plan does not watch them."""
        return self.read.result().builds

    def widened(self, metric: str) -> Widened | None:
        """How far back the metric was counted, where its window had too few events."""
        return self.read.result().widened.get(metric)

    def once(self, key: object, question: Callable[[], T]) -> T:
        """The answer to a question that is asked once in this look, however many criteria want to know."""
        with self._lock:
            asked: Future[T] | None = self._asked.get(key)
            mine = asked is None
            if asked is None:
                asked = self._asked[key] = Future()
        if mine:
            # Asked by whoever comes first, in their own thread: a question may then lead to others.
            try:
                asked.set_result(question())
            except BaseException as error:  # noqa: BLE001 - handed over to all who wait
                asked.set_exception(error)
        return asked.result()

    def alerts(self, labels: Mapping[str, str], rules: AlertRules | None = None) -> AlertReading:
        """The alerts with these labels, and the rules that could fire them."""
        key = (frozenset(labels.items()), "" if rules is None else rules.words)
        return self.once(key, lambda: self._alerts(dict(labels), rules))

    def _alerts(self, labels: dict[str, str], rules: AlertRules | None) -> AlertReading:
        try:
            with self.in_time():
                prometheus = self.run.connections.prometheus
                asked = ("alerts", frozenset(labels.items()), rules and rules.words, self.now)
                return shared(self.run.shared, asked, lambda: prometheus.alerts(labels, self.now, rules))
        except Exception as error:  # noqa: BLE001 - a measurement that breaks is no evidence, whatever broke
            return AlertReading(self.now, (), 0, _unreachable(error, self.now))

    def reference(self, number: int, metric: str) -> Reading | None:
        """What was journalled of this metric as a reference (0: the baseline); None where it was not measured."""
        return reference_reading(self.run.state.evidence.references, number, metric)

    def instant(self, queries: Mapping[str, str], stale_after: timedelta | None = None) -> Mapping[str, Reading]:
        """What each query answers at `now`; NoData(stale) where what it was made from is old."""
        with self.in_time():
            return Ages(self.run, self.now).answers([AgedQuery(queries, stale_after)])

    def events(self, query: str) -> Reading:
        """What a query about events answers at `now`, whose series end when the event does."""
        with self.in_time():
            return answers_at(self.run, {"events": query}, self.now)["events"]

    def past(self, query: str, start: datetime, step: timedelta, *, infinite: bool = False) -> list[Sample] | NoData:
        """The query's points from `start` to this very instant, oldest first."""
        if start >= self.now:
            return []
        # The last point must be this very instant, so that the grid is laid backwards from now.
        count = int((self.now - start) / step)
        try:
            with self.in_time():
                prometheus, first = self.run.connections.prometheus, self.now - step * count
                asked = ("past", query, first, self.now, step, infinite)
                return shared(
                    self.run.shared, asked, lambda: prometheus.range(query, first, self.now, step, infinite=infinite)
                )
        except Exception as error:  # noqa: BLE001 - as above
            return _unreachable(error, self.now)


def start_queries(run: OpenRollout, wave: int, now: datetime) -> MetricSnapshot:
    """Begin to read every metric of the plan; other questions need not wait for it."""
    seconds = _ROUNDS * run.connections.prometheus.timeout_seconds

    def read() -> Read:
        try:
            with all_within(until - time.monotonic()):
                return _read(run, wave, now)
        except Exception as error:  # noqa: BLE001 - trouble is a finding, never an exception
            _log.exception("the metrics of %s cannot be read", run.rollout)
            defect = NoData(NoDataReason.REFUSED, now, f"a defect of Tidegate ({type(error).__name__}: {error})")
            names = ("traffic_canary", "traffic_control", VERSIONS)
            builds = None if run.plan.version is None else defect
            return Read(dict.fromkeys(run.plan.metrics, defect), dict.fromkeys(names, defect), {}, builds)

    until = time.monotonic() + seconds
    return MetricSnapshot(run, wave, now, _POOL.submit(read), until=until)


def _read(run: OpenRollout, wave: int, now: datetime) -> Read:
    """Every metric of the plan in one round trip, and once more over a longer time where events are too few."""
    plan, timing, ages = run.plan, run.timing, Ages(run, now)

    def question(name: str, span: timedelta) -> AgedQuery:
        return AgedQuery(metric_queries(plan, name, wave, span), plan.metrics[name].stale_after)

    traffic = traffic_queries(plan, wave, timing.window(plan.traffic.window))
    asked = [AgedQuery({path: query}) for path, query in traffic.items()]
    if plan.version is not None:
        asked.append(AgedQuery({VERSIONS: f"count({plan.version.query})"}))
    asked += [question(name, timing.window(metric.window)) for name, metric in plan.metrics.items()]
    raw, builds = ages.answers_and_builds(asked, plan.version)
    metrics = {name: metric_reading(plan, name, raw) for name in plan.metrics}
    few = [n for n, r in metrics.items() if isinstance(r, NoData) and r.reason is NoDataReason.TOO_FEW]
    wider: list[AgedQuery] = []
    widened: dict[str, Widened] = {}
    exposed = now - (exposed_since(run.state) or now)
    for name in few:
        metric = plan.metrics[name]
        span = min(timing.lookback(metric), exposed)
        if span > timing.window(metric.window):
            wider.append(question(name, span))
            widened[name] = Widened(span, exposed)
    if wider:
        raw |= ages.answers(wider)
        metrics |= {name: metric_reading(plan, name, raw) for name in few}
    metrics = {name: at_least_where_capped(run, name, reading, now) for name, reading in metrics.items()}
    return Read(_ended_alone(run, wave, ages, metrics), raw, widened, builds)


def _ended_alone(run: OpenRollout, wave: int, ages: Ages, metrics: Mapping[str, Reading]) -> Mapping[str, Reading]:
    """The readings; one that is stale on the new path alone says so."""
    plan = run.plan
    stale = {n: r for n, r in metrics.items() if isinstance(r, NoData) and r.reason is NoDataReason.STALE}
    if not stale or not has_control(plan, wave):
        return metrics
    explained = dict(metrics)
    for name, reading in stale.items():
        metric = plan.metrics[name]
        asked = metric_queries(plan, name, wave, run.timing.window(metric.window), plan.variants.control)
        control = ages.answers([AgedQuery(asked, metric.stale_after)])
        if any(isinstance(found, Sample) and found.newest is not None for found in control.values()):
            explained[name] = replace(reading, detail=f"{reading.detail}; on the old path it goes on")
    return explained


def exposed_since(state: RolloutState) -> datetime | None:
    """From when on counts may accumulate: never past the first raise, nor past a step back, for what was before it."""
    lowered = [at for (before, _), (wave, at) in pairwise(state.stays) if wave < before]
    return lowered[-1] if lowered else state.first_raise_at


def gather(jobs: Iterable[Callable[[], T]]) -> list[T]:
    """The results of all jobs, in their order; most of them wait for an answer."""
    return [future.result() for future in begin(jobs)]


def begin(jobs: Iterable[Callable[[], T]]) -> list[Future[T]]:
    """Begin all jobs beside whoever asks."""
    return [_QUESTIONS.submit(job) for job in jobs]


def _unreachable(error: Exception, now: datetime) -> NoData:
    return NoData(NoDataReason.UNREACHABLE, now, type(error).__name__)
