"""How thresholds, alerts and what people say are judged."""

from dataclasses import replace

from tidegate.criteria.base import BaseCriterion
from tidegate.criteria.harm_seen import harm_seen
from tidegate.criteria.history_kinds import AlertRules
from tidegate.plan.model import Alerts, Human, Metric, Threshold, When
from tidegate.values.samples import AlertReading, NoData, Reading
from tidegate.values.units import quantity_in
from tidegate.values.verdict import Finding, Verdict


def judge_threshold(
    id_: str, item: Threshold, metric: Metric, reading: Reading, query: str, *, flowing: bool = False
) -> Finding:
    """Whether what must hold holds; a trigger beyond its bound is a FAIL only once it has lasted (see `sustained`).

    `flowing`: whether the new path has requests now, without which an infinite value of nothing fires nothing.
    """
    above = item.above is not None
    limit = quantity_in(item.above if item.above is not None else item.below or "", metric.unit)
    words = f"{'above' if above else 'below'} {metric.unit.format(limit)}"
    trigger = When.TRIGGER in item.when
    allowed = "rolls back when" if trigger else "must be"
    if isinstance(reading, NoData):
        # What fails a gate or a soak exposes nobody more, so that it needs no requests to be believed.
        if harm := harm_seen(metric, reading, limit, upper=above == trigger, flowing=flowing or not trigger):
            sentence = f"{metric.title} is {harm}{_counted(reading)}; {allowed} {words}."
            finding = Finding(id_, item.text, Verdict.FAIL, sentence, None, words, reading.n, query, item.required)
            return on_dry_run(item, finding)
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
    if reading.at_least and verdict is Verdict.PASS and above == trigger:
        verdict = Verdict.INCONCLUSIVE  # it may as well be beyond the bound
    seen = f"at least {metric.unit.format(reading.value)}" if reading.at_least else metric.unit.format(reading.value)
    finding = Finding(
        id_,
        item.text,
        verdict,
        f"{metric.title} is {seen}{_counted(reading)}; {allowed} {words}.",
        reading.value,
        words,
        reading.n,
        query,
        item.required,
    )
    return on_dry_run(item, finding)


def _counted(reading: Reading) -> str:
    return f", from {reading.n:.0f} requests" if reading.n is not None else ""


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
        sentence, verdict = no_healthy_rule(labels, item.rules, reading), Verdict.ERROR
    else:
        which = item.rules.words if item.rules else labels
        sentence, verdict = f"None firing; {reading.healthy_rules} healthy rules with {which}.", Verdict.PASS
    return on_dry_run(
        item, Finding(id_, item.text, verdict, sentence, float(len(reading.firing)), "0 firing", None, query)
    )


def no_healthy_rule(labels: str, named: AlertRules | None, reading: AlertReading) -> str:
    """That nothing could have fired, and how the plan says what could."""
    read = (
        f"of the {reading.rules_read} alerting rules that could be read" if reading.rules_read else "no rule was read"
    )
    if named is not None:
        return f"No healthy alert rule ({named.words}; {read}), or not all of them: nothing could have fired."
    return (
        f"No healthy alert rule with {labels}: nothing could have fired ({read}). Where alerts get these labels from "
        "their query, name the rules that must be healthy: rules: {names: [...]}, or groups, or labels."
    )


def judge_pending(id_: str, item: Human) -> Finding:
    """A line whose kind of check does not exist yet decides nothing; people watch it and roll back by hand."""
    sentence = f"Pending a check of kind {item.pending}: watched by people ({item.role}), who roll back by hand."
    return Finding(id_, item.text, Verdict.NOT_APPLICABLE, sentence)
