"""Criteria that hold a metric against what it was, or look at its past."""

from datetime import timedelta

from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.change import (
    Against,
    against_reference,
    control_queries,
    control_query,
    has_control,
    judge_change,
    spans_beside,
)
from tidegate.criteria.history_kinds import Change
from tidegate.criteria.queries import Breach, metric_reading
from tidegate.criteria.references import zero_where_absent
from tidegate.criteria.threshold import on_dry_run
from tidegate.plan.in_force import InForce
from tidegate.values.samples import NoData, NoDataReason, Reading
from tidegate.values.verdict import Finding, Verdict

Measured = tuple[Finding, Breach | None]


def measure_change(seen: MetricSnapshot, item: InForce, criterion: Change) -> Measured:
    """Against the journal's references, or the old path at this moment while anybody is left on it."""
    plan, timing, to = seen.run.plan, seen.run.timing, criterion.to
    if to == "control" and not has_control(plan, seen.wave):
        if criterion.substitute is None:
            sentence = "Everybody is exposed: there is no control to hold it against."
            finding = Finding(item.id, criterion.text, Verdict.NOT_APPLICABLE, sentence)
            return on_dry_run(criterion, finding), None
        to = criterion.substitute
    now, widened = seen.metrics[criterion.metric], seen.widened(criterion.metric)
    if to == "control":
        span, past = spans_beside(plan, criterion, timing, widened)
        live = control_query(plan, criterion.metric, seen.wave, past)
        then = Against("control", _control(seen, criterion.metric, span), live)
    else:
        then = against_reference(seen.run.state.references, criterion, to, seen.wave)
    return judge_change(item.id, criterion, plan, seen.wave, timing, now, then, widened)


def _control(seen: MetricSnapshot, metric: str, span: timedelta) -> Reading:
    """The metric on the old path now; an error counter that never counted is zero, a path without requests is none.

    What is gone as a whole is a gap or a dead old path: nothing to compare with, and nothing to go back to in haste.
    """
    asked = control_queries(seen.run.plan, metric, seen.wave, span)
    answers = dict(seen.instant(asked, seen.run.plan.metrics[metric].stale_after))
    counted = answers.get(f"{metric}_whole", answers.get(f"{metric}_count"))
    if isinstance(counted, NoData) and counted.reason is NoDataReason.NO_SERIES:
        return NoData(NoDataReason.TOO_FEW, counted.at, "it shows no requests at all")
    if (part := f"{metric}_part") in answers:
        answers[part] = zero_where_absent(answers[part], answers[f"{metric}_whole"])
    return metric_reading(seen.run.plan, metric, answers)
