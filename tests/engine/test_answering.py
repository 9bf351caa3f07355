"""Attacks on a gate that needs codes: each refused with its reason, on a real journal; the safe ways stay easy."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.connections import OpenConnections
from blocks.prometheus.block import Prometheus
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.gates.gate import give_answer, given_to_prefect, judge_answer, open_gate
from engine.gates.read_answer import take_answer
from engine.gates.totp_seeds import read_seeds
from engine.gates.verify_code import CODES
from engine.rollout.session import utc_now
from tests.conftest import PrometheusServer
from tests.engine.gate_world import CARL, DORA, PLAN, STRANGER, GateWorld, one_of_two
from tests.tidegate.builders import ANN, BOB, STARTER
from tidegate.gates.approval import Answer, Choice, Outcome
from tidegate.gates.binding import given_for
from tidegate.gates.statements import statements
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.rollout.permit import approval_ends

Attack = Callable[[GateWorld, datetime], dict[str, Any]]
QUORUM_TWO = {"waves.0.gate": {"approvers": ["lead"], "quorum": 2}}


@pytest.fixture
def world(tmp_path: Path, seeds: Path) -> GateWorld:
    return GateWorld(tmp_path, seeds)


def other_code(world: GateWorld, now: datetime) -> str:
    """Six digits that are none of Ann's codes around this instant."""
    near = {world.code(ANN, now + timedelta(seconds=30 * step)) for step in range(-3, 4)}
    return next(
        code
        for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777")
        if code not in near
    )


def spoiled(person: str = ANN, **changes: Any) -> Attack:
    return lambda world, now: world.given(person, now, **changes)


def for_words(wave: int, attempt: int, plan: str = "") -> Attack:
    return lambda world, now: world.given(
        ANN, now, given_for=given_for(wave, attempt, plan or world.run.state.plan_hash)
    )


