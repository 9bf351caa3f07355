"""How the new path is held against the old one: counts per tick, and the rule that judges them."""

from collections.abc import Mapping

from tasks.counting import Series, counted
from tasks.sight import Sight
from tidegate.comparison import (
    Counted,
    judge_breaker,
    judge_go_evidence,
    judge_sample_ratio,
    judge_versus_control,
    watched,
)
from tidegate.criteria import Breach, InForce
from tidegate.plan import Plan
from tidegate.plan_inference import Breaker, CohortLabels, GoEvidence, Inference, SampleRatio, VersusControl
from tidegate.units import format_duration
from tidegate.verdict import Finding, Verdict

Judged = tuple[Finding, Breach | None]


def measure_versus_control(seen: Sight, item: InForce, criterion: VersusControl) -> Judged:
    """Errors, or requests slower than each of the chosen bounds, on the new path against those beside it."""
    if finding := _without_control(seen, item, criterion):
        return finding, None
    if criterion.metric is not None:
        found = [counted(seen, _of_metric(seen.run.plan, criterion.metric, criterion, criterion.cohorts))]
    else:
        found = _slow(seen, criterion)
    return judge_versus_control(item.id, criterion, found), None


def measure_go_evidence(seen: Sight, item: InForce, criterion: GoEvidence) -> Judged:
    """Whether the new path has been shown to be safe enough by now."""
    if finding := _without_control(seen, item, criterion):
        return finding, None
    series = _of_metric(seen.run.plan, criterion.metric, criterion, criterion.cohorts)
    return judge_go_evidence(item.id, criterion, counted(seen, series)), None


def measure_sample_ratio(seen: Sight, item: InForce, criterion: SampleRatio) -> Judged:
    """Users first seen on each path, against the shares that the wave asks for."""
    if finding := _without_control(seen, item, criterion):
        return finding, None
    name = f"{item.id}/{format_duration(criterion.tick)}"
    series = Series(name, "users", criterion.exposures, criterion.tick)
    percent = seen.run.plan.waves[seen.wave - 1].percent
    return judge_sample_ratio(item.id, criterion, counted(seen, series), percent), None


def measure_breaker(seen: Sight, item: InForce, criterion: Breaker) -> Judged:
    """The new path alone, two ticks in a row."""
    series = _of_metric(seen.run.plan, criterion.metric, criterion, {})
    return judge_breaker(item.id, criterion, counted(seen, series)), None


def _of_metric(plan: Plan, name: str, item: Inference, cohorts: Mapping[str, CohortLabels]) -> Series:
    metric = plan.metrics[name]
    if metric.part is None or metric.whole is None:
        raise ValueError(f"{name} has no part and whole to count")
    key = f"{name}/{format_duration(item.tick)}{'/labelled' if cohorts else ''}"
    return Series(key, metric.title, metric.whole, item.tick, bad=metric.part, cohorts=_labels(cohorts))


def _slow(seen: Sight, item: VersusControl) -> list[Counted]:
    """The counts at the bounds that the day before the first wave chose, which stay chosen for the rollout."""
    tick, base = format_duration(item.tick), item.histogram
    whole = f"sum(increase({base}_count{{ {{{{ selector }}}} }}[{{{{ window }}}}]))"
    every = [
        Series(
            f"{base} above {limit}/{tick}{'/labelled' if item.cohorts else ''}",
            f"slower than {limit}",
            whole,
            item.tick,
            noun="slow requests",
            good=f'sum(increase({base}_bucket{{le="{limit}", {{{{ selector }}}} }}[{{{{ window }}}}]))',
            cohorts=_labels(item.cohorts),
        )
        for limit in item.bounds
    ]
    state = seen.run.state
    first = [state.counts_before.get(series.name, {}) for series in every]
    if not all(first):
        # The first look of a rollout asks for the day at every bound; from then on the chosen ones are known.
        return [counted(seen, series) for series in every]
    days = [list(days[min(days)].values()) for days in first]
    named = {series.name: series for series in every}
    chosen = watched([Counted(series.name, ()) for series in every], days)
    return [counted(seen, named[one.what]) for one in chosen or [Counted(series.name, ()) for series in every]]


def _labels(cohorts: Mapping[str, CohortLabels]) -> Mapping[str, tuple[str, str]]:
    return {wave: (labels.canary, labels.control) for wave, labels in cohorts.items()}


def _without_control(seen: Sight, item: InForce, criterion: Inference) -> Finding | None:
    """At 100 % nobody is left to compare with; harm shown before would have rolled back."""
    waves = seen.run.plan.waves
    if seen.wave <= len(waves) and waves[seen.wave - 1].percent < 100:
        return None
    sentence = "Everybody is on the new path: there is no control to compare with."
    return Finding(item.id, criterion.text, Verdict.NOT_APPLICABLE, sentence)
