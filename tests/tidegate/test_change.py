"""A metric against what it was: a zero or missing reference is a regression or no evidence, never a division error."""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import MINUTE, T0, opened, plan_of
from tidegate.criteria.control import has_control
from tidegate.criteria.metrics.change import Against, Change, judge_change, reference_number
from tidegate.criteria.metrics.queries import joined_query
from tidegate.criteria.metrics.references import BASELINE, reference_body, reference_queries, reference_reading
from tidegate.journal.kinds import Kind
from tidegate.plan.in_force import in_force
from tidegate.plan.model import When
from tidegate.plan.pace import Pace, Timing
from tidegate.rollout.next_step import Ask, MeasureBaseline, next_step
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding, Verdict

P, I, E, F = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL  # noqa: E741
PLAN = plan_of({"baseline": {"window": "24h"}})
TIMING = Timing(PLAN, Pace(T0))
ABSENT, FEW, GONE = (NoData(r, T0) for r in (NoDataReason.NO_SERIES, NoDataReason.TOO_FEW, NoDataReason.UNREACHABLE))
READINGS = {"absent": ABSENT, "few": FEW, "gone": GONE, "never": None}


def change(**more: Any) -> Change:
    body = {
        "kind": "change",
        "when": "trigger",
        "metric": "errors",
        "to": "baseline",
        "how": "relative",
        "text": "Worse",
    }
    return Change.model_validate(body | more)


def judged(item: Change, now: Reading, then: Reading | None, live: str = "") -> Finding:
    return judge_change("id", item, PLAN, 2, TIMING, now, Against("then", then, live))[0]


def reading(value: float | str) -> Reading | None:
    return Sample(value, T0, 500) if isinstance(value, float | int) else READINGS[value]


RISE = {"above": "50%"}
POINTS = {"above": "5%", "how": "points"}
DURING = {"when": "during", "below": "50%"}
SLOWER = {"metric": "latency", "above": "50%"}


@pytest.mark.parametrize(
    ("about", "now", "then", "expected"),
    [
        (RISE, 1.5, 1.0, P),
        (RISE, 1.51, 1.0, F),
        (RISE, 0.1, 1.0, P),
        (POINTS, 6.0, 1.0, P),
        (POINTS, 6.1, 1.0, F),
        (DURING, 1.4, 1.0, P),
        (DURING, 1.5, 1.0, F),
        (SLOWER, 599.0, 400.0, P),
        (SLOWER, 601.0, 400.0, F),
        ({"below": "-20%"}, 79.0, 100.0, F),
        ({"below": "-20%"}, 81.0, 100.0, P),
        # Nothing there before: what errs now is a regression; what does not, is as it was.
        (RISE, 0.5, 0.0, F),
        (RISE, 0.0, 0.0, P),
        (DURING, 0.5, 0.0, F),
        (POINTS, 0.5, 0.0, P),
        (POINTS, 5.5, 0.0, F),
        (RISE, 0.5, "absent", F),
        (RISE, 0.0, "absent", I),
        (POINTS, 5.5, "absent", F),
        (POINTS, 0.5, "absent", I),
        # A latency from nothing says nothing.
        (SLOWER, 400.0, 0.0, I),
        (SLOWER, 400.0, "absent", I),
        # Without a reference nothing passes and nothing fires.
        (RISE, 50.0, "few", I),
        (RISE, 50.0, "gone", I),
        (RISE, 50.0, "never", I),
        (DURING, 0.0, "never", I),
        # Without a value now neither.
        (RISE, "few", 1.0, I),
        (RISE, "absent", 1.0, E),
        (RISE, "gone", 1.0, E),
    ],
)
def test_a_change_is_held_against_its_bound(
    about: dict[str, Any], now: float | str, then: float | str, expected: Verdict
) -> None:
    found = judged(change(**about), reading(now), reading(then))  # type: ignore[arg-type]
    assert found.verdict is expected, found.sentence
    assert found.bound
    assert found.sentence


def test_a_control_that_cannot_be_read_now_is_no_data() -> None:
    item = change(to="control", above="50%", substitute="baseline")
    assert judged(item, Sample(1, T0), GONE, "live").verdict is E
    assert judged(item, Sample(1, T0), FEW, "live").verdict is I


values = st.floats(0, 1000)


@given(values, values, values, st.sampled_from(["relative", "points"]))
def test_more_of_what_is_bad_never_lifts_the_verdict(one: float, other: float, then: float, how: str) -> None:
    item = change(above="50%", how=how)
    low, high = (judged(item, Sample(x, T0), Sample(then, T0)).verdict for x in sorted((one, other)))
    assert not (high is P and low is F)


@given(values, st.one_of(values, st.sampled_from([None, ABSENT, FEW, GONE])))
def test_a_breach_says_the_same_as_the_finding(now: float, then: float | NoData | None) -> None:
    was = Sample(then, T0) if isinstance(then, float) else then
    found, breach = judge_change("id", change(**RISE), PLAN, 2, TIMING, Sample(now, T0), Against("then", was))
    if found.verdict is F:
        assert breach is not None
        assert breach.holds(now)


