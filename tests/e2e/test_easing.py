"""A gentle rollback while a gate waits: the watch goes on with it, and a rollback in Prefect's own form is obeyed."""

import shutil
from pathlib import Path

import pytest

from blocks.connections import OpenConnections
from console.answers import record_answer, waiting_gate, wake
from console.commands.rollout_commands import start_rollout
from console.home import PLANS
from console.prefect_runs import resume_run
from engine.exposure.ease import begin_easing
from engine.exposure.seize_claim import seize_flag
from engine.gates.gate import automatic_answer, boxes
from engine.prefect_api.runs import run_state
from engine.rollout.session import OpenRollout, utc_now
from tests.e2e.conftest import APPROVER, STARTER, reach
from tests.e2e.waiting import wait_for
from tidegate.gates.statements import field_name
from tidegate.journal.kinds import Kind
from tidegate.journal.state import GateRecord, Phase
from tidegate.rollout.decision import Ease
from tidegate.values.exposure import ZERO

OVERLAY = """\
extends: rehearsal.yaml

name: gentle
rollback:
  ease: [5%, 2%, 0%]
  over: 100s
"""


def asked(run: OpenRollout, wave: int) -> GateRecord:
    """The gate before this wave, once its run sleeps."""

    def asleep() -> GateRecord | None:
        gate = run.refresh().gate
        assert run.state.phase.is_open, run.state.end_reason
        waits = gate is not None and gate.wave == wave and gate.waits
        return gate if gate is not None and waits and run_state(gate.flow_run) == "PAUSED" else None

    return wait_for(asleep, 120, f"the gate before wave {wave} waits")  # type: ignore[return-value]


def passed(run: OpenRollout, wave: int) -> None:
    """The gate is passed; what the alerts say of a lost scrape is asked anew."""
    for _ in range(4):
        asked(run, wave)
        gate = waiting_gate(run, APPROVER, "go", "test")
        record_answer(run, gate, automatic_answer(run, wave), "test")
        assert wake(run, gate) == ""

        def ruled(attempt: int = gate.attempt) -> bool:
            now = run.refresh().gate
            return run.state.votes.approved_wave == wave or (now is not None and now.attempt > attempt)

        wait_for(ruled, 60, "the answer is ruled on")
        if run.state.votes.approved_wave == wave:
            return
    raise AssertionError("refused again and again")


@pytest.mark.timeout(590)
@pytest.mark.usefixtures("stack")
def test_the_watch_goes_on_with_it_and_a_rollback_in_prefects_form_is_zero_at_once(
    via: OpenConnections, tmp_path: Path
) -> None:
    plans = tmp_path / "plans"
    shutil.copytree(PLANS, plans)
    (plans / "gentle.yaml").write_text(OVERLAY)
    run = OpenRollout(via, start_rollout(str(plans / "gentle.yaml"), STARTER, "8s", "ask"))
    passed(run, 1)
    reach(run, Phase.GATE, wave=1, seconds=180)
    gate = asked(run, 2)

    # As whoever guards does when a trigger that is no emergency fires, and then dies.
    seize_flag(run)
    begin_easing(run, Ease("slow", "Too slow.", (5.0, 2.0)), utc_now())
    run.release_claim()
    assert via.flags.read(run.flag).exposure.percent == 5
    wait_for(lambda: via.flags.read(run.flag).exposure.percent == 2, 90, "the watch takes the second step")
    assert run.refresh().rollback is None

    no = {field_name(s.key): False for s in boxes(run, 2)}
    resume_run(gate.flow_run, {"decision": "rollback", "approver": APPROVER, "note": "", "extension": "", **no})
    reach(run, Phase.ROLLING_BACK, Phase.ROLLED_BACK, seconds=45)
    back = run.state.rollback
    assert back is not None
    assert (back.by, via.flags.read(run.flag).exposure) == (APPROVER, ZERO)
    reach(run, Phase.ROLLED_BACK, seconds=60)
    kinds = [entry.kind for entry in via.journal.entries(run.rollout)]
    assert (kinds.count(Kind.EASING), kinds.count(Kind.EASED), kinds.count(Kind.RAISED)) == (1, 2, 1)
    assert via.journal.verify() == []
