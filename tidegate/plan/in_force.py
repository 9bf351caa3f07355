"""Which criteria are in force: of which waves, for which purpose."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from weakref import finalize

from tidegate.criteria.base import When
from tidegate.criteria.metrics.change import Change
from tidegate.criteria.metrics.threshold import Threshold
from tidegate.plan.model import Criterion, Plan, PostRollout, Wave


@dataclass(frozen=True, slots=True)
class InForce:
    """A criterion that is asked now, and under which name."""

    id: str
    criterion: Criterion


def steps(plan: Plan) -> tuple[Wave | PostRollout, ...]:
    """The waves in order, and the post-rollout time after them."""
    return (*plan.waves, plan.post_rollout)


def in_force(plan: Plan, wave: int, when: When) -> tuple[InForce, ...]:
    """The criteria asked at `wave` (1-based; one more than the waves is post-rollout) for this purpose.

    Triggers of earlier waves stay in force; `earlier_waves` brings their during criteria along. What asks
    the same twice is asked once.
    """
    # Worked out once, not at every look: what is in force follows from the plan alone, which nothing changes.
    known = _known.get(id(plan))
    if known is None:
        known = _known[id(plan)] = {}
        finalize(plan, _known.pop, id(plan), None)
    if (wave, when) not in known:
        known[wave, when] = _in_force(plan, wave, when)
    return known[wave, when]


# By the plan's identity, as long as that plan is in use: a watch has hundreds.
_known: dict[int, dict[tuple[int, When], tuple[InForce, ...]]] = {}


def _in_force(plan: Plan, wave: int, when: When) -> tuple[InForce, ...]:
    found: dict[str, InForce] = {}
    waves = range(1, wave + 1) if when is When.TRIGGER else [wave]
    asked = [x for number in waves for x in _expanded(plan, number, when)]
    if when is When.TRIGGER:
        asked.extend(_critical_bounds(plan))
    for item in asked:
        meaning = item.id if item.criterion.by_people else meaning_of(item.criterion)
        before = found.setdefault(meaning, item)
        if before.criterion.ease and not item.criterion.ease:
            # Who asks the same without the mark means everybody, at once.
            found[meaning] = replace(before, criterion=before.criterion.model_copy(update={"ease": None}))
    return tuple(found.values())


def meaning_of(criterion: Criterion) -> str:
    """What it asks, however it is called and whatever follows from it: two that mean the same are asked once."""
    return criterion.model_dump_json(exclude={"text", "id", "when", "ease"})


def _expanded(plan: Plan, wave: int, when: When) -> Iterator[InForce]:
    step = steps(plan)[wave - 1]
    name = step.name if isinstance(step, Wave) else "post-rollout"
    for position, criterion in enumerate(step.criteria, start=1):
        if when not in criterion.when:
            continue
        if criterion.earlier_waves:
            for earlier in criterion.earlier_waves:
                for item in _expanded(plan, earlier, when):
                    if not item.criterion.by_people:
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
