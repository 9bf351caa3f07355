"""How thresholds, alerts and what people say are judged."""

from dataclasses import replace

from tidegate.plan import Alerts, Human, Metric, Threshold, When
from tidegate.plans.criterion import BaseCriterion
from tidegate.samples import AlertReading, NoData, Reading
from tidegate.units import quantity_in
from tidegate.verdict import Finding, Verdict


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
    if reading.at_least and verdict is Verdict.PASS and above == trigger:
        verdict = Verdict.INCONCLUSIVE  # it may as well be beyond the bound
    seen = f"at least {metric.unit.format(reading.value)}" if reading.at_least else metric.unit.format(reading.value)
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