ATTACKS: dict[str, tuple[Attack, str]] = {
    "author alone": (spoiled(STARTER), f"{STARTER} started the rollout and cannot be its only approver"),
    "unknown person": (spoiled(STRANGER, code="123456"), f"{STRANGER} may not approve this gate"),
    "unknown person with an approver's code": (
        lambda world, now: world.given(STRANGER, now, code=world.code(ANN, now)),
        f"{STRANGER} may not approve this gate",
    ),
    "wrong role": (spoiled(CARL), f"{CARL} may not approve this gate"),
    "approver without a seed": (spoiled(DORA, code="123456"), f"{DORA} has no seed on this worker"),
    "no code": (spoiled(code=""), f"no code was given; go and extend need the one-time code of {ANN}"),
    "code left out": (
        lambda world, now: {k: v for k, v in world.given(ANN, now).items() if k != "code"},
        "no code was given",
    ),
    "wrong code": (
        lambda world, now: world.given(ANN, now, code=other_code(world, now)),
        f"the code of {ANN} was wrong or too old",
    ),
    "old code": (
        lambda world, now: world.given(ANN, now, code=world.code(ANN, now - timedelta(seconds=61))),
        "was wrong or too old",
    ),
    "code of the future": (
        lambda world, now: world.given(ANN, now, code=world.code(ANN, now + timedelta(seconds=61))),
        "was wrong or too old",
    ),
    "code of somebody else": (
        lambda world, now: world.given(ANN, now, code=world.code(BOB, now)),
        "was wrong or too old",
    ),
    "digits of another script": (spoiled(code="١٢٣٤٥٦"), "was wrong or too old"),
    "code as a number": (spoiled(code=123456), "code: found a int, allowed is text"),
    "gate of another wave": (for_words(2, 1), "the answer is for the gate before wave 2, this one is before wave 1"),
    "another attempt": (for_words(1, 7), "the answer is for attempt 7 of this gate, which is at attempt 1 by now"),
    "hash of another plan": (for_words(1, 1, "0" * 64), "the answer is for the plan 000000000000"),
    "bound to nothing": (spoiled(given_for=""), "the answer does not say which gate it is for"),
    "bound to nonsense": (spoiled(given_for="any gate"), "the answer is for no gate we know"),
    "a decision that is no choice": (
        spoiled(decision="promote"),
        "decision: found 'promote', allowed are go, extend, hold, rollback",
    ),
    "a code as decision": (spoiled(decision="123456"), "decision: found '******'"),
    "a decision that is no text": (spoiled(decision={"go": True}), "decision: found {'go': True}"),
    "no decision": (lambda world, now: {}, "decision: found nothing"),
    "no approver": (spoiled(approver=None), "approver: found nothing, allowed is an e-mail address"),
    "an approver that is no address": (spoiled(approver=["ann"]), "approver: found ['ann']"),
    "an approver with a bare name": (
        spoiled("bob", code="123456"),
        "approver: found 'bob', allowed is an e-mail address",
    ),
    "extend before wave 1": (spoiled(decision="extend", extension="12h"), "nothing can be extended before wave 1"),
    "extend without a code": (spoiled(decision="extend", extension="12h", code=""), "no code was given"),
    "an extension that is none": (spoiled(decision="extend", extension="soon"), "extension: "),
    "break-glass through the form": (spoiled(second=CARL, note="now", code=""), "no code was given"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_the_gate_asks_anew_saying_why(world: GateWorld, name: str) -> None:
    attack, reason = ATTACKS[name]
    now = utc_now()
    outcome, said = world.answer(attack(world, now), now)
    assert outcome == "refused"
    assert reason in said
    assert world.run.state.votes.approved_wave == 0
    assert world.open() == 2
    assert world.run.state.gate is not None
    assert world.run.state.gate.refusal == said


def test_the_right_code_of_the_right_person_passes_the_gate(world: GateWorld) -> None:
    now = utc_now()
    assert world.answer(world.given(ANN, now), now) == ("go", f"go by {ANN}")
    assert world.run.state.phase is Phase.RAISING


@pytest.mark.parametrize("made", [False, "yes", 1, None])
def test_a_go_is_counted_until_everything_is_stated_and_only_a_switch_that_is_on_states_something(
    world: GateWorld, made: object
) -> None:
    now = utc_now()
    outcome, reason = world.answer(world.given(ANN, now, states_first_1=made), now)
    assert (outcome, "lead has not stated yet" in reason) == ("counted", True)
    assert world.run.state.votes.approved_wave == 0
    assert world.answer(world.given(BOB, now), now)[0] == "go"


def test_the_code_is_judged_at_the_instant_of_the_answer_however_late_it_is_read(world: GateWorld) -> None:
    world.open()
    gate = world.run.state.gate
    assert gate is not None
    gate.opened_at -= timedelta(days=3)
    given_at = utc_now() - timedelta(days=2)
    assert world.answer(world.given(ANN, given_at), given_at)[0] == "go"


@pytest.mark.parametrize("when", [timedelta(minutes=-5), timedelta(minutes=5)])
def test_an_answer_from_before_the_gate_or_from_the_future_proves_nothing(world: GateWorld, when: timedelta) -> None:
    world.open()
    at = utc_now() + when
    outcome, reason = world.answer(world.given(ANN, at), at)
    assert outcome == "refused"
    assert "before the gate was open, or in the future" in reason


def test_a_code_counts_once_even_for_an_answer_that_was_refused(world: GateWorld) -> None:
    now = utc_now()
    first = world.given(ANN, now, decision="extend", extension="12h")
    assert world.answer(first, now)[0] == "refused"
    outcome, reason = world.answer(world.given(ANN, now), now)
    assert (outcome, reason) == ("refused", f"the code of {ANN} was used already; wait for the next one")
    later = now + timedelta(seconds=30)
    assert world.answer(world.given(ANN, later), later)[0] == "go"


def test_a_code_counts_once_across_rollouts(tmp_path: Path, seeds: Path) -> None:
    first, second = (GateWorld(tmp_path, seeds, flag=flag) for flag in ("one", "two"))
    now = utc_now()
    assert first.answer(first.given(ANN, now), now)[0] == "go"
    assert second.answer(second.given(ANN, now), now) == (
        "refused",
        f"the code of {ANN} was used already; wait for the next one",
    )


def test_one_code_given_at_two_gates_at_once_counts_at_one(tmp_path: Path, seeds: Path) -> None:
    worlds = [GateWorld(tmp_path, seeds, flag=flag) for flag in ("one", "two", "three")]
    now = utc_now()
    given = [(world.open(), world.given(ANN, now)) for world in worlds]
    jobs = [
        threading.Thread(target=take_answer, args=(world.run, 1, attempt, body, now))
        for world, (attempt, body) in zip(worlds, given, strict=True)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    entries = worlds[0].run.connections.journal.recent(Kind.ANSWERED, now - timedelta(minutes=1))
    spent = [entry.json["proof"]["step"] for entry in entries]
    assert len(spent) == 3
    assert sum(step is not None for step in spent) == 1


def test_whoever_judges_a_code_waits_for_the_one_who_does(world: GateWorld) -> None:
    journal, now = world.run.connections.journal, utc_now()
    given = world.given(ANN, now)
    journal.claim(CODES, CODES, "another process", timedelta(seconds=1))
    assert world.answer(given, now)[0] == "go"
    assert utc_now() - now >= timedelta(seconds=0.8)


def test_five_wrong_codes_lock_go_and_extend_but_never_hold(tmp_path: Path, world: GateWorld) -> None:
    now = utc_now()
    for _ in range(5):
        assert "wrong or too old" in world.answer(world.given(ANN, now, code=other_code(world, now)), now)[1]
    outcome, reason = world.answer(world.given(ANN, now), now)
    assert outcome == "refused"
    assert f"after 5 wrong codes {ANN} is not believed until" in reason
    assert world.answer(world.given(ANN, now, decision="hold", code=""), now)[0] == "held"
    assert world.answer(world.given(BOB, now), now)[0] == "go"


def test_a_quorum_of_two_needs_two_people(tmp_path: Path, seeds: Path) -> None:
    world, now = GateWorld(tmp_path, seeds, QUORUM_TWO), utc_now()
    assert world.answer(world.given(ANN, now), now) == ("counted", one_of_two(ANN))
    assert world.answer(world.given(ANN, now), now)[0] == "refused"
    later = now + timedelta(seconds=30)
    assert world.answer(world.given(ANN, later), later) == ("counted", one_of_two(ANN))
    assert world.run.state.votes.approved_wave == 0
    assert world.answer(world.given(STARTER, now), now)[0] == "go"


@pytest.mark.parametrize("earlier_release", [False, True])
def test_a_note_that_is_too_long_does_not_keep_an_answer_from_being_ruled_on(
    world: GateWorld, earlier_release: bool
) -> None:
    attempt = world.open()
    answer = Answer(Choice.HOLD, STRANGER, "x" * 2_500)
    body = answer.to_json() | ({"note": answer.note} if earlier_release else {})
    world.run.append(
        body_from_json(Kind.ANSWERED, {"wave": 1, "attempt": attempt, "answer": body, "via": "command line"})
    )
    assert len(given_to_prefect(world.run, open_gate(world.run, 1, "run-1"))["note"]) == 2_000
    outcome, reason = world.answer({})
    assert (outcome, reason[:40]) == ("held", f"held at the gate by {STRANGER}: x"[:40])
    assert world.open() == attempt + 1


@pytest.mark.parametrize("twice", [False, True])
def test_a_counted_go_is_taken_back_by_a_hold_also_beside_somebody_elses(
    tmp_path: Path, seeds: Path, twice: bool
) -> None:
    world, now = GateWorld(tmp_path, seeds, QUORUM_TWO), utc_now()
    assert world.answer(world.given(ANN, now), now)[0] == "counted"
    hold = world.given(ANN, now, decision="hold", code="")
    if twice:
        give_answer(world.run, 1, world.open(), Answer(Choice.HOLD, STRANGER), "command line")
    assert world.answer(hold, now)[0] == "held"
    assert world.run.state.votes.approvals == {1: []}
    assert world.answer(world.given(BOB, now), now) == ("counted", one_of_two(BOB))
    assert world.run.state.votes.approved_wave == 0
    later = now + timedelta(seconds=30)
    assert world.answer(world.given(ANN, later), later)[0] == "go"


def test_a_counted_go_counts_as_long_as_an_approval_and_no_longer(tmp_path: Path, seeds: Path) -> None:
    world, now = GateWorld(tmp_path, seeds, QUORUM_TWO), utc_now()
    assert world.answer(world.given(ANN, now), now)[0] == "counted"
    world.run.state.votes.counted_at[1][ANN] -= timedelta(hours=25)
    assert world.answer(world.given(BOB, now), now) == ("counted", one_of_two(BOB))
    later = now + timedelta(seconds=30)
    assert world.answer(world.given(ANN, later), later)[0] == "go"


def test_a_go_is_as_old_as_the_oldest_that_it_rests_on(tmp_path: Path, seeds: Path) -> None:
    world, now = GateWorld(tmp_path, seeds, QUORUM_TWO), utc_now()
    assert world.answer(world.given(ANN, now), now)[0] == "counted"
    world.run.state.votes.counted_at[1][ANN] -= timedelta(hours=23)
    assert world.answer(world.given(BOB, now), now)[0] == "go"
    in_an_hour, given = now + timedelta(hours=1), approval_ends(world.run.plan, world.run.state, 1)
    assert given is not None
    assert abs(given - in_an_hour) < timedelta(minutes=1)
    state, later = world.run.state, timedelta(hours=2)
    assert state.votes.approved_at is not None
    state.votes.approved_at -= later
    state.votes.counted_at[1] = {person: at - later for person, at in state.votes.counted_at[1].items()}
    with pytest.raises(MayNotRaise, match="the approval is older than 24h"):
        raise_exposure(world.run, 1)


def test_whoever_was_counted_before_a_new_build_is_asked_again(tmp_path: Path, seeds: Path) -> None:
    world, now = GateWorld(tmp_path, seeds, QUORUM_TWO), utc_now()
    assert world.answer(world.given(ANN, now), now)[0] == "counted"
    world.run.append(body_from_json(Kind.BUILD_SEEN, {"versions": ["1.0"], "before": [], "soak_anew": False}))
    assert world.run.state.votes.approvals == {1: [ANN]}
    world.run.append(body_from_json(Kind.BUILD_SEEN, {"versions": ["1.1"], "before": ["1.0"], "soak_anew": False}))
    assert world.answer(world.given(BOB, now), now) == ("counted", one_of_two(BOB))


@pytest.mark.parametrize("decision", ["hold", "rollback"])
@pytest.mark.parametrize(
    "changes",
    [{"code": ""}, {"code": "000000"}, {"code": 7}, {"given_for": "elsewhere"}, {"extension": "soon"}, {"note": 5}],
)
def test_hold_and_rollback_need_a_name_and_nothing_else(
    world: GateWorld, decision: str, changes: dict[str, Any]
) -> None:
    given = world.given(STRANGER, utc_now(), decision=decision, **changes)
    assert world.answer(given)[0] == {"hold": "held", "rollback": "rollback"}[decision]


def test_evidence_that_got_worse_since_the_form_was_made_refuses_a_right_go(
    tmp_path: Path, seeds: Path, prometheus_server: PrometheusServer
) -> None:
    labels = {"team": tmp_path.name}
    rule = {"alert": "Down", "expr": "absent(up) and vector(0) > 1", "labels": {**labels, "severity": "critical"}}
    prometheus_server.add_rules(f"codes-{tmp_path.name}", [{"name": tmp_path.name, "rules": [rule]}])
    watched = {"kind": "alerts", "when": "enter", "labels": labels, "text": "No alert"}
    few = {"kind": "threshold", "when": "during", "metric": "errors", "below": "2%", "text": "Few errors"}
    world = GateWorld(tmp_path, seeds, {"waves.0.criteria": [watched, few]})
    via = world.run.connections
    world.run.connections = OpenConnections(via.journal, via.flags, Prometheus(url=prometheus_server.url))
    now = utc_now()
    given = world.given(ANN, now)
    gate = world.run.state.gate
    assert gate is not None
    assert [f["verdict"] for f in gate.findings if f["text"] == "No alert"] == ["PASS"]
    world.run.connections = via
    outcome, reason = world.answer(given, now)
    assert outcome == "refused"
    assert reason.startswith("worse than when you were asked: No alert: ERROR.")


def test_a_go_that_was_written_past_the_form_is_not_believed(world: GateWorld) -> None:
    attempt = world.open()
    stated = frozenset(s.key for s in statements(world.run.plan, 1))
    answer = Answer(Choice.GO, ANN, stated=stated, given_for=given_for(1, attempt, world.run.state.plan_hash))
    assert give_answer(world.run, 1, attempt, answer, "command line")
    ruling = judge_answer(world.run, 1, answer)
    assert (ruling.outcome, ruling.reason) == (
        Outcome.REFUSED,
        "the answer came without the one-time code that go and extend need here",
    )


def test_a_proof_counts_for_the_answer_it_was_given_with_and_for_no_other(world: GateWorld) -> None:
    now = utc_now()
    given = world.given(ANN, now)
    take_answer(world.run, 1, 1, given, now)
    gate = world.run.state.gate
    assert gate is not None
    proven = Answer.from_json(gate.answer or {})
    assert judge_answer(world.run, 1, proven).outcome is Outcome.GO
    for other in (replace(proven, approver=BOB), replace(proven, note="x"), replace(proven, decision=Choice.EXTEND)):
        ruling = judge_answer(world.run, 1, other)
        assert (ruling.outcome, "without the one-time code" in ruling.reason) == (Outcome.REFUSED, True)


def test_seeds_that_others_may_read_believe_nobody(world: GateWorld, seeds: Path) -> None:
    now = utc_now()
    given = world.given(ANN, now)
    seeds.chmod(0o640)
    outcome, reason = world.answer(given, now)
    assert outcome == "refused"
    assert "found mode 0640, allowed is 0600" in reason


def test_neither_codes_nor_seeds_get_into_the_journal(world: GateWorld, seeds: Path) -> None:
    now = utc_now()
    wrong, right = other_code(world, now), world.code(ANN, now)
    world.answer(world.given(ANN, now, code=wrong, note=f"my code is {wrong}"), now)
    world.answer(world.given(ANN, now, decision=right), now)
    world.answer(world.given(ANN, now, approver=right), now)
    assert world.answer(world.given(ANN, now, note=f"{right} it is"), now)[0] == "go"
    bodies = [json.dumps(e.json) for e in world.run.connections.journal.entries(world.run.rollout)[1:]]
    secrets = (wrong, right, *read_seeds(seeds).values())
    assert [secret for secret in secrets if any(secret in body for body in bodies)] == []


GLASS: list[tuple[str, str, str, str, str]] = [
    (ANN, CARL, "the network of the phones is down", "go", f"go by {ANN}"),
    (ANN, ANN, "why", "refused", "break-glass needs two people; both are"),
    (ANN, BOB, "why", "refused", "break-glass needs two people of different roles; both are lead"),
    (ANN, STRANGER, "why", "refused", f"{STRANGER} has none"),
    (ANN, CARL, " ", "refused", "break-glass needs a reason"),
    (CARL, ANN, "why", "refused", f"{CARL} may not approve this gate"),
    (STARTER, CARL, "why", "refused", "cannot be its only approver"),
]


@pytest.mark.parametrize(("first", "second", "note", "outcome", "reason"), GLASS)
def test_break_glass_takes_two_people_of_different_roles_and_a_reason(
    world: GateWorld, first: str, second: str, note: str, outcome: str, reason: str
) -> None:
    attempt = world.open()
    stated = frozenset(s.key for s in statements(world.run.plan, 1))
    words = given_for(1, attempt, world.run.state.plan_hash)
    answer = Answer(Choice.GO, first, note, None, stated, words, second)
    ruling = judge_answer(world.run, 1, answer)
    assert ruling.outcome.value == outcome
    assert reason in ruling.reason


def test_break_glass_stands_in_for_codes_only_where_codes_are_asked_for(tmp_path: Path, seeds: Path) -> None:
    world = GateWorld(tmp_path, seeds, {**PLAN, "approvals": "open"})
    world.open()
    answer = Answer(Choice.GO, ANN, "why", second=CARL)
    assert "approvals are open here" in judge_answer(world.run, 1, answer).reason
