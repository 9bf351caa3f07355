"""What a page shows about a rollout: one word that is never too good, and numbers that the journal has."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    PLAN,
    TIMING,
    Journal,
    approve,
    in_post_rollout,
    in_wave,
    opened,
    plan_of,
)
from tidegate.criteria.metrics.metric_levels import Level
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Limit, Metric
from tidegate.plan.pace import Timing
from tidegate.rollout.decision import STOPS_SOAK
from tidegate.values.verdict import Verdict
from tidegate.views.course import MOST_POINTS, Course, Point, follow_course
from tidegate.views.health import Tone, unless_nobody_carries
from tidegate.views.metrics import metric_view
from tidegate.views.view import RolloutView, rollout_view


def view(journal: Journal, after: timedelta = timedelta(0)) -> RolloutView:
    """The page `after` the newest entry."""
    return rollout_view(journal.plan, journal.state, TIMING, journal.now + after, follow_course(journal.entries))


def line(name: str, value: float | None, level: str = "on target") -> dict[str, Any]:
    return {"name": name, "title": name, "level": level, "value": value, "n": 100.0}


def review(journal: Journal, *lines: dict[str, Any], **more: Any) -> Journal:
    """One more healthy review after the wave's interval, unless `more` says otherwise."""
    body = {"wave": journal.state.wave, "credit": 900.0, "healthy": True, "metrics": list(lines), **more}
    journal.append(Kind.REVIEWED, body, after=15 * MINUTE)
    return journal


def finding(verdict: str, criterion: str = "first.2", sentence: str = "Seen.") -> dict[str, Any]:
    return {"criterion": criterion, "text": "Few errors", "verdict": verdict, "sentence": sentence}


def hold(cause: str) -> Callable[[], Journal]:
    return lambda: review(in_wave()).extend((Kind.HELD, {"cause": cause, "reason": "look", "by": ANN}))


def asked(wave: int = 1) -> Journal:
    journal = opened() if wave == 1 else review(in_wave()).extend((Kind.SOAKED, {"wave": 1}))
    return journal.extend((Kind.GATE_OPENED, {"wave": wave, "attempt": 1}))


def rolled_back(**proof: Any) -> Journal:
    journal = review(in_wave()).extend((Kind.ROLLING_BACK, {}))
    return journal.extend((Kind.PROVEN, proof)) if proof else journal


