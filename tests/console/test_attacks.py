"""Attacks on a gate by the command line: each is refused with its reason, which stands in the journal once."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.errors import Refused
from console.answers import hand_over, record_answer, waiting_gate
from engine.gates.gate import decide_gate
from engine.gates.read_answer import take_answer
from engine.rollback.rollback import roll_back
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from tests.console.conftest import Run
from tests.console.prefect_stand_in import StandIn
from tests.console.test_codes_by_hand import approve
from tests.engine.gate_world import CARL, DORA, STRANGER, GateWorld, one_of_two
from tests.engine.test_answering import QUORUM_TWO, other_code
from tests.tidegate.builders import ANN, BOB, STARTER
from tidegate.gates.approval import Answer, Choice, Outcome
from tidegate.gates.binding import given_for
from tidegate.gates.statements import statements
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

MINUTE = timedelta(minutes=1)
Code = Callable[[GateWorld], str]


def of(person: str, ago: timedelta = timedelta(0)) -> Code:
    return lambda at: at.code(person, utc_now() - ago)


def used(at: GateWorld) -> str:
    """A right code of Ann's that an answer for nothing has spent."""
    now = utc_now()
    assert at.answer(at.given(ANN, now, decision="extend", extension="1h"), now)[0] == "refused"
    at.open()
    return at.code(ANN, now)


WITH_CODES: dict[str, tuple[str, Code, str]] = {
    "author alone": (STARTER, of(STARTER), f"{STARTER} started the rollout and cannot be its only approver"),
    "unknown person with an approver's code": (STRANGER, of(ANN), f"{STRANGER} may not approve this gate"),
    "wrong role": (CARL, of(CARL), f"{CARL} may not approve this gate"),
    "approver without a seed": (DORA, lambda _: "123456", f"{DORA} has no seed on this worker"),
    "wrong code": (ANN, lambda at: other_code(at, utc_now()), f"the code of {ANN} was wrong or too old"),
    "old code": (ANN, of(ANN, 2 * MINUTE), f"the code of {ANN} was wrong or too old"),
    "code of somebody else": (ANN, of(BOB), f"the code of {ANN} was wrong or too old"),
    "used code": (ANN, used, f"the code of {ANN} was used already"),
}
NAMES: dict[str, tuple[str, str]] = {
    "author alone": (STARTER, f"{STARTER} started the rollout and cannot be its only approver"),
    "unknown person": (STRANGER, f"{STRANGER} may not approve this gate"),
    "wrong role": (CARL, f"{CARL} may not approve this gate"),
}


def on_one_line(text: str) -> str:
    return " ".join(text.split())


def refusals(opened: OpenRollout) -> list[str]:
    """Every refusal that the journal has, by whichever way the answer came."""
    found = []
    for entry in opened.connections.journal.entries(opened.rollout):
        if entry.kind is Kind.GATE_DECIDED and entry.json["outcome"] == "refused":
            found.append(str(entry.json["reason"]))
        if entry.kind is Kind.ORDERED and entry.json["refused"]:
            found.append(str(entry.json["refused"]))
    return found


@pytest.mark.parametrize("attack", WITH_CODES)
def test_an_attack_where_codes_are_asked_for(
    world: GateWorld,
    prefect: StandIn,
    run: Run,
    attack: str,
) -> None:
    who, code_of, reason = WITH_CODES[attack]
    prefect.worker, code = world.answer, code_of(world)
    ended, out, err = run(*approve(world, "--as", who, "--decision", "go", "--code", code))
    assert (ended, f"refused: {reason}" in on_one_line(out)) == (1, True), out + err
    assert [why for why in refusals(world.run) if why.startswith(reason)] == refusals(world.run)[-1:]
    assert world.run.refresh().votes.approved_wave == 0
    assert f'"{code}"' not in json.dumps([e.json for e in world.run.connections.journal.entries(world.run.rollout)])
    # The gate asks anew, and says why.
    world.open()
    assert world.run.state.gate is not None
    assert world.run.state.gate.refusal.startswith(reason)


@pytest.fixture
def named(kit: Path, tmp_path: Path) -> GateWorld:
    """A gate where names suffice."""
    found = GateWorld(tmp_path, tmp_path / "approvers.json", {"approvals": "open"})
    found.open()
    return found


@pytest.mark.parametrize("attack", NAMES)
def test_an_attack_where_names_suffice_stands_in_the_journal_once(
    named: GateWorld,
    run: Run,
    attack: str,
) -> None:
    who, reason = NAMES[attack]
    for _ in range(2):
        ended, out, err = run(*approve(named, "--as", who, "--decision", "go"))
        assert (ended, f"refused: {reason}" in on_one_line(out)) == (1, True), out + err
    [why] = refusals(named.run)
    assert why.startswith(reason)
    gate = named.run.refresh().gate
    assert gate is not None
    assert gate.waits
    assert f"{who} ordered go at the gate before wave 1 (by command line), refused: " in on_one_line(
        run("journal", named.run.rollout)[1]
    )


