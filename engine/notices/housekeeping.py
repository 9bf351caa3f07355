"""What lasts is not forgotten: gates that wait, holds, drift, new builds, and pages whose problem is over."""

from datetime import datetime, timedelta

from engine.gates.gate import stated_so_far
from engine.measuring.measure import Measurement, entry_findings
from engine.notices.queueing import notify
from engine.rollback.rollback import roll_back
from engine.rollout.session import OpenRollout
from tidegate.gates.approval import asked_people, human_findings
from tidegate.gates.timeouts import gate_due
from tidegate.journal.bodies.evidence_bodies import BuildSeen
from tidegate.journal.bodies.gate_bodies import GateEvidenceChanged
from tidegate.journal.bodies.hold_bodies import Held, HoldCause
from tidegate.journal.state import GateRecord, Phase, RolloutState
from tidegate.notices.incidents import settled_pages, taken_pages
from tidegate.notices.journal_trust_texts import journal_not_understood
from tidegate.notices.reminder_texts import (
    drift_gone,
    drift_moved,
    gate_reminder,
    held_long,
    new_build,
    problem_over,
    problem_taken,
)
from tidegate.notices.texts import held
from tidegate.plan.model import AfterWaiting, OnNewBuild
from tidegate.rollout.decision import SOAKING, Judged
from tidegate.values.samples import NoData
from tidegate.values.units import format_duration
from tidegate.values.verdict import worst

LOOK_AGAIN = timedelta(minutes=1)  # a gate's evidence is measured anew so often while it waits
LOOKS_APART = timedelta(seconds=3)  # where more than twenty wait in one process, less often: guarding comes first
LOOK_AT_LATEST = timedelta(minutes=10)  # within the life of a run of the watch


class RateLimiter:
    """A turn for each rollout `every` so often; less often where that would bring two closer together than `apart`.

    The first that come have their turn at once, those behind them one after the other. Nobody waits longer than
    `at_most`, however many there are.
    """

    def __init__(self, every: timedelta, apart: timedelta, at_most: timedelta) -> None:
        self._every, self._apart, self._at_most = every, apart, at_most
        self._due: dict[str, datetime] = {}

    def has_come(self, rollout: str, now: datetime) -> bool:
        """Whether it is this rollout's turn, which is over by asking."""
        every = min(self._at_most, max(self._every, self._apart * len(self._due)))
        if rollout not in self._due:
            before_it = len(self._due) + 1 - self._every // self._apart
            self._due[rollout] = now + self._apart * max(0, before_it) % self._at_most
        if now < self._due[rollout]:
            # A clock that was set back does not put it off for long.
            self._due[rollout] = min(self._due[rollout], now + every)
            return False
        self._due[rollout] = now + every
        return True

    def forget(self, rollout: str) -> None:
        """It needs no turns any more."""
        self._due.pop(rollout, None)


_looks = RateLimiter(LOOK_AGAIN, LOOKS_APART, LOOK_AT_LATEST)


def mind_people(run: OpenRollout, judged: Judged, now: datetime) -> None:
    """After a look: remind, escalate, act on time-outs, and say what is over."""
    if run.state.goes_no_further:
        _looks.forget(run.rollout)
        return
    _mind_gate(run, now)
    _mind_drift(run, judged)
    for cause, since in list(run.state.held_at.items()):
        if cause in run.state.holds and now - since >= run.plan.hold_max:
            notify(run, held_long(run.plan, run.state, cause, since))
    settle_pages(run)


def mind_journal(run: OpenRollout) -> None:
    """Notify people, once, that this release cannot read all of the journal: then it never raises or credits."""
    if run.state.not_understood:
        notify(run, journal_not_understood(run.plan, run.state))


def leave(rollout: str) -> None:
    """Somebody else minds this rollout's people, or it is over."""
    _looks.forget(rollout)


def settle_pages(run: OpenRollout) -> None:
    """Resolve the incidents of problems that are over, and acknowledge those that somebody has taken in hand."""
    for page in list(taken_pages(run.state)):
        notify(run, problem_taken(run.state, page))
    for page in list(settled_pages(run.state)):
        notify(run, problem_over(run.state, page))


def _mind_gate(run: OpenRollout, now: datetime) -> None:
    gate = run.state.gate
    if run.state.phase is not Phase.GATE or gate is None or not gate.waits or run.state.auto_approve:
        _looks.forget(run.rollout)
        return
    due = gate_due(run.plan, gate, now)
    if due.reminders:
        notify(run, gate_reminder(run.plan, run.state, gate, due, asked_people(run.plan, gate.wave)))
    if due.timed_out:
        _time_out(run, gate, now)
    else:
        _look_again(run, gate, now)


