"""What people order while a rollout runs; each is an entry in the journal, and takes effect at the next guard."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from blocks.connections import OpenConnections
from blocks.journal.freezes import freeze, frozen, unfreeze
from engine.gates.authorize import Given, must_be_allowed
from engine.notices.queueing import notify
from engine.rollout.evaluation import end_hold
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now, why_unread
from tidegate.journal.bodies.evidence_bodies import SoakExtended
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.bodies.lifecycle_bodies import Closed
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.reminder_texts import raising_frozen
from tidegate.notices.texts import closed
from tidegate.values.exposure import ZERO
from tidegate.values.units import format_duration

_ENDED_BY_PEOPLE = (
    HoldCause.OPERATOR,
    HoldCause.DRIFT,
    HoldCause.NO_DATA_BUDGET_SPENT,
    HoldCause.GATE_TIMEOUT,
    HoldCause.NEW_BUILD,
)


_BY_HAND = Given()


def end_holds(run: OpenRollout, person: str, reason: str, given: Given = _BY_HAND) -> tuple[str, ...]:
    """End every hold that needs a person, and return their causes; raises NotAllowed."""
    if run.refresh().is_easing:
        raise NotAllowed(f"{run.rollout} is {run.state.where}, which nothing but zero ends")
    must_be_allowed(run, person, "resume", given)
    return tuple(cause.value for cause in _ENDED_BY_PEOPLE if end_hold(run, cause, person, reason))


def extend_soak(run: OpenRollout, person: str, by: timedelta, reason: str, given: Given = _BY_HAND) -> None:
    """Let the wave under way soak longer; raises NotAllowed where no wave soaks."""
    if by <= timedelta(0):
        raise NotAllowed(f"found {format_duration(by)}, allowed is a duration such as 12h")
    must_be_allowed(run, person, "extend", given)
    wave = run.refresh().wave

    def too_late(state: RolloutState) -> bool:
        return state.phase is not Phase.WAVE or state.wave != wave or state.goes_no_further

    if run.append(SoakExtended(wave, by.total_seconds(), person, reason), unless=too_late) is None:
        raise NotAllowed(f"{run.rollout} is {run.state.where}; a wave is extended while it soaks, or at its gate")


def close(
    run: OpenRollout,
    person: str,
    reason: str,
    *,
    leave_exposed: bool,
    superseded_by: str = "",
    given: Given = _BY_HAND,
) -> None:
    """End a rollout that goes no further, or that a newer release replaces; its flag stays as it is.

    Raises NotAllowed.
    """
    state = run.refresh()
    if not state.phase.is_open:
        raise NotAllowed(f"{run.rollout} is {state.phase.value.replace('_', ' ')} already")
    if state.phase is Phase.ROLLING_BACK or state.is_easing:
        raise NotAllowed(f"{run.rollout} is being rolled back; it ends when that is proven")
    if state.exposure != ZERO or state.intended is not None:
        if not leave_exposed:
            exposed = state.intended or state.exposure
            raise NotAllowed(f"{run.rollout} stands at {exposed}: roll it back first, or close it with --leave-exposed")
        must_be_allowed(run, person, "close a rollout that stays exposed", given)
    did = f"Superseded by {superseded_by}, said" if superseded_by else "Closed by"
    body = Closed(f"{did} {person}: {reason}", person, superseded_by)

    def moved(state: RolloutState) -> bool:
        exposed = state.exposure != ZERO or state.intended is not None
        return state.goes_no_further or (exposed and not leave_exposed)

    if run.append(body, unless=moved):
        notify(run, closed(run.plan, run.state, superseded=bool(superseded_by)))


@dataclass(frozen=True, slots=True)
class Announced:
    """Whether an order for the whole journal changed anything; who was notified, who could not be, and why."""

    changed: bool
    notified: tuple[str, ...]
    not_notified: Mapping[str, str]


def freeze_everything(connections: OpenConnections, person: str, reason: str) -> Announced:
    """Let nothing be raised any more, in any rollout of this journal, until it is unfrozen; guarding goes on."""
    changed = freeze(connections.journal, person, reason, utc_now())
    return _announce(connections, changed)


def unfreeze_everything(connections: OpenConnections, person: str, reason: str) -> Announced:
    """End the freeze; what was withdrawn meanwhile asks its gate anew."""
    changed = unfreeze(connections.journal, person, reason, utc_now())
    return _announce(connections, changed, f"{person}: {reason}")


def _announce(connections: OpenConnections, changed: bool, ended: str = "") -> Announced:
    notified: list[str] = []
    not_notified: dict[str, str] = {}
    stands = frozen(connections.journal)
    for row in connections.journal.rollouts(open_only=True) if changed else ():
        try:
            run = OpenRollout(connections, row.rollout)
            notify(run, raising_frozen(run.plan, run.state, stands.words if stands and not ended else "", ended))
            notified.append(row.rollout)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this one, the order stands and others hear
            not_notified[row.rollout] = why_unread(error)
    return Announced(changed, tuple(notified), not_notified)
