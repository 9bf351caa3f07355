"""One look at a rollout: every question asked at once, every answer judged."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tasks.open_rollout import OpenRollout
from tidegate.approval import measured_entry
from tidegate.bounds import MetricLine, metric_line
from tidegate.criteria import (
    Breach,
    InForce,
    breach_of,
    in_force,
    judge_alerts,
    judge_pending,
    judge_threshold,
    metric_queries,
    metric_reading,
    starvation,
    starvation_reading,
    sustained,
    traffic_queries,
)
from tidegate.decision import Drift, Judged
from tidegate.exposure import ZERO
from tidegate.plan import Alerts, Human, Threshold, When
from tidegate.samples import AlertReading, NoData, NoDataReason, Reading, Sample
from tidegate.verdict import Finding, Verdict

_POOL = ThreadPoolExecutor(max_workers=8, thread_name_prefix="measure")
_POINTS = 60


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw: the judgement, the metrics table, and the raw answers it was made from."""

    judged: Judged
    metrics: tuple[MetricLine, ...]
    raw: Mapping[str, Reading]

    def raw_json(self) -> dict[str, float | str]:
        """The raw values, or the reason why there is none."""
        return {k: v.value if isinstance(v, Sample) else v.reason.value for k, v in sorted(self.raw.items())}


@dataclass(frozen=True, slots=True)
class _Answers:
    metrics: Mapping[str, Reading]
    raw: Mapping[str, Reading]
    alerts: Mapping[frozenset[tuple[str, str]], AlertReading]


def look(run: OpenRollout, now: datetime) -> Look:
    """Measure and judge everything in force at the rollout's wave; trouble is a finding, never an exception."""
    state, plan = run.state, run.plan
    drift, unreadable = drift_of(run)
    if state.wave == 0:
        return Look(Judged(now, (), (), drift, unreadable), (), {})
    during = in_force(plan, state.wave, When.DURING)
    triggers = in_force(plan, state.wave, When.TRIGGER)
    answers = _measure(run, state.wave, now, (*during, *triggers))
    judged = Judged(
        now,
        tuple(_lasting(run, now, [*(_judge(run, x, answers) for x in triggers), *_starved(run, answers)])),
        tuple(f for f, _ in (_judge(run, x, answers) for x in during)),
        drift,
        unreadable,
    )
    lines = tuple(metric_line(name, metric, answers.metrics[name]) for name, metric in plan.metrics.items())
    return Look(judged, lines, answers.raw)


def entry_findings(run: OpenRollout, wave: int, now: datetime) -> tuple[Finding, ...]:
    """The measured enter criteria of a wave, and how the wave before stands now: its criteria, triggers and flag.

    A gate that only people answer must not be passed while nothing can be measured, or while what was fine is not.
    """
    criteria = measured_entry(run.plan, wave)
    answers = _measure(run, max(run.state.wave, 1), now, criteria)
    entered = tuple(f for f, _ in (_judge(run, x, answers) for x in criteria))
    standing = look(run, now).judged
    bad = tuple(f for f in standing.triggers if f.verdict in (Verdict.ERROR, Verdict.FAIL))
    flag = "the flag is as the journal has it"
    seen = standing.unreadable or (f"It is {standing.drift.now}." if standing.drift else "")
    drifted = (Finding("flag", flag, Verdict.ERROR, seen),) if seen else ()
    return (*entered, *standing.during, *bad, *drifted)


def drift_of(run: OpenRollout) -> tuple[Drift | None, str]:
    """How the flag differs from what the journal has, or None; and why the flag could not be read, or empty."""
    state = run.state
    try:
        seen = run.connections.flags.read(run.flag)
    except Exception as error:  # noqa: BLE001 - whatever a backend raises, a flag that cannot be read is no drift
        return None, f"The flag cannot be read ({type(error).__name__}: {error})."
    as_written = seen.revision == state.revision if state.revision else seen.exposure == ZERO
    intended = state.intended is not None and seen.exposure == state.intended
    # A definition that was written anew and means the same is no drift either.
    if as_written or intended or seen.exposure == state.exposure:
        return None, ""
    return Drift(str(state.exposure), seen.description, seen.exposure == ZERO), ""


