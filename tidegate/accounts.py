"""A wave's accounts: what was used, and who completed the requests, over its whole time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.costs import amount_in, cost_queries
from tidegate.criteria import traffic_queries
from tidegate.plan import Plan
from tidegate.samples import NoData, Reading, Sample

_POINTS = 240
PATHS = {"new": "traffic_canary", "old": "traffic_control"}


def account_queries(plan: Plan, span: timedelta) -> dict[str, str]:
    """Everything that is asked about a time of this length."""
    step = max(span / _POINTS, plan.scrape_interval)
    over = f"[{_ms(span)}:{_ms(step)}]"
    found: dict[str, str] = {}
    if plan.costs is not None:
        found |= {f"amount_{name}": f"avg_over_time(({q})\n{over})" for name, q in cost_queries(plan.costs).items()}
    # The last wave's audience is the widest: everybody but the senders of known requests.
    asked = traffic_queries(plan, len(plan.waves), span)
    found |= {f"requests_{path}": asked[name] for path, name in PATHS.items()}
    return found


def account_body(wave: int, start: datetime, end: datetime, answers: Mapping[str, Reading]) -> dict[str, Any]:
    """As journalled: each figure, or None with the reason why it is not known."""
    figures: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, reading in answers.items():
        found = amount_in(reading)
        if isinstance(found, NoData) or not isinstance(reading, Sample):
            figures[name] = None
            reasons[name] = found.detail or found.reason.value.replace("_", " ") if isinstance(found, NoData) else ""
        else:
            figures[name] = reading.value
    return {
        "wave": wave,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "figures": figures,
        "reasons": reasons,
    }


def _ms(span: timedelta) -> str:
    return f"{round(span.total_seconds() * 1000)}ms"
