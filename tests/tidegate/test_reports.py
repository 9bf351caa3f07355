"""The reports say what the journal has, number for number, and nothing that it has not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    PLAN,
    STARTER,
    TIMING,
    Journal,
    answer_body,
    in_post_rollout,
    in_wave,
    opened,
    plan_of,
    raise_wave,
)
from tidegate.gates.statements import statements
from tidegate.journal.bodies.lifecycle_bodies import ReportWritten
from tidegate.journal.kinds import Kind
from tidegate.notices.texts import soaked
from tidegate.pages.progress_page import progress_page
from tidegate.pages.wave_outcome import wave_outcome
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.reports.closeout import closeout, reported_body, sha256_of, why_not_the_recorded
from tidegate.reports.closeout_page import closeout_markdown
from tidegate.reports.record import mean_of, reviews_in, spells_in
from tidegate.reports.retrospective import retrospective_markdown
from tidegate.reports.standup import standup, standup_markdown
from tidegate.reports.success import success
from tidegate.rollout.wave_usage import account_queries, expected_points
from tidegate.values.verdict import Verdict
from tidegate.views.course import follow_course
from tidegate.views.status import status_json
from tidegate.views.view import rollout_view

HOUR = timedelta(hours=1)


def line(
    value: float | None, level: str = "on target", n: float | None = 100.0, name: str = "errors"
) -> dict[str, Any]:
    return {"name": name, "title": name, "level": level, "value": value, "n": n}


def review(journal: Journal, *lines: dict[str, Any], after: timedelta = HOUR, **more: Any) -> Journal:
    body = {"wave": journal.state.wave, "credit": 600.0, "healthy": True, "metrics": list(lines), **more}
    journal.append(Kind.REVIEWED, body, after=after)
    return journal


def failed(journal: Journal, value: float = 7.0, level: str = "warning", criterion: str = "first.2") -> Journal:
    found = {"criterion": criterion, "text": "Few errors", "verdict": "FAIL", "sentence": f"{value}% seen."}
    return review(journal, line(value, level), verdict="FAIL", healthy=False, credit=0.0, findings=[found])


def told(journal: Journal, timing: Timing = TIMING) -> dict[str, Any]:
    return standup(journal.plan, journal.state, timing, journal.now, journal.entries)


# --- Spells and means


def test_a_spell_lasts_from_the_first_failing_review_to_the_first_that_passes() -> None:
    journal = review(failed(failed(review(in_wave(), line(1.0)))), line(1.0))
    [spell] = spells_in(PLAN, journal.entries)
    assert (spell.lasted, spell.critical, spell.what) == (2 * HOUR, False, "Few errors: 7.0% seen.")


def test_an_unsure_review_ends_no_spell() -> None:
    journal = review(failed(in_wave()), verdict="INCONCLUSIVE", healthy=False)
    [spell] = spells_in(PLAN, journal.entries)
    assert spell.end is None
    assert spell.lasted is None


def test_a_spell_ends_with_the_flag_at_zero() -> None:
    journal = failed(in_wave())
    zero = journal.now + timedelta(seconds=90)
    journal.append(Kind.ROLLING_BACK, {"ordered_at": journal.now.isoformat(), "zero_at": zero.isoformat()})
    [spell] = spells_in(PLAN, journal.entries)
    assert spell.lasted == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("journal", "critical"),
    [
        (lambda: failed(in_wave()), False),
        (lambda: failed(in_wave(), 11.0, "critical"), True),
        (lambda: failed(in_wave(2), criterion="second.4"), True),
        (lambda: in_wave().extend((Kind.ROLLING_BACK, {"criterion": "first.4"})), True),
        (lambda: in_wave().extend((Kind.ROLLING_BACK, {"criterion": "by hand"})), False),
    ],
)
def test_what_is_critical(journal: Callable[[], Journal], critical: bool) -> None:
    made = journal()
    assert [s.critical for s in spells_in(made.plan, made.entries)] == [critical]


def test_a_mean_is_weighted_by_requests_where_they_are_known() -> None:
    weighted = review(review(in_wave(), line(1.0, n=300.0)), line(5.0, n=100.0))
    assert mean_of(reviews_in(weighted.entries), "errors") == pytest.approx(2.0)
    plain = review(review(in_wave(), line(1.0, n=None)), line(5.0, n=100.0))
    assert mean_of(reviews_in(plain.entries), "errors") == pytest.approx(3.0)
    assert mean_of(reviews_in(review(in_wave(), line(None)).entries), "errors") is None
    assert mean_of((), "errors") is None


# --- The stand-up


def two_days() -> Journal:
    """Yesterday 1 % of errors, today 3 %, one review each hour."""
    journal = in_wave()
    for _ in range(24):
        review(journal, line(1.0))
    for _ in range(24):
        review(journal, line(3.0))
    return journal


def test_the_stand_up_holds_today_against_yesterday_and_the_baseline() -> None:
    journal = two_days()
    found = {"errors": {"value": 3.05, "n": 100.0}}
    body = {"reference": 0, "variant": "control", "start": journal.now.isoformat(), "end": journal.now.isoformat()}
    body |= {"window_seconds": 3600.0, "metrics": found}
    journal.append(Kind.MEASURED, body)
    report = told(journal)
    [errors, latency, _] = report["health"]
    assert (errors["today"], errors["yesterday"], errors["baseline"]) == (3.0, 1.0, 3.05)
    assert (errors["against_yesterday"], errors["against_baseline"]) == ("worse", "steady")
    assert (latency["today"], latency["against_yesterday"]) == (None, "unknown")
    assert report["reviews"] == {"today": {"recorded": 24, "passed": 24}, "yesterday": {"recorded": 24, "passed": 24}}
    text = standup_markdown(report, PLAN)
    assert "| Error rate | 3% | 1% | worse | 3.05% | steady |" in text


def test_a_rehearsal_day_is_a_plan_day() -> None:
    journal = two_days()
    timing = Timing(PLAN, Pace.of(journal.entries[0].at, 2 * HOUR))
    report = told(journal, timing)
    assert report["reviews"]["today"]["recorded"] == 2


def test_issues_are_those_since_yesterday() -> None:
    journal = failed(in_wave())
    journal.append(Kind.RESUMED, {}, after=23 * HOUR)
    assert told(journal)["issues"][0]["what"].startswith("wave 1: FAIL")
    journal.append(Kind.RESUMED, {}, after=2 * HOUR)
    assert told(journal)["issues"] == []
    assert "None since yesterday." in standup_markdown(told(journal), PLAN)


@pytest.mark.parametrize(
    ("journal", "asked", "choice"),
    [
        (lambda: review(in_wave()), "Continue with the same wave (10m of 1h of soak)?", "continue"),
        (lambda: failed(in_wave()), "Pause and investigate, or roll back?", "rollback"),
        (lambda: review(in_wave()).extend((Kind.HELD, {})), "Resume, or roll back?", "resume"),
        (
            lambda: opened().extend((Kind.GATE_OPENED, {"wave": 1, "attempt": 1})),
            "May First (10% of staff) begin?",
            "scale to next wave",
        ),
        (lambda: opened().extend((Kind.CLOSED, {})), "Nothing: it has ended.", None),
    ],
)
def test_the_decision_asked_for(journal: Callable[[], Journal], asked: str, choice: str | None) -> None:
    decision = told(journal())["decision"]
    assert decision["asked"] == asked
    assert decision["choices"] == [] if choice is None else choice in decision["choices"]


def test_next_actions_have_owners_and_the_meeting_is_in_the_plans_time_zone() -> None:
    task = {"do": "task", "role": "lead", "text": "Read the logs"}
    meet = {"do": "notice", "at": ["17:00", "9:30"], "text": "Sync"}
    journal = review(in_wave(1, plan_of({"waves.0.actions": [task, meet]})))
    report = told(journal)
    assert {"text": "Read the logs", "owner": f"lead ({ANN}, bob@example.com)"} in report["next_actions"]
    # 18:00 UTC is ten in the morning in Los Angeles; the next sync there is at five in the afternoon.
    assert report["next_meeting"] == "2026-03-02T17:00:00-08:00"
    assert told(review(in_wave()))["next_meeting"] == "2026-03-03T09:00:00-08:00"
    assert told(opened().extend((Kind.CLOSED, {})))["next_meeting"] is None


def test_head_issues_and_next_meeting_are_told_in_one_zone_the_plans() -> None:
    text = standup_markdown(told(failed(in_wave())), PLAN)
    assert "2026-03-02 10:00 (PST)" in text.splitlines()[2]
    assert "- 2026-03-02 10:00 (PST): wave 1: FAIL" in text
    assert text.splitlines()[-1] == "Next stand-up: 2026-03-03 09:00 (PST)."
    assert "UTC" not in text + retrospective_markdown(told(failed(in_wave())), PLAN)


def rated() -> Plan:
    """A plan whose last wave is everybody, with a rate beside its share of errors."""
    query = "sum(rate(batches_total{ {{ path }} }[{{ window }}]))"
    rate = {"title": "Batches/sec", "unit": "per second", "query": query, "target": {"above": "1/s"}}
    return plan_of({"metrics.rate": rate, "waves.1.percent": "100%"})


def measured_at(plan: Plan) -> Journal:
    """A baseline of 100 a second, a day at 10% of staff, and an hour with everybody."""
    journal = in_wave(1, plan)
    body = {"reference": 0, "variant": "control", "start": journal.now.isoformat(), "end": journal.now.isoformat()}
    journal.append(Kind.MEASURED, body | {"window_seconds": 3600.0, "metrics": {"rate": {"value": 100.0, "n": None}}})
    for _ in range(24):
        review(journal, line(10.0, name="rate", n=None), line(1.0))
    raise_wave(journal, 2)
    return review(journal, line(98.0, name="rate", n=None), line(1.0))


def health_of(journal: Journal, metric: str) -> tuple[float | None, str, str]:
    [found] = (one for one in told(journal)["health"] if one["metric"] == metric)
    return found["today"], found["against_yesterday"], found["against_baseline"]


def test_a_rate_is_compared_at_one_exposure_alone() -> None:
    """Ten times as many users make ten times as many requests; a share of errors does not follow how many there are."""
    other = "not compared: other exposure"
    journal = measured_at(rated())
    assert health_of(journal, "rate") == (98.0, other, "steady")
    assert health_of(journal, "errors")[1] == "steady"
    before = in_wave(1, rated()).extend(*((e.kind, e.json) for e in journal.entries if e.kind is Kind.MEASURED))
    for _ in range(30):
        review(before, line(10.0, name="rate", n=None))
    assert health_of(before, "rate") == (10.0, "steady", other)
    text = standup_markdown(told(before), rated())
    assert "| Batches/sec | 10 /s | 10 /s | steady | 100 /s | not compared: other exposure |" in text
    assert "Batches/sec is worse" not in retrospective_markdown(told(before), rated())
    [rate] = (p for p in closeout(rated(), before.entries)["performance"] if p["metric"] == "rate")
    assert rate["change_percent"] is None
    [rate] = (p for p in closeout(rated(), journal.entries)["performance"] if p["metric"] == "rate")
    assert rate["change_percent"] == -2.0


def test_what_waits_at_a_gate_is_a_next_action() -> None:
    actions = told(opened().extend((Kind.GATE_OPENED, {"wave": 1, "attempt": 1})))["next_actions"]
    assert any(a["text"].startswith("Decide:") and ANN in a["owner"] for a in actions)
    assert {"text": "State: The team is there", "owner": "lead"} in actions


def test_an_issue_says_how_it_ended_or_that_it_goes_on() -> None:
    journal = review(failed(in_wave()), line(1.0))
    journal.append(Kind.HELD, {}, after=HOUR)
    text = standup_markdown(told(journal), PLAN)
    assert "Ended: a review passed again at 11:00:00 PST." in text
    assert "operator: wait. Not over." in text
    journal.append(Kind.RESUMED, {}, after=HOUR)
    assert f"Ended: ended by {ANN} at 13:00:00 PST: go on." in standup_markdown(told(journal), PLAN)


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (((Kind.ROLLING_BACK, {}), (Kind.PROVEN, {})), "Ended: rolled back at 13:00:00 PST."),
        (((Kind.CLOSED, {}),), "Ended: the rollout was closed at 13:00:00 PST."),
        (((Kind.FINISHED, {}),), "Ended: it finished at 13:00:00 PST."),
    ],
)
def test_with_the_rollout_ends_what_it_waited_for(ends: tuple[tuple[Kind, dict[str, Any]], ...], words: str) -> None:
    journal = in_wave()
    for kind in (Kind.HELD, Kind.NO_DATA_STARTED, Kind.CROSSED, Kind.ORPHANED):
        journal.append(kind, {}, after=HOUR)
    assert standup_markdown(told(journal), PLAN).count("Not over.") == 4
    text = standup_markdown(told(journal.extend(*ends)), PLAN)
    assert (text.count(words), "Not over." in text) == (4, False)


def test_what_no_review_could_see_is_told_as_unknown() -> None:
    assert "No review yet, so that incidents and alerts are unknown." in standup_markdown(told(in_wave()), PLAN)
    no_data = review(in_wave(), line(None, "no data"), verdict="ERROR", healthy=False, credit=0.0)
    unknown = "unknown (the newest review had no data)"
    assert f"At the newest review: {unknown}, {unknown}." in standup_markdown(told(no_data), PLAN)
    seen = standup_markdown(told(review(in_wave(), line(6.0, "warning"))), PLAN)
    assert "At the newest review: 0 CRITICAL, 1 WARNING." in seen


def test_the_retrospective_asks_the_same_figures_backwards() -> None:
    journal = failed(two_days())
    text = retrospective_markdown(told(journal), PLAN)
    well, badly = text.index("## What went well"), text.index("## What did not")
    assert well < text.index("23 of 24 reviews passed since yesterday.") < badly
    assert badly < text.index("Error rate is worse than yesterday")
    assert badly < text.index("wave 1: FAIL")


# --- Success criteria


def asking(**item: Any) -> Plan:
    return plan_of({"success": [{"text": "the line", **item}], "waves.1.percent": "100%"})


FULL = {"kind": "full_traffic"}
NO_BACK = {"kind": "no_rollback"}
FEW = {"kind": "throughout", "metric": "errors", "below": "2%"}
HANDLED = {"kind": "handled", "within": "30m"}
MTTR = {"kind": "recovery", "within": "15m"}


def judged(journal: Journal) -> list[tuple[Verdict, str]]:
    return [(f.verdict, f.sentence) for f in success(journal.plan, journal.state, journal.entries)]


def finished(plan: Plan, *values: float | None) -> Journal:
    """Each wave and the days after it reviewed with these values of the errors."""
    journal = in_wave(1, plan)
    for value in values:
        review(journal, line(value))
    whole = in_post_rollout(plan)
    for entry in journal.entries:
        if entry.kind is Kind.REVIEWED:
            for wave in (1, 2, 3):
                whole.append(Kind.REVIEWED, {**entry.json, "wave": wave}, after=HOUR)
    return whole.extend((Kind.FINISHED, {}))


def stepped_back(plan: Plan) -> Journal:
    """Back from wave 2 by rule, then up again to the end."""
    journal, by_rule = in_wave(2, plan), {"by": "tidegate", "reason": "errors doubled"}
    journal.append(Kind.LOWERED, {"wave": 1, "exposure": plan.exposure_at(1).to_json(), **by_rule})
    journal.append(Kind.SOAKED, {"wave": 1})
    raise_wave(journal, 2)
    return journal.extend((Kind.SOAKED, {"wave": 2}), (Kind.FINISHED, {}))


def without_data_and_closed(plan: Plan) -> Journal:
    """One review, which could tell nothing."""
    journal = review(in_wave(1, plan), line(None, "no data"), verdict="ERROR", healthy=False, credit=0.0)
    return journal.extend((Kind.CLOSED, {}))


@pytest.mark.parametrize(
    ("item", "journal", "verdict", "words"),
    [
        (FULL, lambda p: finished(p, 1.0), Verdict.PASS, "100% of all"),
        (FULL, lambda p: in_wave(1, p), Verdict.INCONCLUSIVE, "still under way"),
        (FULL, lambda p: in_wave(2, p).extend((Kind.ROLLING_BACK, {}), (Kind.PROVEN, {})), Verdict.FAIL, "rolled back"),
        (NO_BACK, lambda p: finished(p, 1.0), Verdict.PASS, "None occurred"),
        (NO_BACK, lambda p: in_wave(1, p), Verdict.INCONCLUSIVE, "None so far"),
        (NO_BACK, lambda p: in_wave(1, p).extend((Kind.ROLLING_BACK, {})), Verdict.FAIL, "Rolled"),
        (FEW, lambda p: finished(p, 1.0, 1.9), Verdict.PASS, "Highest 1.90%"),
        (FEW, lambda p: finished(p, 1.0, 2.0), Verdict.FAIL, "Highest 2%"),
        (FEW, lambda p: finished(p, 1.0, None), Verdict.PASS, "3 more had no data"),
        (FEW, lambda p: finished(p, None), Verdict.INCONCLUSIVE, "in no review"),
        (FEW, finished, Verdict.INCONCLUSIVE, "in no review"),
        (FEW, lambda p: review(in_wave(1, p), line(1.0)), Verdict.INCONCLUSIVE, "not finish"),
        (HANDLED, lambda p: finished(p, 1.0), Verdict.PASS, "No CRITICAL spell"),
        (
            NO_BACK,
            stepped_back,
            Verdict.FAIL,
            "Stepped back to wave 1 on 2026-03-02 17:00 UTC by tidegate: errors doubled.",
        ),
        (
            NO_BACK,
            lambda p: stepped_back(p).extend((Kind.ROLLING_BACK, {})),
            Verdict.FAIL,
            "errors doubled. Rolled back on",
        ),
        (HANDLED, lambda p: in_wave(1, p), Verdict.INCONCLUSIVE, "No review ever"),
        (HANDLED, without_data_and_closed, Verdict.INCONCLUSIVE, "No review ever"),
        (MTTR, without_data_and_closed, Verdict.INCONCLUSIVE, "No review ever"),
        (HANDLED, lambda p: review(failed(in_wave(1, p), 11.0, "critical")), Verdict.FAIL, "longest 1h"),
        (
            {**HANDLED, "within": "90m"},
            lambda p: review(failed(in_wave(1, p), 11.0, "critical")),
            Verdict.PASS,
            "longest 1h",
        ),
        (MTTR, lambda p: review(failed(in_wave(1, p))), Verdict.FAIL, "mean 1h"),
        (MTTR, lambda p: review(failed(in_wave(1, p)), after=10 * MINUTE), Verdict.PASS, "mean 10m"),
        (MTTR, lambda p: failed(in_wave(1, p)), Verdict.FAIL, "has not ended"),
    ],
)
def test_a_success_criterion(
    item: dict[str, Any], journal: Callable[[Plan], Journal], verdict: Verdict, words: str
) -> None:
    [(found, sentence)] = judged(journal(asking(**item)))
    assert (found, words in sentence) == (verdict, True), sentence


def test_a_wave_in_the_dark_is_not_within_its_target_throughout() -> None:
    plan = asking(**FEW)
    journal = in_post_rollout(plan)
    for wave, value in ((1, 1.0), (2, None), (3, 1.0)):
        journal.append(Kind.REVIEWED, {"wave": wave, "credit": 1.0, "healthy": True, "metrics": [line(value)]})
    [(verdict, sentence)] = judged(journal.extend((Kind.FINISHED, {})))
    assert verdict is Verdict.INCONCLUSIVE
    assert "never measured in wave 2" in sentence


def test_few_events_are_taken_together_and_the_first_breach_is_known_when_it_happens() -> None:
    journal = in_wave(1, asking(**FEW, events=1000))
    for value, broken in ((9.0, False), (0.0, False), (0.0, False), (1.0, False), (8.0, True), (0.0, True)):
        review(journal, line(value, n=300.0))
        kept = journal.state.evidence.throughout[1]
        # The first four make 1200 events at 2.5 %: not below 2 %.
        assert (kept.broken_at is not None) == (broken or kept.measured >= 4), value
    assert kept.broken_value == pytest.approx(2.5)
    [(verdict, sentence)] = judged(journal)
    assert (verdict, "First broken on" in sentence) == (Verdict.FAIL, True)


def up(journal: Journal, wave: int, expected: int | None = 100, **figures: float | None) -> None:
    start = journal.state.waves[wave].raised_at
    body = {"wave": wave, "start": start.isoformat(), "end": journal.now.isoformat(), "figures": figures, "reasons": {}}
    points = {} if expected is None else {"expected": dict.fromkeys(("up_errors_new", "up_errors_old"), expected)}
    journal.append(Kind.ACCOUNTED, {**body, **points})


@pytest.mark.parametrize(
    ("objective", "old", "verdict", "words"),
    [
        ("99%", (100.0, 100.0), Verdict.PASS, "The old path was up 100.000%"),
        ("99.9%", (100.0, 100.0), Verdict.FAIL, "6m down of 20h, the budget is 1m12s"),
        ("99%", (98.0, 100.0), Verdict.FAIL, "The old path was up 98.000%"),
        ("99%", (None, None), Verdict.INCONCLUSIVE, "The old path was measured in no wave."),
    ],
)
def test_both_paths_have_to_be_up_throughout(
    objective: str, old: tuple[float | None, float | None], verdict: Verdict, words: str
) -> None:
    """Ten hours in each of two waves, one point of a hundred down in the first; at 100 % nobody takes the old path."""
    item = {"kind": "available", "metric": "errors", "below": "10%", "objective": objective}
    journal = in_wave(1, asking(**item))
    journal.now += 10 * HOUR
    good, seen = old
    up(journal, 1, up_errors_new_good=99.0, up_errors_new_seen=100.0, up_errors_old_good=good, up_errors_old_seen=seen)
    journal.append(Kind.SOAKED, {"wave": 1})
    raise_wave(journal, 2)
    journal.now += 10 * HOUR
    up(journal, 2, up_errors_new_good=100.0, up_errors_new_seen=100.0, up_errors_old_good=None, up_errors_old_seen=None)
    journal.extend((Kind.SOAKED, {"wave": 2}), (Kind.FINISHED, {}))
    up(journal, 3, 1, up_errors_new_good=1.0, up_errors_new_seen=1.0)
    [(found, sentence)] = judged(journal)
    assert (found, words in sentence) == (verdict, True), sentence


def a_day_up(objective: str, expected: int | None = 239, /, **figures: float | None) -> tuple[Verdict, str]:
    """One wave of a day and nothing after it, judged on the new path only."""
    item = {"kind": "available", "metric": "errors", "below": "10%", "objective": objective, "paths": ["new"]}
    journal = in_wave(1, asking(**item))
    journal.now += 24 * HOUR
    up(journal, 1, expected, **{f"up_errors_new_{name}": value for name, value in figures.items()})
    [found] = success(journal.plan, journal.state, journal.entries, is_over=True)
    return found.verdict, found.sentence


@pytest.mark.parametrize(
    ("objective", "figures", "verdict", "words"),
    [
        ("99.9%", {"good": 240.0, "seen": 240.0}, Verdict.PASS, "0s down of 24h, the budget is 1m26s)."),
        ("99.9%", {"good": 12.0, "seen": 12.0, "whole": 1.0}, Verdict.INCONCLUSIVE, "Not seen: 22h47m42s."),
        # Scraped all the time, with too few requests in most windows: nobody to be up for, if all together were well.
        ("99.9%", {"good": 12.0, "seen": 12.0, "whole": 1.0, "scraped": 240.0}, Verdict.PASS, "Too few requests"),
        (
            "99.9%",
            {"good": 12.0, "seen": 12.0, "whole": 1.0, "scraped": 120.0},
            Verdict.INCONCLUSIVE,
            "Not seen: 11h56m",
        ),
        (
            "99.9%",
            {"good": 12.0, "seen": 12.0, "whole": 0.0, "scraped": 240.0},
            Verdict.INCONCLUSIVE,
            "Not seen: 22h47m",
        ),
        ("99%", {"good": None, "seen": None, "whole": 1.0, "scraped": 240.0}, Verdict.INCONCLUSIVE, "Too few requests"),
        ("99%", {"good": 237.0, "seen": 237.0}, Verdict.PASS, "Not seen: 12m3s."),
        ("99%", {"good": 236.0, "seen": 236.0}, Verdict.INCONCLUSIVE, "more than is left of the budget"),
        ("99%", {"good": 236.0, "seen": 237.0}, Verdict.INCONCLUSIVE, "more than is left of the budget"),
        ("100%", {"good": 238.0, "seen": 238.0}, Verdict.INCONCLUSIVE, "Not seen: 6m2s."),
        ("99.9%", {"good": 11.0, "seen": 12.0}, Verdict.FAIL, "less than 99.9%"),
        ("99.9%", {"good": None, "seen": None, "whole": 1.0}, Verdict.INCONCLUSIVE, "It was not seen for 24h."),
        ("99.9%", {"good": None, "seen": None, "whole": 0.0}, Verdict.FAIL, "24h down of 24h"),
    ],
)
def test_time_that_nobody_saw_is_not_up(
    objective: str, figures: dict[str, float | None], verdict: Verdict, words: str
) -> None:
    found, sentence = a_day_up(objective, **figures)
    assert (found, words in sentence) == (verdict, True), sentence


def test_an_older_account_does_not_say_how_much_was_seen() -> None:
    found, sentence = a_day_up("99.9%", None, good=12.0, seen=12.0)
    assert (found, "How much of wave 1 was seen is not recorded" in sentence) == (Verdict.INCONCLUSIVE, True)
    assert a_day_up("99.9%", None, good=11.0, seen=12.0)[0] is Verdict.FAIL


def test_an_account_knows_how_many_points_there_must_be() -> None:
    plan = asking(kind="available", metric="errors", below="10%", objective="99%")
    for span, points in ((24 * HOUR, 239), (HOUR, 220), (MINUTE, 1)):
        assert set(expected_points(plan, span, lambda window: window).values()) == {points}
    assert "[86400000ms:360000ms]" in account_queries(plan, 24 * HOUR, lambda window: window)["up_errors_new_seen"]


def test_a_path_that_runs_and_that_nobody_has_called_yet_is_seen() -> None:
    up = {"kind": "available", "metric": "errors", "below": "10%", "objective": "99%"}
    plan = plan_of({"success": [{"text": "As good as before", **up}], "version": {"query": "build_info"}})
    asked = account_queries(plan, 24 * HOUR, lambda window: window)
    assert "or on() (0 * count(build_info))" in asked["up_errors_new_scraped"]
    assert not any("build_info" in query for name, query in asked.items() if name != "up_errors_new_scraped")


@pytest.mark.parametrize(
    ("item", "where", "words"),
    [
        ({**FEW, "metric": "erors"}, "metric", "did you mean 'errors'?"),
        ({**FEW, "below": "2ms"}, "below", "allowed is a number with '%'"),
        ({**FEW, "above": "1%"}, "", "exactly one of below or above"),
        ({"kind": "affordable"}, "", "allowed in a plan with costs:"),
        ({"kind": "available", "metric": "errors", "below": "1%", "objective": "0%"}, "objective", "above 0%"),
        ({"kind": "happy"}, "", "happy"),
    ],
)
def test_a_success_criterion_that_cannot_be_judged_is_refused(item: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        asking(**item)
    assert words in str(refused.value)
    assert where in str(refused.value)


def test_full_traffic_needs_a_last_wave_of_everybody() -> None:
    with pytest.raises(ValidationError, match="allowed where the last wave is 100%"):
        plan_of({"success": [{**FULL, "text": "x"}]})


def test_a_plan_without_such_lines_is_asked_what_any_is() -> None:
    assert len(judged(in_wave())) == 2


# --- The close-out


def whole() -> Journal:
    """Wave 1 by ANN, reviewed and failed once, rolled back."""
    journal = opened()
    finding = {"criterion": "first.1", "text": "The team is there", "verdict": "PASS", "sentence": "Stated."}
    journal.extend(
        (Kind.GATE_OPENED, {"wave": 1, "attempt": 1, "findings": [finding]}),
        (Kind.ANSWERED, {"wave": 1, "attempt": 1, "answer": answer_body("go")}),
        (Kind.GATE_DECIDED, {"wave": 1, "attempt": 1, "outcome": "go", "stated": ["first.1"]}),
    )
    exposure = PLAN.exposure_at(1).to_json()
    journal.extend((Kind.RAISING, {"wave": 1, "exposure": exposure}), (Kind.RAISED, {"wave": 1, "exposure": exposure}))
    failed(review(journal, line(1.0)))
    journal.append(Kind.QUEUED, {"notice": {"event": "notified", "title": "Rolled back"}})
    return journal.extend((Kind.ROLLING_BACK, {}), (Kind.PROVEN, {}))


def test_who_was_exposed_when_what_was_judged_and_who_decided() -> None:
    journal = whole()
    report = closeout(PLAN, journal.entries)
    raised = next(e.at for e in journal.entries if e.kind is Kind.RAISED)
    assert report["exposure"] == [
        {"exposure": "10% of staff", "from": raised.isoformat(), "until": journal.now.isoformat()}
    ]
    [gate, back] = report["decisions"]
    assert (gate["what"], gate["by"], [e["sentence"] for e in gate["evidence"]]) == (
        "gate before wave 1: go",
        ANN,
        ["Stated."],
    )
    assert (back["what"], back["by"]) == ("rolling back", "tidegate")
    [wave] = report["judged"]
    assert (wave["reviews"], wave["verdicts"], wave["soak_seconds"]) == (2, {"FAIL": 1, "PASS": 1}, 600.0)
    assert (wave["criteria"][0]["worst"], wave["criteria"][0]["last"]) == ("FAIL", "7.0% seen.")
    assert (report["outcome"], report["ended_at"]) == ("rolled_back", journal.now.isoformat())
    assert report["started_by"] == STARTER


def test_a_change_of_the_plan_and_the_last_statements_stand_among_the_decisions() -> None:
    plan = plan_of({"readiness": [{"text": "The team | is confident", "role": "lead"}]})
    journal = in_wave(1, plan)
    changed, given_up = {"plan_hash": "a" * 64}, {"plan_hash": "b" * 64, "outcome": "rejected", "reason": "too early"}
    before = len(closeout(plan, journal.entries)["decisions"])
    journal.extend((Kind.AMENDMENT, {**given_up, "changes": ["never: 1 -> 2"]}), (Kind.AMENDED, given_up))
    journal.extend((Kind.AMENDMENT, {**changed, "changes": ["waves.0.soak: 1h -> 2h"]}), (Kind.AMENDED, changed))
    journal.extend((Kind.READINESS_STATED, {"note": "all trained"}))
    report = closeout(plan, journal.entries)
    rejected, amended, stated = report["decisions"][before:]
    assert (rejected["what"], rejected["changes"]) == (
        "change of the plan to bbbbbbbbbbbb: rejected",
        ["never: 1 -> 2"],
    )
    assert (amended["by"], amended["proposed_by"], amended["changes"]) == (ANN, BOB, ["waves.0.soak: 1h -> 2h"])
    assert (stated["by"], stated["reason"]) == (ANN, "all trained")
    text = closeout_markdown(report)
    assert f"changed; proposed by {BOB} (why): waves.0.soak: 1h -> 2h" in text
    assert f"| stated, to call it production-grade: The team \\| is confident | {ANN} | all trained |" in text


def test_the_evidence_of_a_decision_is_what_the_gate_showed_last() -> None:
    journal, about = opened(), {"wave": 1, "attempt": 1}
    asked = {"criterion": "first.1", "text": "The team is there", "verdict": "INCONCLUSIVE", "sentence": "Not yet."}
    journal.append(Kind.GATE_OPENED, {**about, "findings": [asked]})
    journal.append(Kind.GATE_LOOKED, {"wave": 1, "attempt": 7, "findings": []}, after=HOUR)
    opened_only = Journal().extend(*((e.kind, e.json) for e in journal.entries))
    journal.append(Kind.GATE_LOOKED, {**about, "findings": [{**asked, "verdict": "PASS"}]}, after=HOUR)
    looked = journal.now
    for made in (journal, opened_only):
        made.append(Kind.GATE_DECIDED, {**about, "outcome": "go"}, after=HOUR)
        made.append(Kind.HELD, {})
    [go, hold] = closeout(PLAN, journal.entries)["decisions"]
    assert ([f["verdict"] for f in go["evidence"]], go["evidence_is"]) == (["PASS"], "last measured")
    assert (go["evidence_at"], hold["evidence"]) == (looked.isoformat(), [])
    assert f"| 1 PASS (last measured {looked:%Y-%m-%d %H:%M:%S} UTC) |" in closeout_markdown(
        closeout(PLAN, journal.entries)
    )
    [go, _] = closeout(PLAN, opened_only.entries)["decisions"]
    assert ([f["verdict"] for f in go["evidence"]], go["evidence_is"]) == (["INCONCLUSIVE"], "as asked")
    assert "| 1 for people to state |" in closeout_markdown(closeout(PLAN, opened_only.entries))


def test_a_box_that_was_open_when_people_were_asked_is_no_evidence_against_their_go() -> None:
    journal, about = opened(), {"wave": 1, "attempt": 1}
    box = statements(PLAN, 1)[0]
    open_box = {"criterion": box.key, "text": box.text, "verdict": "INCONCLUSIVE", "sentence": "Not stated yet."}
    unsure = {"criterion": "first.9", "text": "Seen", "verdict": "INCONCLUSIVE", "sentence": "Too few."}
    journal.append(Kind.GATE_OPENED, {**about, "findings": [open_box, unsure]})
    journal.append(Kind.GATE_DECIDED, {**about, "outcome": "go"})
    assert "| 1 INCONCLUSIVE, 1 for people to state |" in closeout_markdown(closeout(PLAN, journal.entries))


IDENTITY = {"issuer": "https://id.example.com", "subject": "1", "person": ANN, "roles": [], "signed_in_at": "now"}


@pytest.mark.parametrize(
    ("signed_in", "left"),
    [
        ((False, False), "Approvals were open: names are recorded but not proven"),
        ((True, False), f"Approvals were open: proven by a sign-in: {ANN}; recorded at least once without one: {BOB}"),
        ((True, True), ""),
    ],
)
def test_of_each_name_the_close_out_says_what_was_proven(signed_in: tuple[bool, ...], left: str) -> None:
    journal = opened()
    for attempt, (who, proven) in enumerate(zip((ANN, BOB), signed_in, strict=True), start=1):
        about = {"wave": 1, "attempt": attempt}
        identity = {"identity": IDENTITY | {"person": who}} if proven else {}
        journal.append(Kind.GATE_OPENED, {**about, "findings": []})
        journal.append(Kind.ANSWERED, {**about, "answer": answer_body("go") | {"approver": who}, **identity})
        journal.append(Kind.GATE_DECIDED, {**about, "outcome": "counted", "by": who})
    report = closeout(PLAN, journal.entries)
    assert [line for line in report["remains"] if line.startswith("Approvals")] == ([left] if left else [])
    known = ["signed in at https://id.example.com" if proven else "" for proven in signed_in]
    assert [gate["proven"] for gate in report["decisions"]] == known
    assert (f"| {ANN} (signed in at https://id.example.com) |" in closeout_markdown(report)) is signed_in[0]


def test_the_worst_answer_says_how_often_of_how_often() -> None:
    journal = in_wave()
    for number in range(5):
        found = {"criterion": "first.2", "text": "Few errors", "sentence": f"Look {number}."}
        verdict = "INCONCLUSIVE" if number == 1 else "PASS"
        review(journal, verdict=verdict, healthy=verdict == "PASS", findings=[{**found, "verdict": verdict}])
    assert "| Few errors | INCONCLUSIVE (1 of 5) | Look 4. |" in closeout_markdown(closeout(PLAN, journal.entries))


def test_a_wave_has_one_number_of_reviews_wherever_it_is_told() -> None:
    """Those that earned no soak are reviews, too: pages, commands, notice and close-out count the same ones."""
    journal = in_wave()
    for number in range(6):
        review(journal, credit=0.0 if number % 2 else 600.0, healthy=not number % 2)
    journal.append(Kind.SOAKED, {"wave": 1})
    state, now = journal.state, journal.now
    assert closeout(PLAN, journal.entries)["judged"][0]["reviews"] == 6
    assert rollout_view(PLAN, state, TIMING, now, follow_course(journal.entries)).waves[0].reviews == 6
    assert status_json(PLAN, state, TIMING)["waves"][0]["reviews"] == 6
    assert "| done | 30m of 1h | 6 |" in progress_page(PLAN, state, TIMING, now)
    assert "6 reviews, 3 of them not healthy" in wave_outcome(PLAN, state, 1).message
    assert "Reviews: 6." in soaked(PLAN, state, 1).body


def test_what_remains() -> None:
    remains = closeout(PLAN, whole().entries)["remains"]
    assert "Nobody was sent: Rolled back" in remains
    assert "Not measured by anything: No complaints (lead)" in remains
    assert any("not proven" in line for line in remains)  # the names
    left = in_wave().extend((Kind.CLOSED, {}))
    assert "Exposure stands at 10% of staff, and nobody watches it" in closeout(PLAN, left.entries)["remains"]


def test_a_raise_that_lost_against_the_way_back_exposed_nobody() -> None:
    journal = in_wave().extend((Kind.ROLLING_BACK, {}))
    journal.append(Kind.RAISED, {"wave": 2, "exposure": PLAN.exposure_at(2).to_json()})
    assert len(closeout(PLAN, journal.entries)["exposure"]) == 1


def test_exposure_that_stays_has_no_end() -> None:
    assert closeout(PLAN, in_post_rollout().entries)["exposure"][-1]["until"] is None


def test_its_hash_is_the_journals_and_shows_any_change() -> None:
    journal = whole()
    report = closeout(PLAN, journal.entries)
    recorded = reported_body(report)
    assert recorded == ReportWritten("close-out", 7, sha256_of(report), len(journal.entries))
    journal.append(Kind.REPORTED, recorded.to_json())
    assert journal.state.reports["close-out"] == recorded
    assert journal.state.phase.value == "rolled_back"
    assert why_not_the_recorded(PLAN, journal.entries, recorded) == ""
    assert "SHA-256 was" in why_not_the_recorded(PLAN, journal.entries, replace(recorded, sha256="0" * 64))
    assert "form 1" in why_not_the_recorded(PLAN, journal.entries, replace(recorded, form=1))
    tampered = [e for e in journal.entries if e.kind is not Kind.QUEUED]
    assert sha256_of(closeout(PLAN, whole().entries)) == recorded.sha256
    with pytest.raises(ValueError, match="does not follow"):
        closeout(PLAN, tampered)


def test_the_page_has_every_part_and_nobody_breaks_out_of_it() -> None:
    journal = whole()
    journal.append(Kind.HELD, {"by": "<b>me</b>", "reason": "a | b\n# heading"})
    text = closeout_markdown(closeout(PLAN, journal.entries))
    for heading in (
        "Who was exposed when",
        "Who stated what",
        "Who decided",
        "What was judged",
        "What went wrong",
        "Rollback",
        "Success criteria",
        "What remains",
    ):
        assert f"## {heading}" in text
    assert "&lt;b>me&lt;/b>" in text
    assert "a \\| b # heading" in text
    assert sha256_of(closeout(PLAN, journal.entries)) in text
