"""What a look at a rollout leads to: a closed set of decisions, and the one function that takes them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Phase, RolloutState
from tidegate.plan.model import OnNoData, Plan
from tidegate.plan.pace import Timing
from tidegate.rollout.easing import share_due, shares_below
from tidegate.rollout.step_back import reached_wave
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding, Verdict, worst


@dataclass(frozen=True, slots=True)
class Continue:
    """Exposure stays, time goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Advance:
    """The wave has collected its soak."""

    wave: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Exposure stays until the cause is gone."""

    cause: HoldCause
    reason: str
    criterion: str = ""  # the trigger that fired, where its rollback has to wait


@dataclass(frozen=True, slots=True)
class StepDown:
    """Exposure to the wave before, which is held there."""

    wave: int
    reason: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """Exposure to zero for everybody."""

    criterion: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ease:
    """Exposure on its way to zero, one share (in percent) after the other: a trigger that is no emergency fired."""

    criterion: str
    reason: str
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EaseTo:
    """The next share of a gentle rollback under way, in percent."""

    share: float


@dataclass(frozen=True, slots=True)
class Finish:
    """The post-rollout time is over and was stable."""

    reason: str


Decision = Continue | Advance | Hold | StepDown | Ease | EaseTo | RollBack | Finish


@dataclass(frozen=True, slots=True)
class Drift:
    """The flag is not as the journal has it."""

    was: str
    now: str
    is_zero: bool
    expired: bool = False  # the lease ran out


@dataclass(frozen=True, slots=True)
class Judged:
    """One look: the findings by purpose, and the flag's drift if there is one."""

    at: datetime
    triggers: tuple[Finding, ...]
    during: tuple[Finding, ...]
    drift: Drift | None = None
    unreadable: str = ""  # why the flag cannot be read
    unknown_build: str = ""  # why nobody can tell which versions the new path runs, where the plan watches them
    skew: str = ""  # why no instant of this look can be trusted: which clock is how far from ours
    gentle: frozenset[str] = frozenset()  # the triggers that the plan marks as no emergency
    old_path: str = ""  # what is wrong with the old path; looked at while exposure is eased

    @property
    def fired(self) -> Finding | None:
        """The first trigger that rolls back; one that is an emergency before all others."""
        found = [f for f in self.triggers if f.verdict is Verdict.FAIL]
        return min(found, key=lambda f: f.criterion in self.gentle, default=None)

    @property
    def is_emergency(self) -> bool:
        """Whether a trigger fired that takes everybody back at once."""
        return self.fired is not None and self.fired.criterion not in self.gentle

    @property
    def no_data(self) -> str:
        """Why this look saw too little, or empty."""
        return self.not_seen or next(
            (f.sentence for f in (*self.during, *self.triggers) if f.verdict is Verdict.ERROR), ""
        )

    @property
    def not_seen(self) -> str:
        """What decides beside the criteria and was not seen, or empty."""
        return self.unreadable or self.unknown_build

    @property
    def verdict(self) -> Verdict:
        """The wave's verdict: its during criteria, made worse by a trigger that fired or could not be judged.

        ERROR at best while something else that decides, as the flag, was not seen.
        A trigger that is merely unsure counts only where the plan requires it.
        """
        counts = {True: (Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL), False: (Verdict.ERROR, Verdict.FAIL)}
        seen = [f.verdict for f in self.triggers if f.verdict in counts[f.required]]
        unseen = [Verdict.ERROR] if self.not_seen else []
        return worst([*(f.verdict for f in self.during), *seen, *unseen])


SOAKING = frozenset({Phase.WAVE, Phase.POST_ROLLOUT})
STOPS_SOAK = frozenset(
    {
        HoldCause.OPERATOR,
        HoldCause.DRIFT,
        HoldCause.NO_DATA_BUDGET_SPENT,
        HoldCause.GATE_TIMEOUT,
        HoldCause.NEW_BUILD,
        HoldCause.LEGACY,
        HoldCause.CLOCK_SKEW,
        HoldCause.EASING,
        HoldCause.JOURNAL,
    }
)