STATUSES: list[tuple[str, Callable[[], Journal], timedelta, str, Tone]] = [
    ("opened", opened, timedelta(0), "PREPARING", Tone.IDLE),
    ("asked", asked, timedelta(0), "DECISION NEEDED", Tone.WARN),
    ("asked for days", asked, timedelta(days=3), "DECISION NEEDED", Tone.WARN),
    ("raised", in_wave, timedelta(0), "NOT REVIEWED YET", Tone.IDLE),
    ("raised and forgotten", in_wave, timedelta(hours=1), "SILENT", Tone.BAD),
    ("reviewed", lambda: review(in_wave()), timedelta(0), "HEALTHY", Tone.GOOD),
    ("reviewed long ago", lambda: review(in_wave()), timedelta(minutes=31), "SILENT", Tone.BAD),
    ("a late review is no silence yet", lambda: review(in_wave()), timedelta(minutes=29), "HEALTHY", Tone.GOOD),
    ("nobody looks behind a gate", lambda: asked(2), timedelta(hours=1), "SILENT", Tone.BAD),
    (
        "failed",
        lambda: review(in_wave(), verdict="FAIL", healthy=False, findings=[finding("FAIL")]),
        timedelta(0),
        "UNHEALTHY",
        Tone.BAD,
    ),
    ("error", lambda: review(in_wave(), verdict="ERROR", healthy=False), timedelta(0), "UNHEALTHY", Tone.BAD),
    ("unsure", lambda: review(in_wave(), verdict="INCONCLUSIVE", healthy=False), timedelta(0), "UNSURE", Tone.WARN),
    ("warned", lambda: review(in_wave(), line("errors", 6.0, "warning")), timedelta(0), "WARNING", Tone.WARN),
    ("critical", lambda: review(in_wave(), line("errors", 11.0, "critical")), timedelta(0), "WARNING", Tone.WARN),
    ("fired, and legacy cannot take them", hold("legacy"), timedelta(0), "NOT ROLLED BACK", Tone.BAD),
    *(
        (f"held: {cause}", hold(cause.value), timedelta(0), "HELD", Tone.WARN)
        for cause in sorted(STOPS_SOAK - {HoldCause.LEGACY, HoldCause.EASING})
    ),
    (
        "on its way to zero",
        lambda: review(in_wave()).extend((Kind.EASING, {"wave": 1})),
        timedelta(0),
        "ROLLING BACK",
        Tone.BAD,
    ),
    ("no data", lambda: review(in_wave()).extend((Kind.NO_DATA_STARTED, {})), timedelta(0), "NO DATA", Tone.WARN),
    ("afterwards", in_post_rollout, timedelta(0), "NOT REVIEWED YET", Tone.IDLE),
    ("rolling back", rolled_back, timedelta(0), "ROLLING BACK", Tone.BAD),
    (
        "flag not written",
        lambda: review(in_wave()).extend((Kind.ROLLING_BACK, {"zero_at": None, "problem": "no"})),
        timedelta(0),
        "ROLLBACK NOT WRITTEN",
        Tone.BAD,
    ),
    (
        "not proven",
        lambda: rolled_back(proven=False, proven_at=None, sentence="Not proven."),
        timedelta(0),
        "ROLLBACK NOT PROVEN",
        Tone.BAD,
    ),
    ("rolled back", lambda: rolled_back(proven=True), timedelta(days=1), "ROLLED BACK", Tone.BAD),
    ("finished", lambda: in_post_rollout().extend((Kind.FINISHED, {})), timedelta(days=1), "FINISHED", Tone.GOOD),
    ("closed", lambda: opened().extend((Kind.CLOSED, {})), timedelta(days=1), "CLOSED", Tone.IDLE),
]


@pytest.mark.parametrize(("name", "journal", "after", "word", "tone"), STATUSES, ids=[row[0] for row in STATUSES])
def test_one_word_for_how_it_stands(
    name: str, journal: Callable[[], Journal], after: timedelta, word: str, tone: Tone
) -> None:
    status = view(journal(), after).status
    assert (status.word, status.tone) == (word, tone)
    assert status.symbol
    assert str(status) == f"{status.symbol} {status.word}"


def test_a_review_of_the_wave_before_says_nothing_of_this_one() -> None:
    journal = review(in_wave()).extend((Kind.SOAKED, {"wave": 1}))
    approve(journal, 2, ANN, BOB)
    exposure = PLAN.exposure_at(2).to_json()
    journal.extend((Kind.RAISING, {"wave": 2, "exposure": exposure}), (Kind.RAISED, {"wave": 2, "exposure": exposure}))
    assert view(journal).status.word == "NOT REVIEWED YET"


def test_all_of_an_audience_is_not_told_as_all() -> None:
    plan = plan_of({"waves.0.percent": "100%"})
    assert not plan.exposure_at(1).is_everybody
    journal = in_wave(plan=plan)
    seen = rollout_view(plan, journal.state, Timing(plan, TIMING.pace), journal.now, follow_course(journal.entries))
    assert seen.wave_words == f"1 of 2 (100% of {plan.waves[0].audience})"


