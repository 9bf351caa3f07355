"""Holding and rolling back: anybody with a name, without role, quorum or code, by whichever way they come."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.context import refresh_global_settings_context

from blocks.kit import read_kit
from console.home import PLANS
from engine.gates.gate import decide_gate, judge_answer, open_gate
from engine.gates.read_answer import take_answer
from engine.rollout.connections import connected
from engine.rollout.session import OpenRollout, utc_now
from flows.steering import hold as hold_deployment
from tests.console.conftest import Run
from tests.console.dashboards import browser
from tests.console.test_commands import WHO, _open
from tests.engine.gate_world import GateWorld
from tidegate.gates.approval import Answer, Choice, Outcome
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

SOMEBODY = "somebody at the door"
Way = Callable[[OpenRollout, Run], None]


def _typed(*words: str) -> Way:
    def type_it(world: OpenRollout, run: Run) -> None:
        code, out, err = run(*(word.format(rollout=world.rollout) for word in words))
        assert code == 0, out + err

    return type_it


def _pressed(order: str, **fields: str) -> Way:
    def press(world: OpenRollout, _: Run) -> None:
        browser(world.connections).order(world.rollout, order, name=SOMEBODY, **fields)

    return press


def _in_the_form(decision: str) -> Way:
    def fill_in(world: OpenRollout, _: Run) -> None:
        take_answer(world, 1, 1, {"decision": decision, "approver": SOMEBODY}, utc_now())
        gate = world.refresh().gate
        assert gate is not None
        decide_gate(world, 1, 1, Answer.from_json(gate.answer or {}))

    return fill_in


def _deployed(world: OpenRollout, _: Run) -> None:
    connected.cache_clear()
    state = hold_deployment.fn(SOMEBODY, rollout=world.rollout)
    connected.cache_clear()
    assert "Held" in str(state.message)


HOLDS: dict[str, Way] = {
    "command line": _typed("hold", "{rollout}", "--as", SOMEBODY, "--reason", "it smells"),
    "dashboard": _pressed("pause"),
    "dashboard at the gate": _pressed("answer", decision="hold"),
    "the gate's form": _in_the_form("hold"),
    "deployment": _deployed,
}
# `tidegate rollback --as me` stands in test_commands, `approve --decision hold|rollback` in test_codes_by_hand.
BACK: dict[str, Way] = {
    "dashboard": _pressed("rollback"),
    "dashboard at the gate": _pressed("answer", decision="rollback"),
    "the gate's form": _in_the_form("rollback"),
}


@pytest.fixture
def waiting(kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenRollout]:
    """A gate whose go would need a quorum of two, each with a code."""
    two = {"waves.0.gate": {"approvers": ["lead"], "quorum": 2}}
    world = GateWorld(tmp_path, tmp_path / "approvers.json", two)
    open_gate(world.run, 1, "run-1")
    world.run.release_claim()
    monkeypatch.setattr("engine.rollout.connections.load_connections", lambda _: world.run.connections)
    # No Prefect server: what people order must not need one.
    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    refresh_global_settings_context()
    yield world.run
    monkeypatch.undo()
    refresh_global_settings_context()


@pytest.mark.parametrize("way", HOLDS)
def test_anybody_holds(waiting: OpenRollout, run: Run, way: str) -> None:
    HOLDS[way](waiting, run)
    state = waiting.refresh()
    gate = state.gate
    answered = gate is not None and gate.answer is not None and gate.answer["decision"] == "hold"
    assert HoldCause.OPERATOR in state.holds or answered
    assert state.phase is Phase.GATE


def test_anybody_freezes_raising_everywhere_and_somebody_lifts_it(waiting: OpenRollout, run: Run) -> None:
    opening = {**waiting.connections.journal.entries(waiting.rollout)[0].json, "plan": {"name": "later"}}
    waiting.connections.journal.open_rollout("later-1", "other-flag", opening, utc_now())
    ended, out, _ = run("freeze", "--as", SOMEBODY, "--reason", "fire")
    assert (ended, "raising is frozen in every rollout" in out, f"notified: {waiting.rollout}" in out) == (
        0,
        True,
        True,
    )
    assert "it holds for later-1, too" in out
    ruling = judge_answer(waiting, 1, Answer(Choice.GO, "lead@example.com", "", None, frozenset()))
    assert ruling.outcome is not Outcome.GO
    ended, out, _ = run("freeze", "--as", SOMEBODY, "--reason", "fire", "--json")
    assert (ended, json.loads(out)["frozen"]) == (0, False)
    assert f"raising is frozen by {SOMEBODY}" in run("status")[1]
    assert run("unfreeze", "--as", SOMEBODY, "--reason", "out")[0] == 2
    ended, out, _ = run("unfreeze", "--as", WHO, "--reason", "out")
    assert (ended, "raising is unfrozen in every rollout" in out) == (0, True)
    assert "frozen" not in run("status")[1]


@pytest.mark.parametrize("way", BACK)
def test_anybody_rolls_back(waiting: OpenRollout, run: Run, way: str) -> None:
    BACK[way](waiting, run)
    state = waiting.refresh()
    gate = state.gate
    ordered = gate is not None and gate.answer is not None and gate.answer["decision"] == "rollback"
    assert state.rollback is not None or ordered
    assert waiting.connections.flags.read(waiting.flag).exposure == ZERO


@pytest.mark.parametrize("decision", ["hold", "rollback"])
def test_a_page_that_still_shows_a_gate_holds_and_rolls_back_all_the_same(
    waiting: OpenRollout,
    run: Run,
    decision: str,
) -> None:
    ruled = {"wave": 1, "attempt": 1, "outcome": "refused", "reason": "no", "by": "x", "extension_seconds": 0}
    waiting.append(body_from_json(Kind.GATE_DECIDED, ruled))
    _pressed("answer", decision=decision)(waiting, run)
    state = waiting.refresh()
    assert (HoldCause.OPERATOR in state.holds, state.rollback is not None) == (decision == "hold", decision != "hold")
    # On the command line the sentence names the order that needs no gate.
    code, _, err = run("approve", waiting.rollout, "--as", SOMEBODY, "--decision", decision)
    orders = {"hold": "--as NAME --reason TEXT", "rollback": "--reason TEXT"}
    order = f"`tidegate {decision} {waiting.rollout} {orders[decision]}` needs none"
    assert (code, order in " ".join(err.split())) == (2, True)


# What changes the plan, and what ends a rollout.


@pytest.fixture
def changed_plan(tmp_path: Path) -> Path:
    path = tmp_path / "longer.yaml"
    text = (PLANS / "batch-patches-v1.yaml").read_text()
    assert "soak: 48h" in text
    path.write_text(text.replace("soak: 48h", "soak: 72h", 1))
    return path


def test_a_plan_is_amended_on_the_command_line(kit: Path, run: Run, changed_plan: Path) -> None:
    opened = _open(kit)
    before = opened.state.plan_hash
    order = ("plan", "amend", opened.rollout, str(changed_plan), "--as", "manager@company.com", "--reason", "longer")
    code, out, err = run(*order, "--dry-run")
    assert (code, "waves[wave-2].soak: 48h -> 72h" in out, "nothing was changed" in out) == (0, True, True), err
    assert opened.refresh().amendment is None
    code, out, err = run(*order, "--json")
    assert code == 0, err
    proposed = json.loads(out)
    assert proposed["changes"] == ["waves[wave-2].soak: 48h -> 72h"]
    assert "Change of the plan proposed" in run("status", opened.rollout)[1]
    short = proposed["plan_hash"][:12]
    code, _, err = run("plan", "approve", opened.rollout, short, "--as", "manager@company.com")
    assert (code, "may not approve a change of the plan" in err) == (1, True)
    code, out, err = run("plan", "approve", opened.rollout, short, "--as", "commander@company.com")
    assert (code, "changed by manager@company.com, approved by commander@company.com" in out) == (0, True), err
    again = OpenRollout(read_kit(kit), opened.rollout)
    assert (again.state.plan_hash, again.plan.waves[1].soak.days) == (proposed["plan_hash"], 3)
    assert again.state.plan_hash != before
    assert "proposed the plan" in run("journal", opened.rollout)[1]
    code, _, err = run(*order)
    assert (code, "nothing would change" in err) == (2, True)


def test_a_rollout_is_superseded_on_the_command_line(kit: Path, run: Run) -> None:
    opened = _open(kit)
    code, _, err = run("supersede", opened.rollout, "--as", WHO, "--by", " ")
    assert (code, "--by: found nothing" in err) == (2, True)
    code, out, err = run("supersede", opened.rollout, "--as", WHO, "--by", "batch-patches 1.5")
    assert (code, "superseded by batch-patches 1.5" in out) == (0, True), err
    assert opened.refresh().phase is Phase.CLOSED
