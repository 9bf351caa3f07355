"""Service level objectives: how fast the error budget burns, over a long and a short window.

The Site Reliability Workbook (Beyer et al., 2018), chapter 5, "Alerting on SLOs", method 6: the burn rate is the
share of bad events over the share that the objective allows; an alarm needs it above the bound over the long window
(it matters) and over the short one (it still goes on). A metric that is no ratio of events is held to its bound at
up to 1440 instants of the window, and the objective is a share of those that had a value; quiet times do not count.
"""

from collections.abc import Mapping
from datetime import timedelta

from tidegate.criteria.history_kinds import Slo
from tidegate.criteria.queries import joined_query, metric_queries
from tidegate.criteria.threshold import no_data_words, on_dry_run
from tidegate.plan.model import Plan, When
from tidegate.plan.pace import Timing
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample, ratio
from tidegate.values.units import Unit, quantity_in
from tidegate.values.verdict import Finding, Verdict

WINDOWS = ("long", "short")
_INSTANTS = 1440
_AN_INSTANT = 60  # of a window that is short
_INSTANTS_NEEDED = 3


def slo_spans(item: Slo, plan: Plan, timing: Timing, exposed: timedelta) -> dict[str, timedelta]:
    """The windows as they are asked: never further back than the new path has had users."""
    floor = timing.window(plan.metrics[item.metric].window)
    return {
        "long": max(min(timing.window(item.long), exposed), floor),
        "short": max(min(timing.window(item.short), exposed), floor),
    }


def slo_queries(
    item: Slo, plan: Plan, wave: int, timing: Timing, spans: Mapping[str, timedelta], variant: str | None = None
) -> dict[str, str]:
    """Both windows' counts by measurement id: `long_part`, `long_whole`, `short_part`, `short_whole`."""
    found: dict[str, str] = {}
    for name, span in spans.items():
        if item.part is not None:
            asked = metric_queries(plan, item.metric, wave, span, variant)
            found |= {f"{name}_{role}": asked[f"{item.metric}_{role}"] for role in ("part", "whole")}
            continue
        metric = plan.metrics[item.metric]
        inner = joined_query(plan, item.metric, wave, timing.window(metric.window), variant)
        sign, bound = ("<", item.below) if item.below is not None else (">", item.above)
        step = max(span / _INSTANTS, min(timing.window(metric.window), span / _AN_INSTANT), plan.scrape_interval)
        over = f"[{_ms(span)}:{_ms(step)}])"
        found[f"{name}_part"] = f"sum_over_time((({inner}) {sign} bool {quantity_in(bound or '', metric.unit):g}){over}"
        found[f"{name}_whole"] = f"count_over_time(({inner}){over}"
    return found


def _ms(span: timedelta) -> str:
    return f"{round(span.total_seconds() * 1000)}ms"


def slo_readings(item: Slo, plan: Plan, answers: Mapping[str, Reading]) -> dict[str, Reading]:
    """The share of bad events or instants in each window, in percent."""
    least = plan.metrics[item.metric].min_samples if item.part is not None else _INSTANTS_NEEDED
    found: dict[str, Reading] = {}
    for name in WINDOWS:
        part, whole = answers[f"{name}_part"], answers[f"{name}_whole"]
        if item.part is None and isinstance(whole, NoData) and whole.reason is NoDataReason.NO_SERIES:
            # Not one instant had a value; whether that is blindness is the metric's own question.
            whole = NoData(NoDataReason.TOO_FEW, whole.at, "no instant had a value")
        share = ratio(part, whole, least)
        good_counted = item.part != "bad"
        if isinstance(share, Sample) and good_counted:
            share = Sample(max(100 - share.value, 0.0), share.at, share.n)
        found[name] = share
    return found


def judge_slo(id_: str, item: Slo, plan: Plan, shares: Mapping[str, Reading], query: str) -> Finding:
    """A trigger fires when both windows burn too fast; otherwise the long window must not."""
    objective = quantity_in(item.objective, Unit.PERCENT)
    budget = 100 - objective
    trigger = When.TRIGGER in item.when
    words = f"burn rate above {item.burn:g}" if trigger else f"burn rate at most {item.burn:g}"

    def found(verdict: Verdict, sentence: str, observed: float | None = None, n: float | None = None) -> Finding:
        finding = Finding(id_, item.text, verdict, sentence, observed, words, n, query, item.required)
        return on_dry_run(item, finding)

    title = plan.metrics[item.metric].title
    asked = WINDOWS if trigger else WINDOWS[:1]
    burns: list[float] = []
    for name in asked:
        share = shares[name]
        if isinstance(share, NoData):
            verdict = Verdict.ERROR if share.reason.is_blindness else Verdict.INCONCLUSIVE
            return found(verdict, f"{title} over the {name} window: no data ({no_data_words(share)}).", n=share.n)
        burns.append(share.value / budget)
    observed = min(burns)
    n = shares["long"].n
    # Rounded, so that 99.9 % kept to the last event is kept.
    burning = round(observed, 9) > item.burn
    rates = " and ".join(f"{burn:.2f} ({name})" for burn, name in zip(burns, asked, strict=True))
    rule = f"rolls back above {item.burn:g}" if trigger else f"must be at most {item.burn:g}"
    sentence = f"{title}: the budget of {item.objective} burns at {rates}; {rule}."
    return found(Verdict.FAIL if burning else Verdict.PASS, sentence, observed, n)