def test_the_box_of_the_reference_plan() -> None:
    journal = review(review(in_wave(), line("errors", 1.8)), line("errors", 1.3))
    seen = view(journal)
    assert (seen.wave_words, seen.day, seen.percent) == ("1 of 2 (10%)", 1, 10.0)
    assert seen.soak == "30m of 1h"
    assert seen.soak_percent == pytest.approx(50)
    [errors, latency, memory] = seen.metrics
    assert (errors.shown, errors.change, errors.arrow, errors.better) == ("1.30%", "-0.50%", "↓", True)
    assert [(b.name, b.words) for b in errors.bounds] == [
        ("target", "< 2%"),
        ("warning", "> 5%"),
        ("critical", "> 10%"),
    ]
    assert (latency.shown, latency.level) == ("not measured yet", Level.NO_DATA)
    assert [b.words for b in memory.bounds] == ["", "", ""]
    assert (seen.incidents, seen.alerts, seen.last_issue) == (0, 0, None)
    assert (seen.exposure, seen.exposure_planned, seen.as_planned) == ("10% of staff", "10% of staff", True)


@pytest.mark.parametrize(
    ("before", "now", "change", "better"),
    [
        (2.0, 1.5, "-0.50%", True),
        (1.5, 2.0, "+0.50%", False),
        (1.5, 1.5, "±0%", None),
        (1.5, 1.5001, "±0%", None),
        (None, 1.5, "", None),
        (1.5, None, "", None),
    ],
)
def test_the_change_against_the_review_before(
    before: float | None, now: float | None, change: str, better: bool | None
) -> None:
    points = [Point(TIMING.pace.anchor, value, "on target") for value in (before, now)]
    row = metric_view("errors", PLAN.metrics["errors"], points)
    assert (row.change, row.better) == (change, better)


def test_where_more_is_better_less_is_worse() -> None:
    metric = PLAN.metrics["errors"].model_copy(update={"target": Limit(above="98%"), "warning": None, "critical": None})
    points = [Point(TIMING.pace.anchor, value, "on target") for value in (99.0, 98.5)]
    assert metric_view("success", metric, points).better is False
    silent = Metric(title="M", unit="MB", query="sum(x{ {{ path }} })")  # type: ignore[arg-type]
    assert metric_view("memory", silent, points).better is None


def test_incidents_are_critical_and_alerts_are_warnings() -> None:
    journal = review(in_wave(), line("errors", 11.0, "critical"), line("latency", 700.0, "warning"))
    seen = view(journal)
    assert (seen.incidents, seen.alerts) == (1, 1)


def test_what_no_review_could_see_is_unknown_and_not_none() -> None:
    seen = view(in_wave())
    assert (seen.incidents, seen.alerts) == (None, None)
    assert (seen.incidents_words, seen.alerts_words) == ("unknown (no review yet)", "unknown (no review yet)")
    no_data = review(
        review(in_wave(), line("errors", 11.0, "critical")), line("errors", None, "no data"), verdict="ERROR"
    )
    seen = view(no_data)
    assert (seen.incidents, seen.incidents_words) == (None, "unknown (the newest review had no data)")
    assert (seen.alerts, seen.to_json()["alerts"]) == (None, None)


def test_alerts_that_could_not_be_asked_for_are_unknown_while_the_metrics_are_seen() -> None:
    journal = in_wave(2)
    found = [finding("ERROR", "second.3")]
    for level, incidents in (("on target", None), ("critical", 1)):
        review(journal, line("errors", 1.0, level), verdict="ERROR", healthy=False, findings=found)
        seen = view(journal)
        assert (seen.incidents, seen.alerts) == (incidents, 0)


def test_a_firing_alert_is_an_incident_once_however_many_criteria_ask_for_it() -> None:
    journal = in_wave(2)
    found = [finding("FAIL", "second.3"), finding("FAIL", "second.4"), finding("FAIL", "second.5")]
    journal.append(
        Kind.REVIEWED,
        {"wave": 2, "credit": 0.0, "healthy": False, "verdict": "FAIL", "findings": found},
        after=MINUTE,
    )
    assert view(journal).incidents == 1


def test_the_gate_shows_who_may_and_what_is_to_be_stated() -> None:
    gate = view(asked(), timedelta(minutes=90)).gate
    assert gate is not None
    assert (gate.wave, gate.attempt, gate.waiting, gate.quorum) == (1, 1, "1h30m", 1)
    assert ANN in gate.approvers
    assert [s.key for s in gate.statements] == ["first.1", "checklist.1", "checklist.2"]
    assert not gate.answered
    assert view(in_wave()).gate is None


