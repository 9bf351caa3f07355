"""The weekly look at the metrics table: how often each bound would have fired, and which bound the figures suggest."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.pages.tables import one_line, table_row
from tidegate.plan.model import Limit, Metric, Plan
from tidegate.values.units import Unit, quantity_in
from tidegate.values.verdict import Finding, Verdict

FEWEST = 50  # points; of fewer no distribution is shown
NOISY = 0.01  # of the points: a bound that fires more often is noise
LOOSE = 5.0  # times the worst that was seen: a bound so far away sees nothing
MARGIN = 1.25
_ALL = 100.0
_OFTEN = "fires too often"


def threshold_review(
    plan: Plan, values: Mapping[str, Sequence[float]], baselines: Mapping[str, float | None]
) -> dict[str, Any]:
    """The review as data; a metric with too few points has no proposal, and says so."""
    return {
        "metrics": [_reviewed(name, m, values.get(name, ()), baselines.get(name)) for name, m in plan.metrics.items()]
    }


def _reviewed(name: str, metric: Metric, values: Sequence[float], baseline: float | None) -> dict[str, Any]:
    seen = sorted(values)
    enough = len(seen) >= FEWEST
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99} if enough else {}
    return {
        "metric": name,
        "title": metric.title,
        "unit": metric.unit.value,
        "points": len(seen),
        "distribution": {word: _quantile(seen, share) for word, share in shares.items()}
        | ({"least": seen[0], "most": seen[-1]} if enough else {}),
        "bounds": _bounds(metric, seen, baseline) if enough else [],
    }


def _bounds(metric: Metric, seen: Sequence[float], baseline: float | None) -> list[dict[str, Any]]:
    """The critical bound first, since the warning must stay on this side of whatever becomes of it."""
    there = {x: limit for x in ("critical", "warning") if (limit := getattr(metric, x)) and limit.pending is None}
    found: dict[str, dict[str, Any]] = {}
    for level, limit in there.items():
        found[level] = _bound(metric, level, limit, seen, baseline)
        if level == "warning":
            _keep_order(metric, found, seen, baseline)
    return [found[level] for level in ("warning", "critical") if level in found]


def _keep_order(
    metric: Metric, found: Mapping[str, dict[str, Any]], seen: Sequence[float], baseline: float | None
) -> None:
    """A proposed warning lies between the target and the critical bound."""
    warning, critical = found["warning"], found.get("critical", {})
    if warning["proposed"] is None:
        return
    above, proposed = warning["above"], warning["proposed"]
    nearest, furthest = _target(metric, above, baseline), None
    if critical.get("now") is not None and critical["above"] is above:
        furthest = critical["now"] if critical["proposed"] is None else critical["proposed"]
    inner, outer = (max, min) if above else (min, max)
    proposed = proposed if nearest is None else inner(proposed, nearest)
    proposed = proposed if furthest is None else outer(proposed, furthest)
    outward = proposed > warning["now"] if above else proposed < warning["now"]
    if proposed == warning["now"] or outward is not (warning["why"] == _OFTEN):
        edge = "critical bound" if proposed == furthest else "target"
        why = f"{warning['why']}, but may go no further than the {edge}"
        warning |= {"proposed": None, "would_fire": None, "why": why}
    else:
        warning |= {"proposed": proposed, "would_fire": _beyond(seen, above, proposed)}


def _target(metric: Metric, above: bool, baseline: float | None) -> float | None:
    """Where the target ends on the side of this bound, if it has an end there."""
    target = metric.target
    if target is None or target.pending is not None:
        return None
    rises, end = _side(metric, target, baseline)
    # A target is met below its bound, a warning comes above its own; a change lies on one side for both.
    return end if (rises if target.change is not None else not rises) is above else None


def _bound(metric: Metric, level: str, limit: Limit, seen: Sequence[float], baseline: float | None) -> dict[str, Any]:
    above, now = _side(metric, limit, baseline)
    if now is None:
        return {"level": level, "now": None, "fired": None, "proposed": None, "would_fire": None, "why": "no baseline"}
    fired = _beyond(seen, above, now)
    worst = seen[-1] if above else seen[0]
    edge = _quantile(seen, 0.995 if above else 0.005)
    why, proposed = "keep", None
    if fired > NOISY * len(seen):
        why, proposed = _OFTEN, _looser(metric, edge, above)
    # A critical bound drawn nearer would roll back what its plan allows; that is for people to say.
    elif level == "warning" and above and worst > 0 and now > LOOSE * worst:
        why, proposed = "so far away that it sees little", _rounded(worst * 2, up=True)
    return {
        "level": level,
        "now": now,
        "above": above,
        "fired": fired,
        "proposed": proposed,
        "would_fire": None if proposed is None else _beyond(seen, above, proposed),
        "why": why,
    }


def _looser(metric: Metric, edge: float, above: bool) -> float:
    """Beyond the edge of what was seen; a share that should be high is as far from all as it fails."""
    if above:
        return _rounded(edge * MARGIN, up=True)
    if metric.unit is Unit.PERCENT and edge <= _ALL:
        return max(_ALL - _rounded((_ALL - edge) * MARGIN, up=True), 0.0)
    return _rounded(edge / MARGIN, up=False)


def _side(metric: Metric, limit: Limit, baseline: float | None) -> tuple[bool, float | None]:
    """Whether the bound is an upper one, and where it lies now; a change lies beside the baseline."""
    if limit.change is not None:
        return limit.change >= 0, None if baseline is None else baseline * (1 + limit.change / 100)
    above = limit.above is not None
    return above, quantity_in((limit.above if above else limit.below) or "", metric.unit)


def _beyond(seen: Sequence[float], above: bool, bound: float) -> int:
    return sum(value > bound if above else value < bound for value in seen)


def _quantile(seen: Sequence[float], share: float) -> float:
    return seen[min(len(seen) - 1, math.ceil(share * len(seen)) - 1 if share > 0 else 0)]


def _rounded(value: float, *, up: bool) -> float:
    """To two digits, away from what was seen, so that a proposal is a number people would write."""
    if value == 0:
        return 0.0
    step: float = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{(math.ceil if up else math.floor)(value / step) * step:.12g}")


def threshold_finding(review: dict[str, Any]) -> Finding:
    """What the review comes to; nothing known is never a pass."""
    text = "The bounds of the metrics table fit what was measured"
    blank = [m["title"] for m in review["metrics"] if m["points"] < FEWEST]
    changed = [
        f"{m['title']} ({b['level']})"
        for m in review["metrics"]
        for b in m["bounds"]
        if b["proposed"] is not None or b["why"].startswith(_OFTEN)
    ]
    if len(blank) == len(review["metrics"]):
        return Finding("upkeep", text, Verdict.INCONCLUSIVE, "Nothing was measured in this time.")
    if changed:
        return Finding("upkeep", text, Verdict.INCONCLUSIVE, f"Look at {', '.join(changed)}.")
    few = f" Too few points of {', '.join(blank)}." if blank else ""
    return Finding("upkeep", text, Verdict.INCONCLUSIVE if blank else Verdict.PASS, f"Each of them may stay.{few}")


def thresholds_markdown(plan: Plan, review: dict[str, Any], since: str) -> str:
    """The review for people; nothing is changed by it."""
    rows = [
        table_row("Metric", "Points", "p50", "p95", "p99", "Bound", "Now", "Fired", "Proposed", "Would fire", "Why")
    ]
    rows.append("|" + "---|" * 11)
    for line in review["metrics"]:
        unit, spread = plan.metrics[line["metric"]].unit, line["distribution"]
        seen = [unit.format(spread[word]) if spread else "-" for word in ("p50", "p95", "p99")]
        for bound in line["bounds"] or [{"level": "-", "why": "too few points" if not spread else "no bound"}]:
            values = ["-" if bound.get(key) is None else unit.format(bound[key]) for key in ("now", "proposed")]
            counts = ["-" if bound.get(key) is None else str(bound[key]) for key in ("fired", "would_fire")]
            proposal = (bound["level"], values[0], counts[0], values[1], counts[1], bound["why"])
            rows.append(table_row(line["title"], str(line["points"]), *seen, *proposal))
    return (
        "\n\n".join(
            (
                f"# Threshold review: {one_line(plan.title)}",
                f"{since}. `Fired` counts the points beyond a bound. A proposal changes nothing: it is tried "
                "in the plan, with `tidegate plan check PLAN`.",
                "\n".join(rows),
            )
        )
        + "\n"
    )
