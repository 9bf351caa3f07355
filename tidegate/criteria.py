"""Which criteria are in force, what they ask Prometheus, and how an answer becomes a finding."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache

from tidegate.pace import Timing
from tidegate.plan import Alerts, Criterion, EarlierWaves, Human, Metric, Plan, PostRollout, Threshold, Wave, When
from tidegate.plans.criterion import BaseCriterion
from tidegate.plans.kinds import Change
from tidegate.query import render, selector
from tidegate.samples import AlertReading, NoData, Reading, Sample, ratio, sample, with_count
from tidegate.units import Unit, quantity_in
from tidegate.verdict import Finding, Verdict

STARVED_BELOW = 0.1  # of the share that the exposure implies


@dataclass(frozen=True, slots=True)
class InForce:
    """A criterion that is asked now, and under which name."""

    id: str
    criterion: Criterion


@dataclass(frozen=True, slots=True)
class Breach:
    """What must not hold: the metric (or `starved`) beyond `bound`, for `lasting`, seen in windows of `window`."""

    above: bool
    bound: float
    unit: Unit
    lasting: timedelta
    window: timedelta
    query: str
    told: str = ""  # the bound in words, where the query is not the metric itself

    def holds(self, value: float) -> bool:
        """Whether the value is beyond the bound."""
        return value > self.bound if self.above else value < self.bound

    @property
    def words(self) -> str:
        """`> 10%`."""
        return self.told or f"{'>' if self.above else '<'} {self.unit.format(self.bound)}"


def steps(plan: Plan) -> tuple[Wave | PostRollout, ...]:
    """The waves in order, and the post-rollout time after them."""
    return (*plan.waves, plan.post_rollout)


def in_force(plan: Plan, wave: int, when: When) -> tuple[InForce, ...]:
    """The criteria asked at `wave` (1-based; one more than the waves is post-rollout) for this purpose.

    Triggers of earlier waves stay in force; `earlier_waves` brings their during criteria along. What asks
    the same twice is asked once.
    """
    return _in_force(_This(plan), wave, when)


class _This:
    """A plan as a key: this very object, which nothing changes."""

    __slots__ = ("plan",)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and self.plan is other.plan


@lru_cache(maxsize=128)
def _in_force(this: _This, wave: int, when: When) -> tuple[InForce, ...]:
    # Worked out once, not at every look: what is in force follows from the plan alone.
    plan = this.plan
    found: dict[str, InForce] = {}
    waves = range(1, wave + 1) if when is When.TRIGGER else [wave]
    asked = [x for number in waves for x in _expanded(plan, number, when)]
    if when is When.TRIGGER:
        asked.extend(_critical_bounds(plan))
    for item in asked:
        meaning = item.criterion.model_dump_json(exclude={"text", "id", "when"})
        found.setdefault(item.id if isinstance(item.criterion, Human) else meaning, item)
    return tuple(found.values())


def _expanded(plan: Plan, wave: int, when: When) -> Iterator[InForce]:
    step = steps(plan)[wave - 1]
    name = step.name if isinstance(step, Wave) else "post-rollout"
    for position, criterion in enumerate(step.criteria, start=1):
        if when not in criterion.when:
            continue
        if isinstance(criterion, EarlierWaves):
            for earlier in criterion.waves:
                for item in _expanded(plan, earlier, when):
                    if not isinstance(item.criterion, Human):
                        yield replace(item, criterion=_tried(item.criterion)) if criterion.dry_run else item
        else:
            yield InForce(criterion.id or f"{name}.{position}", criterion)


def _tried(criterion: Criterion) -> Criterion:
    return criterion.model_copy(update={"dry_run": True})


def _critical_bounds(plan: Plan) -> Iterator[InForce]:
    """A metric beyond the critical column of the metrics table counts as a CRITICAL alert."""
    for name, metric in plan.metrics.items():
        limit = metric.critical
        if limit is not None and limit.pending is None:
            text = f"{metric.title} beyond its critical bound (counts as a CRITICAL alert)"
            body: dict[str, object] = {"text": text, "when": "trigger", "metric": name}
            criterion: Criterion
            if limit.change is not None:
                side, bound = "above" if limit.change >= 0 else "below", f"{limit.change:g}%"
                body |= {"kind": "change", "to": "baseline", "how": "relative", side: bound}
                criterion = Change.model_validate(body)
            else:
                body |= {"kind": "threshold", "below": limit.below, "above": limit.above}
                criterion = Threshold.model_validate(body)
            yield InForce(f"critical.{name}", criterion)


def metric_queries(plan: Plan, name: str, wave: int, window: timedelta, variant: str | None = None) -> dict[str, str]:
    """The PromQL of a metric on the new path (or another variant), by measurement id."""
    metric = plan.metrics[name]
    asked = {"query": metric.query, "count": metric.count, "part": metric.part, "whole": metric.whole}
    return {
        f"{name}_{role}": _rendered(plan, template, wave, window, variant)
        for role, template in asked.items()
        if template is not None
    }


def _rendered(plan: Plan, template: str, wave: int, window: timedelta, variant: str | None = None) -> str:
    path = variant or plan.variants.canary
    number = min(wave, len(plan.waves))
    audience = plan.audiences[plan.waves[number - 1].audience]
    return render(template, selector=selector(path, audience.matcher), path=path, window=window)


def metric_reading(plan: Plan, name: str, answers: Mapping[str, Reading]) -> Reading:
    """The metric's value from the answers to its queries, with the counts behind it."""
    metric = plan.metrics[name]
    if metric.part is not None:
        return ratio(answers[f"{name}_part"], answers[f"{name}_whole"], metric.min_samples)
    return with_count(answers[f"{name}_query"], answers.get(f"{name}_count"), metric.min_samples)


