"""What kinds of criteria check alike: bounds, names of metrics, and what only a trigger may have."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import Field

from tidegate.criteria.base import BaseCriterion, When
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.values.metrics import Metric
from tidegate.values.model import Contradiction, FieldPath, Switch, did_you_mean
from tidegate.values.units import Unit, quantity_in


def one_side(below: object, above: object) -> Iterator[Contradiction]:
    """More or less than one bound."""
    if (below is None) == (above is None):
        found = "no bound" if below is None else "below and above"
        yield (), f"found {found}, allowed is exactly one of below or above"


class MeasuredCriterion(BaseCriterion):
    """What only a trigger of these kinds may have."""

    required: Switch = Field(default=False, description="A trigger that cannot be judged stops the soak.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A trigger's field without a trigger."""
        yield from super().contradictions()
        if self.when != (When.TRIGGER,):
            for name, value in (("for", getattr(self, "for_", None)), ("required", self.required or None)):
                if value is not None:
                    yield (name,), f"found with when: {', '.join(self.when)}, allowed with when: trigger only"


def unknown_metrics(plan: PlanFacts, names: Iterable[str], where: FieldPath) -> Iterator[Contradiction]:
    """Names that the plan's metrics do not have."""
    known: Mapping[str, Metric] = plan.metrics
    for name in names:
        if name not in known:
            yield where, f"found {name!r}, allowed are {', '.join(known)}{did_you_mean(name, known)}"


def wrong_unit(bound: str, unit: Unit, where: FieldPath) -> Iterator[Contradiction]:
    """A bound that is not written in this unit."""
    try:
        quantity_in(bound, unit)
    except ValueError as error:
        yield where, str(error)


def bound_words(plan: PlanFacts, metric: str, bound: str) -> str:
    """`500 ms`, as the metric's unit is written for people."""
    unit = plan.metrics[metric].unit
    return unit.format(quantity_in(bound, unit))