def test_a_gate_that_asks_anew_behind_a_go_says_what_that_go_lacks() -> None:
    journal = asked()
    ruling = {"wave": 1, "attempt": 1, "outcome": "counted", "reason": "", "by": ANN, "stated": ["first.1"]}
    journal.extend(
        (Kind.GATE_DECIDED, {**ruling, "extension_seconds": 0}), (Kind.GATE_OPENED, {"wave": 1, "attempt": 2})
    )
    gate = view(journal).gate
    assert gate is not None
    assert gate.said_go == (ANN,)
    assert gate.missing.startswith("2 statements missing (")


def test_which_buttons_have_something_to_do() -> None:
    def on(journal: Journal) -> tuple[bool, bool, bool, bool]:
        allowed = view(journal).allowed
        return allowed.resume, allowed.hold, allowed.rollback, allowed.decide

    assert on(review(in_wave())) == (False, True, True, False)
    assert on(hold("operator")()) == (True, False, True, False)
    assert on(hold("drift")()) == (True, True, True, False)
    assert on(asked()) == (False, True, True, True)
    assert on(rolled_back()) == (False, False, True, False)
    assert on(rolled_back(proven=True)) == (False, False, False, False)
    assert on(in_post_rollout().extend((Kind.FINISHED, {}))) == (False, False, True, False)
    assert on(opened().extend((Kind.CLOSED, {}))) == (False, False, False, False)


def test_after_a_rollback_the_plan_is_nobody() -> None:
    seen = view(rolled_back(proven=True))
    assert (seen.exposure, seen.exposure_planned, seen.as_planned) == ("0% (nobody)", "0% (nobody)", True)
    assert "Too many errors" in seen.rollback_words


def test_a_flag_that_somebody_else_changed_is_not_as_planned_until_people_say_so() -> None:
    drifted = hold("drift")()
    seen = view(drifted)
    assert (seen.exposure, seen.exposure_planned, seen.as_planned) == ("10% of staff", "10% of staff", False)
    assert seen.exposure_word == "by the journal; the flag was changed by somebody else"
    again = view(drifted.extend((Kind.RESUMED, {"cause": "drift"})))
    assert (again.as_planned, again.exposure_word) == (True, "as planned")


def test_the_timeline_is_newest_first_and_carries_its_evidence() -> None:
    bad = finding("FAIL", sentence="7% of 100 requests.")
    journal = review(in_wave(), verdict="FAIL", healthy=False, findings=[bad, finding("PASS", "first.3")])
    seen = view(journal.extend((Kind.ROLLING_BACK, {})))
    assert seen.timeline[0].kind is Kind.ROLLING_BACK
    assert [f["sentence"] for f in seen.timeline[0].evidence] == ["7% of 100 requests."]
    assert [event.sequence for event in seen.timeline] == sorted((e.sequence for e in seen.timeline), reverse=True)
    assert seen.last_issue == seen.timeline[0]
    assert seen.issues == 2


def test_notices_say_which_channels_have_had_them() -> None:
    notices = [
        {"event": "a/b", "title": "First", "loudness": "info"},
        {"event": "c", "title": "Second", "loudness": "page"},
    ]
    journal = in_wave().extend(
        *((Kind.QUEUED, {"notice": n}) for n in notices),
        (Kind.SENT, {"event": "a/b", "channel": "slack", "reference": "1"}),
    )
    assert [(n.title, n.sent) for n in view(journal).notices] == [("Second", ()), ("First", ("slack",))]


def test_the_split_of_traffic_needs_both_paths() -> None:
    both = review(in_wave(), raw={"traffic_canary": 10.0, "traffic_control": 90.0})
    assert view(both).traffic.startswith("10.0%")
    one = review(in_wave(), raw={"traffic_canary": 10.0, "traffic_control": "no_series"})
    assert view(one).traffic == ""


