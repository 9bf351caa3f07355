"""How a wave ended, by the journal: what its run's page shows."""

from datetime import timedelta

from tests.tidegate.builders import ANN, in_post_rollout, in_wave, plan_of
from tidegate.journal.kinds import Kind
from tidegate.pages.wave_outcome import WaveOutcome, rollback_words, wave_name, wave_outcome, where_in_plan

PLAN = plan_of()


def test_a_name_says_which_wave_and_how_far() -> None:
    assert wave_name(PLAN, 1) == "Wave 1: First at 10%"
    assert wave_name(plan_of({"waves.0.title": "Wave 1: Internal Testing"}), 1) == "Wave 1: Internal Testing at 10%"


def test_a_wave_that_soaked_is_completed_with_its_reviews() -> None:
    journal = in_wave()
    for healthy in (True, False):
        journal.append(Kind.REVIEWED, {"wave": 1, "credit": 900.0, "healthy": healthy, "findings": []})
    journal.append(Kind.SOAKED, {"wave": 1})
    found = wave_outcome(PLAN, journal.state, 1)
    assert (found.kind, found.name) == ("completed", "Completed")
    assert found.message.startswith("Wave 1: First at 10% has soaked: ")
    assert found.message.endswith("2 reviews, 1 of them not healthy.")


def test_a_wave_that_was_rolled_back_is_failed_under_a_name_of_its_own() -> None:
    journal = in_wave()
    ordered = journal.now
    zero = ordered + timedelta(seconds=1.5)
    body = {
        "criterion": "x",
        "ordered_at": ordered.isoformat(),
        "zero_at": zero.isoformat(),
        "revision": "r",
        "epoch": 2,
    }
    journal.append(Kind.ROLLING_BACK, {"reason": "Too many errors", "by": "tidegate", "problem": "", **body})
    found = wave_outcome(PLAN, journal.state, 1)
    said = "Rolled back in Wave 1: First at 10%: Too many errors. At zero 1.5 s after the order."
    assert found == WaveOutcome("failed", "WaveRolledBack", said)
    assert rollback_words(PLAN, journal.state) == said


def test_a_wave_whose_approval_was_revoked_says_why_it_was_not_raised() -> None:
    journal = in_wave()
    journal.append(Kind.SOAKED, {"wave": 1})
    journal.append(Kind.GATE_OPENED, {"wave": 2, "attempt": 1})
    decided = {"wave": 2, "attempt": 1, "outcome": "withdrawn", "reason": "not raised: on hold", "by": ANN}
    journal.append(Kind.GATE_DECIDED, decided)
    found = wave_outcome(PLAN, journal.state, 2)
    assert (found.kind, found.name) == ("cancelled", "NotRaised")
    assert found.message == "Not raised; exposure stays at 10% of staff. not raised: on hold."


def test_a_wave_that_another_process_guards_is_not_green() -> None:
    assert wave_outcome(PLAN, in_wave().state, 1).name == "LeftToAnother"


def test_where_says_before_in_and_after_the_waves() -> None:
    assert where_in_plan(PLAN, in_wave().state) == "in Wave 1: First at 10%"
    assert where_in_plan(PLAN, in_post_rollout().state) == "in the post-rollout monitoring"
