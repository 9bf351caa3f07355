"""When exposure ends by itself, and when that is put off again, as pure rules."""

from datetime import datetime, timedelta

from tidegate.plan.model import Plan
from tidegate.values.exposure import Exposure

SHORTEST_IN_PRODUCTION = timedelta(minutes=10)
_RENEWED_BELOW = 0.75  # a look that finds more than this share left writes nothing


def lease_end(plan: Plan, exposure: Exposure, now: datetime) -> datetime | None:
    """Until when this exposure may last if it is written now; None where it has no end."""
    lease = plan.flag.lease
    if lease is None or exposure.is_zero:
        return None
    return None if exposure.is_everybody and not lease.at_full else now + lease.lasts


def renewal_due(plan: Plan, until: datetime | None, now: datetime) -> bool:
    """Whether the lease has used up enough to be renewed; one that ran out never is."""
    lease = plan.flag.lease
    return lease is not None and until is not None and timedelta(0) < until - now < lease.lasts * _RENEWED_BELOW


def lease_words(until: datetime | None) -> str:
    """When exposure ends unless somebody renews it, or empty."""
    return f"ends {until:%H:%M:%S} UTC unless renewed" if until else ""
