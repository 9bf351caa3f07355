"""A journal that was tampered with, or that a newer release has written: guarded, held and zeroed, never raised."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.errors import FlagBusy
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.rollout.evaluation import evaluate, hold
from engine.rollout.journal_trust import accept_break, restore_claims
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from tests.conftest import PrometheusServer
from tests.engine.gate_world import CARL, GateWorld
from tests.engine.world import World, healthy, no_alerts
from tests.tidegate.builders import ANN, BOB, STARTER
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.entries import entry_hash
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.rollout.permit import forbids_raising
from tidegate.values.exposure import ZERO

MINUTE = timedelta(minutes=1)
Tampering = Callable[[Path, str], None]


def by_hand(folder: Path, *statements: str, **values: object) -> None:
    """What somebody does who can write the database."""
    with closing(sqlite3.connect(folder / "journal.db")) as database, database:
        for statement in statements:
            database.execute(statement, values)


def edit_the_body(folder: Path, rollout: str) -> None:
    by_hand(folder, "update entries set body = body || ' ' where rollout = :r and sequence = 2", r=rollout)


def cut_the_tail(folder: Path, rollout: str) -> None:
    by_hand(
        folder,
        "delete from entries where rollout = :r and sequence = (select max(sequence) from entries where rollout = :r)",
        r=rollout,
    )


def take_one_out(folder: Path, rollout: str) -> None:
    by_hand(folder, "delete from entries where rollout = :r and sequence = 3", r=rollout)


def of_a_newer_release(folder: Path, rollout: str, kind: str = "teleported") -> None:
    """An entry that follows its chain, of a kind that nobody here knows."""
    with closing(sqlite3.connect(folder / "journal.db")) as database, database:
        sequence, previous = database.execute(
            "select sequence, hash from entries where rollout = ? order by sequence desc limit 1", (rollout,)
        ).fetchone()
        at, body = datetime.now(UTC).isoformat(timespec="microseconds"), json.dumps({"to": "everybody"})
        digest = entry_hash(rollout, sequence + 1, at, kind, 2, body, previous)
        row = (rollout, sequence + 1, at, kind, 2, body, previous, digest)
        database.execute("insert into entries values (?, ?, ?, ?, ?, ?, ?, ?)", row)


# What a process has read and verified before it goes on by, whatever is made of that later; a lost end it notices.
TAMPERING = [
    pytest.param(edit_the_body, True, id="edited, a new process"),
    pytest.param(take_one_out, True, id="one missing, a new process"),
    pytest.param(cut_the_tail, True, id="cut, a new process"),
    pytest.param(cut_the_tail, False, id="cut, the process that knew it"),
]


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    """Wave 1, well for ten minutes."""
    found = World(tmp_path, prometheus_server, no_alerts())
    found.pass_time(16 * MINUTE, healthy, guard=MINUTE)
    found.run.append(body_from_json(Kind.CARRIED, {"flow_run": "x"}), found.now)
    return found


def broken(_: datetime) -> dict[str, float | None]:
    """Half of what the new path answers is an error."""
    return {"new": 200.0, "new_errors": 100.0, "old": 1800.0, "old_errors": 9.0}


@pytest.mark.parametrize(("tamper", "anew"), TAMPERING)
def test_a_broken_chain_holds_and_pages_once_and_guarding_goes_on(
    world: World, tmp_path: Path, tamper: Tampering, anew: bool
) -> None:
    tamper(tmp_path, world.run.rollout)
    assert world.via.journal.verify(world.run.rollout) != []
    if anew:
        world.run.release_claim()
        world.run = OpenRollout(world.via, world.run.rollout)
    soaked = world.soaked
    world.pass_time(20 * MINUTE, healthy, guard=MINUTE)
    assert HoldCause.JOURNAL in world.run.state.holds
    assert world.notified("is held (journal)") == 1
    assert world.soaked == soaked
    # It is a condition for more exposure only.
    world.pass_time(10 * MINUTE, broken, guard=MINUTE)
    assert world.run.state.rollback is not None
    assert world.via.flags.read(world.run.flag).exposure == ZERO


@pytest.mark.parametrize(("tamper", "anew"), TAMPERING)
def test_nothing_is_raised_by_a_broken_chain(tmp_path: Path, seeds: Path, tamper: Tampering, anew: bool) -> None:
    at = GateWorld(tmp_path, seeds, {"approvals": "open"})
    assert at.answer(at.given(ANN, utc_now()))[0] == "go"
    run = at.run
    hold(run, "me", "a look")  # an entry that may be cut without taking the approval along
    tamper(tmp_path, run.rollout)
    if anew:
        run.release_claim()
        run = OpenRollout(run.connections, run.rollout)
    assert "the journal cannot be trusted" in run.check_chain()
    with pytest.raises(MayNotRaise, match=r"the journal cannot be trusted|held|is not approved|the rollout is"):
        raise_exposure(run, 1)
    run.state.holds.clear()
    assert "the journal cannot be trusted" in forbids_raising(run.plan, replace(run.state, phase=Phase.RAISING), 1)
    assert run.connections.flags.read(run.flag).exposure == ZERO


def test_two_people_of_different_roles_go_on_with_it_and_that_is_recorded(world: World, tmp_path: Path) -> None:
    edit_the_body(tmp_path, world.run.rollout)
    world.run.release_claim()
    run = world.run = OpenRollout(world.via, world.run.rollout)
    world.pass_time(2 * MINUTE, healthy, guard=MINUTE)
    for first, second, why in [(ANN, ANN, "two people"), (ANN, BOB, "different roles"), (ANN, CARL, "has none")]:
        with pytest.raises(NotAllowed, match=why):
            accept_break(run, first, second, "it was me, mending a word")
    with pytest.raises(NotAllowed, match="needs a reason"):
        accept_break(run, ANN, STARTER, " ")
    assert "entry 2" in accept_break(run, ANN, STARTER, "it was me, mending a word")
    assert HoldCause.JOURNAL not in run.state.holds
    assert world.notified("BREAK-GLASS") == 1
    last = [e for e in world.via.journal.entries(run.rollout) if e.kind.value == "resumed"][-1]
    assert (last.json["by"], last.json["second"]) == (ANN, STARTER)
    world.run.release_claim()
    assert OpenRollout(world.via, run.rollout).state.may_not_be_raised == ""
    # The break itself stays to be seen.
    assert world.via.journal.verify(run.rollout) != []


def test_a_cleared_claim_is_found_and_its_rollout_guarded_again(world: World, tmp_path: Path) -> None:
    journal, name = world.via.journal, world.run.rollout
    assert journal.verify() == []
    by_hand(tmp_path, "update claims set owner = ''")
    assert journal.rollouts(open_only=True) == []
    [problem] = journal.verify()
    assert problem == f"{name}: it has not ended, and the claim on new-path does not name it (nobody holds it)"
    with pytest.raises(FlagBusy):
        journal.open_rollout("another", "new-path", journal.entries(name)[0].json, utc_now())
    restore_claims(world.via)
    assert [row.rollout for row in journal.rollouts(open_only=True)] == [name]
    assert journal.verify() == []
    state = world.run.refresh()
    assert "was cleared while" in state.holds[HoldCause.JOURNAL]
    assert world.notified("had been taken out of the list of open rollouts") == 1
    sequence = state.sequence
    restore_claims(world.via)
    assert world.run.refresh().sequence == sequence


def test_what_has_ended_needs_no_claim_and_what_is_rolled_back_again_does(world: World, tmp_path: Path) -> None:
    world.pass_time(10 * MINUTE, broken, guard=MINUTE)
    run, at = world.run, {"reason": "", "criterion": "", "by": "me", "ordered_at": "", "zero_at": "", "revision": ""}
    proven = {"proven": True, "sentence": "", "proven_at": "", "last_request_at": "", "counter": ""}
    journal = world.via.journal

    def write(kind: str, body: dict[str, object]) -> None:
        last = journal.entries(run.rollout)[-1]
        journal.append(run.rollout, type(last.kind)(kind), body, utc_now(), last.sequence + 1, last.hash)

    write("proven", proven)
    assert (journal.restore_claims(), journal.verify()) == ([], [])
    write("rolling_back", at)
    by_hand(tmp_path, "update claims set owner = ''")
    assert [row.rollout for row in journal.restore_claims()] == [run.rollout]


def test_an_entry_of_a_newer_release_is_held_and_zeroed_and_never_raised_or_credited(
    world: World, tmp_path: Path
) -> None:
    of_a_newer_release(tmp_path, world.run.rollout)
    assert world.via.journal.verify() == []
    soaked = world.soaked
    world.pass_time(20 * MINUTE, healthy, guard=MINUTE)
    assert "of the unknown kind 'teleported'" in world.run.state.not_understood
    assert world.soaked == soaked
    assert world.notified("cannot read all of the journal") == 1
    world.run.release_claim()
    world.run = OpenRollout(world.via, world.run.rollout)
    assert hold(world.run, "me", "a look")
    world.pass_time(10 * MINUTE, broken, guard=MINUTE)
    assert world.run.state.rollback is not None
    assert world.via.flags.read(world.run.flag).exposure == ZERO
    assert world.notified("cannot read all of the journal") == 1
    assert world.via.journal.verify() == []


@pytest.mark.parametrize("kind", ["teleported", "held", "gate_decided", "soaked", "reviewed"])
def test_an_older_release_raises_nothing_by_what_it_does_not_know(tmp_path: Path, seeds: Path, kind: str) -> None:
    at = GateWorld(tmp_path, seeds, {"approvals": "open"})
    assert at.answer(at.given(ANN, utc_now()))[0] == "go"
    of_a_newer_release(tmp_path, at.run.rollout, kind)
    with pytest.raises(MayNotRaise, match="this release cannot read all of the journal"):
        raise_exposure(at.run, 1)
    assert at.run.connections.flags.read(at.run.flag).exposure == ZERO


def test_a_look_without_trouble_reads_the_chain_and_says_nothing(world: World) -> None:
    before = world.run.state.sequence
    evaluate(world.run, world.now + MINUTE, review=False)
    assert world.run.state.may_not_be_raised == ""
    assert world.run.state.sequence == before


def test_a_cut_tail_is_not_forgotten_by_the_entry_that_comes_next(world: World, tmp_path: Path) -> None:
    name = world.run.rollout
    cut_the_tail(tmp_path, name)
    # Whoever comes next is no guard, and knows nothing of what was there.
    OpenRollout(world.via, name).append(body_from_json(Kind.CARRIED, {"flow_run": "y"}))
    OpenRollout(world.via, name).append(body_from_json(Kind.CARRIED, {"flow_run": "z"}))
    assert OpenRollout(world.via, name).state.chain_broken
    accept_break(OpenRollout(world.via, name), ANN, STARTER, "a restore that failed")
    later = OpenRollout(world.via, name)
    assert later.check_chain() == ""