def traffic_queries(plan: Plan, wave: int, window: timedelta) -> dict[str, str]:
    """Completed requests of the wave's audience on the new and the old path."""
    return {
        # A dead new path exports nothing at all; that is no traffic, not missing evidence.
        "traffic_canary": f"({_rendered(plan, plan.traffic.query, wave, window)}) or vector(0)",
        "traffic_control": _rendered(plan, plan.traffic.query, wave, window, plan.variants.control),
    }


def breach_of(item: Threshold, plan: Plan, wave: int, timing: Timing) -> Breach:
    """The trigger as a breach: its bound, how long it must last, and the one query that shows it over time."""
    metric = plan.metrics[item.metric]
    window = timing.window(metric.window)
    above = item.above is not None
    bound = quantity_in(item.above if item.above is not None else item.below or "", metric.unit)
    lasting = lasting_of(item.for_, window, timing)
    return Breach(above, bound, metric.unit, lasting, window, joined_query(plan, item.metric, wave, window))


def lasting_of(for_: timedelta | None, window: timedelta, timing: Timing) -> timedelta:
    """How long a breach must last: as stated, at least its window."""
    if for_ is None:
        return window
    return max(timing.pace.real(for_), window) if for_ else timing.pace.real(for_)


def joined_query(
    plan: Plan, name: str, wave: int, window: timedelta, variant: str | None = None, at_least: int | None = None
) -> str:
    """The metric on the new path (or another variant) as one query, without a point where events are too few."""
    metric, asked = plan.metrics[name], metric_queries(plan, name, wave, window, variant)
    least = metric.min_samples if at_least is None else at_least
    if metric.part is not None:
        part = asked[f"{name}_part"]
        # On the old path an error counter that never counted has no series, which means none.
        part = f"({part} or on() vector(0))" if variant else part
        return f"100 * ({part}) / (({asked[f'{name}_whole']}) >= {least})"
    if metric.count is not None:
        return f"({asked[f'{name}_query']}) and on() (({asked[f'{name}_count']}) >= {least})"
    return asked[f"{name}_query"]


def starvation(plan: Plan, wave: int, timing: Timing) -> Breach | None:
    """The new path completing under a tenth of the requests its exposure implies; None where there is no control."""
    percent = plan.waves[min(wave, len(plan.waves)) - 1].percent
    if percent >= 100:
        return None
    window = timing.window(plan.traffic.window)
    asked = traffic_queries(plan, wave, window)
    needed = plan.traffic.min_expected * 100 / percent
    new, old = f"({asked['traffic_canary']})", f"({asked['traffic_control']})"
    query = f"100 * {new} / (({new} + {old}) >= {needed:g})"
    return Breach(False, percent * STARVED_BELOW, Unit.PERCENT, window, window, query)


def starvation_reading(plan: Plan, wave: int, answers: Mapping[str, Reading]) -> Reading:
    """The new path's share of completed requests of the wave's audience, in percent."""
    percent = plan.waves[min(wave, len(plan.waves)) - 1].percent
    canary, control = answers["traffic_canary"], answers["traffic_control"]
    if isinstance(canary, NoData):
        return canary
    if isinstance(control, NoData):
        return control
    whole = sample(canary.value + control.value, canary.at)
    return ratio(canary, whole, round(plan.traffic.min_expected * 100 / percent))


