"""What the kinds that compare and look back contradict in the rest of a plan."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.criteria.direction import rises_are_bad
from tidegate.criteria.external_kinds import customers_held_out
from tidegate.criteria.history_kinds import Change, Coverage, How, Leak, ResourceSpike, Slo, Trend
from tidegate.values.metrics import Metric
from tidegate.values.model import Contradiction, FieldPath, did_you_mean
from tidegate.values.units import Unit, quantity_in

if TYPE_CHECKING:
    from tidegate.plan.model import Plan


def kind_problems(plan: "Plan", where: FieldPath, criterion: Any, number: int) -> Iterator[Contradiction]:
    """Unknown metrics, bounds in another unit, references that no journal will hold; `number` counts from 0."""
    match criterion:
        case Change():
            yield from _named(plan, [criterion.metric], (*where, "metric"))
            if metric := plan.metrics.get(criterion.metric):
                unit = Unit.PERCENT if criterion.how is How.RELATIVE else metric.unit
                yield from _bounds(criterion, unit, where)
            yield from _reference(plan, where, criterion, number)
        case Trend():
            yield from _named(plan, criterion.metrics, (*where, "metrics"))
            for name, bound in criterion.metrics.items():
                if metric := plan.metrics.get(name):
                    yield from _bound(bound, metric.unit, (*where, "metrics", name))
                    if rises_are_bad(metric) is None:
                        words = f"found {name}, which has no bound to tell which way is worse, allowed is one with"
                        yield (*where, "metrics", name), f"{words} target, warning or critical"
        case Leak():
            yield from _named(plan, [criterion.metric], (*where, "metric"))
            if metric := plan.metrics.get(criterion.metric):
                yield from _bound(criterion.above, metric.unit, (*where, "above"))
        case ResourceSpike():
            yield from _named(plan, criterion.metrics, (*where, "metrics"))
        case Coverage(metrics=tuple(names)):
            yield from _named(plan, names, (*where, "metrics"))
        case Slo():
            yield from _named(plan, [criterion.metric], (*where, "metric"))
            if metric := plan.metrics.get(criterion.metric):
                yield from _bounds(criterion, metric.unit, where)
                if criterion.part is not None and metric.part is None:
                    yield (*where, "part"), f"found with {criterion.metric}, allowed with a metric of part and whole"
        case _:
            pass


def _named(plan: "Plan", names: Iterable[str], where: FieldPath) -> Iterator[Contradiction]:
    known: Mapping[str, Metric] = plan.metrics
    for name in names:
        if name not in known:
            yield where, f"found {name!r}, allowed are {', '.join(known)}{did_you_mean(name, known)}"


def _bounds(criterion: Change | Slo, unit: Unit, where: FieldPath) -> Iterator[Contradiction]:
    for side in ("below", "above"):
        bound = getattr(criterion, side)
        if bound is not None:
            yield from _bound(bound, unit, (*where, side))


def _bound(bound: str, unit: Unit, where: FieldPath) -> Iterator[Contradiction]:
    try:
        quantity_in(bound, unit)
    except ValueError as error:
        yield where, str(error)


def _reference(plan: "Plan", where: FieldPath, item: Change, number: int) -> Iterator[Contradiction]:
    to = item.substitute or item.to
    before_any = to == "baseline" or (to == "previous_wave" and number == 0)
    if before_any and plan.baseline is None:
        yield (*where, "to"), f"found {to}, allowed in a plan with baseline: (how the old path is measured before)"
    if to.startswith("wave "):
        wave = int(to.removeprefix("wave "))
        if wave > number:
            allowed = f"an earlier wave (1 to {number})" if number else "baseline or control, since no wave is earlier"
            yield (*where, "to"), f"found {to}, allowed is {allowed}"
    full = [wave.name for wave in plan.waves[min(number, len(plan.waves) - 1) :] if wave.percent >= 100]
    if to == "control" and full and not customers_held_out(plan):
        words = f"missing, allowed is baseline or previous_wave: at {full[0]} nobody is left on the old path"
        yield (*where, "substitute"), words


def change_limit_problems(plan: "Plan") -> Iterator[Contradiction]:
    """Bounds of the metrics table that are changes from a baseline nobody measures."""
    for name, metric in plan.metrics.items():
        for level in ("target", "warning", "critical"):
            limit = getattr(metric, level)
            if limit is not None and limit.change is not None and plan.baseline is None:
                yield ("metrics", name, level, "change"), "found without baseline, allowed in a plan with baseline:"
