"""Why a decision was taken, judged again from a real journal: it must come out as it was recorded."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.journal.block import Journal
from engine.rollback.rollback import roll_back
from tests.conftest import PrometheusServer
from tests.engine.test_inference import BREAKER, GO, LABELLED, a_day_before, with_criteria, with_errors
from tests.engine.world import World, healthy
from tidegate.criteria.base import LOG_EVIDENCE
from tidegate.criteria.judged_answers import MOST_BYTES
from tidegate.explain.chart import chart_lines
from tidegate.explain.curves import odds_words
from tidegate.explain.decision import Explained, Explanation, explain_entry
from tidegate.explain.picture import explanation_picture
from tidegate.journal.bodies.exposure_bodies import RolledBackToZero
from tidegate.journal.entries import Entry, canonical
from tidegate.journal.kinds import Kind
from tidegate.statistics.sequential import bound
from tidegate.values.exposure import ZERO

MINUTE = timedelta(minutes=1)
SLOW = {"kind": "threshold", "when": "trigger", "metric": "latency", "above": "900ms", "for": "15m", "text": "Slow"}


@pytest.fixture(scope="module")
def rolled_back(tmp_path_factory: pytest.TempPathFactory, prometheus_server: PrometheusServer) -> World:
    """A release with 1.3 times the errors, looked at each minute until it is rolled back."""
    plan = with_criteria({**LABELLED, "dry_run": False}, {**GO, "dry_run": False}, BREAKER, SLOW)
    world = World(tmp_path_factory.mktemp("explain"), prometheus_server, plan)
    a_day_before(world)
    world.pass_time(180 * MINUTE, with_errors(0.0065), guard=MINUTE)
    assert world.run.state.rollback is not None
    return world


def entries_of(world: World) -> list[Entry]:
    journal: Journal = world.via.journal
    return journal.entries(world.run.rollout)


def explained(world: World, number: int | None = None) -> Explanation:
    return explain_entry(entries_of(world), world.plan, world.run.timing, number)


def of(found: Explanation, text: str) -> Explained:
    return next(one for one in found.criteria if one.text == text)


def test_every_review_judged_again_says_what_was_recorded(rolled_back: World) -> None:
    reviews = [e.sequence for e in entries_of(rolled_back) if e.kind is Kind.REVIEWED]
    assert len(reviews) >= 2
    for number in reviews:
        found = explained(rolled_back, number)
        assert {one.text: one.agrees for one in found.criteria if one.agrees is not None} == dict.fromkeys(
            ("Few errors", "Worse", "Safe", "Broken", "Slow"), True
        ), number
        assert of(found, "Worse").odds


def test_the_rollback_is_explained_from_the_counts_behind_it(rolled_back: World) -> None:
    found = explained(rolled_back)
    assert found.words.startswith("Worse: On the new path 1.")
    [worse] = found.criteria
    assert worse.agrees is True
    assert worse.curve.unit == LOG_EVIDENCE
    assert worse.curve.bound == bound(0.01)
    *before, last = (value for _, value in worse.curve.points)
    # Rolled back at the first tick that reached the bound, and at no later one.
    assert last >= bound(0.01) > max(before)
    assert worse.odds.startswith("a healthy release ever shows as much in at most 1 of ")
    assert "Fewer than 1 of 100" in worse.sentence


def test_a_record_that_says_otherwise_is_told(rolled_back: World) -> None:
    entries = entries_of(rolled_back)
    review = next(e for e in entries if e.kind is Kind.REVIEWED)
    changed = [{**f, "observed": (f["observed"] or 0) + 0.1} for f in review.json["findings"]]
    entries[review.sequence - 1] = replace(review, json={**review.json, "findings": changed})
    found = explain_entry(entries, rolled_back.plan, rolled_back.run.timing, review.sequence)
    assert found.agrees is False
    assert of(found, "Worse").agrees is False


FAILING = {"kind": "threshold", "when": "trigger", "metric": "errors", "above": "10%", "text": "Many errors"}


@pytest.fixture(scope="module")
def beyond_a_bound(tmp_path_factory: pytest.TempPathFactory, prometheus_server: PrometheusServer) -> World:
    """A release of whose requests a quarter fails, looked at by the guards between two reviews."""
    world = World(tmp_path_factory.mktemp("threshold"), prometheus_server, with_criteria(FAILING, SLOW))
    world.pass_time(5 * MINUTE, healthy)
    world.pass_time(30 * MINUTE, with_errors(0.25))
    assert world.run.state.rollback is not None
    return world


def the_order(world: World) -> Entry:
    return next(e for e in entries_of(world) if e.kind is Kind.ROLLING_BACK)


def test_a_threshold_that_rolled_back_is_judged_again_from_what_its_order_keeps(beyond_a_bound: World) -> None:
    order = the_order(beyond_a_bound)
    assert isinstance(order.body, RolledBackToZero)
    kept = order.body.judged
    assert kept is not None
    assert set(kept["answers"]) == {"errors_part", "errors_whole"}  # of this trigger, and of no other
    assert len(canonical(kept)) < MOST_BYTES
    found = explained(beyond_a_bound)
    [many] = found.criteria
    assert (many.text, many.verdict, many.agrees, found.agrees) == ("Many errors", "FAIL", True, True)
    assert many.again is not None
    assert many.sentence.startswith(many.again)
    assert f"from {kept['answers']['errors_whole']:.0f} requests" in many.again


def with_judged(world: World, judged: object) -> Explanation:
    entries, order = entries_of(world), the_order(world)
    entries[order.sequence - 1] = replace(order, json={**order.json, "judged": judged})
    return explain_entry(entries, world.plan, world.run.timing)


def test_an_order_whose_answers_say_otherwise_is_told(beyond_a_bound: World) -> None:
    kept = the_order(beyond_a_bound).json["judged"]
    fewer = {**kept["answers"], "errors_part": 1.0}
    [many] = with_judged(beyond_a_bound, {**kept, "answers": fewer}).criteria
    assert many.agrees is False
    assert many.again is not None
    assert many.again.startswith("Error rate is 0.")


@pytest.mark.parametrize("judged", [None, {}, {"answers": {"errors_part": {}}, "observed": 1.0}])
def test_an_order_without_answers_that_this_release_reads_stands_as_recorded(
    beyond_a_bound: World, judged: object
) -> None:
    [many] = with_judged(beyond_a_bound, judged).criteria
    assert (many.agrees, many.verdict) == (None, "FAIL")


@pytest.mark.parametrize("gives", ["nothing", "something that cannot be stored", "a defect"])
def test_zero_comes_before_what_it_was_judged_by_and_never_fails_for_it(
    tmp_path: Path, prometheus_server: PrometheusServer, gives: str
) -> None:
    world = World(tmp_path, prometheus_server, with_criteria(FAILING))
    asked_at: list[bool] = []

    def judged() -> dict[str, Any] | None:
        asked_at.append(world.via.flags.read(world.run.flag).exposure == ZERO)
        if gives == "a defect":
            raise RuntimeError("a defect")
        return None if gives == "nothing" else {"observed": object()}

    roll_back(world.run, reason="Many errors: 25%", criterion="first.4", by="tidegate", judged=judged)
    assert asked_at == [True]
    order = the_order(world).body
    assert isinstance(order, RolledBackToZero)
    assert (order.reason, order.judged) == ("Many errors: 25%", None)
    assert order.zero_at is not None


def test_only_what_decided_is_explained(rolled_back: World) -> None:
    with pytest.raises(ValueError, match="entry 1 is opened, allowed are entries of reviewed"):
        explained(rolled_back, 1)
    with pytest.raises(ValueError, match="ENTRY: found 999, allowed is an entry from 1 to"):
        explained(rolled_back, 999)
    opening = entries_of(rolled_back)[:1]
    with pytest.raises(ValueError, match="nothing has been decided yet"):
        explain_entry(opening, rolled_back.plan, rolled_back.run.timing)


def test_curves_are_drawn_with_their_bounds(rolled_back: World) -> None:
    found = explained(rolled_back)
    drawn = explanation_picture(found)
    assert drawn.startswith("<svg ")
    assert 'class="bound"' in drawn
    assert "bound 4.61" in drawn
    lines = list(chart_lines(found.criteria[0].curve))
    assert "bound 4.61" in "".join(lines)
    assert sum(line.count("•") + line.count("◉") for line in lines) > 10


def test_odds_are_said_in_plain_numbers() -> None:
    assert odds_words(0.1) == "a healthy release shows as much often"
    assert odds_words(bound(0.01)) == "a healthy release ever shows as much in at most 1 of 100"