def _time_out(run: OpenRollout, gate: GateRecord, now: datetime) -> None:
    """Nobody answered in time: what the plan says happens once."""
    policy = run.plan.waves[gate.wave - 1].gate.on_timeout
    reason = f"nobody answered the gate before wave {gate.wave} within {format_duration(policy.after)}"
    match policy.then:
        case AfterWaiting.ROLL_BACK:
            roll_back(run, reason=reason, criterion="gate", by="tidegate")
        case AfterWaiting.HOLD:

            def answered(state: RolloutState) -> bool:
                waits = state.gate is not None and state.gate.waits and state.phase is Phase.GATE
                return not waits or HoldCause.GATE_TIMEOUT in state.holds

            cause = HoldCause.GATE_TIMEOUT
            if run.append(Held(cause, reason, "tidegate"), now, unless=answered, fenced=True):
                notify(run, held(run.plan, run.state, cause, reason))


def _look_again(run: OpenRollout, gate: GateRecord, now: datetime) -> None:
    """Keep a waiting gate's evidence fresh; written only when some verdict has changed."""
    if not _looks.has_come(run.rollout, now):
        return
    wave, attempt = gate.wave, gate.attempt
    findings = (*entry_findings(run, wave, now), *human_findings(run.plan, wave, stated_so_far(run, wave, now)))
    if _verdicts(gate.findings) == sorted((f.criterion, f.verdict.value) for f in findings):
        return
    body = GateEvidenceChanged(wave, attempt, worst(f.verdict for f in findings), [f.to_json() for f in findings])

    def moved_on(state: RolloutState) -> bool:
        asked = state.gate
        return asked is None or (asked.wave, asked.attempt) != (wave, attempt) or not asked.waits

    run.append(body, now, unless=moved_on)


def _verdicts(findings: list[dict[str, object]]) -> list[tuple[object, object]]:
    return sorted(((f["criterion"], f["verdict"]) for f in findings), key=str)


def _mind_drift(run: OpenRollout, judged: Judged) -> None:
    """While held for drift: say when the flag is back, or was changed once more."""
    since = run.state.held_at.get(HoldCause.DRIFT)
    if since is None or judged.unreadable:
        return
    if judged.drift is None:
        notify(run, drift_gone(run.plan, run.state, since))
    elif judged.drift.now not in run.state.holds[HoldCause.DRIFT]:
        notify(run, drift_moved(run.plan, run.state, since, judged.drift.was, judged.drift.now))


def mind_build(run: OpenRollout, look: Measurement, now: datetime) -> None:
    """See which versions the new path runs; what was not there before holds, begins the soak anew, or is reported."""
    version, state = run.plan.version, run.state
    if version is None or look.builds is None or state.wave == 0 or state.goes_no_further:
        return
    seen = look.builds
    if isinstance(seen, NoData):
        return  # no data, which the look has reported already
    versions, before = tuple(sorted(seen)), state.versions
    if versions == before:
        return
    soaks = state.phase in SOAKING
    anew = bool(before) and version.on_new_build is OnNewBuild.RESTART_SOAK and soaks
    asks = version.on_new_build is OnNewBuild.ASK or (version.on_new_build is OnNewBuild.RESTART_SOAK and not soaks)
    counted = any(wave > max(state.wave, state.votes.approved_wave) for wave in state.votes.approvals)
    paged = bool(before) and asks and _hold_for_build(run, before, versions, now)
    body = BuildSeen(versions, before, soak_anew=anew)
    written = run.append(body, now, unless=lambda s: s.versions == versions, fenced=True)
    if written and before and not paged:
        then = "it is held until resume" if asks else "the soak begins anew" if anew else "nothing else changes"
        again = "; whoever was counted at the gate is asked again" if counted else ""
        notify(run, new_build(run.plan, run.state, before, versions, then + again))


def _hold_for_build(run: OpenRollout, before: tuple[str, ...], versions: tuple[str, ...], now: datetime) -> bool:
    # Held before the version is noted, so that a process that dies in between holds at its next look.
    cause = HoldCause.NEW_BUILD
    reason = f"The new path's version changed: {', '.join(before)} -> {', '.join(versions)}."
    if run.append(Held(cause, reason, "tidegate"), now, unless=lambda s: cause in s.holds, fenced=True) is None:
        return False
    notify(run, held(run.plan, run.state, cause, reason))
    return True