def _measure(run: OpenRollout, wave: int, now: datetime, asked: Iterable[InForce]) -> _Answers:
    plan, timing, prometheus = run.plan, run.timing, run.connections.prometheus
    queries = traffic_queries(plan, wave, timing.window(plan.traffic.window))
    for name, metric in plan.metrics.items():
        queries |= metric_queries(plan, name, wave, timing.window(metric.window))
    labels = {frozenset(x.criterion.labels.items()) for x in asked if isinstance(x.criterion, Alerts)}
    alerts = {key: _POOL.submit(_safe_alerts, run, dict(key), now) for key in labels}
    raw = dict(_safe(lambda: prometheus.instant(queries, now), queries, now))
    metrics = {name: metric_reading(plan, name, raw) for name in plan.metrics}
    few = [n for n, r in metrics.items() if isinstance(r, NoData) and r.reason is NoDataReason.TOO_FEW]
    wider: dict[str, str] = {}
    for name in few:
        metric = plan.metrics[name]
        # Counts may accumulate backwards, but never past the first raise: before it the new path was not measured.
        span = min(timing.lookback(metric), now - (run.state.first_raise_at or now))
        if span > timing.window(metric.window):
            wider |= metric_queries(plan, name, wave, span)
    if wider:
        raw |= _safe(lambda: prometheus.instant(wider, now), wider, now)
        metrics |= {name: metric_reading(plan, name, raw) for name in few}
    return _Answers(metrics, raw, {key: future.result() for key, future in alerts.items()})


def _safe(ask: Callable[[], dict[str, Reading]], ids: Iterable[str], now: datetime) -> dict[str, Reading]:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - a measurement that breaks is no evidence, whatever broke
        return {id_: NoData(NoDataReason.UNREACHABLE, now, f"{type(error).__name__}") for id_ in ids}


def _safe_alerts(run: OpenRollout, labels: dict[str, str], now: datetime) -> AlertReading:
    try:
        return run.connections.prometheus.alerts(labels, now)
    except Exception as error:  # noqa: BLE001 - as above
        return AlertReading(now, (), 0, NoData(NoDataReason.UNREACHABLE, now, f"{type(error).__name__}"))


def _judge(run: OpenRollout, item: InForce, answers: _Answers) -> tuple[Finding, Breach | None]:
    criterion = item.criterion
    match criterion:
        case Threshold():
            breach = breach_of(criterion, run.plan, run.state.wave, run.timing) if run.state.wave else None
            query = breach.query if breach else ""
            metric = run.plan.metrics[criterion.metric]
            finding = judge_threshold(item.id, criterion, metric, answers.metrics[criterion.metric], query)
            return finding, breach if When.TRIGGER in criterion.when else None
        case Alerts():
            return judge_alerts(item.id, criterion, answers.alerts[frozenset(criterion.labels.items())]), None
        case Human():
            return judge_pending(item.id, criterion), None
        case _:
            raise TypeError(f"{criterion.kind} criteria are expanded before they are judged")


def _starved(run: OpenRollout, answers: _Answers) -> list[tuple[Finding, Breach | None]]:
    breach = starvation(run.plan, run.state.wave, run.timing)
    if breach is None:
        return []
    reading = starvation_reading(run.plan, run.state.wave, answers.raw)
    text = "The new path completes the requests that its exposure implies"
    if isinstance(reading, NoData):
        verdict = Verdict.ERROR if reading.reason.is_blindness else Verdict.INCONCLUSIVE
        sentence = f"Too little traffic to tell ({reading.detail or reading.reason.value})."
        return [(Finding("starved", text, verdict, sentence, bound=breach.words, query=breach.query), None)]
    verdict = Verdict.FAIL if breach.holds(reading.value) else Verdict.PASS
    sentence = f"The new path completes {reading.value:.1f}% of its audience's requests; starved when {breach.words}."
    finding = Finding("starved", text, verdict, sentence, reading.value, breach.words, reading.n, breach.query)
    return [(finding, breach)]


def _lasting(run: OpenRollout, now: datetime, found: list[tuple[Finding, Breach | None]]) -> Iterable[Finding]:
    """A breached trigger is asked for its past; it fires once the breach has lasted, and is unsure until then."""
    for finding, breach in found:
        if finding.verdict is not Verdict.FAIL or breach is None or breach.lasting == timedelta(0):
            yield finding
            continue
        needed = max(breach.lasting, breach.window)
        step = max(run.timing.guard, needed * 2 / _POINTS)
        record = run.state.record
        since = (record.raised_at if finding.criterion == "starved" and record else run.state.first_raise_at) or now
        start = max(since + (breach.window if finding.criterion == "starved" else timedelta(0)), now - needed * 2)
        points = _past(run, breach.query, start, now, step)
        fires, why = sustained(breach, points)
        verdict = Verdict.FAIL if fires else Verdict.INCONCLUSIVE
        yield replace(finding, verdict=verdict, sentence=f"{finding.sentence} Now {why}.")


def _past(run: OpenRollout, query: str, start: datetime, now: datetime, step: timedelta) -> list[Sample] | NoData:
    if start >= now:
        return []
    # The last point must be this very instant, so that the grid is laid backwards from now.
    count = int((now - start) / step)
    try:
        return run.connections.prometheus.range(query, now - step * count, now, step)
    except Exception as error:  # noqa: BLE001 - a past that cannot be read is no evidence of a breach that lasted
        return NoData(NoDataReason.UNREACHABLE, now, type(error).__name__)
