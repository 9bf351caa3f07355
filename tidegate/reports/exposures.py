"""Which figures may be held against each other: how many there are of something follows how many may come."""

from collections.abc import Sequence

from tidegate.plan.model import Plan
from tidegate.reports.record import Review
from tidegate.values.exposure import Exposure
from tidegate.values.units import Unit

_AMOUNTS = (Unit.COUNT, Unit.PER_SECOND)


def follows_exposure(plan: Plan, metric: str) -> bool:
    """Whether the metric counts what happens on the new path, so that twice as many users make it twice as high."""
    return plan.metrics[metric].unit in _AMOUNTS


def of_one_exposure(plan: Plan, metric: str, reviews: Sequence[Review]) -> tuple[Review, ...]:
    """The reviews that may share a mean: for an amount those at the newest one's exposure, else all of them."""
    if not reviews or not follows_exposure(plan, metric):
        return tuple(reviews)
    newest = _exposed(plan, reviews[-1])
    return tuple(review for review in reviews if _exposed(plan, review) == newest)


def same_exposure(plan: Plan, metric: str, some: Sequence[Review], others: Sequence[Review]) -> bool:
    """Whether the two means can be compared."""
    if not follows_exposure(plan, metric):
        return True
    return all(_exposed(plan, one) == _exposed(plan, other) for one in some[-1:] for other in others)


def as_exposed_as_the_baseline(plan: Plan, metric: str, reviews: Sequence[Review]) -> bool:
    """Whether the mean can be compared with the baseline, for which everybody was on the old path."""
    if not follows_exposure(plan, metric):
        return True
    return all(_exposed(plan, review).is_everybody for review in reviews)


def _exposed(plan: Plan, review: Review) -> Exposure:
    return plan.exposure_at(min(review.wave, len(plan.waves)))
