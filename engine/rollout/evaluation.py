"""The evaluation: measure, judge, append, decide, act. There is no second way of judging."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, assert_never

from blocks.errors import ConnectionFault, NotTaken, Refused, Unreachable
from blocks.journal.guard_checks import note_guard_check
from engine.exposure.ease import begin_easing, ease_to
from engine.exposure.lease import renew_lease
from engine.exposure.revert_raise import revert_unfinished, stop_raise
from engine.exposure.step_back import step_back
from engine.measuring.measure import Measurement, measure_rollout
from engine.measuring.references import measure_wave
from engine.measuring.wave_usage import account, settle_accounts
from engine.notices.actions import carry_out
from engine.notices.delivery import page_now
from engine.notices.housekeeping import mind_build, mind_journal, mind_people
from engine.notices.queueing import notify
from engine.past.unseen_past import mark_looked
from engine.rollback.journal_fallback import merge_quietly
from engine.rollback.rollback import roll_back, what_it_was_judged_by
from engine.rollback.stable_readiness import mind_legacy
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from engine.steering.graduation import graduate
from tidegate.criteria.context import Context
from tidegate.criteria.judged_answers import judged_answers
from tidegate.criteria.metrics.metric_levels import Level
from tidegate.journal.bodies.evidence_bodies import BoundCrossed, NoDataEnded, NoDataStarted, Reviewed, Soaked
from tidegate.journal.bodies.hold_bodies import Held, HoldCause, Resumed
from tidegate.journal.fold import already_counted
from tidegate.journal.state import RolloutState
from tidegate.notices.reminder_texts import broken_throughout, evidence_holds
from tidegate.notices.texts import bound_crossed, held, no_data, soaked
from tidegate.plan.in_force import in_force
from tidegate.plan.model import When
from tidegate.rollout.decision import (
    Advance,
    Continue,
    Decision,
    Ease,
    EaseTo,
    Finish,
    Hold,
    RollBack,
    StepDown,
    credit,
    decide,
)
from tidegate.values.exposure import ZERO

_log = logging.getLogger("tidegate.evaluation")
_BOUNDS = (Level.WARNING, Level.CRITICAL)
_HELD_UNRECORDED = "held without the journal"
NO_DATA_NOTIFIED_AFTER = timedelta(seconds=60)  # one lost answer is nobody's business


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation saw and did."""

    at: datetime
    decision: Decision
    seen: Measurement
    reviewed: bool
    journalled: bool = True


def review_due(run: OpenRollout, now: datetime) -> bool:
    """Whether the wave's interval has passed since its last review, as nearly as a guard check can see."""
    record = run.state.record
    # Guard checks have their own interval; one that is a few milliseconds early must not put the review off by one.
    early = run.timing.guard / 10
    return record is not None and now - record.last_review >= run.timing.interval(run.state.wave) - early


def note_guarded(run: OpenRollout) -> None:
    """Record for the dead man's switch that what is exposed was looked at just now; no guard depends on it."""
    if run.state.exposure != ZERO and run.state.phase.is_open:
        with suppress(ConnectionFault):
            note_guard_check(run.connections.journal, run.rollout)


def evaluate(
    run: OpenRollout, now: datetime, *, review: bool, guarded: Callable[[OpenRollout], None] = note_guarded
) -> Evaluation:
    """One look at the rollout and what follows from it; with `review` the evidence is recorded and soak credited.

    Raises Fenced or ClaimHeld when somebody else guards this flag. Zero is written before anything is recorded.
    `guarded` notes at the end that it was looked at.
    """
    try:
        return _evaluated(run, now, review=review, guarded=guarded)
    except (Unreachable, Refused) as fault:
        return _without_journal(run, now, fault)


def _evaluated(run: OpenRollout, now: datetime, *, review: bool, guarded: Callable[[OpenRollout], None]) -> Evaluation:
    # The claim first: who held it may have moved the flag on until a moment ago, and that is no drift.
    read_before = run.begin_look()
    run.kept.pop(_HELD_UNRECORDED, None)
    merge_quietly(run)
    revert_unfinished(run)
    seen = measure_rollout(run, now)
    if read_before and seen.judged.drift is not None:
        # Whoever moved the flag in between may have written so, or have taken the claim.
        run.keep_claim()
        run.check_chain()
        seen = measure_rollout(run, now)
    decision = decide(run.state, seen.judged, run.timing)
    if not isinstance(decision, RollBack):
        _note_no_data(run, seen, now)
        if not seen.judged.skew:
            end_hold(run, HoldCause.CLOCK_SKEW, "tidegate", "The clocks agree again.", now)
        _note_bounds(run, seen, now)
        known = _aside(lambda: mind_build(run, seen, now))
        _aside(lambda: _note_counts(run, seen, now))
        _aside(lambda: _note_evidence(run, seen))
        # While nobody can tell which build runs, nothing is credited.
        if review and known:
            _record(run, seen, now)
        decision = decide(run.state, seen.judged, run.timing)
    _act(run, decision, now, seen)
    if isinstance(decision, RollBack):
        # Zero comes first; what it was decided by is kept behind it, for whoever asks why.
        _aside(lambda: _note_counts(run, seen, now, fenced=False))
    _aside(lambda: mind_people(run, seen.judged, now))
    _aside(lambda: mind_journal(run))
    if not isinstance(decision, RollBack):
        if seen.judged.drift is None and not seen.judged.unreadable:
            _aside(lambda: renew_lease(run, now))
        _aside(lambda: mind_legacy(run, now))
        _aside(lambda: carry_out(run, now))
        _aside(lambda: settle_accounts(run))
        if review:
            _aside(lambda: _note_broken(run))
    mark_looked(run, seen.judged.triggers, now)
    guarded(run)
    return Evaluation(now, decision, seen, review)


