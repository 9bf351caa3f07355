"""What people are notified of a journal that cannot be trusted, or not be read to its end."""

from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import RolloutState
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.texts import exposure_stays
from tidegate.plan.model import Plan


def journal_not_understood(plan: Plan, state: RolloutState) -> Notice:
    """The release at work reads what a newer one wrote, or what somebody damaged; reported once."""
    title = f"{plan.flag.key}: this release of Tidegate cannot read all of the journal"
    body = (
        f"{state.not_understood}\n{exposure_stays(state)}; triggers roll back as ever, nothing is raised and no soak "
        "counts here. Bring every worker to the newest release; `tidegate journal verify` tells damage from news."
    )
    # Named by the first such entry, so that it is reported once whoever finds it.
    return Notice(f"not-understood-{state.rollout}", state.rollout, Loudness.PAGE, title, body)


def claim_was_cleared(plan: Plan, state: RolloutState, reason: str) -> Notice:
    """Somebody took a rollout out of the list of open ones by hand."""
    title = f"{plan.flag.key} had been taken out of the list of open rollouts"
    body = (
        f"{reason} It is guarded again. {exposure_stays(state)}. `tidegate rollback {state.rollout}` rolls back; "
        f"{_way_out(state)}"
    )
    event = f"claim-cleared-{state.sequence}"
    return Notice(event, state.rollout, Loudness.PAGE, title, body, problem=HoldCause.JOURNAL.value)


def break_accepted(plan: Plan, state: RolloutState, who: str, reason: str, broken: str) -> Notice:
    """Two people go on with a broken journal: everybody shall know."""
    title = f"BREAK-GLASS: {plan.flag.key} goes on with a journal whose chain is broken"
    body = f"By {who}: {reason}\nAccepted: {broken}\nTo stop it: tidegate rollback {state.rollout}"
    return Notice(f"break-accepted-{state.sequence}", state.rollout, Loudness.PAGE, title, body, problem="break-glass")


def _way_out(state: RolloutState) -> str:
    return f"`tidegate resume {state.rollout} --break-glass --as EMAIL --with EMAIL --reason TEXT` goes on."
