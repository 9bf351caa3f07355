"""What the reports count: every review as it was recorded, and the spells in which something was wrong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidegate.criteria.metrics.metric_levels import Level
from tidegate.journal.bodies.evidence_bodies import Reviewed
from tidegate.journal.bodies.exposure_bodies import EasingBegun, RolledBackToZero
from tidegate.journal.entries import Entry
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Criterion, Plan, When


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric at one review."""

    value: float | None
    level: str
    n: float | None


@dataclass(frozen=True, slots=True)
class Review:
    """One recorded review."""

    at: datetime
    wave: int
    verdict: str
    healthy: bool
    credit: float
    metrics: Mapping[str, Measured]
    findings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Spell:
    """From the review (or the order to roll back) that found it wrong to the one that found it right, or zero."""

    start: datetime
    end: datetime | None
    what: str
    critical: bool

    @property
    def lasted(self) -> timedelta | None:
        """How long; None while it goes on."""
        return None if self.end is None else self.end - self.start


def reviews_in(entries: Iterable[Entry]) -> tuple[Review, ...]:
    """Every review, in order."""
    return tuple(_review(entry.at, body) for entry in entries if isinstance(body := entry.body, Reviewed))


def _review(at: datetime, body: Reviewed) -> Review:
    lines = {x["name"]: Measured(x["value"], x["level"], x.get("n")) for x in body.metrics}
    return Review(at, body.wave, body.verdict.value, body.healthy, body.credit, lines, tuple(body.findings))


def spells_in(plan: Plan, entries: Iterable[Entry]) -> tuple[Spell, ...]:
    """The spells of FAIL, in order; what begins with an order to roll back ends with the flag at zero."""
    found: list[Spell] = []
    start: datetime | None = None
    what, critical = "", False
    for entry in entries:
        body = entry.body
        if isinstance(body, Reviewed):
            review = _review(entry.at, body)
            if review.verdict == "FAIL":
                start, what = start or entry.at, what or _first_failure(review)
                critical = critical or _is_critical(plan, review)
            elif review.verdict == "PASS" and start is not None:
                found.append(Spell(start, entry.at, what, critical))
                start, what, critical = None, "", False
        elif isinstance(body, EasingBegun):
            start = start or body.ordered_at
            what, critical = body.reason, critical or body.criterion in _critical_criteria(plan)
        elif isinstance(body, RolledBackToZero):
            start = start or body.ordered_at
            what, critical = body.reason, critical or body.criterion in _critical_criteria(plan)
            if body.zero_at:
                found.append(Spell(start, body.zero_at, what, critical))
                start, what, critical = None, "", False
    if start is not None:
        found.append(Spell(start, None, what, critical))
    return tuple(found)


def _first_failure(review: Review) -> str:
    return next((f"{f['text']}: {f['sentence']}" for f in review.findings if f["verdict"] == "FAIL"), "a review failed")


def _is_critical(plan: Plan, review: Review) -> bool:
    if any(m.level == Level.CRITICAL for m in review.metrics.values()):
        return True
    asked = _critical_criteria(plan)
    return any(f["verdict"] == "FAIL" and f["criterion"] in asked for f in review.findings)


def _critical_criteria(plan: Plan) -> frozenset[str]:
    """The criteria that are about alerts, and the critical column of the metrics table."""
    waves = range(1, len(plan.waves) + 2)
    asked = [x for n in waves for when in (When.DURING, When.TRIGGER) for x in in_force(plan, n, when)]
    return frozenset(item.id for item in asked if _asks_for_critical(plan, item.criterion))


def _asks_for_critical(plan: Plan, criterion: Criterion) -> bool:
    # A trigger of the plan's own with the same bound stands for the column's.
    return bool(criterion.critical_alerts) or any(
        (limit := plan.metrics[name].critical) is not None
        and criterion.bound_on(name) in (("above", limit.above), ("below", limit.below))
        for name in criterion.metrics_judged
    )


def mean_of(reviews: Sequence[Review], metric: str) -> float | None:
    """The metric's mean over these reviews, weighted by the events behind each where all of them say so."""
    found = [m for r in reviews if (m := r.metrics.get(metric)) is not None and m.value is not None]
    if not found:
        return None
    weights = [m.n or 0.0 for m in found]
    if any(weight <= 0 for weight in weights):
        weights = [1.0] * len(found)
    return sum((m.value or 0.0) * weight for m, weight in zip(found, weights, strict=True)) / sum(weights)


def between(reviews: Iterable[Review], start: datetime, end: datetime) -> tuple[Review, ...]:
    """The reviews after `start`, up to and with `end`."""
    return tuple(r for r in reviews if start < r.at <= end)


def values_by_instant(reviews: Iterable[Review], metric: str) -> Iterator[tuple[datetime, int, float]]:
    """Instant, wave and value wherever the metric was measured."""
    for review in reviews:
        found = review.metrics.get(metric)
        if found is not None and found.value is not None:
            yield review.at, review.wave, found.value
