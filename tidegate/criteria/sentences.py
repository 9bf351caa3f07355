"""The sentences of the kinds of criteria that compare and look back."""

from typing import assert_never

from tidegate.criteria.change import change_words
from tidegate.criteria.history_kinds import Change, Coverage, How, Leak, NewAlerts, ResourceSpike, Slo, Trend
from tidegate.criteria.lasting import lasting_words
from tidegate.plan.model import Plan, When
from tidegate.values.units import Unit, format_duration, format_percent, quantity_in


def kind_sentence(
    criterion: Change | Trend | Leak | NewAlerts | ResourceSpike | Slo | Coverage,
    plan: Plan,
) -> str:
    """What is asked, from the criterion's fields."""
    match criterion:
        case Change():
            return _change(criterion, plan)
        case Trend():
            parts = [
                f"{plan.metrics[name].title} (by {_bound(plan, name, by)})" for name, by in criterion.metrics.items()
            ]
            return f"no significant worsening over the wave of {', '.join(parts)}"
        case Leak():
            growth = _bound(plan, criterion.metric, criterion.above)
            return f"hourly floor of {plan.metrics[criterion.metric].title} grows by over {growth} a day"
        case NewAlerts():
            labels = ", ".join(f"{name}={value}" for name, value in criterion.labels.items())
            return f"{'any' if When.TRIGGER in criterion.when else 'no'} alert with {labels} began since the wave began"
        case ResourceSpike():
            names = " or ".join(plan.metrics[name].title for name in criterion.metrics)
            over = f"{format_percent(criterion.above)} and {criterion.deviations} deviations"
            return f"{names} over its median of the last {format_duration(criterion.trailing)} by {over}"
        case Slo():
            return _slo(criterion, plan)
        case Coverage():
            names = ", ".join(plan.metrics[name].title for name in criterion.metrics or plan.metrics)
            return f"a value in at least {format_percent(criterion.at_least)} of the wave's reviews of each of {names}"
        case _:
            assert_never(criterion)


def _bound(plan: Plan, metric: str, bound: str) -> str:
    unit = plan.metrics[metric].unit
    return unit.format(quantity_in(bound, unit))


def _change(item: Change, plan: Plan) -> str:
    side, bound = ("above", item.above) if item.below is None else ("below", item.below)
    unit = Unit.PERCENT if item.how is How.RELATIVE else plan.metrics[item.metric].unit
    size = change_words(quantity_in(bound or "", unit), item.how, unit)
    lasting = lasting_words(item, plan.metrics[item.metric].window)
    instead = f" ({item.substitute.replace('_', ' ')} at 100%)" if item.substitute else ""
    return (
        f"change of {plan.metrics[item.metric].title} from {item.to.replace('_', ' ')}{instead} {side} {size}{lasting}"
    )


def _slo(item: Slo, plan: Plan) -> str:
    metric = plan.metrics[item.metric]
    bound = item.below or item.above
    side = "below" if item.below else "above"
    good = (
        f"of the time with {metric.title} {side} {_bound(plan, item.metric, bound)}" if bound else f"by {metric.title}"
    )
    pace = f"over {format_duration(item.long)}"
    if When.TRIGGER in item.when:
        return f"{item.objective} {good} missed {item.burn:g} times over, {pace} and {format_duration(item.short)}"
    return f"{item.objective} {good}, {pace}" + (f", missed at most {item.burn:g} times over" if item.burn > 1 else "")
