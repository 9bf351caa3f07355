"""The course of a criterion until a decision: its evidence tick by tick, or its values review by review."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidegate.criteria.comparison_kinds import Breaker, GoEvidence, SampleRatio, VersusControl
from tidegate.criteria.history_kinds import Change, How
from tidegate.criteria.versus_control import Counted
from tidegate.plan.in_force import InForce
from tidegate.plan.model import Plan, Threshold
from tidegate.statistics.evidence_curves import curve_of
from tidegate.statistics.sample_ratio_test import log_sample_ratio
from tidegate.statistics.sequential import HARM, averaged, bound, go_question
from tidegate.values.units import Unit, quantity_in

LOG_EVIDENCE = "log evidence"


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in order of time, what they are measured in, and the bound they are held against, if it is one number."""

    unit: str
    points: tuple[tuple[datetime, float], ...]
    bound: float | None


def evidence_course(plan: Plan, wave: int, item: InForce, counted: Sequence[Counted]) -> Curve | None:
    """What the counts said at each of their ticks; None for a criterion that is not judged from counts."""
    criterion = item.criterion
    if not isinstance(criterion, VersusControl | GoEvidence | SampleRatio | Breaker) or not counted:
        return None
    found: list[tuple[float, float]] = []
    match criterion:
        case VersusControl():
            found = averaged([curve_of(one.waves, HARM) for one in counted])
        case GoEvidence():
            found = list(curve_of(counted[0].waves, go_question(criterion.worse_than)))
        case SampleRatio():
            percent = plan.waves[min(wave, len(plan.waves)) - 1].percent
            found = _split(counted[0], percent) if percent < 100 else []
        case Breaker():
            rows = sorted(row for one in counted[0].waves for row in one.rows if row.n_canary > 0)
            found = [(row.end, 100 * row.bad_canary / row.n_canary) for row in rows]
            return Curve("%", _timed(found), criterion.above)
    return Curve(LOG_EVIDENCE, _timed(found), bound(criterion.alpha / 100))


def _split(counted: Counted, percent: float) -> list[tuple[float, float]]:
    new = old = 0.0
    found = []
    for row in sorted(counted.waves[-1].rows) if counted.waves else ():
        new, old = new + row.n_canary, old + row.n_control
        found.append((row.end, log_sample_ratio((new, old), (percent, 100 - percent))))
    return found


def _timed(points: Sequence[tuple[float, float]]) -> tuple[tuple[datetime, float], ...]:
    return tuple((datetime.fromtimestamp(end, UTC), value) for end, value in points)


def recorded_course(plan: Plan, item: InForce, told: Sequence[tuple[datetime, Mapping[str, Any]]]) -> Curve:
    """What was observed at each review that told of it."""
    points = tuple((at, float(found["observed"])) for at, found in told if found["observed"] is not None)
    criterion = item.criterion
    match criterion:
        case Threshold():
            unit = plan.metrics[criterion.metric].unit
        case Change():
            unit = Unit.PERCENT if criterion.how is How.RELATIVE else plan.metrics[criterion.metric].unit
        case _:
            return Curve("", points, None)
    text = criterion.above or criterion.below or ""
    return Curve(unit.suffix or unit.value, points, quantity_in(text, unit))


def odds_words(log_e: float) -> str:
    """What a log e-value means (Ville's inequality): `a healthy release ever shows as much in at most 1 of 27`."""
    if log_e < math.log(2):
        return "a healthy release shows as much often"
    return f"a healthy release ever shows as much in at most 1 of {math.floor(math.exp(min(log_e, 20.0)) + 1e-9):,}"
