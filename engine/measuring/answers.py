"""How each kind of criterion is measured: what it asks of the sight, and which rule judges the answer."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from blocks.errors import ConnectionFault
from engine.measuring.alarm_test import measure_alarm_test
from engine.measuring.answers_compared import measure_change
from engine.measuring.answers_counted import (
    measure_breaker,
    measure_go_evidence,
    measure_sample_ratio,
    measure_versus_control,
)
from engine.measuring.answers_external import measure_cost, measure_count
from engine.measuring.answers_of_the_past import (
    measure_coverage,
    measure_leak,
    measure_new_alerts,
    measure_slo,
    measure_spike,
    measure_trend,
)
from engine.measuring.sources import MetricSnapshot
from engine.measuring.synthetic import measure_synthetic
from tidegate.criteria.comparison_kinds import Breaker, GoEvidence, SampleRatio, VersusControl
from tidegate.criteria.external_kinds import AlarmTest, Cost, Count, Synthetic
from tidegate.criteria.history_kinds import Change, Coverage, Leak, NewAlerts, ResourceSpike, Slo, Trend
from tidegate.criteria.kinds import CRITERION_KINDS, EarlierWaves
from tidegate.criteria.queries import Breach, breach_of, starvation, starvation_reading, while_requests_flow
from tidegate.criteria.threshold import judge_alerts, judge_pending, judge_threshold, no_data_words, on_dry_run
from tidegate.plan.in_force import InForce
from tidegate.plan.model import Alerts, Human, Threshold, When
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.verdict import Finding, Verdict

_log = logging.getLogger("tidegate.measure")
# A finding, and what must last (see `sustained`) before a trigger that found a breach really fires.
Measured = tuple[Finding, Breach | None]


def measure(seen: MetricSnapshot, item: InForce) -> Measured:
    """The answer to one criterion; whatever breaks on the way is an ERROR, never a PASS and never a rollback."""
    try:
        finding, breach = MEASURES[type(item.criterion)](seen, item, item.criterion)
        return _not_of_old_points(seen, item, finding), breach
    except Exception as error:  # noqa: BLE001 - whatever broke, this criterion has no evidence
        finding = Finding(item.id, item.criterion.text, Verdict.ERROR, not_judged(error))
        return on_dry_run(item.criterion, finding), None


def not_judged(error: Exception) -> str:
    """Why there is no verdict: what a connection refused, or a defect of our own that no waiting will mend."""
    if isinstance(error, ConnectionFault):
        return f"It could not be judged ({type(error).__name__}: {error})."
    _log.error("a criterion could not be judged", exc_info=error)
    return (
        f"A defect of Tidegate, not of the release: this cannot be judged ({type(error).__name__}: {error}). "
        "Waiting mends nothing: change the plan (`tidegate plan amend ROLLOUT PLAN --as EMAIL --reason TEXT`) or roll "
        "back, and report it."
    )


def _not_of_old_points(seen: MetricSnapshot, item: InForce, finding: Finding) -> Finding:
    """Whatever a criterion looks at, nothing passes once the series of its metric ended or stand still."""
    if finding.verdict is not Verdict.PASS or isinstance(item.criterion, Coverage):
        return finding
    named = getattr(item.criterion, "metrics", None) or (getattr(item.criterion, "metric", None) or "",)
    for name in named:
        reading = seen.metrics.get(name)
        if isinstance(reading, NoData) and reading.reason is NoDataReason.STALE:
            sentence = f"{seen.run.plan.metrics[name].title}: no data ({no_data_words(reading)})."
            return replace(finding, verdict=Verdict.ERROR, sentence=sentence)
    return finding


def _threshold(seen: MetricSnapshot, item: InForce, criterion: Threshold) -> Measured:
    plan = seen.run.plan
    widened = seen.widened(criterion.metric)
    breach = breach_of(criterion, plan, seen.wave, seen.run.timing, widened) if seen.run.state.wave else None
    query = breach.query if breach else ""
    metric = plan.metrics[criterion.metric]
    reading, traffic = seen.metrics[criterion.metric], seen.raw.get("traffic_canary")
    flowing = isinstance(traffic, Sample) and traffic.value > 0
    finding = judge_threshold(item.id, criterion, metric, reading, query, flowing=flowing)
    infinite = isinstance(reading, NoData) and reading.seen is not None and math.isinf(reading.seen)
    if breach is not None and infinite and metric.count is None:
        # An idle night divides by zero, too.
        breach = while_requests_flow(breach, plan, seen.wave, seen.run.timing)
    return finding, breach if When.TRIGGER in criterion.when else None


def _alerts(seen: MetricSnapshot, item: InForce, criterion: Alerts) -> Measured:
    return judge_alerts(item.id, criterion, seen.alerts(criterion.labels, criterion.rules)), None


def _pending(_: MetricSnapshot, item: InForce, criterion: Human) -> Measured:
    return judge_pending(item.id, criterion), None


MEASURES: dict[type, Callable[[MetricSnapshot, InForce, Any], Measured]] = {
    Threshold: _threshold,
    Alerts: _alerts,
    Human: _pending,
    Count: measure_count,
    Cost: measure_cost,
    Synthetic: measure_synthetic,
    AlarmTest: measure_alarm_test,
    VersusControl: measure_versus_control,
    GoEvidence: measure_go_evidence,
    SampleRatio: measure_sample_ratio,
    Breaker: measure_breaker,
    Change: measure_change,
    Trend: measure_trend,
    Leak: measure_leak,
    NewAlerts: measure_new_alerts,
    ResourceSpike: measure_spike,
    Slo: measure_slo,
    Coverage: measure_coverage,
}


if unmeasured := {kind for kind in CRITERION_KINDS if kind is not EarlierWaves} - MEASURES.keys():
    # Told when the program starts, and not by a wave that waits for days.
    raise TypeError(f"nothing measures the criteria of kind {', '.join(kind.__name__ for kind in unmeasured)}")


def starved(seen: MetricSnapshot) -> list[Measured]:
    """Whether the new path completes the requests that its exposure implies; nothing where there is no control."""
    breach = starvation(seen.run.plan, seen.wave, seen.run.timing)
    if breach is None:
        return []
    reading = starvation_reading(seen.run.plan, seen.wave, seen.raw)
    text = "The new path completes the requests that its exposure implies"
    if isinstance(reading, NoData):
        verdict = Verdict.ERROR if reading.reason.is_blindness else Verdict.INCONCLUSIVE
        sentence = f"Too little traffic to tell ({reading.detail or reading.reason.value})."
        return [(Finding("starved", text, verdict, sentence, bound=breach.words, query=breach.query), None)]
    verdict = Verdict.FAIL if breach.holds(reading.value) else Verdict.PASS
    sentence = f"The new path completes {reading.value:.1f}% of its audience's requests; starved when {breach.words}."
    if isinstance(ended := seen.raw["traffic_canary"], NoData):
        sentence = f"The new path's requests are counted no more, the old path's are: {ended.detail}."
    finding = Finding("starved", text, verdict, sentence, reading.value, breach.words, reading.n, breach.query)
    return [(finding, breach)]
