"""`plan amend` on a real journal: proposed by anybody, in force by its approvers, and every refusal recorded."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.gates.authorize import Given
from engine.gates.gate import decide_gate, given_to_prefect
from engine.rollout.evaluation import hold
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from engine.steering.amending import approve_amendment, propose, reject_amendment
from engine.steering.orders import close, end_holds, extend_soak
from tests.engine.gate_world import CARL, PLAN, STRANGER, GateWorld
from tests.permits import raise_without_evidence
from tests.tidegate.builders import ANN, BOB, STARTER, plan_of
from tidegate.gates.approval import Answer
from tidegate.gates.binding import given_for
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO

NEW_SOAK = {"waves.0.soak": "2h"}


@pytest.fixture
def world(tmp_path: Path, seeds: Path) -> GateWorld:
    made = GateWorld(tmp_path, seeds)
    made.run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}))
    return made


def new_plan(changes: dict[str, Any] | None = None) -> Plan:
    return plan_of({**PLAN, "flag.key": "new-path", **NEW_SOAK, **(changes or {})})


def by_code(world: GateWorld, person: str, at: datetime) -> Given:
    return Given("test", world.code(person, at), at)


def refusals(world: GateWorld) -> list[str]:
    entries = world.run.connections.journal.entries(world.run.rollout)
    return [e.json["refused"] for e in entries if e.kind is Kind.ORDERED and e.json["refused"]]


def test_a_change_is_in_force_once_approved_and_every_reader_has_it(world: GateWorld) -> None:
    other = world.run.again()
    amendment = propose(world.run, new_plan(), CARL, "one hour is too short")
    assert amendment.changes == ("waves[first].soak: 1h -> 2h",)
    now = utc_now()
    said = approve_amendment(world.run, amendment.short, ANN, by_code(world, ANN, now))
    assert said == f"changed by {CARL}, approved by {ANN}"
    assert world.run.plan == new_plan()
    assert world.run.timing.soak(1) == timedelta(hours=2)
    other.refresh()
    assert (other.plan, other.timing.plan) == (new_plan(), new_plan())
    assert OpenRollout(world.run.connections, world.run.rollout).plan == new_plan()
    titles = [notice["title"] for notice in world.run.state.notices.queued.values()]
    assert titles[-2:] == [
        "Decision needed on a change of the plan of new-path",
        "The plan of new-path was changed",
    ]
    assert world.run.connections.journal.verify(world.run.rollout) == []


ATTACKS: list[tuple[str, str, str | None, str]] = [
    ("unknown person", STRANGER, "123456", f"{STRANGER} may not approve a change of the plan; allowed are"),
    ("wrong role", CARL, None, f"{CARL} may not approve a change of the plan"),
    ("no code", ANN, "", "no code was given"),
    ("code of somebody else", ANN, "of bob", f"the code of {ANN} was wrong or too old"),
    ("the starter alone", STARTER, None, f"{STARTER} started the rollout and cannot be its only approver"),
    ("the proposer alone", BOB, None, f"{BOB} proposed the change and cannot be its only approver"),
]


@pytest.mark.parametrize(("name", "person", "code", "why"), ATTACKS, ids=[a[0] for a in ATTACKS])
def test_an_attack_on_the_plan_is_refused_and_recorded(
    world: GateWorld, name: str, person: str, code: str | None, why: str
) -> None:
    amendment = propose(world.run, new_plan(), BOB, "longer")
    now = utc_now()
    known = {None: lambda: world.code(person, now), "of bob": lambda: world.code(BOB, now)}
    typed = known[code]() if code in known else str(code)
    with pytest.raises(NotAllowed, match=why.replace("(", "\\(")):
        approve_amendment(world.run, amendment.short, person, Given("test", typed, now))
    assert why in refusals(world)[-1], name
    assert world.run.refresh().plan_hash == plan_of({**PLAN, "flag.key": "new-path"}).hash


def test_the_hash_of_another_plan_and_an_old_proposal_are_refused(world: GateWorld) -> None:
    first = propose(world.run, new_plan(), CARL, "longer")
    second = propose(world.run, new_plan({"waves.0.soak": "3h"}), CARL, "longer still")
    now = utc_now()
    for named in ("0" * 12, first.short, second.short[:6]):
        with pytest.raises(NotAllowed, match="the change that waits is"):
            approve_amendment(world.run, named, ANN, by_code(world, ANN, now))
    assert len(refusals(world)) == 3
    assert approve_amendment(world.run, second.short, ANN, by_code(world, ANN, now)).startswith("changed by")
    with pytest.raises(NotAllowed, match="no change of the plan waits"):
        approve_amendment(world.run, second.short, BOB, by_code(world, BOB, now))


def test_a_code_that_passed_a_gate_approves_no_change_and_the_other_way_round(world: GateWorld) -> None:
    now = utc_now()
    amendment = propose(world.run, new_plan(), CARL, "longer")
    assert world.answer(world.given(ANN, now), now)[0] == "go"
    with pytest.raises(NotAllowed, match=f"the code of {ANN} was used already"):
        approve_amendment(world.run, amendment.short, ANN, by_code(world, ANN, now))
    approve_amendment(world.run, amendment.short, BOB, by_code(world, BOB, now))
    outcome, said = world.answer(world.given(BOB, now), now)
    assert (outcome, said) == ("refused", f"the code of {BOB} was used already; wait for the next one")


def test_what_was_approved_under_the_old_plan_is_asked_anew(world: GateWorld) -> None:
    now = utc_now()
    given = world.given(ANN, now)
    old_words = given["given_for"]
    assert world.answer(given, now)[0] == "go"
    assert world.run.state.phase is Phase.RAISING
    amendment = propose(world.run, new_plan(), CARL, "longer")
    approve_amendment(world.run, amendment.short, BOB, by_code(world, BOB, now))
    state = world.run.state
    assert (state.phase, state.votes.approved_wave, state.preflight) == (Phase.PREPARING, 0, None)
    with pytest.raises(MayNotRaise):
        raise_exposure(world.run, 1)
    assert world.run.connections.flags.read(world.run.flag).exposure == ZERO
    world.run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}))
    assert world.open() == 2
    later = now + timedelta(seconds=30)
    outcome, said = world.answer(world.given(ANN, later, given_for=old_words), later)
    assert (outcome, "the answer is for the plan" in said) == ("refused", True)


def test_an_answer_that_waits_for_its_ruling_is_not_ruled_on_under_another_plan(world: GateWorld) -> None:
    world.open()
    answer = Answer.from_json({"decision": "hold", "approver": ANN})
    body = {"wave": 1, "attempt": 1, "answer": answer.to_json(), "via": "test"}
    world.run.append(body_from_json(Kind.ANSWERED, body))
    amendment = propose(world.run, new_plan(), CARL, "longer")
    now = utc_now()
    approve_amendment(world.run, amendment.short, ANN, by_code(world, ANN, now))
    decide_gate(world.run, 1, 1, answer)
    gate = world.run.state.gate
    assert gate is not None
    assert gate.outcome == "amended"
    woken = given_to_prefect(world.run, gate)
    assert woken["given_for"] == given_for(1, 1, plan_of({**PLAN, "flag.key": "new-path"}).hash), (
        "its form takes no other"
    )


def test_anybody_gives_a_change_up(world: GateWorld) -> None:
    amendment = propose(world.run, new_plan(), CARL, "longer")
    reject_amendment(world.run, amendment.short, "somebody", "not today")
    assert world.run.state.amendment is None
    with pytest.raises(NotAllowed, match="no change of the plan waits"):
        reject_amendment(world.run, amendment.short, "somebody", "again")


def test_a_change_that_would_touch_what_is_raised_is_not_even_proposed(world: GateWorld) -> None:
    before = world.run.state.sequence
    with pytest.raises(NotAllowed, match=r"flag\.key"):
        propose(world.run, new_plan({"flag.key": "another"}), ANN, "why not")
    with pytest.raises(NotAllowed, match="nothing would change"):
        propose(world.run, plan_of({**PLAN, "flag.key": "new-path"}), ANN, "why not")
    assert world.run.state.sequence == before


# Resume, extend and leaving exposed follow the same rules outside a gate.


ORDERS: dict[str, Any] = {
    "resume": lambda run, person, given: end_holds(run, person, "on", given),
    "extend": lambda run, person, given: extend_soak(run, person, timedelta(hours=1), "longer", given),
    "close": lambda run, person, given: close(run, person, "replaced", leave_exposed=True, given=given),
}


@pytest.fixture
def raised(world: GateWorld) -> GateWorld:
    body = {"wave": 1, "attempt": 1, "reason": "", "by": ANN, "extension_seconds": 0}
    world.run.append(body_from_json(Kind.GATE_DECIDED, {**body, "outcome": "go"}))
    raise_without_evidence(world.run, 1)
    hold(world.run, STRANGER, "something smells")
    return world


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_outside_a_gate_needs_an_approver_and_their_code(raised: GateWorld, order: str) -> None:
    run, now = raised.run, utc_now()
    for person, given, why in (
        (STRANGER, Given("test", "123456", now), f"{STRANGER} may not"),
        (ANN, Given("test", "", now), "no code was given"),
        (ANN, Given("test", raised.code(BOB, now), now), "was wrong or too old"),
        (ANN, by_code(raised, ANN, now + timedelta(minutes=5)), "in the future"),
    ):
        with pytest.raises(NotAllowed, match=why):
            ORDERS[order](run, person, given)
        assert why in refusals(raised)[-1]
    right = by_code(raised, ANN, now)
    ORDERS[order](run, ANN, right)
    if run.state.phase.is_open:
        with pytest.raises(NotAllowed, match="was used already"):
            ORDERS[order](run, ANN, right)
    ended = {
        "resume": HoldCause.OPERATOR not in run.state.holds,
        "extend": run.state.waves[1].extension == timedelta(hours=1),
        "close": run.state.phase is Phase.CLOSED,
    }
    assert ended[order]


def test_a_rollout_is_superseded_by_a_newer_release(world: GateWorld) -> None:
    close(world.run, STRANGER, "1.5 has the mend", leave_exposed=False, superseded_by="new-path-1.5")
    assert world.run.state.phase is Phase.CLOSED
    assert world.run.state.end_reason == f"Superseded by new-path-1.5, said {STRANGER}: 1.5 has the mend"


def test_a_yes_of_ten_days_ago_and_a_fresh_one_put_no_plan_in_force(tmp_path: Path, seeds: Path) -> None:
    world, now = GateWorld(tmp_path, seeds, {"waves.0.gate.quorum": 2}), utc_now()
    weaker = plan_of({**PLAN, "flag.key": "new-path", "waves.0.gate.quorum": 2, "waves.0.soak": "15m"})
    amendment = propose(world.run, weaker, CARL, "we are late")
    assert amendment.less_safe == ("waves[first].soak: 1h -> 15m (less)",)
    [notice] = [n for n in world.run.state.notices.queued.values() if n["event"].startswith("amendment-")]
    assert notice["body"].splitlines()[1:3] == [
        "It makes the rollout LESS SAFE in 1 part:",
        "- LESS SAFE: waves[first].soak: 1h -> 15m (less)",
    ]
    counted = {"plan_hash": amendment.plan_hash, "outcome": "counted", "by": ANN, "reason": "1 of 2"}
    world.run.append(body_from_json(Kind.AMENDED, counted), now - timedelta(days=10))
    said = approve_amendment(world.run, amendment.short, BOB, by_code(world, BOB, now))
    assert said == f"1 of 2 approvals of the change ({BOB})"
    assert world.run.state.plan_hash != weaker.hash
    assert approve_amendment(world.run, amendment.short, ANN, by_code(world, ANN, now)).startswith("changed by")
