"""The time in which nobody looked, or saw nothing, judged afterwards by the same rules: against the release only."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil

from blocks.errors import ConnectionFault
from blocks.journal.guard_checks import guard_check_ages
from engine.measuring.answer_ages import Ages
from engine.measuring.judge import context_of, not_judged
from engine.measuring.sources import MetricSnapshot
from engine.rollout.session import OpenRollout
from tidegate.criteria.metrics.queries import Breach, points_apart, sustained_within
from tidegate.plan.in_force import InForce
from tidegate.values.freshness import LOOKBACK, deciding_selectors
from tidegate.values.samples import NoData, NoDataReason, Sample
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


def unseen_since(run: OpenRollout, trigger: str, now: datetime, looked: datetime | None) -> datetime | None:
    """From when on this trigger was not judged on what is exposed now; None where that is recent enough.

    `looked` is when every trigger was judged last, as far as anybody knows.
    """
    state = run.state
    known = [at for _, at in state.stays[-1:]]
    known += [at for at in (run.kept.get(_JUDGED_AT, {}).get(trigger), looked) if at is not None]
    # A review that saw nothing judged nothing.
    if state.record is not None and (state.no_data_since is None or state.record.last_review < state.no_data_since):
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
            no_data = run.state.no_data_since
            run.kept[_LOOKED_AT] = min(at, no_data) if at is not None and no_data is not None else at
    looked: datetime | None = run.kept.get(_LOOKED_AT)
    return looked


def judged_with_the_past(
    seen: MetricSnapshot,
    present: Sequence[Finding],
    breaches: Sequence[Breach | None],
    items: Sequence[InForce],
    skew: str,
) -> tuple[Finding, ...]:
    """The present findings of the triggers; where none fires, one that held while nobody looked fires now.

    While the clocks do not agree (`skew` says how) no such time is known: it is judged once they do.
    """
    past, late = dict[str, bool](), False
    seen.run.kept[_PAST_READ] = past
    if skew:
        past.update((finding.criterion, False) for finding in present)
        return tuple(present)
    if any(finding.verdict is Verdict.FAIL for finding in present):
        return tuple(present)
    by_id = {item.id: item for item in items}
    found = []
    # Once in a look: a journal whose host is gone takes seconds to say so, and a plan has many triggers.
    looked = _looked(seen.run, seen.now)
    for finding, breach in zip(present, breaches, strict=True):
        since = unseen_since(seen.run, finding.criterion, seen.now, looked)
        if since is None or finding.verdict is Verdict.NOT_APPLICABLE:
            found.append(finding)
            continue
        item = by_id.get(finding.criterion)
        try:
            alone = item.criterion.unseen_breach(context_of(seen, item)) if item is not None else None
        except Exception as error:  # noqa: BLE001 - trouble is a finding, and the other triggers are judged
            found.append(replace(finding, verdict=Verdict.ERROR, sentence=f"{finding.sentence} {not_judged(error)}"))
            continue
        asked = alone or breach
        if asked is None:
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
        named = _named(seen, asked, since) if held else ""
        unseen = f"Nobody saw it from {since:%H:%M:%S} to {seen.now:%H:%M:%S} UTC, and in between it was {held}.{named}"
        late_finding = replace(finding, verdict=Verdict.FAIL, sentence=unseen, of_the_past=True)
        found.append(late_finding if held else finding)
    return tuple(found)


def _held(seen: MetricSnapshot, breach: Breach, since: datetime, finding: Finding) -> str | NoData:
    """How the breach held in between for as long as it must, or empty; bounded in time and in points."""
    step = points_apart(breach.needed, seen.run.timing)
    if (seen.now - since) / step > _MOST_POINTS:
        step = min((seen.now - since) / _MOST_POINTS, breach.window)
        since = max(since, seen.now - step * _MOST_POINTS)
    no_traffic = finding.criterion == "no_canary_traffic"
    start = since + breach.window if no_traffic else since
    points = seen.past(breach.query, start, step, infinite=True)
    if not no_traffic and breach.lasting > timedelta(0):
        points = of_fresh_points(seen, breach, points, start, step)
    return points if isinstance(points, NoData) else sustained_within(breach, points)


def _named(seen: MetricSnapshot, breach: Breach, since: datetime) -> str:
    """` It was: Broken.`, as far as Prometheus tells in time; that harm was seen does not depend on it."""
    if breach.named_by is None:
        return ""
    selector, label = breach.named_by
    query = f"last_over_time({selector}[{max(ceil((seen.now - since).total_seconds()), 1)}s])"
    try:
        with seen.in_time():
            names = seen.run.connections.prometheus.label_values(query, label, seen.now)
    except Exception:  # noqa: BLE001 - a name less, and never a rollback less
        return ""
    return "" if isinstance(names, NoData) else f" It was: {', '.join(sorted(names))}."


def of_fresh_points(
    seen: MetricSnapshot, breach: Breach, points: list[Sample] | NoData, start: datetime, step: timedelta
) -> list[Sample] | NoData:
    """Those of the points whose newest raw point was young enough then; or why that cannot be determined."""
    ages = Ages(seen.run, seen.now)
    for selector in deciding_selectors([breach.query]):
        if isinstance(points, NoData) or not points:
            return points
        old = seen.past(f"time() - max(timestamp({selector.text}))", start, step)
        if isinstance(old, NoData):
            if old.reason is NoDataReason.NO_SERIES:
                continue  # its points lie further apart than Prometheus looks back
            return old
        last = old[-1].at - timedelta(seconds=old[-1].value)
        bound = ages.longest(selector, last, breach.stale_after)
        if bound >= LOOKBACK:
            continue  # Prometheus itself forgets sooner
        of = {point.at: point.value for point in old}
        points = [p for p in points if p.at in of and of[p.at] <= bound.total_seconds()]
    return points