def test_a_live_control_is_compared_without_dividing() -> None:
    item = change(to="control", above="50%", substitute="baseline")
    live = joined_query(PLAN, "errors", 2, timedelta(minutes=5), PLAN.variants.control)
    assert "or on() vector(0)" in live
    found, breach = judge_change("id", item, PLAN, 2, TIMING, Sample(3, T0), Against("control", Sample(0, T0), live))
    assert found.verdict is F
    assert breach is not None
    assert breach.query.endswith(f"- (({live}) * 1.5)")
    assert breach.bound == 0


@pytest.mark.parametrize(
    ("to", "wave", "expected"),
    [("baseline", 3, 0), ("previous_wave", 1, 0), ("previous_wave", 3, 2), ("wave 1", 4, 1)],
)
def test_which_reference_is_meant(to: str, wave: int, expected: int) -> None:
    assert reference_number(to, wave) == expected


def test_nobody_is_left_on_the_old_path_at_a_hundred_percent_without_holdback() -> None:
    full = plan_of({"waves.1.percent": "100%"})
    held = plan_of({"waves.1.percent": "100%", "flag.always_off": ["staff2"]})
    assert [has_control(full, wave) for wave in (1, 2, 3)] == [True, False, False]
    assert has_control(held, 3)


def test_a_critical_change_of_the_table_is_a_trigger() -> None:
    plan = plan_of({"baseline": {}, "metrics.memory.critical": {"change": "+100%"}})
    item = {x.id: x.criterion for x in in_force(plan, 1, When.TRIGGER)}["critical.memory"]
    assert isinstance(item, Change)
    assert (item.to, item.how.value, item.above) == ("baseline", "relative", "100%")


# The references themselves


def test_the_baseline_asks_the_old_path_of_everyone_and_a_wave_the_new_one() -> None:
    asked = reference_queries(PLAN, BASELINE, 1440 * MINUTE)
    assert asked["errors_whole"] == 'sum(increase(requests_total{ path="old" }[86400000ms]))'
    assert asked["memory_query"] == 'avg_over_time((sum(memory_bytes{ path="old" }) / 1e6)[86400000ms:360000ms])'
    assert 'path="new",cohort="staff"' in reference_queries(PLAN, 1, MINUTE)["errors_whole"]


def test_a_reference_keeps_values_counts_and_reasons() -> None:
    answers: dict[str, Reading] = {
        "errors_part": ABSENT,
        "errors_whole": Sample(1000, T0),
        "latency_query": Sample(200, T0),
        "latency_count": Sample(3, T0),
        "memory_query": GONE,
    }
    body = reference_body(PLAN, BASELINE, T0 - MINUTE, T0, answers)
    assert body["metrics"]["errors"] == {"value": 0.0, "n": 1000, "raw": {"part": 0.0, "whole": 1000}}
    assert body["metrics"]["latency"]["reason"] == "too_few"
    assert body["metrics"]["memory"]["raw"] == {"query": "unreachable"}
    journal = opened(PLAN)
    assert next_step(journal.state) == MeasureBaseline()
    journal.append(Kind.MEASURED, body)
    journal.append(Kind.MEASURED, body | {"metrics": {}})
    references = journal.state.evidence.references
    assert reference_reading(references, BASELINE, "errors") == Sample(0.0, T0, 1000)
    found = reference_reading(references, reference_number("baseline", 1), "latency")
    assert isinstance(found, NoData)
    assert found.reason is NoDataReason.TOO_FEW
    assert reference_reading(references, 1, "errors") is None
    assert next_step(journal.state) == Ask(1)


def test_a_plan_without_baseline_measures_none() -> None:
    assert next_step(opened().state) == Ask(1)


def infinite(value: float, n: float | None = 500) -> NoData:
    """Errors per good answer without a good answer, as Prometheus says it."""
    return NoData(NoDataReason.NAN, T0, seen=value, n=n)


@pytest.mark.parametrize(
    ("about", "now", "then", "expected"),
    [
        (RISE, infinite(math.inf), 1.0, F),
        (POINTS, infinite(math.inf), 1.0, F),
        (DURING, infinite(math.inf), 1.0, F),
        # A fall is no rise; a rise that nothing counts, or from what is not known, is no evidence.
        (RISE, infinite(-math.inf), 1.0, E),
        (RISE, infinite(math.inf, None), 1.0, E),
        (RISE, infinite(math.inf), "gone", E),
        (RISE, infinite(math.inf), "never", E),
        (RISE, infinite(math.nan), 1.0, E),
    ],
)
def test_what_became_infinite_is_beyond_every_change(
    about: dict[str, str], now: NoData, then: float | str, expected: Verdict
) -> None:
    found = judged(change(**about), now, reading(then))
    assert found.verdict is expected, found.sentence
    assert ("is infinite, then had 1%" in found.sentence) == (expected is F)
