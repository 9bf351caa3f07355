"""One wave: verify, raise, watch, and say so."""

from prefect import flow, get_run_logger

from blocks.errors import Fenced, NotTaken, Refused, Unreachable
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.gates.gate import revoke_approval
from engine.notices.delivery import notify
from engine.notices.reporter import Reporter, reporter_for
from engine.rollout.connections import open_run
from engine.rollout.monitoring import guard_until, monitor
from engine.rollout.session import OpenRollout, Superseded, settle, utc_now
from tidegate.journal.state import Phase
from tidegate.notices.texts import raised


@flow(name="wave", flow_run_name="{title}", persist_result=True)
def wave(rollout: str, number: int, title: str, connections: str) -> str:  # noqa: ARG001 - title names the run
    """Raise an approved wave if the journal says it is not raised yet, and monitor it until it has soaked."""
    run = open_run(connections, rollout)
    reporter = reporter_for(run)
    run.wait_for_claim()
    try:
        if run.state.phase is not Phase.RAISING or _raise(run, reporter, number):
            monitor(run, reporter, number)
    except Fenced:
        settle(run)
    return _ended(run)


def _raise(run: OpenRollout, reporter: Reporter, number: int) -> bool:
    """Wait for the calendar, then scale the flag under a permit and read it back."""
    allowed = run.timing.may_raise_from(number, run.state.first_raise_at, utc_now())
    if not guard_until(run, reporter, allowed, Phase.RAISING):
        return False
    try:
        if raise_exposure(run, number):
            notify(run, raised(run.plan, run.state))
    except (MayNotRaise, NotTaken, Refused, Superseded, Unreachable) as refusal:
        revoke_approval(run, number, f"not raised: {refusal}")
        return False
    return True


def _ended(run: OpenRollout) -> str:
    state = run.refresh()
    get_run_logger().info("exposure %s, %s", state.exposure, state.phase.value.replace("_", " "))
    return state.phase.value
