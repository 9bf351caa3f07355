"""What changes who is exposed: raising, lowering, leases, the rollback."""

from datetime import timedelta

from tidegate.gates.votes import reset
from tidegate.journal.bodies.exposure_bodies import (
    Eased,
    EasingBegun,
    LeaseRenewed,
    Lowered,
    LoweringBegun,
    OldPathRetired,
    RaiseBegun,
    Raised,
    RaiseReverted,
    RollbackProven,
    RolledBackToZero,
    StableReadinessSeen,
    StepRecorded,
)
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.entries import Entry
from tidegate.journal.records import EasingRecord, StepRecord
from tidegate.journal.reducers.fold_apply import Reducers, on, reducers
from tidegate.journal.reducers.fold_holds import hold_begins
from tidegate.journal.state import Phase, RollbackRecord, RolloutState, WaveRecord
from tidegate.values.exposure import ZERO


def _raising(state: RolloutState, _: Entry, body: RaiseBegun) -> None:
    state.phase, state.intended = Phase.RAISING, body.exposure
    state.unfinished = state.intended


def _raised(state: RolloutState, entry: Entry, body: Raised) -> None:
    state.phase, state.wave = Phase.WAVE, body.wave
    state.exposure, state.intended, state.unfinished = body.exposure, None, None
    state.revision, state.gate = body.revision, None
    state.lease_until = body.lease_until
    state.first_raise_at = state.first_raise_at or entry.at
    state.orphaned = 0
    state.waves[state.wave] = WaveRecord(state.wave, entry.at, entry.at)
    state.stays.append((state.wave, entry.at))


def _raise_reverted(state: RolloutState, _: Entry, body: RaiseReverted) -> None:
    """As before the raise; its write may still come late, so what it wrote is remembered."""
    state.revision, state.lease_until = body.revision, body.lease_until
    if state.phase not in (Phase.RAISING, Phase.GATE):
        return
    state.votes.approved_wave, state.phase, state.intended = state.wave, Phase.GATE, None
    if state.gate is not None:
        state.gate.outcome, state.gate.reason = "withdrawn", body.reason
    reset(state, state.wave)


def _lowering(state: RolloutState, _: Entry, body: LoweringBegun) -> None:
    state.intended = body.exposure


def _lowered(state: RolloutState, entry: Entry, body: Lowered) -> None:
    """Back in an earlier wave: it soaks from the beginning, and whatever comes after it needs its gate again."""
    wave = state.wave = state.votes.approved_wave = body.wave
    state.phase, state.gate, state.votes.approved_at = Phase.WAVE, None, None
    state.recovery.legacy_ready, state.recovery.legacy_seen = None, ""  # looked at anew once everybody is exposed again
    state.exposure, state.intended = body.exposure, None
    state.revision, state.orphaned, state.lease_until = body.revision, 0, body.lease_until
    for later in [n for n in state.waves if n > wave]:
        del state.waves[later]
    state.waves[wave] = WaveRecord(wave, entry.at, entry.at)
    state.stays.append((wave, entry.at))
    reset(state, wave)
    for later in [n for n in state.votes.broken_glass if n > wave]:
        del state.votes.broken_glass[later]
    if body.cause is not None:
        hold_begins(state, entry, body.cause, body.reason)


def _leased(state: RolloutState, _: Entry, body: LeaseRenewed) -> None:
    if not state.is_ending:  # a step on the way to zero lasts no longer than anything else that nobody renews
        state.lease_until = body.until


def _legacy_looked(state: RolloutState, _: Entry, body: StableReadinessSeen) -> None:
    state.recovery.legacy_ready, state.recovery.legacy_seen = body.ready, body.seen
    if body.ready and not state.recovery.fired_late:
        state.holds.pop(HoldCause.LEGACY, None)
        state.held_at.pop(HoldCause.LEGACY, None)


def _retired(state: RolloutState, entry: Entry, body: OldPathRetired) -> None:
    state.recovery.retired = f"{body.by} on {entry.at:%Y-%m-%d %H:%M} UTC: {body.reason}"


def _easing(state: RolloutState, entry: Entry, body: EasingBegun) -> None:
    if state.goes_no_further:
        return
    over = timedelta(seconds=body.over_seconds)
    if over <= timedelta(0):
        raise ValueError("a gentle rollback needs a span")
    state.easing = EasingRecord(body.reason, body.criterion, body.ordered_at, body.shares, over, body.ordered_at)
    state.intended = body.before.at_most(body.shares[0])
    hold_begins(state, entry, HoldCause.EASING, body.reason)


def _eased(state: RolloutState, entry: Entry, body: Eased) -> None:
    if state.easing is None or state.rollback is not None:
        return  # what is at zero, or on its way there, is never lifted by a step that was written late
    way = state.easing
    way.taken, way.taken_at = body.step, entry.at
    state.exposure, state.revision, state.lease_until = body.exposure, body.revision, body.lease_until
    # Who died between the next step's write and its entry has changed nothing that was not ordered.
    state.intended = body.exposure.at_most(way.shares[way.taken]) if way.taken < len(way.shares) else None


def _rolling_back(state: RolloutState, _: Entry, body: RolledBackToZero) -> None:
    if state.rollback is None:
        state.rollback = RollbackRecord(
            body.reason,
            body.criterion,
            body.by,
            body.ordered_at,
            body.zero_at,
        )
    elif body.zero_at and state.rollback.zero_at is None:
        state.rollback.zero_at = body.zero_at
    if body.zero_at:
        state.exposure, state.intended, state.revision = ZERO, None, body.revision
        state.lease_until = None
    state.phase = Phase.ROLLING_BACK


def rollback_not_understood(state: RolloutState, entry: Entry) -> None:
    """An order that cannot be read is still one: nothing goes on, and zero is written until an entry says so."""
    if state.rollback is None:
        why = "a rollback was ordered, and its entry cannot be read"
        state.rollback = RollbackRecord(why, "", "", entry.at, None)
    state.phase = Phase.ROLLING_BACK


def _proven(state: RolloutState, _: Entry, body: RollbackProven) -> None:
    if state.rollback is not None:
        state.rollback.proven, state.rollback.sentence = body.proven, body.sentence
        state.rollback.proven_at = body.proven_at or state.rollback.proven_at
        state.rollback.last_request_at = body.last_request_at or state.rollback.last_request_at
    if body.proven:
        state.phase = Phase.ROLLED_BACK


def _step(state: RolloutState, entry: Entry, body: StepRecorded) -> None:
    number = body.number
    state.recovery.steps[number] = StepRecord(number, body.step, body.text, body.outcome, body.output, entry.at)


EXPOSURE: Reducers = reducers(
    on(RaiseBegun, _raising),
    on(Raised, _raised),
    on(RaiseReverted, _raise_reverted),
    on(LoweringBegun, _lowering),
    on(Lowered, _lowered),
    on(LeaseRenewed, _leased),
    on(StableReadinessSeen, _legacy_looked),
    on(OldPathRetired, _retired),
    on(EasingBegun, _easing),
    on(Eased, _eased),
    on(RolledBackToZero, _rolling_back),
    on(RollbackProven, _proven),
    on(StepRecorded, _step),
)
