"""What would stop the wave under way: each criterion in force, what was seen, its bound, and how far off that is."""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.criteria.base import When
from tidegate.journal.state import Phase, RolloutState
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan
from tidegate.values.units import Unit
from tidegate.views.course import Course

_WATCHED = (Phase.WAVE, Phase.SOAKED, Phase.GATE, Phase.RAISING, Phase.POST_ROLLOUT)
_WORST_FIRST = {"FAIL": 0, "ERROR": 1, "INCONCLUSIVE": 2, "": 3, "PASS": 4, "NOT_APPLICABLE": 5}


@dataclass(frozen=True, slots=True)
class Stopper:
    """A criterion in the plan's words; `used` is how much of the way to its bound is gone, in percent, where known."""

    text: str
    trigger: bool
    verdict: str
    seen: str
    bound: str
    used: float | None
    sentence: str

    @property
    def headroom(self) -> str:
        """`69% left`, `beyond`, or nothing."""
        if self.used is None:
            return ""
        return "beyond its bound" if self.used > _WHOLE else f"{_WHOLE - self.used:.0f}% left"


_WHOLE = 100.0


def stoppers(plan: Plan, state: RolloutState, course: Course) -> tuple[Stopper, ...]:
    """Triggers first, and in each part the nearest to its bound first; none where nothing is watched."""
    if state.phase not in _WATCHED or state.wave == 0 or state.rollback is not None:
        return ()
    return tuple(sorted(_found(plan, state, course), key=_order))


def _found(plan: Plan, state: RolloutState, course: Course) -> Iterator[Stopper]:
    seen = {f["criterion"]: f for f in course.findings} if course.reviewed_wave == state.wave else {}
    for when in (When.TRIGGER, When.DURING):
        for item in in_force(plan, state.wave, when):
            finding = seen.get(item.id)
            if finding is None:
                unseen = "Not judged yet in this wave."
                yield Stopper(item.criterion.text, when is When.TRIGGER, "", "", "", None, unseen)
                continue
            unit, bound = item.criterion.scale(plan)
            observed = finding.get("observed")
            yield Stopper(
                item.criterion.text,
                when is When.TRIGGER,
                finding["verdict"],
                _words(observed, unit),
                finding.get("bound", ""),
                _used(finding["verdict"], observed, bound),
                finding["sentence"],
            )


def _words(observed: float | None, unit: Unit | None) -> str:
    if observed is None:
        return ""
    return unit.format(observed) if unit is not None else f"{observed:g}"


def _used(verdict: str, observed: float | None, bound: float | None) -> float | None:
    """How much of the way to the bound is gone; only where both are positive, since elsewhere it says nothing."""
    if observed is None or bound is None or bound <= 0 or observed < 0:
        return None
    ratio = _WHOLE * observed / bound
    # A bound that is to stay below the value (a success rate) is known by a pass above it.
    if (verdict == "PASS") is (ratio <= _WHOLE):
        return ratio
    return _WHOLE * bound / observed if observed > 0 else None


def _order(one: Stopper) -> tuple[bool, int, float]:
    return (not one.trigger, _WORST_FIRST.get(one.verdict, 3), -(one.used if one.used is not None else -1.0))
