"""The command with which people say that a finished rollout is production-grade."""

from rich.console import Console

from console.home import connections
from console.who import email
from engine.gates.authorize import Given
from engine.rollback.stable_readiness import retire
from engine.rollout.evaluation import hold
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from engine.steering.graduation import state_readiness
from tidegate.rollout.graduation import readiness_key, statements_for

out = Console(highlight=False)


def graduate(
    rollout: str, who: str, state: list[int] | None = None, not_ready: str | None = None, note: str = ""
) -> None:
    """State that a rollout is production-grade after its post-rollout days; without --state, show what is asked."""
    run, person = OpenRollout(connections(), rollout), email(who)
    if state and not_ready is not None:
        raise NotAllowed("found --state and --not-ready, allowed is one of them")
    if not_ready is not None:
        done = hold(run, person, f"not production-grade: {not_ready}")
        until = f"held until `tidegate resume {rollout} --as EMAIL --reason TEXT`"
        out.print(until if done else "it is held already", markup=False, soft_wrap=True)
        return
    if state:
        for text in state_readiness(run, person, state, note):
            out.print(f"stated: {text}", markup=False)
        out.print("The next look at the rollout says what follows: `tidegate status`")
        return
    mine = statements_for(run.plan, person)
    for number, one in enumerate(run.plan.readiness, start=1):
        by = run.state.readiness.get(readiness_key(number))
        said = f"stated by {by}" if by else "yours to state" if number in mine else "not stated yet"
        out.print(f"{number}. {one.text} ({one.role}): {said}", markup=False)
    if not run.plan.readiness:
        out.print("the plan asks for no statements")
    for finding in run.state.graduation:
        if not finding["criterion"].startswith("readiness."):
            out.print(f"{finding['text']}: {finding['verdict']}. {finding['sentence']}", markup=False)


def retire_old_path(rollout: str, who: str, reason: str, code: str = "") -> None:
    """Record that the old path's code is gone: from then on a rollback is refused. Approvers only."""
    run = OpenRollout(connections(), rollout)
    retire(run, email(who), reason, Given(code=code))
    out.print(f"{run.flag}: the old path is retired; a rollback is refused from now on", markup=False)
