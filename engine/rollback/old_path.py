"""How the old path bears it that more and more users come back."""

from datetime import datetime
from functools import partial

from blocks.calls.bounded import bounded
from blocks.errors import ConnectionFault
from engine.rollback.stable_health import look_at_legacy
from engine.rollout.session import OpenRollout
from tidegate.values.samples import NoData

_HEALTH_SECONDS = 2.0


def old_path_trouble(run: OpenRollout, now: datetime) -> str:
    """What is seen to be wrong with the old path, as the plan says it is seen, or empty.

    A capacity that nobody answers for puts nothing off; a health that is not answered is no health.
    """
    wanted, health = run.plan.rollback.capacity, run.plan.rollback.health
    if wanted is not None:
        found = run.connections.prometheus.instant({"capacity": wanted.query}, now)["capacity"]
        if not isinstance(found, NoData) and found.value < wanted.at_least:
            return f"its capacity is {found.value:g}, needed is {wanted.at_least:g}"
    if health is None or run.connections.web is None:
        return ""
    try:
        ask = partial(look_at_legacy, run.connections, health)
        well, seen = bounded(ask, _HEALTH_SECONDS, f"the old path of {run.flag}")
    except ConnectionFault as fault:
        return str(fault)
    return "" if well else seen
