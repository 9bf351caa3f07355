"""Success criteria that the rest of the plan cannot answer."""

from collections.abc import Iterator

from tidegate.plan.fields.plan_fields import PlanFields
from tidegate.plan.fields.success import Affordable, Available, FullTraffic, Throughout
from tidegate.values.metrics import bound_problems
from tidegate.values.model import Contradiction, FieldPath, did_you_mean


def success_contradictions(plan: PlanFields) -> Iterator[Contradiction]:
    """Unknown metrics, bounds in another unit, what needs a part that the plan does not have."""
    for number, item in enumerate(plan.success):
        here: FieldPath = ("success", number)
        match item:
            case Throughout() | Available():
                metric = plan.metrics.get(item.metric)
                if metric is None:
                    known = f"allowed are {', '.join(plan.metrics)}{did_you_mean(item.metric, plan.metrics)}"
                    yield (*here, "metric"), f"found {item.metric!r}, {known}"
                else:
                    for side, text in bound_problems(item, metric.unit):
                        yield (*here, *side), text
            case Affordable() if plan.costs is None:
                yield here, "found affordable, allowed in a plan with costs:"
            case FullTraffic() if plan.waves[-1].percent < 100:
                yield (
                    here,
                    f"found full_traffic, allowed where the last wave is 100% (it is {plan.waves[-1].percent:g}%)",
                )
            case _:
                pass
