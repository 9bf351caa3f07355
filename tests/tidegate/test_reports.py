"""The reports say what the journal has, number for number, and nothing that it has not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.tidegate.builders import (
    ANN,
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
)
from tidegate.entries import Kind
from tidegate.pace import Pace, Timing
from tidegate.plan import Plan
from tidegate.reports.closeout import closeout, reported_body, sha256_of, why_not_the_recorded
from tidegate.reports.closeout_page import closeout_markdown
from tidegate.reports.record import mean_of, reviews_in, spells_in
from tidegate.reports.standup import standup, standup_markdown
from tidegate.reports.success import success
from tidegate.verdict import Verdict

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
    body = {"reference": 0, "end": journal.now.isoformat(), "window_seconds": 3600.0, "metrics": found}
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
        (lambda: failed(in_wave()), "Pause and investigate, or turn back?", "rollback"),
        (lambda: review(in_wave()).extend((Kind.HELD, {})), "Resume, or turn back?", "resume"),
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


def test_what_waits_at_a_gate_is_a_next_action() -> None:
    actions = told(opened().extend((Kind.GATE_OPENED, {"wave": 1, "attempt": 1})))["next_actions"]
    assert any(a["text"].startswith("Decide:") and ANN in a["owner"] for a in actions)
    assert {"text": "State: The team is there", "owner": "lead"} in actions


# --- Success criteria


def asking(*texts: str) -> Plan:
    lines = [{"kind": "human", "pending": "success", "when": "during", "role": "lead", "text": text} for text in texts]
    kept = {"kind": "earlier_waves", "when": "during", "waves": [1], "text": "All of it"}
    return plan_of({"post_rollout.criteria": [kept, *lines], "waves.1.percent": "100%"})


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
                whole.append(Kind.REVIEWED, {**entry.body, "wave": wave}, after=HOUR)
    return whole.extend((Kind.FINISHED, {}))


@pytest.mark.parametrize(
    ("text", "journal", "verdict", "words"),
    [
        ("100% traffic on new system", lambda p: finished(p, 1.0), Verdict.PASS, "100% of all"),
        ("100% traffic on new system", lambda p: in_wave(1, p), Verdict.INCONCLUSIVE, "still under way"),
        (
            "100% traffic on new system",
            lambda p: in_wave(2, p).extend((Kind.ROLLING_BACK, {}), (Kind.PROVEN, {})),
            Verdict.FAIL,
            "rolled back",
        ),
        ("Zero unplanned rollbacks", lambda p: finished(p, 1.0), Verdict.PASS, "None occurred"),
        ("Zero unplanned rollbacks", lambda p: in_wave(1, p), Verdict.INCONCLUSIVE, "None so far"),
        ("Zero unplanned rollbacks", lambda p: in_wave(1, p).extend((Kind.ROLLING_BACK, {})), Verdict.FAIL, "Rolled"),
        ("Error rate < 2% throughout", lambda p: finished(p, 1.0, 1.9), Verdict.PASS, "Highest 1.90%"),
        ("Error rate < 2% throughout", lambda p: finished(p, 1.0, 2.0), Verdict.FAIL, "Highest 2%"),
        ("Error rate < 2% throughout", lambda p: finished(p, 1.0, None), Verdict.PASS, "3 more had no data"),
        ("Error rate < 2% throughout", lambda p: finished(p, None), Verdict.INCONCLUSIVE, "in no review"),
        ("Error rate < 2% throughout", finished, Verdict.INCONCLUSIVE, "in no review"),
        ("Error rate < 2% throughout", lambda p: review(in_wave(1, p), line(1.0)), Verdict.INCONCLUSIVE, "not finish"),
        ("Error rate < 2ms throughout", lambda p: finished(p, 1.0), Verdict.ERROR, "bound"),
        ("Sadness < 2% throughout", lambda p: finished(p, 1.0), Verdict.ERROR, "no metric called 'Sadness'"),
        ("All CRITICAL alerts handled < 30min", lambda p: finished(p, 1.0), Verdict.PASS, "No CRITICAL spell"),
        ("All CRITICAL alerts handled < 30min", lambda p: in_wave(1, p), Verdict.INCONCLUSIVE, "ever reviewed"),
        (
            "All CRITICAL alerts handled < 30min",
            lambda p: review(failed(in_wave(1, p), 11.0, "critical")),
            Verdict.FAIL,
            "longest 1h",
        ),
        (
            "All CRITICAL alerts handled < 90min",
            lambda p: review(failed(in_wave(1, p), 11.0, "critical")),
            Verdict.PASS,
            "longest 1h",
        ),
        ("MTTR (Mean Time To Recovery) < 15min", lambda p: review(failed(in_wave(1, p))), Verdict.FAIL, "mean 1h"),
        (
            "MTTR (Mean Time To Recovery) < 15min",
            lambda p: review(failed(in_wave(1, p)), after=10 * MINUTE),
            Verdict.PASS,
            "mean 10m",
        ),
        ("MTTR (Mean Time To Recovery) < 15min", lambda p: failed(in_wave(1, p)), Verdict.FAIL, "has not ended"),
        ("Customers are happy", lambda p: finished(p, 1.0), Verdict.INCONCLUSIVE, "lead states it"),
    ],
)
def test_a_success_criterion(text: str, journal: Callable[[Plan], Journal], verdict: Verdict, words: str) -> None:
    [(found, sentence)] = judged(journal(asking(text)))
    assert (found, words in sentence) == (verdict, True), sentence


def test_a_wave_in_the_dark_is_not_within_its_target_throughout() -> None:
    plan = asking("Error rate < 2% throughout")
    journal = in_post_rollout(plan)
    for wave, value in ((1, 1.0), (2, None), (3, 1.0)):
        journal.append(Kind.REVIEWED, {"wave": wave, "credit": 1.0, "healthy": True, "metrics": [line(value)]})
    [(verdict, sentence)] = judged(journal.extend((Kind.FINISHED, {})))
    assert verdict is Verdict.INCONCLUSIVE
    assert "never measured in wave 2" in sentence


def test_a_plan_without_such_lines_is_asked_what_any_is() -> None:
    assert len(judged(in_wave())) == 2


# --- The close-out


def whole() -> Journal:
    """Wave 1 by ANN, reviewed and failed once, turned back."""
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
    journal.append(Kind.QUEUED, {"notice": {"event": "told", "title": "Rolled back"}})
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
    assert recorded == {"report": "close-out", "form": 1, "sha256": sha256_of(report), "sequence": len(journal.entries)}
    journal.append(Kind.REPORTED, recorded)
    assert journal.state.reports["close-out"] == recorded
    assert journal.state.phase.value == "rolled_back"
    assert why_not_the_recorded(PLAN, journal.entries, recorded) == ""
    assert "SHA-256 was" in why_not_the_recorded(PLAN, journal.entries, recorded | {"sha256": "0" * 64})
    assert "form 2" in why_not_the_recorded(PLAN, journal.entries, recorded | {"form": 2})
    tampered = [e for e in journal.entries if e.kind is not Kind.QUEUED]
    assert sha256_of(closeout(PLAN, whole().entries)) == recorded["sha256"]
    with pytest.raises(ValueError, match="does not follow"):
        closeout(PLAN, tampered)


def test_the_page_has_every_part_and_nobody_breaks_out_of_it() -> None:
    journal = whole()
    journal.append(Kind.HELD, {"by": "<b>me</b>", "reason": "a | b\n# heading"})
    text = closeout_markdown(closeout(PLAN, journal.entries))
    for heading in (
        "Who was exposed when",
        "Who decided",
        "What was judged",
        "What went wrong",
        "Way back",
        "Success criteria",
        "What remains",
    ):
        assert f"## {heading}" in text
    assert "&lt;b>me&lt;/b>" in text
    assert "a \\| b # heading" in text
    assert sha256_of(closeout(PLAN, journal.entries)) in text
