"""Why a decision was taken, judged again from a real journal: it must come out as it was recorded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from blocks.journal.block import Journal
from tests.conftest import PrometheusServer
from tests.engine.test_inference import BREAKER, GO, LABELLED, a_day_before, with_criteria, with_errors
from tests.engine.world import World
from tidegate.criteria.base import LOG_EVIDENCE
from tidegate.explain.chart import chart_lines
from tidegate.explain.curves import odds_words
from tidegate.explain.decision import Explained, Explanation, explain_entry
from tidegate.explain.picture import explanation_picture
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.statistics.sequential import bound

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
