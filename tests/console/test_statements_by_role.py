"""A statement counts only from a person of its role, whichever way it comes, and everybody sees who made it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.gates.gate import decide_gate, open_gate
from engine.gates.read_answer import take_answer
from engine.rollout.session import utc_now
from flows.forms.gate_form import asking_form
from tests.console.conftest import Run
from tests.console.dashboards import browser
from tests.console.prefect_stand_in import StandIn
from tests.engine.gate_world import CARL, STRANGER, GateWorld
from tests.tidegate.builders import ANN, BOB, STARTER
from tidegate.gates.approval import Answer, unsatisfiable
from tidegate.gates.statements import field_name
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.pages.gate_form import gate_form
from tidegate.plan.model import Plan
from tidegate.reports.closeout import closeout
from tidegate.reports.closeout_page import closeout_markdown

COMFORTABLE = "states_first_1"
Way = Callable[[GateWorld, Run, str], str]


def typed(world: GateWorld, run: Run, person: str) -> str:
    """Typed on the command line, with everything confirmed."""
    return " ".join(run("approve", world.run.rollout, "--as", person, "--decision", "go", "--confirm")[1].split())


def clicked(world: GateWorld, run: Run, person: str) -> str:
    """Clicked on the dashboard, with every switch on."""
    gate = world.run.refresh().gate
    assert gate is not None
    said = {"decision": "go", "wave": "1", "attempt": str(gate.attempt), "name": person}
    return browser(world.run.connections).order(world.run.rollout, "answer", **said, **{COMFORTABLE: "on"})


def filled_in(world: GateWorld, run: Run, person: str) -> str:
    """Filled into Prefect's form, with every switch on."""
    given = {"decision": "go", "approver": person, COMFORTABLE: True}
    take_answer(world.run, 1, world.open(), given, utc_now())
    return ""


WAYS: list[Way] = [typed, clicked, filled_in]


@pytest.fixture
def world(kit: Path, tmp_path: Path, prefect: StandIn) -> GateWorld:
    """A gate of lead and on-call, where the lead alone can state that the team is there."""
    roles = {"lead": [ANN, BOB], "on-call": [CARL], "commander": [STARTER]}
    changes = {"approvals": "open", "roles": roles, "checklist": {}, "waves.0.gate": {"approvers": ["lead", "on-call"]}}
    found = GateWorld(tmp_path, tmp_path / "approvers.json", changes)
    prefect.asks = found.run
    found.open()
    return found


def ruled(world: GateWorld) -> tuple[str, str]:
    """What the run makes of the answer that waits."""
    run = world.run
    gate = run.refresh().gate
    assert gate is not None
    assert gate.answer is not None
    ruling = decide_gate(run, 1, gate.attempt, Answer.from_json(gate.answer))
    return ruling.outcome.value, ruling.reason


@pytest.mark.parametrize("way", WAYS)
def test_the_go_of_another_role_states_nothing_and_the_gate_waits_for_the_right_one(
    world: GateWorld, run: Run, way: Way
) -> None:
    shown = way(world, run, CARL)
    outcome, reason = ruled(world)
    assert outcome == "counted"
    assert f"lead has not stated yet ({ANN}, {BOB}): The team is there" in reason
    if shown:
        assert f"lead has not stated yet ({ANN}, {BOB}): The team is there" in shown
    state = world.run.refresh()
    assert (state.votes.approved_wave, state.votes.stated) == (0, {1: {}})
    open_gate(world.run, 1, "run-1")
    way(world, run, BOB)
    assert ruled(world) == ("go", f"go by {BOB}, {CARL}")
    assert world.run.refresh().votes.stated == {1: {"first.1": BOB}}


def test_journal_gate_page_and_close_out_say_who_stated_what(world: GateWorld, run: Run) -> None:
    page = asking_form(world.run, 1, 1, "").model_fields["decision"].description or ""
    line = f"- The team is there (lead: {ANN}, {BOB}): "
    assert f"{line}nobody yet." in page
    typed(world, run, BOB)
    ruled(world)
    assert f"{BOB} stated: The team is there (lead)" in " ".join(run("journal", world.run.rollout)[1].split())
    assert f"{line}stated by {BOB}." in gate_form(world.run.plan, world.run.state, 1, (), "")
    report = closeout(world.run.plan, world.run.connections.journal.entries(world.run.rollout))
    [made] = report["stated"]
    assert {key: made[key] for key in ("by", "role", "before", "text")} == {
        "by": BOB,
        "role": "lead",
        "before": "wave 1",
        "text": "The team is there",
    }
    assert f"| wave 1 | lead | {BOB} | The team is there |" in closeout_markdown(report)


def test_a_statement_that_an_older_release_took_from_somebody_else_raises_nothing(world: GateWorld) -> None:
    body = {"wave": 1, "attempt": 1, "outcome": "go", "reason": "", "by": CARL, "extension_seconds": 0}
    world.run.append(body_from_json(Kind.GATE_DECIDED, {**body, "stated": ["first.1"]}))
    assert world.run.state.votes.approved_wave == 1
    with pytest.raises(MayNotRaise, match="lead has not stated yet"):
        raise_exposure(world.run, 1)


def test_tasks_of_the_wave_before_are_acknowledged_by_their_own_role(world: GateWorld) -> None:
    body = world.run.plan.to_json()
    body["waves"][0]["actions"] = [{"do": "task", "role": "on-call", "text": "Collect feedback"}]
    plan = Plan.model_validate(body)
    form = gate_form(plan, world.run.state, 2, (), "")
    assert f"- Done in First: Collect feedback (on-call: {CARL}): nobody yet." in form
    roles = {**plan.roles, "on-call": ()}
    assert unsatisfiable(plan.model_copy(update={"roles": roles}), STARTER) == (
        "nobody can state 'Done in First: Collect feedback' for on-call before Second: name a person for this role"
    )


def test_a_stranger_is_told_who_may_answer(world: GateWorld, run: Run) -> None:
    assert f"{STRANGER} may not approve this gate; allowed are {ANN}, {BOB}, {CARL}" in typed(world, run, STRANGER)


def test_a_field_of_the_form_names_its_statement() -> None:
    assert field_name("first.1") == COMFORTABLE