def test_following_in_pieces_is_following_at_once() -> None:
    journal = review(review(in_wave(), line("errors", 1.8)), line("errors", 1.3)).extend((Kind.HELD, {}))
    course = Course()
    for entry in journal.entries:
        follow_course([entry], course)
    follow_course(journal.entries, course)
    assert course == follow_course(journal.entries)


def test_a_long_course_stays_small_and_keeps_its_breaches() -> None:
    journal = in_wave()
    for number in range(MOST_POINTS * 3):
        level, value = ("critical", 12.0) if number == 7 else ("on target", 1.0)
        review(journal, line("errors", value, level))
    course = follow_course(journal.entries)
    assert len(course.points["errors"]) <= MOST_POINTS
    assert any(point.level == "critical" for point in course.points["errors"])
    assert course.points["errors"][-1].at == journal.now


def test_as_plain_data() -> None:
    body = view(review(in_wave(), line("errors", 1.0))).to_json()
    assert body["status"]["word"] == "HEALTHY"
    assert body["metrics"][0]["points"][0]["value"] == 1.0
    assert body["at"].startswith("2026-")
    assert Verdict.PASS.value == "PASS"


def test_an_issue_says_since_when_it_is_over_until_the_next_one() -> None:
    journal = review(in_wave(), verdict="INCONCLUSIVE", healthy=False)
    assert view(journal).issue_over_at is None
    review(journal)
    over = journal.now
    review(journal)
    assert view(journal).issue_over_at == over, "the first review that passed"
    assert view(journal).last_issue is not None
    review(journal, verdict="FAIL", healthy=False)
    assert view(journal).issue_over_at is None


def test_what_is_over_does_not_read_as_if_it_stood() -> None:
    """From the first second, and still when it has finished: HEALTHY beside an issue says since when that is over."""
    journal = in_post_rollout()
    assert view(journal).issue_words == "None"
    review(journal, verdict="INCONCLUSIVE", healthy=False, findings=[finding("INCONCLUSIVE", sentence="Too few.")])
    assert view(journal).issue_words.startswith(f"{journal.now:%Y-%m-%d %H:%M:%S} UTC: wave 3: INCONCLUSIVE")
    unsure = Journal(journal.plan).extend(*((e.kind, e.json) for e in journal.entries), (Kind.FINISHED, {}))
    assert view(unsure).issue_words.startswith("None now. Over since ")
    over = review(journal).now
    seen = view(journal.extend((Kind.FINISHED, {})), timedelta(days=1))
    assert seen.status.word == "FINISHED"
    assert seen.issue_words.startswith(f"None now. Over since {over:%Y-%m-%d %H:%M:%S} UTC: wave 3: INCONCLUSIVE")


def test_what_has_ended_shows_no_hold_no_soak_and_no_day_that_grows() -> None:
    journal = review(in_wave()).extend(
        (Kind.HELD, {"cause": "operator", "reason": "look", "by": ANN}), (Kind.CLOSED, {})
    )
    at_once, later = view(journal), view(journal, timedelta(days=9))
    assert (later.holds, later.soak, later.soak_percent) == ({}, "", 0.0)
    assert at_once.day == later.day == 1
    going_on = review(in_wave())
    assert (view(going_on).soak, view(going_on, timedelta(days=9)).day) == ("15m of 1h", 10)


def test_a_gate_waits_for_nobody_where_nobody_carries_the_rollout() -> None:
    waits, missing = view(asked()).status, "Start the worker."
    assert unless_nobody_carries(waits, "") == waits
    left = unless_nobody_carries(waits, missing)
    assert (left.word, left.tone) == ("NOBODY CARRIES IT", Tone.BAD)
    assert left.why == f"{missing} Until then an answer is recorded and nothing follows."
    for journal in (in_wave(), review(in_wave()), rolled_back(), hold("drift")()):
        assert unless_nobody_carries(view(journal).status, missing) == view(journal).status


def test_a_rollback_is_never_over() -> None:
    journal = review(in_wave()).extend((Kind.ROLLING_BACK, {}))
    assert view(review(journal)).issue_over_at is None