def _aside(job: Callable[[], object]) -> bool:
    """Do what no rollback depends on, and whether it went well: what breaks there is logged, and guarding goes on."""
    try:
        job()
    except ConnectionFault:
        raise
    except Exception:  # noqa: BLE001 - a message or a count that breaks must not leave a rollout unguarded
        _log.exception("something beside the guard failed")
        return False
    return True


def _without_journal(run: OpenRollout, now: datetime, fault: ConnectionFault) -> Evaluation:
    """While nothing can be recorded nothing is credited or raised, but a trigger still takes the flag to zero, once."""
    seen = measure_rollout(run, now)
    decision: Decision = Continue(f"nothing can be recorded: {fault}")
    at_zero = seen.judged.drift is not None and seen.judged.drift.is_zero
    if (seen.judged.fired is not None or run.state.is_easing) and not at_zero:
        by_rule = decide(run.state, seen.judged, run.timing)
        if isinstance(by_rule, Ease):
            by_rule = RollBack(by_rule.criterion, by_rule.reason)  # its order cannot be recorded
        elif (way := run.state.easing) is not None and not isinstance(by_rule, RollBack):
            by_rule = RollBack(way.criterion, f"{way.reason} Its steps cannot be recorded: {fault}")
        if isinstance(by_rule, RollBack):
            decision = by_rule
            _act(run, decision, now, seen)
        else:
            _log.error("%s: the flag is left as it is: %s", run.rollout, by_rule)
            if isinstance(by_rule, Hold) and _HELD_UNRECORDED not in run.kept:
                # It cannot be recorded, and people must hear of it: once, until the journal answers again.
                run.kept[_HELD_UNRECORDED] = by_rule.cause
                notice = held(run.plan, run.state, by_rule.cause, by_rule.reason)
                threading.Thread(target=page_now, args=(run, notice), name=f"page {run.rollout}", daemon=True).start()
    return Evaluation(now, decision, seen, reviewed=False, journalled=False)


def _act(run: OpenRollout, decision: Decision, now: datetime, seen: Measurement) -> None:
    match decision:
        case RollBack(criterion, reason):
            judged = partial(_judged_by, run, seen, criterion)
            roll_back(run, reason=reason, criterion=criterion, by="tidegate", judged=judged)
        case Hold(cause, reason, criterion):
            _hold(run, cause, reason, now, criterion)
        case StepDown(wave, reason):
            _step_down(run, wave, reason, now)
        case Ease(criterion):
            begin_easing(run, decision, now, what_it_was_judged_by(partial(_judged_by, run, seen, criterion)))
        case EaseTo(share):
            ease_to(run, share, now)
        case Advance(wave):
            measure_wave(run, wave, now)
            if run.append(Soaked(wave), now, unless=lambda s: _past(s, wave), fenced=True):
                _aside(lambda: account(run, wave, now))
                notify(run, soaked(run.plan, run.state, wave))
        case Finish(reason):
            graduate(run, reason, now)
        case Continue():
            pass
        case _:
            assert_never(decision)


def _judged_by(run: OpenRollout, seen: Measurement, criterion: str) -> dict[str, Any] | None:
    """The answers behind the trigger that fired in this look; None for whatever else rolls back."""
    fired = seen.judged.fired
    triggers = in_force(run.plan, run.state.wave, When.TRIGGER)
    item = next((one for one in triggers if one.id == criterion), None)
    if fired is None or fired.criterion != criterion or item is None:
        return None
    record = run.state.record
    raised_at = record.raised_at if record is not None else None
    first = run.state.first_raise_at
    at = Context(item.id, run.plan, run.timing, run.state.wave, seen.judged.at, raised_at, first, run.state.wave > 0)
    return judged_answers(fired, item.criterion.requests(at), seen.raw, seen.readings)


def _hold(run: OpenRollout, cause: HoldCause, reason: str, now: datetime, criterion: str = "") -> None:

    def known(state: RolloutState) -> bool:
        # A trigger that fires while legacy is waited for already is one more reason.
        return cause in state.holds and (not criterion or bool(state.recovery.fired_late))

    if run.append(Held(cause, reason, "tidegate", criterion=criterion), now, unless=known, fenced=True):
        notify(run, held(run.plan, run.state, cause, reason))


