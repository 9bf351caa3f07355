"""What a rollout's state keeps of what was measured."""

from datetime import timedelta
from typing import Any

from tests.tidegate.builders import (
    ANN,
    MINUTE,
    T0,
    approve,
    finding,
    in_wave,
    opened,
    plan_of,
    reviews,
)
from tests.tidegate.fold_journals import HOUR, gate
from tidegate.journal.bodies.evidence_bodies import CountsNoted
from tidegate.journal.fold import already_counted
from tidegate.journal.kinds import Kind
from tidegate.journal.state import FLAG_QUESTION, Phase
from tidegate.plan.selected_series import ALL_THERE, SELECTS
from tidegate.statistics.sequential import Counts
from tidegate.values.verdict import Verdict


def test_the_wave_after_the_last_is_the_post_rollout_time() -> None:
    journal = in_wave(2).extend((Kind.ORPHANED, {}))
    journal.append(Kind.SOAKED, {"wave": 2}, after=HOUR)
    state = journal.state
    assert (state.phase, state.wave, state.orphaned) == (Phase.POST_ROLLOUT, 3, 0)
    assert state.waves[2].soaked_at == T0 + HOUR
    assert state.record is not None
    assert (state.record.number, state.record.raised_at, state.record.last_review) == (3, T0 + HOUR, T0 + HOUR)


def test_a_review_counts_what_it_measured() -> None:
    lines = [
        {"name": "errors", "value": 1.0, "n": 40},
        {"name": "latency", "value": None, "n": 3},
        {"name": "memory", "value": 5.0, "n": None},
        {"name": "traffic", "value": None, "n": None},
    ]
    findings = [finding(Verdict.PASS).to_json()]
    journal = in_wave()
    journal.append(Kind.NO_DATA_STARTED)
    journal.append(Kind.NO_DATA_ENDED, after=MINUTE)
    body = {"wave": 1, "credit": 60.0, "healthy": True, "metrics": lines, "findings": findings}
    journal.append(Kind.REVIEWED, body, after=MINUTE)
    journal.append(Kind.REVIEWED, {"wave": 1, "credit": 0.0, "healthy": True}, after=MINUTE)
    journal.append(Kind.REVIEWED, body | {"credit": 1.0, "healthy": False}, after=MINUTE)
    state, record = journal.state, journal.state.record
    assert record is not None
    assert record.reviews == [(60.0, True), (1.0, False)], "what earns nothing is no part of the soak"
    assert (record.last_review, record.unseen, record.looked) == (T0 + 4 * MINUTE, timedelta(0), 2)
    assert record.reported == {"errors": 2, "latency": 2, "memory": 2}
    assert (record.recorded, record.unhealthy) == (3, 1)
    assert state.evidence.last_findings == findings


def test_what_must_hold_throughout_is_gathered_review_by_review() -> None:
    kept = {"kind": "throughout", "text": "Few errors", "metric": "errors", "below": "2%", "events": 100}
    journal = in_wave(plan=plan_of({"success": [kept]}))
    for value in (1.0, 3.0):
        body = {"wave": 1, "credit": 60.0, "healthy": True, "metrics": [{"name": "errors", "value": value, "n": 100}]}
        journal.append(Kind.REVIEWED, body, after=MINUTE)
    found = journal.state.evidence.throughout[1]
    assert (found.measured, found.waves_measured, found.worst) == (2, {1}, 3.0)
    assert (found.broken_at, found.broken_value) == (T0 + 2 * MINUTE, 3.0)


def test_preflight_leaves_what_people_are_asked_for() -> None:
    asked = {"criterion": FLAG_QUESTION, "verdict": "NOT_APPLICABLE", "sentence": "Is it read?"}
    found = [
        {"criterion": SELECTS, "verdict": "PASS", "sentence": ALL_THERE},
        {"criterion": "other", "verdict": "NOT_APPLICABLE", "sentence": "another's"},
        {"criterion": SELECTS, "verdict": "PASS", "sentence": "memory selects nothing yet"},
        asked,
    ]
    journal = opened()
    taken = {"argument": "snap-1", "at": T0.isoformat()}
    journal.append(Kind.PREFLIGHT, {"verdict": "INCONCLUSIVE", "findings": found, "snapshot": taken})
    state = journal.state
    assert (state.preflight, state.not_there_yet, state.question) == (
        Verdict.INCONCLUSIVE,
        "memory selects nothing yet",
        "Is it read?",
    )
    assert (state.asked_before(1), state.asked_before(2)) == ("Is it read?", "")
    snapshot = state.recovery.snapshot
    assert snapshot is not None
    assert (snapshot.argument, snapshot.recorded_at) == ("snap-1", T0)
    journal.append(Kind.PREFLIGHT, {"findings": [asked | {"verdict": "PASS"}, found[0]]})
    state = journal.state
    assert (state.not_there_yet, state.question, state.recovery.snapshot) == ("", "", snapshot)


def test_a_reference_that_moves_is_none() -> None:
    def measured(reference: int, value: float) -> dict[str, Any]:
        about = {"reference": reference, "variant": "control", "start": T0.isoformat(), "end": T0.isoformat()}
        return about | {"window_seconds": 300.0, "metrics": {"errors": {"value": value}}}

    journal = opened().extend((Kind.MEASURED, measured(0, 1.0)), (Kind.MEASURED, measured(0, 2.0)))
    journal.append(Kind.MEASURED, measured(1, 3.0))
    kept = journal.state.evidence.references
    assert {n: body.metrics["errors"]["value"] for n, body in kept.items()} == {0: 1.0, 1: 3.0}


