"""The permit to raise: what must hold at one instant, good for seconds, made anew for each attempt to write."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tidegate.gates.statements import unstated
from tidegate.gates.votes import oldest_approval
from tidegate.journal.state import Phase, RolloutState
from tidegate.plan.model import Plan, timezone_of
from tidegate.plan.raise_window import why_closed
from tidegate.rollout.decision import STOPS_SOAK
from tidegate.values.exposure import Exposure
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding

LASTS = timedelta(seconds=10)  # a backend's write has to end within it


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to give the new path to exactly this exposure of this flag, under one epoch, until one instant.

    `until` is an instant of the monotonic clock; `revoked` says what has taken the permit back since, or empty.
    """

    flag: str
    exposure: Exposure
    epoch: int
    until: float
    revoked: Callable[[], str] = field(compare=False, repr=False)

    def why_not(self, flag: str, exposure: Exposure, epoch: int) -> str:
        """Why this permit is not for that write, or empty."""
        if (self.flag, self.epoch) != (flag, epoch):
            return f"the permit is for {self.flag} under epoch {self.epoch}, not for {flag} under {epoch}"
        return "" if exposure == self.exposure else f"the permit is for {self.exposure}, not for {exposure}"

    def ended(self, monotonic_now: float) -> str:
        """Why it is good no more, or empty."""
        late = monotonic_now - self.until
        return self.revoked() if late < 0 else f"the permit to raise ended {late:.1f} s ago"


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a rollout at the instant at which its next wave is to be raised.

    The words say why something does not hold, and are empty where all is well; who cannot know says so, too.
    """

    plan: Plan
    state: RolloutState
    wave: int
    now: datetime
    plan_now: datetime  # by the rollout's pace
    findings: tuple[Finding, ...]  # measured for this attempt
    flag: str = ""  # how it is unlike what the journal has
    old_writers: str = ""  # why those of an older epoch cannot be kept off
    frozen: str = ""  # who has frozen every raise, since when and why
    chain: str = ""  # where the journal's chain is broken


Condition = Callable[[Situation], str]


def _not_approved(plan: Plan, state: RolloutState, wave: int) -> str:
    if state.phase is not Phase.RAISING:
        return f"the rollout is {state.phase.value.replace('_', ' ')}"
    if state.votes.approved_wave != wave or wave != state.wave + 1:
        return (
            f"wave {wave} is not approved (approved is wave {state.votes.approved_wave}, exposed is wave {state.wave})"
        )
    if state.intended not in (None, plan.exposure_at(wave)):
        return "a step back was begun and not finished: order it again, or roll back"
    return ""


def _held(state: RolloutState) -> str:
    causes = STOPS_SOAK & state.holds.keys()
    if not causes:
        return ""
    cause = min(causes)
    since = state.held_at.get(cause)
    return f"held{f' since {since:%H:%M} UTC' if since else ''}: {state.holds[cause]}"


def _approval_is_in_its_time(at: Situation) -> str:
    ends = approval_ends(at.plan, at.state, at.wave)
    if ends is not None and at.now <= ends:
        return ""
    return f"the approval is older than {format_duration(at.plan.approval_ttl)}"


def _calendar_is_open(at: Situation) -> str:
    return why_closed(at.plan.raising, timezone_of(at.plan), at.plan_now)


def _evidence_is_fine(at: Situation) -> str:
    unmet = next((f for f in at.findings if not f.verdict.allows), None)
    return f"{unmet.text}: {unmet.sentence}" if unmet else ""


# All of them, in the order in which they are given; each is a sentence that a person reads, or empty.
CONDITIONS: Mapping[str, Condition] = {
    "the wave is approved": lambda at: _not_approved(at.plan, at.state, at.wave),
    "nobody holds": lambda at: _held(at.state),
    "no freeze": lambda at: at.frozen,
    "the approval is in its time": _approval_is_in_its_time,
    "people of each role have stated their part": lambda at: unstated(at.plan, at.state, at.wave, at.now),
    "the calendar is open": _calendar_is_open,
    "the journal's chain is whole": lambda at: at.chain,
    "older writers are kept off": lambda at: (
        at.old_writers and f"the flag's writers of before cannot be kept off: {at.old_writers}"
    ),
    "the flag is as the journal has it": lambda at: at.flag,
    "the evidence is fine now, the clocks agree": _evidence_is_fine,
}


def why_not_raised(at: Situation) -> str:
    """The first condition that does not hold, as a sentence, or empty where exposure may rise."""
    return next(filter(None, (condition(at) for condition in CONDITIONS.values())), "")


def forbids_raising(plan: Plan, state: RolloutState, wave: int) -> str:
    """Why the journal alone forbids to raise this wave, or empty: asked of the very state that an entry follows."""
    return _not_approved(plan, state, wave) or state.may_not_be_raised or _held(state)


def approval_ends(plan: Plan, state: RolloutState, wave: int) -> datetime | None:
    """Until when the approval of this wave counts; None where there is none."""
    oldest = oldest_approval(state, wave, plan.approval_ttl)
    return None if oldest is None else oldest + plan.approval_ttl


def permit_lasts(now: datetime, approval_ends: datetime | None, lease_left: float) -> float:
    """For how many seconds from now a permit is good: never beyond the lease and the approval that it rests on."""
    ends = 0.0 if approval_ends is None else (approval_ends - now).total_seconds()
    return max(0.0, min(LASTS.total_seconds(), lease_left, ends))