def test_a_go_that_is_too_late_is_refused_as_stale_and_says_what_happened(named: GateWorld, run: Run) -> None:
    roll_back(named.run, reason="smoke", criterion="by hand", by="me")
    ended, _, err = run(*approve(named, "--as", BOB, "--decision", "go"))
    assert (ended, "waits at no gate; it is" in on_one_line(err)) == (2, True), err
    assert on_one_line(err).endswith(": smoke")
    [why] = refusals(named.run)
    assert why.endswith(": smoke")
    assert named.run.refresh().votes.approved_wave == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (lambda state: given_for(2, 1, state.plan_hash), "the answer is for the gate before wave 2"),
        (lambda state: given_for(1, 9, state.plan_hash), "the answer is for attempt 9 of this gate"),
        (lambda _: given_for(1, 1, "0" * 64), "the answer is for the plan 000000000000"),
    ],
)
def test_an_answer_for_another_gate_or_plan(named: GateWorld, words: Callable[[object], str], reason: str) -> None:
    stated = frozenset(s.key for s in statements(named.run.plan, 1))
    gate = waiting_gate(named.run, ANN, "go", "test")
    answer = Answer(Choice.GO, ANN, stated=stated, given_for=words(named.run.state))
    outcome, why = record_answer(named.run, gate, answer, "test")
    assert (outcome, reason in why) == (Outcome.REFUSED, True)
    assert refusals(named.run) == [why]


def test_one_person_who_answers_twice_at_once_is_no_quorum_of_two(tmp_path: Path, world: GateWorld) -> None:
    two, now = GateWorld(tmp_path, world.seeds, QUORUM_TWO, flag="two"), utc_now()
    two.run.keep_claim()
    attempt = two.open()
    given = [two.given(ANN, now, code=two.code(ANN, now - back)) for back in (timedelta(0), timedelta(seconds=29))]
    jobs = [threading.Thread(target=take_answer, args=(two.run.again(), 1, attempt, body, now)) for body in given]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    gate = two.run.refresh().gate
    assert gate is not None
    ruling = decide_gate(two.run, 1, attempt, Answer.from_json(gate.answer or {}))
    assert (ruling.outcome, ruling.reason) == (Outcome.COUNTED, one_of_two(ANN))
    assert two.run.refresh().votes.approvals == {1: [ANN]}
    assert two.run.state.phase is Phase.GATE


def test_an_answer_that_prefect_does_not_take_is_recorded_without_its_code(
    world: GateWorld,
    prefect: StandIn,
) -> None:
    gate = waiting_gate(world.run, ANN, "go", "test")
    prefect.resumed = lambda _: {  # type: ignore[method-assign]
        "status": "REJECT",
        "state": None,
        "details": {"reason": "'12345' does not match"},
    }
    with pytest.raises(Refused):
        hand_over(world.run, gate, Answer(Choice.GO, ANN), "12345", "test")
    assert refusals(world.run) == ["Prefect did not take the answer for this gate's form"]


def test_a_hold_by_a_name_alone_wakes_the_gate_and_no_go_passes_it_by(
    named: GateWorld,
    prefect: StandIn,
    run: Run,
) -> None:
    prefect.asks = named.run
    named.run.release_claim()
    ended, _, err = run(*approve(named, "--as", "bob", "--decision", "hold", "--note", "x" * 2_500))
    assert (ended, err) == (0, "")
    assert [(given["approver"], given["decision"]) for given in prefect.given] == [("bob", "hold")]
    for decision in ("hold", "go"):
        ended, out, _ = run(*approve(named, "--as", ANN, "--decision", decision))
        refused = "refused: a more cautious answer waits: hold by bob" in on_one_line(out)
        assert (ended, refused) == ((1, True) if decision == "go" else (0, False))
    assert refusals(named.run) == ["a more cautious answer waits: hold by bob"]
    named.run.keep_claim()
    assert named.answer({})[0] == "held"
    named.open()
    ended, out, _ = run(*approve(named, "--as", ANN, "--decision", "go"))
    assert (ended, f"go: go by {ANN}" in out) == (0, True)


def test_a_go_beside_another_that_waits_is_not_said_to_count(named: GateWorld, prefect: StandIn, run: Run) -> None:
    assert run(*approve(named, "--as", ANN, "--decision", "go"))[0] == 0
    ended, out, _ = run(*approve(named, "--as", BOB, "--decision", "go"))
    assert (ended, f"another answer waits: go by {ANN}" in on_one_line(out)) == (1, True)


def test_whoever_repeats_an_attack_cannot_fill_the_journal(named: GateWorld) -> None:
    before = named.run.refresh().sequence
    gate = waiting_gate(named.run, ANN, "go", "test")
    for number in range(60):
        record_answer(named.run, gate, Answer(Choice.GO, f"stranger{number}@example.com"), "test")
    assert named.run.refresh().sequence - before == 30


@pytest.mark.parametrize("decision", ["hold", "rollback"])
def test_with_prefect_away_an_answer_is_recorded_at_once_and_a_rollback_is_done(
    named: GateWorld,
    run: Run,
    decision: str,
) -> None:
    named.run.release_claim()
    began = utc_now()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        ended, _, err = run(*approve(named, "--as", "anybody", "--decision", decision))
    assert utc_now() - began < timedelta(seconds=10)
    assert ended == 0
    assert "The answer is in the journal" in on_one_line(err)
    assert "Nothing is left to do" in on_one_line(err)
    state = named.run.refresh()
    assert state.gate is not None
    assert state.gate.answer is not None
    assert state.gate.answer["decision"] == decision
    if decision == "rollback":
        assert (state.phase, state.gate.outcome) == (Phase.ROLLING_BACK, "rollback")
        assert named.run.connections.flags.read(named.run.flag).exposure == ZERO


def test_a_gate_that_does_not_wait_is_said_so(named: GateWorld) -> None:
    gate = named.run.state.gate
    assert gate is not None
    for _ in range(2):
        named.run.append(
            body_from_json(Kind.CLOSED, {"reason": "over", "by": ANN}), unless=lambda s: not s.phase.is_open
        )
        with pytest.raises(NotAllowed, match="waits at no gate; it is closed"):
            waiting_gate(named.run, ANN, "go", "test")
    assert len(refusals(named.run)) == 1