def judge_threshold(id_: str, item: Threshold, metric: Metric, reading: Reading, query: str) -> Finding:
    """Whether what must hold holds; a trigger beyond its bound is a FAIL only once it has lasted (see `sustained`)."""
    above = item.above is not None
    limit = quantity_in(item.above if item.above is not None else item.below or "", metric.unit)
    words = f"{'above' if above else 'below'} {metric.unit.format(limit)}"
    trigger = When.TRIGGER in item.when
    if isinstance(reading, NoData):
        verdict = Verdict.ERROR if reading.reason.is_blindness else Verdict.INCONCLUSIVE
        finding = Finding(
            id_,
            item.text,
            verdict,
            f"{metric.title}: no data ({no_data_words(reading)}).",
            bound=words,
            n=reading.n,
            query=query,
            required=item.required,
        )
        return on_dry_run(item, finding)
    beyond = reading.value > limit if above else reading.value < limit
    verdict = Verdict.PASS if beyond != trigger else Verdict.FAIL
    seen = metric.unit.format(reading.value)
    allowed = "rolls back when" if trigger else "must be"
    counted = f", from {reading.n:.0f} requests" if reading.n is not None else ""
    finding = Finding(
        id_,
        item.text,
        verdict,
        f"{metric.title} is {seen}{counted}; {allowed} {words}.",
        reading.value,
        words,
        reading.n,
        query,
        item.required,
    )
    return on_dry_run(item, finding)


def on_dry_run(item: BaseCriterion, finding: Finding) -> Finding:
    """A criterion on dry run is measured and shown; it decides nothing."""
    if not item.dry_run:
        return finding
    sentence = f"Dry run, would be {finding.verdict.value}: {finding.sentence}"
    return replace(finding, verdict=Verdict.NOT_APPLICABLE, sentence=sentence, required=False)


def no_data_words(reading: NoData) -> str:
    """`too few: 3 of at least 20 requests`."""
    reason = reading.reason.value.replace("_", " ")
    return f"{reason}: {reading.detail}" if reading.detail else reason


def judge_alerts(id_: str, item: Alerts, reading: AlertReading) -> Finding:
    """No matching alert fires, and at least one healthy rule could have told."""
    labels = ", ".join(f"{name}={value}" for name, value in sorted(item.labels.items()))
    query = "ALERTS{" + labels + "}"
    if reading.firing:
        names = ", ".join(reading.firing)
        sentence, verdict = f"Firing: {names}.", Verdict.FAIL
    elif reading.problem is not None:
        sentence, verdict = f"Alerts cannot be read ({no_data_words(reading.problem)}).", Verdict.ERROR
    elif reading.healthy_rules < 1:
        sentence, verdict = f"No healthy alert rule with {labels}: nothing could have fired.", Verdict.ERROR
    else:
        sentence, verdict = f"None firing; {reading.healthy_rules} healthy rules with {labels}.", Verdict.PASS
    return on_dry_run(
        item, Finding(id_, item.text, verdict, sentence, float(len(reading.firing)), "0 firing", None, query)
    )


def judge_pending(id_: str, item: Human) -> Finding:
    """A line whose kind of check does not exist yet decides nothing; people watch it and roll back by hand."""
    sentence = f"Pending a check of kind {item.pending}: watched by people ({item.role}), who roll back by hand."
    return Finding(id_, item.text, Verdict.NOT_APPLICABLE, sentence)


def sustained(breach: Breach, points: Sequence[Sample] | NoData) -> tuple[bool, str]:
    """Whether the breach lasted: at every point, back over `lasting`, in two windows that do not overlap.

    Points are in order of time and the newest counts. A point speaks for its window; what no window covers
    pauses the time and does not break it.
    """
    if isinstance(points, NoData):
        return False, f"its past cannot be read ({no_data_words(points)})"
    if not points:
        return False, "there is no past to hold it against yet"
    run: list[Sample] = []
    for point in reversed(points):
        if not breach.holds(point.value):
            break
        run.append(point)
    if not run:
        return False, "it is no longer beyond the bound"
    steps_back = zip(run, run[1:], strict=False)
    lasted = sum((min(later.at - point.at, breach.window) for later, point in steps_back), timedelta(0))
    if breach.lasting == timedelta(0):
        return True, "seen once, which is enough"
    needed = max(breach.lasting, breach.window)
    seconds, wanted = lasted.total_seconds(), needed.total_seconds()
    if len(run) < 2 or lasted < needed:
        return False, f"beyond {breach.words} for {seconds:.0f} s of {wanted:.0f} s"
    return True, f"beyond {breach.words} at {len(run)} points over {seconds:.0f} s"