def credit(state: RolloutState, judged: Judged, timing: Timing) -> tuple[timedelta, bool]:
    """The observed time this review adds (at most one interval; none without data, unsure or held), and its health.

    Waiting at a gate is no soak: an extension is counted from when it is given.
    """
    record = state.record
    if record is None or state.phase not in SOAKING or STOPS_SOAK & state.holds.keys() or state.may_not_be_raised:
        return timedelta(0), False
    if judged.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR) or judged.drift is not None or judged.skew:
        return timedelta(0), False
    if state.intended is not None:
        return timedelta(0), False
    elapsed = max(judged.at - record.last_review - record.unseen, timedelta(0))
    return min(elapsed, timing.interval(state.wave)), judged.verdict is Verdict.PASS


def decide(state: RolloutState, judged: Judged, timing: Timing) -> Decision:
    """What this look leads to, in the order: a lease that ran out, triggers, no data, drift, holds, soak.

    Of a gentle rollback under way nothing is asked but what makes it faster.
    """
    if judged.drift is not None and judged.drift.expired:
        return RollBack("lease", f"Nobody renewed the exposure's lease: {judged.drift.now} (was {judged.drift.was}).")
    if state.is_easing:
        return _on_the_way(state, judged)
    if (fired := judged.fired) is not None:
        reason = f"{fired.text}: {fired.sentence}"
        if state.recovery.legacy_ready is False:
            return _asks_first(state, reason, fired.criterion)
        return _taken_back(state, judged, timing, fired.criterion, reason)
    if state.recovery.fired_late and state.recovery.legacy_ready and HoldCause.LEGACY in state.holds:
        # A trigger that fired stays fired, also one that has eased while legacy was not ready.
        reason = f"Legacy is ready now. {state.holds[HoldCause.LEGACY]}"
        return _taken_back(state, judged, timing, state.recovery.fired_late, reason)
    if judged.drift is not None and judged.drift.is_zero:
        return RollBack("drift", f"The flag was set to zero by hand (was {judged.drift.was}): {judged.drift.now}.")
    known = {HoldCause.NO_DATA_BUDGET_SPENT, HoldCause.LEGACY} & state.holds.keys()
    if judged.no_data and state.no_data_since is not None and not known:
        spent = judged.at - state.no_data_since
        if spent > timing.no_data_budget:
            budget = f"No usable metrics for {_whole_seconds(spent)} (budget {_whole_seconds(timing.no_data_budget)})"
            reason = f"{budget}: {judged.no_data}"
            policy = _when_budget_spent(state, timing.plan, reason)
            lowers = isinstance(policy, RollBack | StepDown)
            return _asks_first(state, reason) if lowers and state.recovery.legacy_ready is False else policy
    if judged.drift is not None and HoldCause.DRIFT not in state.holds:
        return Hold(
            HoldCause.DRIFT, f"The flag was changed by somebody else: {judged.drift.was} -> {judged.drift.now}."
        )
    if judged.skew and HoldCause.CLOCK_SKEW not in state.holds:
        return Hold(HoldCause.CLOCK_SKEW, judged.skew)
    if state.chain_broken and HoldCause.JOURNAL not in state.holds:
        return Hold(HoldCause.JOURNAL, f"The journal cannot be trusted: {state.chain_broken}.")
    if blocking := STOPS_SOAK & state.holds.keys():
        cause = min(blocking)
        return Continue(f"held ({cause.value}): {state.holds[cause]}")
    if state.may_not_be_raised:
        return Continue(state.may_not_be_raised)
    return _by_soak(state, judged, timing)


def _taken_back(state: RolloutState, judged: Judged, timing: Timing, criterion: str, reason: str) -> Ease | RollBack:
    """Step by step where the trigger is no emergency and the plan has steps below the present exposure."""
    gently = criterion in judged.gentle and not _at_once(state, judged)
    shares = shares_below(timing.plan.rollback, state.exposure) if gently else ()
    return Ease(criterion, reason, shares) if shares else RollBack(criterion, reason)


