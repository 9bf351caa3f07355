"""Criteria that look at a metric's past, at alerts since the wave began, or at the journal."""

from datetime import datetime, timedelta
from functools import partial

from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.coverage import judge_coverage
from tidegate.criteria.history_kinds import Coverage, Leak, NewAlerts, ResourceSpike, Slo, Trend
from tidegate.criteria.leak import floors, judge_leak
from tidegate.criteria.new_alerts import judge_new_alerts, new_alerts_query
from tidegate.criteria.queries import Breach
from tidegate.criteria.references import BASELINE
from tidegate.criteria.resource_spike import POINTS, judge_spike, since, spike_query
from tidegate.criteria.slo import judge_slo, slo_queries, slo_readings, slo_spans
from tidegate.criteria.threshold import on_dry_run
from tidegate.criteria.trend import bucketed, judge_trend
from tidegate.plan.in_force import InForce
from tidegate.values.samples import Sample
from tidegate.values.verdict import Finding, Verdict, worst

Measured = tuple[Finding, Breach | None]


def _raised_at(seen: MetricSnapshot) -> datetime:
    record = seen.run.state.record
    return record.raised_at if record is not None else seen.now


def measure_trend(seen: MetricSnapshot, item: InForce, criterion: Trend) -> Measured:
    """Each metric over the wave so far; the worst decides, and each says its sentence."""
    plan, found, queries = seen.run.plan, [], []
    for name, worse_by in criterion.metrics.items():
        asked = bucketed(plan, name, seen.wave, seen.run.timing, _raised_at(seen), seen.now)
        baseline = seen.reference(BASELINE, name)
        was = baseline.value if isinstance(baseline, Sample) else None
        past = partial(seen.past, asked.query, asked.start, asked.step)
        found.append(judge_trend(plan, name, worse_by, seen.metrics[name], was, asked, past))
        queries.append(asked.query)
    verdict = worst(each.verdict for each in found)
    told = [each for each in found if each.verdict is verdict] if verdict is not Verdict.PASS else found
    bound = ", ".join(f"{name} by {by}" for name, by in criterion.metrics.items())
    sentence = " ".join(each.sentence for each in told)
    query = "; ".join(queries)
    finding = Finding(
        item.id, criterion.text, verdict, sentence, told[0].worsening, bound, told[0].n, query, criterion.required
    )
    return on_dry_run(criterion, finding), None


def measure_leak(seen: MetricSnapshot, item: InForce, criterion: Leak) -> Measured:
    """The floors of the window and of the day before it, in one range query."""
    asked = floors(seen.run.plan, criterion, seen.wave, seen.run.timing)
    start = seen.now - asked.hour * asked.a_day * (asked.days + 1)
    points = seen.past(asked.query, start, asked.hour)
    return judge_leak(item.id, criterion, seen.run.plan, asked, points), None


def measure_new_alerts(seen: MetricSnapshot, item: InForce, criterion: NewAlerts) -> Measured:
    """Counted within the trailing soak of the wave under way."""
    elapsed = seen.now - _raised_at(seen)
    query = new_alerts_query(criterion.labels, elapsed, seen.run.timing.soak(seen.wave))
    count = seen.events(query)
    return judge_new_alerts(item.id, criterion, count, seen.alerts(criterion.labels, criterion.rules), query), None


def measure_spike(seen: MetricSnapshot, item: InForce, criterion: ResourceSpike) -> Measured:
    """Each metric against its own recent median; the worst decides, and must last."""
    plan, timing = seen.run.plan, seen.run.timing
    found: list[Measured] = []
    for name in criterion.metrics:
        start = since(criterion, plan, name, timing, _raised_at(seen), seen.now)
        step = max((seen.now - start) / POINTS, timing.guard)
        points = seen.past(spike_query(plan, name, seen.wave, timing), start, step)
        found.append(judge_spike(item.id, criterion, plan, name, seen.wave, timing, seen.metrics[name], points))
    verdict = worst(finding.verdict for finding, _ in found)
    finding, breach = next(each for each in found if each[0].verdict is verdict)
    return on_dry_run(criterion, finding), breach


def measure_slo(seen: MetricSnapshot, item: InForce, criterion: Slo) -> Measured:
    """Both windows in one round trip."""
    plan, timing = seen.run.plan, seen.run.timing
    exposed = seen.now - (seen.run.state.first_raise_at or seen.now)
    spans = slo_spans(criterion, plan, timing, max(exposed, timedelta(0)))
    queries = slo_queries(criterion, plan, seen.wave, timing, spans)
    shares = slo_readings(criterion, plan, seen.instant(queries))
    return judge_slo(item.id, criterion, plan, shares, f"{queries['long_part']} of {queries['long_whole']}"), None


def measure_coverage(seen: MetricSnapshot, item: InForce, criterion: Coverage) -> Measured:
    """The reviews of the wave under way; at a gate, of the wave before."""
    return judge_coverage(item.id, criterion, seen.run.plan, seen.run.state.record), None
