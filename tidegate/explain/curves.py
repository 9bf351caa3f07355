"""The course of a criterion until a decision: its evidence tick by tick, or its values review by review."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidegate.criteria.comparisons.counts import Counted
from tidegate.criteria.context import Context
from tidegate.plan.in_force import InForce
from tidegate.plan.model import Plan
from tidegate.statistics.ratio_interval import RatioBounds


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in order of time, what they are measured in, and the bound they are held against, if it is one number."""

    unit: str
    points: tuple[tuple[datetime, float], ...]
    bound: float | None
    ratios: tuple[RatioBounds, ...] = ()  # how many times as bad the new path was, in the present stay in a wave


def evidence_course(at: Context, item: InForce, counted: Sequence[Counted]) -> Curve | None:
    """What the counts said at each of their ticks; None for a criterion that is not judged from counts."""
    found = item.criterion.evidence(at, counted) if counted else None
    return None if found is None else Curve(found.unit, _timed(found.course), found.bound, tuple(found.ratios))


def _timed(points: Sequence[tuple[float, float]]) -> tuple[tuple[datetime, float], ...]:
    return tuple((datetime.fromtimestamp(end, UTC), value) for end, value in points)


def recorded_course(plan: Plan, item: InForce, recorded: Sequence[tuple[datetime, Mapping[str, Any]]]) -> Curve:
    """What was observed at each review that recorded it."""
    points = tuple((at, float(found["observed"])) for at, found in recorded if found["observed"] is not None)
    unit, bound = item.criterion.scale(plan)
    return Curve("" if unit is None else unit.suffix or unit.value, points, bound)


def odds_words(log_e: float) -> str:
    """What a log e-value means (Ville's inequality): `a healthy release ever shows as much in at most 1 of 27`."""
    if log_e < math.log(2):
        return "a healthy release shows as much often"
    return f"a healthy release ever shows as much in at most 1 of {math.floor(math.exp(min(log_e, 20.0)) + 1e-9):,}"
