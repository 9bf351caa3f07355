"""What goes on after a rollout: tasks are asked for until done, and the threshold review counts rightly."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.tidegate.builders import ANN, BOB, PLAN, TIMING, Journal, in_post_rollout, in_wave, plan_of
from tidegate.journal.kinds import Kind
from tidegate.notices.upkeep_due import due_tasks, open_tasks, tasks_json
from tidegate.plan.fields.upkeep import UpkeepItem, Work
from tidegate.plan.pace import DAY, Pace, Timing
from tidegate.reports.thresholds import threshold_finding, threshold_review, thresholds_markdown
from tidegate.values.verdict import Verdict

LESSONS = {"text": "Document lessons learned", "role": "lead", "due": "7d"}
TUNE = {"text": "Optimize hot paths", "role": "commander", "begins": "7d", "due": "28d"}
WEEKLY = {"text": "Weekly alert threshold review", "role": "lead", "work": "thresholds"}
KEPT = plan_of({"upkeep": [LESSONS, TUNE, WEEKLY]})


def asked(journal: Journal, after: timedelta, timing: Timing = TIMING) -> list[str]:
    return [n.event for n in due_tasks(journal.plan, journal.state, timing, journal.now + after)]


def done(journal: Journal, number: int) -> Journal:
    body = {"item": number, "work": "people", "by": ANN, "note": "in the wiki", "verdict": "PASS", "sentence": "Done."}
    return journal.extend((Kind.UPKEPT, {**body, "file": ""}))


@pytest.mark.parametrize(
    ("days", "events"),
    [
        (0, ["upkeep-1"]),
        (6.9, ["upkeep-1"]),
        (7.5, ["upkeep-1-late-1", "upkeep-2"]),
        (9.5, ["upkeep-1-late-3", "upkeep-2"]),
        (29, ["upkeep-1-late-23", "upkeep-2-late-2"]),
    ],
)
def test_a_task_is_asked_for_when_its_time_has_come_and_daily_when_it_is_late(days: float, events: list[str]) -> None:
    assert asked(in_post_rollout(KEPT), days * DAY) == events


def test_it_is_asked_for_once_and_never_again_when_it_is_done() -> None:
    journal = in_post_rollout(KEPT)
    [notice] = due_tasks(KEPT, journal.state, TIMING, journal.now)
    assert notice.to == (ANN, BOB)
    assert "tidegate upkeep small-1 --done 1 --as EMAIL" in notice.body
    journal.append(Kind.QUEUED, {"notice": notice.to_json()})
    assert asked(journal, timedelta(0)) == []
    assert asked(done(journal, 1), 29 * DAY) == ["upkeep-2-late-2"]
    first, second, third = tasks_json(KEPT, journal.state, TIMING, journal.now + 29 * DAY)
    assert (first["open"], "in the wiki" in first["words"] or ANN in first["words"]) == (False, True)
    assert (second["open"], second["late"]) == (True, True)
    assert (third["open"], third["words"]) == (False, "on its schedule")


def test_nobody_is_asked_before_the_last_wave_has_soaked_or_after_the_way_back() -> None:
    assert asked(in_wave(2, plan_of({"upkeep": [LESSONS]})), 30 * DAY) == []
    assert asked(in_post_rollout(KEPT).extend((Kind.ROLLING_BACK, {}), (Kind.PROVEN, {})), 30 * DAY) == []
    assert len(open_tasks(KEPT, in_post_rollout(KEPT).extend((Kind.FINISHED, {})).state, TIMING)) == 2


def test_a_rehearsals_week_is_short() -> None:
    journal = in_post_rollout(KEPT)
    timing = Timing(KEPT, Pace.of(journal.entries[0].at, timedelta(minutes=1)))
    assert asked(journal, timedelta(minutes=8), timing) == ["upkeep-1-late-2", "upkeep-2"]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"text": "x", "role": "lead"}, "missing, allowed is a duration with work: people"),
        ({**WEEKLY, "due": "7d"}, "found with work: thresholds"),
        ({**LESSONS, "begins": "7d"}, "allowed is longer than 7d"),
    ],
)
def test_what_contradicts_itself_is_refused(item: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words.replace("(", r"\(")):
        UpkeepItem.model_validate(item)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({**LESSONS, "role": "leed"}, "did you mean 'lead'"),
        ({"text": "x", "role": "lead", "work": "costs"}, "allowed in a plan with costs:"),
        ({"text": "x", "role": "lead", "work": "drill"}, "rollback.drill"),
    ],
)
def test_what_the_plan_cannot_do_is_refused(item: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        plan_of({"upkeep": [item]})


def test_the_review_counts_how_often_each_bound_would_have_fired() -> None:
    """Errors warn above 5 % and page above 10 %: 7 of 200 points are beyond the first, none beyond the second."""
    values = [1.0] * 193 + [6.0] * 7
    review = threshold_review(PLAN, {"errors": values, "latency": [90.0] * 200}, {})
    errors, latency, memory = review["metrics"]
    warning, critical = errors["bounds"]
    assert (errors["points"], warning["fired"], critical["fired"]) == (200, 7, 0)
    assert (warning["why"], warning["proposed"], warning["would_fire"]) == ("fires too often", 7.5, 0)
    assert (critical["why"], critical["proposed"]) == ("keep", None)
    [far] = latency["bounds"]
    assert (far["now"], far["proposed"], far["why"]) == (600.0, 400.0, "so far away that it sees little")
    assert (memory["points"], memory["bounds"]) == (0, [])
    text = thresholds_markdown(PLAN, review, "Monday to Sunday")
    assert "| Error rate | 200 | 1% | 1% | 6% | warning | 5% | 7 | 7.50% | 0 | fires too often |" in text
    assert threshold_finding(review).sentence == "Look at Error rate (warning), Latency (warning)."


def proposed(values: list[float], **bounds: dict[str, str]) -> dict[str, float | None]:
    """By level, for the metric of errors with these bounds instead of its own."""
    plan = plan_of({f"metrics.errors.{level}": bound for level, bound in bounds.items()})
    [errors, *_] = threshold_review(plan, {"errors": values}, {})["metrics"]
    return {bound["level"]: bound["proposed"] for bound in errors["bounds"]}


def test_a_quiet_week_never_draws_the_critical_bound_nearer() -> None:
    assert proposed([0.5, 1.0, 1.5] * 70) == {"warning": None, "critical": None}
    assert proposed([0.05] * 200) == {"warning": 2.0, "critical": None}, "the target is below 2 %"


def test_a_share_that_should_be_high_is_measured_from_all() -> None:
    high = {"target": {"above": "98%"}, "warning": {"below": "95%"}, "critical": {"below": "90%"}}
    assert proposed([94.0] * 5 + [99.0] * 195, **high) == {"warning": 92.5, "critical": None}
    assert proposed([91.0] * 5 + [99.0] * 195, **high) == {"warning": 90.0, "critical": None}, "not beyond the critical"
    assert proposed([50.0] * 5 + [99.0] * 195, **high) == {"warning": 37.0, "critical": 37.0}


def test_a_warning_goes_no_further_than_the_critical_bound() -> None:
    assert proposed([1.0] * 195 + [9.0] * 5) == {"warning": 10.0, "critical": None}
    assert proposed([1.0] * 195 + [20.0] * 5) == {"warning": 25.0, "critical": 25.0}
    near = plan_of({"metrics.errors.warning": {"above": "2%"}})
    [errors, *_] = threshold_review(near, {"errors": [0.05] * 200}, {})["metrics"]
    assert (errors["bounds"][0]["proposed"], "no further than the target" in errors["bounds"][0]["why"]) == (None, True)
    one = plan_of({"metrics.errors.warning": {"above": "8%"}, "metrics.errors.critical": {"above": "8%"}})
    review = threshold_review(one, {"errors": [1.0] * 195 + [9.0] * 5}, {})
    assert [b["proposed"] for b in review["metrics"][0]["bounds"]] == [12.0, 12.0]


@given(
    st.lists(st.floats(0, 100), min_size=50, max_size=80),
    st.lists(st.integers(0, 100), min_size=3, max_size=3).map(sorted),
    st.booleans(),
)
def test_whatever_was_seen_the_order_of_the_bounds_holds(values: list[float], at: list[int], above: bool) -> None:
    sides = ("below", "above", "above") if above else ("above", "below", "below")
    levels = dict(zip(("target", "warning", "critical"), at if above else reversed(at), strict=True))
    bounds = {level: {side: f"{levels[level]}%"} for side, level in zip(sides, levels, strict=True)}
    found = proposed(values, **bounds)
    new = [levels["target"], *(levels[x] if (v := found[x]) is None else v for x in ("warning", "critical"))]
    assert new == sorted(new, reverse=not above), found
    moved = found["critical"]
    assert moved is None or (moved >= levels["critical"] if above else moved <= levels["critical"])


def test_where_nothing_was_measured_the_review_is_no_pass() -> None:
    assert threshold_finding(threshold_review(PLAN, {}, {})).verdict is Verdict.INCONCLUSIVE
    fine = {"errors": [4.0] * 60, "latency": [500.0] * 60, "memory": [1.0] * 60}
    assert threshold_finding(threshold_review(PLAN, fine, {})).verdict is Verdict.PASS
    assert threshold_finding(threshold_review(PLAN, {**fine, "memory": []}, {})).verdict is Verdict.INCONCLUSIVE


def test_every_kind_of_work_has_a_word_for_its_schedule() -> None:
    assert [work.value for work in Work] == ["people", "thresholds", "costs", "security", "drill"]
