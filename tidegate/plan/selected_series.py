"""Whether what a plan's queries select has existed lately: a misspelt name is found before anything depends on it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from tidegate.criteria.metrics.queries import metric_queries, traffic_queries
from tidegate.plan.in_force import steps
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.values.promql_template import render_query, selector
from tidegate.values.samples import NoData, NoDataReason, Reading
from tidegate.values.series_selectors import Matcher, SeriesSelector, series_selectors

SELECTS = "selects"  # the finding's name
ALL_THERE = "Every name and every label value."
LATELY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Selected:
    """One selector of the plan: where it stands, and whether the plan says that its series may be absent."""

    where: str
    selector: SeriesSelector
    may_be_absent: bool = False


@dataclass(frozen=True, slots=True)
class Existence:
    """What was found: misspelt as far as anybody can tell, not there yet, or not to be determined."""

    refused: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def selected(plan: Plan, timing: Timing) -> tuple[Selected, ...]:
    """Every selector of the plan's queries on both paths, each once for each place."""
    found: dict[tuple[str, str], Selected] = {}
    for where, query, may_be_absent in _queries(plan, timing):
        for one in series_selectors(query):
            found.setdefault((where, one.text), Selected(where, one, may_be_absent))
    return tuple(found.values())


def _queries(plan: Plan, timing: Timing) -> Iterator[tuple[str, str, bool]]:
    audiences = {wave.audience: number for number, wave in enumerate(plan.waves, start=1)}
    for number in audiences.values():
        for name, metric in plan.metrics.items():
            for path in (plan.variants.canary, plan.variants.control):
                for query in metric_queries(plan, name, number, timing.window(metric.window), path).values():
                    yield f"metrics.{name}", query, bool(metric.may_be_absent)
        for query in traffic_queries(plan, number, timing.window(plan.traffic.window)).values():
            yield "traffic", query, False
    path, proof = plan.variants.canary, plan.rollback.proof
    yield "rollback.proof", render_query(proof.counter, selector=selector(path), path=path, window=proof.quiet), False
    if plan.rollback.capacity is not None:
        yield "rollback.capacity", plan.rollback.capacity.query, False
    if plan.version is not None:
        yield "version", plan.version.query, False
    for step in steps(plan):
        for criterion in step.criteria:
            for query in criterion.own_queries:
                yield f"the criterion {criterion.text!r}", query, False


def existence_queries(every: tuple[Selected, ...], plan: Plan) -> dict[str, str]:
    """How many series there were lately: by name, by name and label, by name and label value; keyed by selector."""
    texts = {asked: None for each in every for asked in _asked(each.selector, plan)}
    return {text: f"count(last_over_time({text}[{round(LATELY.total_seconds())}s]))" for text in texts}


def judge_existence(every: tuple[Selected, ...], plan: Plan, found: Mapping[str, Reading]) -> Existence:
    """A name of a metric or label that never was is refused; a value, and what may be absent, is listed."""
    refused, absent, unknown = dict[str, None](), dict[str, None](), dict[str, None]()
    for each in every:
        wrong = absent if each.may_be_absent else refused
        for text, (serious, words) in _asked(each.selector, plan).items():
            reading = found[text]
            if not isinstance(reading, NoData):
                continue
            if reading.reason is NoDataReason.NO_SERIES:
                (wrong if serious else absent)[f"{each.where}: {words} within {LATELY.seconds // 3600} h"] = None
                break  # what is narrower cannot be there either
            unknown[f"{each.where}: {text}: {reading.reason.value} {reading.detail}".strip()] = None
    return Existence(tuple(refused), tuple(absent), tuple(unknown))


def _asked(one: SeriesSelector, plan: Plan) -> dict[str, tuple[bool, str]]:
    """From wide to narrow: the selector to count, whether its absence is a mistake, and what that means in words."""
    if not one.name:
        return {one.text: (False, f"nothing was selected by {one.text}")}
    asked = {one.name: (True, f"no series had the name {one.name}")}
    labels = [matcher for matcher in one.matchers if matcher.label != "__name__"]
    for matcher in labels:
        text = f'{one.name}{{{matcher.label}!=""}}'
        asked[text] = (True, f"no series of {one.name} had the label {matcher.label}")
    for matcher in labels:
        # Before the first wave the new path may not serve at all.
        if matcher.sign in ("=", "=~") and not _is_path(matcher, plan):
            text = f"{one.name}{{{matcher.text}}}"
            asked[text] = (False, f"no series of {one.name} had {matcher.text}")
    return asked


def _is_path(matcher: Matcher, plan: Plan) -> bool:
    paths = (f"x{{{path}}}" for path in (plan.variants.canary, plan.variants.control))
    return any(matcher in one.matchers for path in paths for one in series_selectors(path))
