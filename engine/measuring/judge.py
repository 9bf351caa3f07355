"""One criterion judged in an evaluation; whatever breaks on the way is an ERROR, never a PASS and never a rollback."""

import logging
from dataclasses import replace

from blocks.errors import ConnectionFault
from engine.measuring.answers import LiveAnswers
from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.base import Judgement
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.metrics.queries import canary_traffic_reading, no_canary_traffic_breach
from tidegate.plan.in_force import InForce
from tidegate.values.samples import NoData, NoDataReason
from tidegate.values.verdict import Finding, Verdict

_log = logging.getLogger("tidegate.measure")


def context_of(seen: MetricSnapshot, item: InForce) -> Context:
    """Where and when a criterion is asked in this evaluation."""
    run, record = seen.run, seen.run.state.record
    return Context(
        item.id,
        run.plan,
        run.timing,
        seen.wave,
        seen.now,
        record.raised_at if record is not None else None,
        run.state.first_raise_at,
        run.state.wave > 0,
    )


def measure(seen: MetricSnapshot, item: InForce, at: Context) -> Judgement:
    """The answer to one criterion, asked there and then."""
    try:
        finding, breach = item.criterion.judge(at, LiveAnswers(seen, item.id))
        if not isinstance(finding.verdict, Verdict):
            raise TypeError(f"the verdict of {item.id} is {finding.verdict!r}, which is none")
        if finding.criterion != item.id:
            raise TypeError(f"the finding of {item.id} says that it is of {finding.criterion!r}")
        if finding.verdict is not Verdict.NOT_APPLICABLE:
            finding = on_dry_run(item.criterion, finding)  # whatever a kind forgets, a dry run decides nothing
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
    if finding.verdict is not Verdict.PASS:
        return finding
    for name in item.criterion.metrics_judged:
        reading = seen.metrics.get(name)
        if isinstance(reading, NoData) and reading.reason is NoDataReason.STALE:
            sentence = f"{seen.run.plan.metrics[name].title}: no data ({no_data_words(reading)})."
            return replace(finding, verdict=Verdict.ERROR, sentence=sentence)
    return finding


def canary_traffic(seen: MetricSnapshot) -> list[Judgement]:
    """Whether the new path completes the requests that its exposure implies; nothing where there is no control."""
    breach = no_canary_traffic_breach(seen.run.plan, seen.wave, seen.run.timing)
    if breach is None:
        return []
    reading = canary_traffic_reading(seen.run.plan, seen.wave, seen.raw)
    text = "The new path completes the requests that its exposure implies"
    if isinstance(reading, NoData):
        verdict = Verdict.ERROR if reading.reason.spends_no_data_budget else Verdict.INCONCLUSIVE
        sentence = f"Too little traffic to tell ({reading.detail or reading.reason.value})."
        return [(Finding("no_canary_traffic", text, verdict, sentence, bound=breach.words, query=breach.query), None)]
    verdict = Verdict.FAIL if breach.holds(reading.value) else Verdict.PASS
    sentence = (
        f"The new path completes {reading.value:.1f}% of its audience's requests; too little when {breach.words}."
    )
    if isinstance(ended := seen.raw["traffic_canary"], NoData):
        sentence = f"The new path's requests are counted no more, the old path's are: {ended.detail}."
    finding = Finding(
        "no_canary_traffic", text, verdict, sentence, reading.value, breach.words, reading.n, breach.query
    )
    return [(finding, breach)]
