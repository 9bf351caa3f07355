"""The time in which nobody looked, or saw nothing, judged afterwards by the same rules: against the release only."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from blocks.errors import ConnectionFault
from blocks.journal.guard_checks import guard_check_ages
from engine.measuring.fresh_past import of_fresh_points
from engine.measuring.judge import context_of
from engine.measuring.sources import MetricSnapshot
from engine.rollout.session import OpenRollout
from tidegate.criteria.queries import Breach, points_apart, sustained_within
from tidegate.plan.in_force import InForce
from tidegate.values.samples import NoData, NoDataReason
from tidegate.values.verdict import Finding, Verdict

_LOOKED_AT = "looked at"  # when every trigger was judged last
_JUDGED_AT = "judged at"  # the same of each trigger
_PAST_READ = "past read"  # by trigger, where the last look asked for its past: whether that was answered
_PASSING = (NoDataReason.UNREACHABLE, NoDataReason.SLOW)
_GUARDS_MISSED = 3  # so many are no gap: triggers look back themselves
_LONGEST = timedelta(hours=6)
_MOST_POINTS = 600


def mark_looked(run: OpenRollout, triggers: Sequence[Finding], now: datetime) -> None:
    """Everything up to this instant was judged; a trigger that could not be judged is not further than it was."""
    past = run.kept.get(_PAST_READ, {})
    judged = [f.criterion for f in triggers if past.get(f.criterion, f.verdict is not Verdict.ERROR)]
    if len(judged) == len(triggers):
        run.kept[_LOOKED_AT] = now
    run.kept.setdefault(_JUDGED_AT, {}).update(dict.fromkeys(judged, now))


def unseen_since(run: OpenRollout, trigger: str, now: datetime) -> datetime | None:
    """From when on this trigger was not judged on what is exposed now; None where that is recent enough."""
    state = run.state
    known = [at for _, at in state.stays[-1:]]
    known += [at for at in (run.kept.get(_JUDGED_AT, {}).get(trigger), _looked(run, now)) if at is not None]
    # A review that saw nothing judged nothing.
    if state.record is not None and (state.blind_since is None or state.record.last_review < state.blind_since):
        known.append(state.record.last_review)
    if not known:
        return None
    since = max(now - _LONGEST, *known)
    return since if now - since > _GUARDS_MISSED * run.timing.guard else None


def _looked(run: OpenRollout, now: datetime) -> datetime | None:
    """When every trigger was judged last; of a process that has just begun: when the one before guarded last."""
    if _LOOKED_AT not in run.kept:
        with suppress(ConnectionFault):
            age = guard_check_ages(run.connections.journal).get(run.rollout)
            at = None if age is None else now - timedelta(seconds=age)
            blind = run.state.blind_since
            run.kept[_LOOKED_AT] = min(at, blind) if at is not None and blind is not None else at
    looked: datetime | None = run.kept.get(_LOOKED_AT)
    return looked


def judged_with_the_past(
    seen: MetricSnapshot, present: Sequence[Finding], breaches: Sequence[Breach | None], items: Sequence[InForce]
) -> tuple[Finding, ...]:
    """The present findings of the triggers; where none fires, one that held while nobody looked fires now."""
    past, late = dict[str, bool](), False
    seen.run.kept[_PAST_READ] = past
    if any(finding.verdict is Verdict.FAIL for finding in present):
        return tuple(present)
    alone = {item.id: item.criterion.unseen_breach(context_of(seen, item)) for item in items}
    found = []
    for finding, breach in zip(present, breaches, strict=True):
        asked = alone.get(finding.criterion) or breach
        since = unseen_since(seen.run, finding.criterion, seen.now)
        if since is None or asked is None or finding.verdict is Verdict.NOT_APPLICABLE:
            found.append(finding)
            continue
        # Where one past was not answered, the others are asked for by the next look.
        held = NoData(NoDataReason.SLOW, seen.now) if late else _held(seen, asked, since, finding)
        if isinstance(held, NoData):
            late |= held.reason in _PASSING
            past[finding.criterion] = held.reason not in _PASSING and finding.verdict is not Verdict.ERROR
            found.append(finding)
            continue
        past[finding.criterion] = True
        unseen = f"Nobody saw it from {since:%H:%M:%S} to {seen.now:%H:%M:%S} UTC, and in between it was {held}."
        found.append(replace(finding, verdict=Verdict.FAIL, sentence=unseen) if held else finding)
    return tuple(found)


def _held(seen: MetricSnapshot, breach: Breach, since: datetime, finding: Finding) -> str | NoData:
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
    return points if isinstance(points, NoData) else sustained_within(breach, points)
