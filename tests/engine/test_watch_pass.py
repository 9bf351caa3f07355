"""A pass of the watch claims, reads, releases and notes many rollouts at once, and shares what they ask alike."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from blocks import FlagdFile, Journal, OpenConnections, Prometheus
from blocks.errors import ClaimHeld, Fenced
from blocks.journal.guard_checks import guard_check_ages
from blocks.journal.many_claims import JournalPosition, end_many, take_many
from blocks.journal.tables import engine_for
from engine.measuring.shared_answers import SharedAnswers
from engine.rollout.open import open_rollout
from engine.rollout.session import INSTANCE_ID, OpenRollout
from tests.postgresql import empty_database, postgresql_server
from tests.tidegate.builders import ANN, plan_of
from tidegate.journal.bodies.hold_bodies import Held, HoldCause
from tidegate.values.samples import NoData, NoDataReason, Sample

LEASE = timedelta(seconds=30)
OTHER = "host:2:x"
FLAGS = ("one", "three", "two")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def runs(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> Iterator[dict[str, OpenRollout]]:
    url = f"sqlite:///{tmp_path / 'journal.db'}" if request.param == "sqlite" else empty_database(server)
    via = OpenConnections(
        Journal(url=url), FlagdFile(path=str(tmp_path / "flags.json")), Prometheus(url="http://127.0.0.1:9")
    )
    opened = {}
    for flag in FLAGS:
        plan = plan_of({"flag.key": flag, "allow_others_of_service": True})
        opened[flag] = open_rollout(
            via, plan, flag, started_by=ANN, pace=None, auto_approve=False, connection_set="default"
        )
    yield opened
    via.close()


def journal_of(runs: dict[str, OpenRollout]) -> Journal:
    return next(iter(runs.values())).connections.journal


def positions(runs: dict[str, OpenRollout]) -> list[JournalPosition]:
    return [run.position for run in runs.values()]


def transactions(engine: Engine) -> list[object]:
    seen: list[object] = []
    event.listen(engine, "begin", seen.append)
    return seen


def by_hand(journal: Journal, statement: str, **given: Any) -> None:
    with engine_for(journal.url.get_secret_value(), journal.timeout_seconds).begin() as session:
        session.execute(text(statement), given)


def test_one_transaction_claims_and_reads_and_one_releases_and_notes(runs: dict[str, OpenRollout]) -> None:
    journal = journal_of(runs)
    before = runs["two"].position
    runs["two"].again().append(Held(HoldCause.OPERATOR, "ann: wait", "ann"))
    seen = transactions(engine_for(journal.url.get_secret_value(), journal.timeout_seconds))
    found = take_many(journal, [before, runs["one"].position, runs["three"].position], INSTANCE_ID, LEASE)
    assert len(seen) == 1
    assert {name: len(one.behind) for name, one in found.items()} == {"one": 0, "two": 1, "three": 0}
    assert all(one.missing == "" for one in found.values())
    claims = [one.claim for one in found.values() if one.claim is not None]
    assert len(claims) == len(FLAGS)
    with pytest.raises(ClaimHeld):
        journal.claim("two", "two", OTHER, LEASE)
    for claim in claims:
        journal.renew(claim, LEASE)
    seen.clear()
    end_many(journal, claims, {"one": 0.0, "two": 7.0})
    assert len(seen) == 1
    ages = guard_check_ages(journal)
    assert 7 <= ages["two"] < 30
    assert ages["one"] < 7
    assert journal.claim("two", "two", OTHER, LEASE).epoch == claims[0].epoch + 1


def test_a_claim_of_another_is_left_to_it_and_a_claim_that_was_lost_is_not_released(
    runs: dict[str, OpenRollout],
) -> None:
    journal = journal_of(runs)
    theirs = journal.claim("one", "one", OTHER, LEASE)
    found = take_many(journal, positions(runs), INSTANCE_ID, LEASE)
    assert (found["one"].claim, found["one"].holder) == (None, OTHER)
    assert 0 < found["one"].seconds_left <= LEASE.total_seconds()
    with pytest.raises(ClaimHeld):
        runs["one"].go_on_from(found["one"])
    mine = found["two"].claim
    assert mine is not None
    seized = journal.seize("two", "two", OTHER, LEASE)
    end_many(journal, [mine], {})
    assert journal.current_claim("two") is not None
    journal.renew(seized, LEASE)
    journal.renew(theirs, LEASE)
    with pytest.raises(ClaimHeld):
        journal.claim("two", "two", "host:3:y", LEASE)
    with pytest.raises(Fenced):
        journal.renew(mine, LEASE)


def test_a_taken_over_claim_has_a_new_epoch_and_one_kept_has_not(runs: dict[str, OpenRollout]) -> None:
    journal = journal_of(runs)
    journal.release(journal.claim("one", "one", OTHER, LEASE))
    first = take_many(journal, positions(runs), INSTANCE_ID, LEASE)
    again = take_many(journal, positions(runs), INSTANCE_ID, LEASE)
    assert [found.claim for found in first.values()] == [found.claim for found in again.values()]
    claim = first["one"].claim
    assert claim is not None
    assert claim.epoch == 2


def test_a_cut_or_changed_chain_blinds_its_own_rollout_alone(runs: dict[str, OpenRollout]) -> None:
    journal = journal_of(runs)
    known = runs["two"]
    known.append(Held(HoldCause.OPERATOR, "ann: wait", "ann"))
    by_hand(journal, "DELETE FROM entries WHERE rollout = 'two' AND sequence = :last", last=known.state.sequence)
    by_hand(journal, "UPDATE entries SET hash = :other WHERE rollout = 'three' AND sequence = 1", other="0" * 64)
    by_hand(journal, "UPDATE claims SET owner = '' WHERE flag = 'one'")
    found = take_many(journal, positions(runs), INSTANCE_ID, LEASE)
    assert "one" not in found, "whom its claim does not name is asked alone"
    assert "is gone" in found["two"].missing
    assert "is another one" in found["three"].missing
    known.go_on_from(found["two"])
    assert known.state.may_not_be_raised


def test_what_a_pass_found_stands_for_asking_once(runs: dict[str, OpenRollout]) -> None:
    journal, run = journal_of(runs), runs["one"]
    found = take_many(journal, positions(runs), INSTANCE_ID, LEASE)
    run.go_on_from(found["one"])
    seen = transactions(engine_for(journal.url.get_secret_value(), journal.timeout_seconds))
    assert run.begin_look()
    assert not seen
    assert not run.begin_look(), "the next look asks"
    assert seen


def test_a_look_renews_the_claim_and_reads_what_is_new_in_one_transaction(runs: dict[str, OpenRollout]) -> None:
    journal, run = journal_of(runs), runs["one"]
    run.keep_claim()
    run.again().append(Held(HoldCause.OPERATOR, "ann: wait", "ann"))
    journal.release(run.keep_claim())
    seen = transactions(engine_for(journal.url.get_secret_value(), journal.timeout_seconds))
    assert not run.begin_look()
    assert len(seen) == 1
    assert HoldCause.OPERATOR in run.state.holds
    with pytest.raises(ClaimHeld):
        journal.claim("one", "one", OTHER, LEASE)
    journal.seize("one", "one", OTHER, LEASE)
    with pytest.raises(Fenced):
        run.begin_look()


def test_a_rollout_is_taken_in_hand_in_one_transaction_and_a_cut_tail_shows(runs: dict[str, OpenRollout]) -> None:
    journal, run = journal_of(runs), runs["one"]
    run.append(Held(HoldCause.OPERATOR, "ann: wait", "ann"))
    seen = transactions(engine_for(journal.url.get_secret_value(), journal.timeout_seconds))
    assert run.again().state.may_not_be_raised == ""
    assert len(seen) == 1
    by_hand(journal, "DELETE FROM entries WHERE rollout = 'one' AND sequence = :last", last=run.state.sequence)
    assert "is gone" in run.again().state.may_not_be_raised


def test_what_was_found_long_ago_is_asked_anew(runs: dict[str, OpenRollout], monkeypatch: pytest.MonkeyPatch) -> None:
    journal, run = journal_of(runs), runs["one"]
    run.go_on_from(take_many(journal, positions(runs), INSTANCE_ID, LEASE)["one"])
    journal.seize("one", "one", OTHER, LEASE)
    monkeypatch.setattr("engine.rollout.session.monotonic", lambda: float("inf"))
    with pytest.raises(Fenced):
        run.begin_look()


def test_equal_parts_of_plans_are_one_in_memory_and_the_plans_stay_as_they_are(runs: dict[str, OpenRollout]) -> None:
    one, two = (OpenRollout(runs[flag].connections, flag) for flag in ("one", "two"))
    assert one.plan.waves is two.plan.waves
    assert one.state.plan["waves"] is two.state.plan["waves"]
    assert (one.plan.flag.key, two.plan.flag.key) == ("one", "two")
    for run in (one, two):
        assert run.plan.to_json() == dict(run.state.plan)
        assert run.plan.hash == run.state.plan_hash


def test_what_is_asked_alike_is_asked_once_and_what_failed_is_asked_by_each() -> None:
    answers, asked = SharedAnswers(), [0]
    at = datetime.now(UTC)

    def question(answer: object) -> Callable[[], object]:
        def ask() -> object:
            asked[0] += 1
            return answer

        return ask

    good = {"errors": Sample(1.0, at)}
    for _ in range(3):
        assert answers.ask(("errors", at), question(good)) is good
    assert asked == [1]
    assert answers.ask(("errors", at + LEASE), question({})) == {}, "another instant is another question"
    for reason, times in ((NoDataReason.UNREACHABLE, 3), (NoDataReason.SLOW, 3), (NoDataReason.NO_SERIES, 1)):
        asked[0] = 0
        for _ in range(3):
            answers.ask((reason, at), question({"errors": NoData(reason, at)}))
        assert asked == [times], reason

    def broken() -> object:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        answers.ask("broken", broken)
    assert answers.ask("broken", question(good)) is good
