"""The time in which nobody looked, judged afterwards by the same rules: it counts against the release only."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from blocks.errors import ConnectionFault
from blocks.guard_checks import guard_check_ages
from tasks.fresh_past import of_fresh_points
from tasks.open_rollout import OpenRollout
from tasks.sight import Sight
from tidegate.criteria import Breach, points_apart, sustained_within
from tidegate.in_force import InForce
from tidegate.judging.new_alerts import firing_alerts
from tidegate.plan import Alerts
from tidegate.samples import NoData
from tidegate.units import Unit
from tidegate.verdict import Finding, Verdict

LOOKED_AT = "looked at"
_GUARDS_MISSED = 3  # so many are no gap: triggers look back themselves
_LONGEST = timedelta(hours=6)
_MOST_POINTS = 600


def mark_looked(run: OpenRollout, now: datetime) -> None:
    """Everything up to this instant was judged."""
    run.kept[LOOKED_AT] = now


def unseen_since(run: OpenRollout, now: datetime) -> datetime | None:
    """From when on nobody looked at what is exposed now; None where the last look is recent enough."""
    state = run.state
    looked = run.kept.get(LOOKED_AT)
    if looked is None:
        with suppress(ConnectionFault):
            age = guard_check_ages(run.connections.journal).get(run.rollout)
            looked = None if age is None else now - timedelta(seconds=age)
    record = state.record
    changed = [at for _, at in state.stays[-1:]]
    known = [at for at in (looked, record.last_review if record else None, *changed) if at is not None]
    if not known:
        return None
    since = max(*known, now - _LONGEST) if len(known) > 1 else max(known[0], now - _LONGEST)
    return since if now - since > _GUARDS_MISSED * run.timing.guard else None


def judged_with_the_past(
    seen: Sight, present: Sequence[Finding], breaches: Sequence[Breach | None], items: Sequence[InForce]
) -> tuple[Finding, ...]:
    """The present findings of the triggers; where none fires, one that held while nobody looked fires now."""
    since = unseen_since(seen.run, seen.now)
    if since is None or any(finding.verdict is Verdict.FAIL for finding in present):
        return tuple(present)
    alerts = {item.id: item.criterion for item in items if isinstance(item.criterion, Alerts)}
    found = []
    for finding, breach in zip(present, breaches, strict=True):
        criterion = alerts.get(finding.criterion)
        asked = _of_alerts(criterion, seen) if criterion is not None else breach
        held = "" if asked is None or finding.verdict is Verdict.NOT_APPLICABLE else _held(seen, asked, since, finding)
        unseen = f"Nobody looked from {since:%H:%M:%S} to {seen.now:%H:%M:%S} UTC, and in between it was {held}."
        found.append(replace(finding, verdict=Verdict.FAIL, sentence=unseen) if held else finding)
    return tuple(found)


def _held(seen: Sight, breach: Breach, since: datetime, finding: Finding) -> str:
    """How the breach held in between for as long as it must, or empty; bounded in time and in points."""
    step = points_apart(breach.needed, seen.run.timing)
    if (seen.now - since) / step > _MOST_POINTS:
        step = min((seen.now - since) / _MOST_POINTS, breach.window)
        since = max(since, seen.now - step * _MOST_POINTS)
    starved = finding.criterion == "starved"
    start = since + breach.window if starved else since
    points = seen.past(breach.query, start, step, infinite=True)
    if not starved and breach.lasting > timedelta(0):
        points = of_fresh_points(seen, breach, points, start, step)
    return "" if isinstance(points, NoData) else sustained_within(breach, points)


def _of_alerts(criterion: Alerts, seen: Sight) -> Breach:
    """An alert that fires is one too many, however short."""
    query = f"count({firing_alerts(criterion.labels)})"
    window = seen.run.timing.guard
    return Breach(True, 0.0, Unit.COUNT, timedelta(0), window, query, told="0 alerts firing")