def _on_the_way(state: RolloutState, judged: Judged) -> Decision:
    """A gentle rollback goes on by its instants; whatever makes them or the flag doubtful makes it zero at once."""
    easing = state.easing
    if easing is None:
        return Continue("nothing is eased")
    if (fired := judged.fired) is not None and judged.is_emergency:
        return RollBack(fired.criterion, f"{fired.text}: {fired.sentence}")
    at_once = _at_once(state, judged)
    share = 0.0 if at_once else share_due(easing, judged.at, judged.old_path)
    if share is None:
        waits = f"; waits for the old path: {judged.old_path}" if judged.old_path else ""
        return Continue(f"eased to {state.exposure}{waits}")
    return EaseTo(share) if share > 0 else RollBack(easing.criterion, f"{easing.reason} {at_once}".rstrip())


def _at_once(state: RolloutState, judged: Judged) -> str:
    """Why nobody is taken back step by step, or empty: an emergency, or doubtful instants or a doubtful flag."""
    if judged.is_emergency:
        return "An emergency."
    if (drift := judged.drift) is not None:
        return f"The flag was changed by somebody else: {drift.was} -> {drift.now}."
    if not state.is_easing and state.intended is not None:
        return "The flag may stand at what is being written."
    return judged.skew or (state.may_not_be_raised and f"No step is waited for: {state.may_not_be_raised}.")


def _whole_seconds(span: timedelta) -> str:
    return format_duration(timedelta(seconds=round(span.total_seconds())))


def _when_budget_spent(state: RolloutState, plan: Plan, reason: str) -> Decision:
    reached = reached_wave(plan, state)
    match plan.on_no_data:
        case OnNoData.STEP_DOWN if reached > 1:
            return StepDown(reached - 1, reason)
        case OnNoData.STEP_DOWN if reached == 1:
            return RollBack("no_data", reason)
        case OnNoData.HOLD | OnNoData.STEP_DOWN:
            # Where nobody is exposed yet, there is nothing to step down from.
            return Hold(HoldCause.NO_DATA_BUDGET_SPENT, reason)
        case OnNoData.ROLL_BACK:
            return RollBack("no_data", reason)


def _asks_first(state: RolloutState, reason: str, criterion: str = "") -> Decision:
    """Everybody is exposed and legacy cannot take them back: which of the two is worse is for people to say."""
    if HoldCause.LEGACY in state.holds and (not criterion or state.recovery.fired_late):
        return Continue(f"held (legacy): {state.holds[HoldCause.LEGACY]}")
    return Hold(
        HoldCause.LEGACY,
        f"{reason} NOT rolled back: legacy cannot take everybody back ({state.recovery.legacy_seen}). "
        f"`tidegate rollback {state.rollout} --anyway` does it all the same; "
        f"it is done by itself once legacy is ready{'' if criterion else ', if that still holds then'}.",
        criterion,
    )


def _by_soak(state: RolloutState, judged: Judged, timing: Timing) -> Decision:
    record = state.record
    if record is None or state.phase not in SOAKING:
        return Continue(f"guarding while {state.phase.value.replace('_', ' ')}")
    if state.intended is not None:
        # The flag may have it already, or not: neither is the wave that the journal has.
        return Continue("a step back was begun and not finished; order it again, or roll back")
    step = timing.step(state.wave)
    collected, enough = record.soaked(timing.soak(state.wave), step.tolerance)
    if not enough or judged.verdict is not Verdict.PASS:
        return Continue(f"soak {collected.total_seconds():.0f} s of {timing.soak(state.wave).total_seconds():.0f} s")
    if state.phase is Phase.POST_ROLLOUT:
        return Finish("The post-rollout time was stable.")
    return Advance(state.wave)