def _step_down(run: OpenRollout, wave: int, reason: str, now: datetime) -> None:
    cause = HoldCause.NO_DATA_BUDGET_SPENT
    try:
        step_back(run, wave, by="tidegate", reason=reason, cause=cause, at=now)
    except (NotAllowed, NotTaken, Unreachable, Refused) as fault:
        # What cannot be lowered stays where it is, and people are paged.
        _hold(run, cause, f"{reason} NOT stepped down to wave {wave}: {fault}", now)


def _past(state: RolloutState, wave: int) -> bool:
    record = state.waves.get(wave)
    return state.wave != wave or record is None or record.soaked_at is not None


def _note_no_data(run: OpenRollout, seen: Measurement, now: datetime) -> None:
    reason = seen.judged.no_data
    if reason and run.state.no_data_since is None:
        run.append(NoDataStarted(reason), now, unless=lambda s: s.no_data_since is not None)
    elif reason and run.state.no_data_since is not None and now - run.state.no_data_since >= NO_DATA_NOTIFIED_AFTER:
        notify(run, no_data(run.plan, run.state, reason))
    elif not reason and run.state.no_data_since is not None:
        run.append(NoDataEnded(), now, unless=lambda s: s.no_data_since is None)


def _note_bounds(run: OpenRollout, seen: Measurement, now: datetime) -> None:
    for line in seen.metrics:
        if line.level is Level.NO_DATA:
            continue
        reported = {level for level in _BOUNDS if (line.name, level.value) in run.state.evidence.crossed}
        beyond: set[Level] = {level for level in _BOUNDS if level is line.level}
        if line.level is Level.CRITICAL:
            # What is beyond its critical bound is beyond the other one as well, and is not reported twice.
            beyond |= reported
        sentence = f"{line.title} is {line.shown}"
        for level in _BOUNDS:
            if level in reported - beyond:
                run.append(BoundCrossed(line.name, level.value, False, sentence), now)
            if (
                level in beyond - reported
                and run.append(BoundCrossed(line.name, level.value, True, sentence), now)
                and Level.CRITICAL not in reported
            ):
                notify(run, bound_crossed(run.plan, run.state, line))


def _note_broken(run: OpenRollout) -> None:
    """The first review beyond what must hold throughout is reported when it happens: it cannot be made good again."""
    for number, kept in run.state.evidence.throughout.items():
        if kept.broken_at is not None:
            notice = broken_throughout(run.plan, run.state, number, kept)
            if notice.event not in run.state.notices.queued:
                notify(run, notice)


def _note_counts(run: OpenRollout, seen: Measurement, now: datetime, *, fenced: bool = True) -> None:
    """Store the raw counts of spans that ended; each once, whoever counted it."""
    if (body := seen.counted) is not None:
        run.append(body, now, unless=lambda s: already_counted(s, body), fenced=fenced)


def _note_evidence(run: OpenRollout, seen: Measurement) -> None:
    """Tell people, once, of evidence that holds the wave for good."""
    wave = run.state.wave
    asked = {i.id: i.criterion for when in (When.DURING, When.TRIGGER) for i in in_force(run.plan, wave, when)}
    for finding in (*seen.judged.during, *seen.judged.triggers):
        criterion = asked.get(finding.criterion)
        if criterion is not None and criterion.holds_for_people(finding):
            notify(run, evidence_holds(run.plan, run.state, finding))


def _record(run: OpenRollout, seen: Measurement, now: datetime) -> None:
    gained, healthy = credit(run.state, seen.judged, run.timing)
    wave = run.state.wave
    body = Reviewed(
        wave=wave,
        credit=gained.total_seconds(),
        healthy=healthy,
        verdict=seen.judged.verdict,
        findings=[f.to_json() for f in (*seen.judged.during, *seen.judged.triggers)],
        metrics=[line.to_json() for line in seen.metrics],
        raw=seen.raw_json(),
    )
    run.append(body, now, unless=lambda s: _reviewed_since(s, wave, now), fenced=True)


def _reviewed_since(state: RolloutState, wave: int, now: datetime) -> bool:
    record = state.waves.get(wave)
    return record is None or state.wave != wave or record.last_review >= now


def end_hold(run: OpenRollout, cause: HoldCause, by: str, reason: str, at: datetime | None = None) -> bool:
    """End a hold of this cause; False when there was none."""
    return run.append(Resumed(cause, reason, by), at, unless=lambda s: cause not in s.holds) is not None


def hold(run: OpenRollout, by: str, reason: str) -> bool:
    """Keep exposure where it is until `resume`; False when an operator holds it already.

    Raises NotAllowed where it is on its way to zero: a hold must never keep anybody on the new path then.
    """
    body = Held(HoldCause.OPERATOR, f"{by}: {reason}", by)
    done = run.append(body, unless=lambda s: HoldCause.OPERATOR in s.holds or s.is_easing) is not None
    if run.state.is_easing:
        at_once = f"`tidegate rollback {run.rollout}` takes everybody back at once"
        raise NotAllowed(f"{run.rollout} is {run.state.where}, which nothing holds; {at_once}")
    stop_raise(run, f"held by {by}: {reason}")
    return done