def counted(wave: int, *rows: list[float], before: Any = None, later: Any = None) -> dict[str, Any]:
    body = {"wave": wave, "before": {} if before is None else {"errors": before}, "rows": {"errors": list(rows)}}
    return body if later is None else body | {"before_later": {n: {"errors": r} for n, r in later.items()}}


def test_each_count_is_taken_once_and_by_its_wave() -> None:
    first, again, second = [300.0, 1, 20, 2, 30], [300.0, 9, 90, 9, 90], [600.0, 0, 20, 0, 30]
    journal = in_wave().extend((Kind.COUNTED, counted(1, first, before=[first], later={"2": [second]})))
    before = journal.state
    for known in (counted(1, first), counted(1, again, before=[first]), counted(1, later={"2": [again]})):
        assert already_counted(before, CountsNoted(**known)), known
    for news in (counted(1, second), counted(1, first, second), counted(2, first), counted(2, first, before=[first])):
        assert not already_counted(before, CountsNoted(**news)), news
    assert not already_counted(before, CountsNoted(**counted(1, first, later={"3": [second]})))
    for other in (CountsNoted(1, {}, {"latency": [first]}), CountsNoted(1, {"latency": [first]}, {})):
        assert not already_counted(before, other), "of a series that was not counted yet"
    journal.extend((Kind.COUNTED, counted(1, again, second, before=[again])), (Kind.COUNTED, counted(2, again)))
    evidence = journal.state.evidence
    assert evidence.counts == {
        "errors": {1: {300.0: Counts(*first), 600.0: Counts(*second)}, 2: {300.0: Counts(*again)}}
    }
    assert evidence.counts_before == {"errors": {1: {300.0: Counts(*first)}, 2: {600.0: Counts(*second)}}}


def test_a_new_build_takes_the_votes_of_what_is_not_approved_yet_and_the_soak_where_it_is_asked_for() -> None:
    journal = in_wave()
    reviews(journal, 1, [True], 15 * MINUTE)
    journal.append(Kind.SOAKED, {"wave": 1})
    journal.append(Kind.GATE_OPENED, gate(2))
    journal.append(Kind.GATE_DECIDED, gate(2, outcome="counted"))
    journal.append(Kind.BUILD_SEEN, {"before": []}, after=MINUTE)
    assert journal.state.votes.approvals[2] == [ANN], "the first that was seen is no new one"
    journal.append(Kind.BUILD_SEEN, after=MINUTE)
    state = journal.state
    assert (state.versions, set(state.votes.approvals)) == (("1.1",), {1})
    assert state.record is not None
    assert (len(state.record.reviews), state.record.soaked_at) == (1, T0 + 15 * MINUTE)
    journal.append(Kind.NO_DATA_STARTED)
    journal.append(Kind.NO_DATA_ENDED, after=MINUTE)
    journal.append(Kind.BUILD_SEEN, {"soak_anew": True}, after=MINUTE)
    record = journal.state.record
    assert record is not None
    assert (record.reviews, record.soaked_at) == ([], None)
    assert (record.last_review, record.unseen) == (journal.now, timedelta(0))


def test_what_is_approved_is_the_holds_to_stop_and_no_new_builds() -> None:
    journal = in_wave().extend((Kind.SOAKED, {"wave": 1}))
    approve(journal, 2)
    journal.append(Kind.BUILD_SEEN)
    assert set(journal.state.votes.approvals) == {1, 2}


def test_what_else_is_known_is_the_newest_of_each() -> None:
    tested = {"criterion": "first.9", "verdict": "PASS", "sentence": "It came.", "arrived": 2, "wanted": 3}
    drilled = {"flag": "f", "by": ANN, "ordered_at": T0.isoformat(), "zero_at": None, "proven": False}
    drilled |= {"proven_at": None, "seconds": None, "requests": 4, "sentence": "no"}
    account = {"wave": 1, "start": T0.isoformat(), "end": T0.isoformat(), "figures": {"a": 1.0}, "reasons": {}}
    upkept = {"item": 2, "work": "w", "by": ANN, "note": "", "file": "", "verdict": "PASS", "sentence": "done"}
    report = {"report": "close-out", "form": 1, "sha256": "a", "sequence": 3}
    journal = in_wave().extend(
        (Kind.TESTED, tested | {"verdict": "FAIL"}), (Kind.ACCOUNTED, account | {"figures": {}}), (Kind.UPKEPT, upkept)
    )
    journal.append(Kind.TESTED, tested, after=MINUTE)
    journal.extend((Kind.ACCOUNTED, account), (Kind.UPKEPT, upkept), (Kind.DRILLED, drilled))
    journal.extend((Kind.REPORTED, report), (Kind.REPORTED, report | {"sha256": "b"}))
    state = journal.state
    test = state.evidence.tested["first.9"]
    assert (test.at, test.verdict, test.sentence, test.arrived, test.wanted) == (
        T0 + MINUTE,
        Verdict.PASS,
        "It came.",
        2,
        3,
    )
    assert state.evidence.accounts[1].figures == {"a": 1.0}
    assert (state.upkept[2].at, state.upkept[2].done.sentence) == (T0 + MINUTE, "done")
    assert state.recovery.drilled is not None
    assert state.recovery.drilled.requests == 4
    assert state.reports["close-out"].sha256 == "b"
