"""Which questions are asked, and how an answer becomes a finding: no evidence never passes."""

import gc
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import MINUTE, PLAN, T0, TIMING, plan_of
from tidegate.criteria.alerting.alerts import Alerts, judge_alerts
from tidegate.criteria.external.human import Human, judge_pending
from tidegate.criteria.metrics.queries import (
    Breach,
    canary_traffic_reading,
    metric_queries,
    metric_reading,
    no_canary_traffic_breach,
    sustained,
    traffic_queries,
)
from tidegate.criteria.metrics.threshold import Threshold, breach_of, judge_threshold
from tidegate.plan.in_force import _known, in_force, steps
from tidegate.plan.model import Plan, When
from tidegate.plan.pace import Pace, Timing
from tidegate.values.samples import AlertReading, NoData, NoDataReason, Reading, Sample, ratio, sample
from tidegate.values.units import Unit
from tidegate.values.verdict import Finding, Verdict

P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741
ERRORS = PLAN.metrics["errors"]
DURING, TRIGGER, ENTER = When.DURING, When.TRIGGER, When.ENTER
NOT_FINITE = [math.nan, math.inf, -math.inf]
NO_DATA = [NoData(reason, T0) for reason in NoDataReason]

values = st.floats(0, 100)
limits = st.sampled_from(["0%", "1%", "2%", "50%", "99.5%", "100%"])
whens = st.sampled_from(When)
sides = st.sampled_from(["below", "above"])


def threshold(when: When = DURING, **more: Any) -> Threshold:
    return Threshold.model_validate({"kind": "threshold", "when": when, "metric": "errors", "text": "Errors", **more})


def alerts(when: When = DURING, **more: Any) -> Alerts:
    body = {"kind": "alerts", "when": when, "labels": {"severity": "critical"}, "text": "Alerts"}
    return Alerts.model_validate(body | more)


def judged(item: Threshold, reading: Reading) -> Finding:
    return judge_threshold("id", item, ERRORS, reading, "query")


def names(plan: Plan, wave: int, when: When) -> list[str]:
    return [item.id for item in in_force(plan, wave, when)]


# Thresholds


@pytest.mark.parametrize(
    ("item", "value", "expected"),
    [
        (threshold(below="2%"), 1.9, P),
        (threshold(below="2%"), 2.0, F),
        (threshold(above="98%"), 98.1, P),
        (threshold(above="98%"), 98.0, F),
        (threshold(ENTER, below="2%"), 2.1, F),
        (threshold(TRIGGER, above="10%"), 10.0, P),
        (threshold(TRIGGER, above="10%"), 10.1, F),
        (threshold(TRIGGER, below="90%"), 90.0, P),
        (threshold(TRIGGER, below="90%"), 89.9, F),
    ],
)
def test_a_value_is_held_against_its_bound(item: Threshold, value: float, expected: Verdict) -> None:
    found = judged(item, Sample(value, T0, 500))
    assert (found.verdict, found.observed, found.n) == (expected, value, 500)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("side", ["below", "above"])
@pytest.mark.parametrize("reading", [*NO_DATA, *(sample(x, T0) for x in NOT_FINITE)], ids=str)
def test_no_data_never_passes_and_never_rolls_back(when: When, side: str, reading: NoData) -> None:
    found = judged(threshold(when, **{side: "2%"}), reading)
    assert found.verdict is (I if reading.reason is NoDataReason.TOO_FEW else E)
    assert found.observed is None


@given(whens, sides, limits, values, values)
def test_moving_a_value_in_the_bad_direction_never_lifts_the_verdict(
    when: When, side: str, limit: str, one: float, other: float
) -> None:
    item = threshold(when, **{side: limit})
    low, high = (judged(item, Sample(x, T0)).verdict for x in sorted((one, other)))
    # What must hold below is bad above, and the other way round for a trigger.
    better, worse = (low, high) if (side == "below") != (when is TRIGGER) else (high, low)
    assert not (worse is P and better is not P)


@given(whens, sides, limits, st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_fewer_events_never_turn_a_verdict_into_pass(
    when: When, side: str, limit: str, part: int, whole: int, fewer: int
) -> None:
    item = threshold(when, **{side: limit})
    whole, fewer = max(whole, fewer), min(whole, fewer)
    scaled = Sample(part * fewer / max(whole, 1), T0)
    more = judged(item, ratio(Sample(part, T0), Sample(whole, T0), ERRORS.min_samples)).verdict
    less = judged(item, ratio(scaled, Sample(fewer, T0), ERRORS.min_samples)).verdict
    if fewer < ERRORS.min_samples:
        assert less is I
    elif math.isclose(part / whole, scaled.value / fewer) and abs(100 * part / whole - float(limit[:-1])) > 1e-6:
        assert less is more


@given(whens, sides, limits, values, st.sampled_from(NO_DATA))
def test_losing_the_data_never_turns_a_verdict_into_pass(
    when: When, side: str, limit: str, value: float, lost: NoData
) -> None:
    assert judged(threshold(when, **{side: limit}), lost).verdict is not P


@given(st.one_of(values, st.sampled_from(NOT_FINITE)), st.floats(allow_nan=True, allow_infinity=True))
def test_whatever_the_counts_are_a_pass_rests_on_enough_events(part: float, whole: float) -> None:
    answers = {"errors_part": sample(part, T0), "errors_whole": sample(whole, T0)}
    found = judged(threshold(below="2%"), metric_reading(PLAN, "errors", answers))
    assert found.verdict is not P or (found.n is not None and found.n >= ERRORS.min_samples)


def test_errors_with_no_traffic_counted_are_no_division_by_zero() -> None:
    answers = {"errors_part": Sample(5, T0), "errors_whole": Sample(0, T0)}
    assert judged(threshold(below="2%"), metric_reading(PLAN, "errors", answers)).verdict is I


@pytest.mark.parametrize("when", When)
@given(value=st.one_of(st.none(), values))
def test_a_dry_run_shows_what_it_saw_and_decides_nothing(when: When, value: float | None) -> None:
    reading = NO_DATA[0] if value is None else Sample(value, T0)
    real, dry = (judged(threshold(when, below="2%", dry_run=dry), reading) for dry in (False, True))
    assert dry.verdict is N
    assert real.verdict.value in dry.sentence
    assert real.sentence in dry.sentence


def test_a_dry_run_of_a_firing_alert_decides_nothing() -> None:
    reading = AlertReading(T0, ("Broken",), 3)
    assert judge_alerts("id", alerts(TRIGGER), reading).verdict is F
    dry = judge_alerts("id", alerts(TRIGGER, dry_run=True), reading)
    assert (dry.verdict, dry.sentence) == (N, "Dry run, would be FAIL: Firing: Broken.")


def test_a_trigger_says_whether_the_plan_requires_it() -> None:
    few = NoData(NoDataReason.TOO_FEW, T0)
    assert judged(threshold(TRIGGER, above="10%", required=True), few).required
    assert judged(threshold(TRIGGER, above="10%", required=True), Sample(50, T0)).required
    assert not judged(threshold(TRIGGER, above="10%"), few).required


# Alerts and people


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize(
    ("firing", "rules", "problem", "expected"),
    [
        ((), 1, None, P),
        ((), 0, None, E),
        ((), 0, NoData(NoDataReason.UNREACHABLE, T0), E),
        ((), 5, NoData(NoDataReason.PARTIAL, T0), E),
        (("Broken",), 5, None, F),
        (("Broken",), 0, None, F),
        (("Broken",), 5, NoData(NoDataReason.UNREACHABLE, T0), F),
    ],
)
def test_alerts_pass_only_where_one_could_have_fired(
    when: When, firing: tuple[str, ...], rules: int, problem: NoData | None, expected: Verdict
) -> None:
    found = judge_alerts("id", alerts(when), AlertReading(T0, firing, rules, problem))
    assert found.verdict is expected
    assert found.query == "ALERTS{severity=critical}"


def test_a_line_without_a_check_decides_nothing_and_says_who_watches() -> None:
    item = next(c for c in PLAN.waves[0].criteria if isinstance(c, Human) and c.pending)
    found = judge_pending("id", item)
    assert found.verdict is N
    assert "lead" in found.sentence


# What is asked


@pytest.mark.parametrize(
    ("wave", "when", "expected"),
    [
        (1, ENTER, ["first.1"]),
        (1, DURING, ["first.2", "first.3"]),
        # The critical bound of the error rate asks the same as first.4: asked once.
        (1, TRIGGER, ["first.4", "first.5"]),
        (2, ENTER, ["second.1", "second.3"]),
        (2, DURING, ["first.2", "second.3"]),
        (2, TRIGGER, ["first.4", "first.5", "second.4"]),
        (3, ENTER, []),
        (3, DURING, ["first.2", "second.3"]),
        (3, TRIGGER, ["first.4", "first.5", "second.4"]),
    ],
)
def test_this_is_asked(wave: int, when: When, expected: list[str]) -> None:
    assert names(PLAN, wave, when) == expected


@given(st.integers(1, 2))
def test_triggers_of_earlier_waves_stay(wave: int) -> None:
    assert set(names(PLAN, wave, TRIGGER)) <= set(names(PLAN, wave + 1, TRIGGER))


def test_a_critical_bound_is_a_trigger_of_every_wave() -> None:
    plan = plan_of({"metrics.latency.critical": {"above": "1500ms"}})
    for wave in (1, 2, 3):
        found = {item.id: item.criterion for item in in_force(plan, wave, TRIGGER)}
        critical = found["critical.latency"]
        assert isinstance(critical, Threshold)
        assert (critical.above, critical.for_) == ("1500ms", None)


def test_a_critical_bound_that_waits_for_its_check_is_no_trigger() -> None:
    plan = plan_of({"metrics.latency.critical": {"pending": "change", "text": "+100%"}})
    assert names(plan, 1, TRIGGER) == names(PLAN, 1, TRIGGER)


def test_a_trigger_that_must_last_does_not_hide_one_that_need_not() -> None:
    plan = plan_of({"waves.0.criteria.3.for": "30m"})
    assert names(plan, 2, TRIGGER) == ["first.4", "first.5", "second.4", "second.5"]


def test_a_dry_run_does_not_hide_the_real_thing() -> None:
    plan = plan_of({"waves.0.criteria.3.dry_run": True})
    asked = [(x.id, x.criterion.dry_run) for x in in_force(plan, 1, TRIGGER)]
    assert ("first.4", True) in asked
    assert ("critical.errors", False) in asked


def test_earlier_waves_on_dry_run_are_all_on_dry_run() -> None:
    extra = [
        {"kind": "threshold", "when": "during", "metric": "latency", "below": "400ms", "text": "Own"},
        {"kind": "earlier_waves", "when": "during", "waves": [1, 2], "text": "Tried", "dry_run": True},
    ]
    asked = in_force(plan_of({"post_rollout.criteria": extra}), 3, DURING)
    assert [(x.id, x.criterion.dry_run) for x in asked] == [
        ("post-rollout.1", False),
        ("first.2", True),
        ("second.3", True),
    ]


def test_a_named_criterion_keeps_its_name() -> None:
    assert "few-errors" in names(plan_of({"waves.0.criteria.1.id": "few-errors"}), 2, DURING)


@pytest.mark.parametrize("wave", [1, 2, 3])
@pytest.mark.parametrize("when", When)
def test_what_is_asked_is_never_a_reference_to_other_criteria(wave: int, when: When) -> None:
    assert {x.criterion.kind for x in in_force(PLAN, wave, when)} <= {"threshold", "alerts", "human"}
    assert len(steps(PLAN)) == 3


# What Prometheus is asked


def test_queries_select_the_new_path_of_the_wave_and_its_window() -> None:
    asked = metric_queries(PLAN, "errors", 1, 5 * MINUTE)
    assert asked["errors_whole"] == 'sum(increase(requests_total{ path="new",cohort="staff" }[300000ms]))'
    assert metric_queries(PLAN, "memory", 2, MINUTE) == {"memory_query": 'sum(memory_bytes{ path="new" }) / 1e6'}
    # Post-rollout time asks as the last wave does.
    assert metric_queries(PLAN, "errors", 3, MINUTE) == metric_queries(PLAN, "errors", 2, MINUTE)


def test_a_dead_new_path_counts_as_zero_and_a_dead_old_one_as_nothing() -> None:
    asked = traffic_queries(PLAN, 2, MINUTE)
    assert asked["traffic_canary"].endswith("or vector(0)")
    assert "vector" not in asked["traffic_control"]
    assert 'path="old"' in asked["traffic_control"]


# No canary traffic


def no_traffic(wave: int, canary: Reading, control: Reading) -> bool | NoDataReason:
    breach = no_canary_traffic_breach(PLAN, wave, TIMING)
    assert breach is not None
    reading = canary_traffic_reading(PLAN, wave, {"traffic_canary": canary, "traffic_control": control})
    return reading.reason if isinstance(reading, NoData) else breach.holds(reading.value)


@pytest.mark.parametrize(
    ("wave", "canary", "control", "expected"),
    [
        # Of 10 % exposed, under 1 % is no_traffic; 20 requests expected on the new path are 200 on both.
        (1, 0, 200, True),
        (1, 1, 199, True),
        (1, 2, 198, False),
        (1, 20, 180, False),
        (1, 0, 199, NoDataReason.TOO_FEW),
        (1, 0, 0, NoDataReason.TOO_FEW),
        # Of 25 %, under 2.5 %; 80 requests are enough.
        (2, 1, 79, True),
        (2, 3, 77, False),
        (2, 0, 79, NoDataReason.TOO_FEW),
    ],
)
def test_a_new_path_has_no_traffic_below_a_tenth_of_its_share(
    wave: int, canary: float, control: float, expected: object
) -> None:
    assert no_traffic(wave, Sample(canary, T0), Sample(control, T0)) is expected


@pytest.mark.parametrize("lost", NO_DATA, ids=str)
def test_without_either_count_nobody_can_tell_whether_it_gets_traffic(lost: NoData) -> None:
    # What ended while the old path's requests go on is answered: it completes nothing.
    assert no_traffic(1, lost, Sample(1000, T0)) is (True if lost.reason is NoDataReason.STALE else lost.reason)
    assert no_traffic(1, Sample(0, T0), lost) is lost.reason


def test_counts_beyond_all_numbers_are_no_evidence() -> None:
    assert no_traffic(1, Sample(1e308, T0), Sample(1e308, T0)) is NoDataReason.NAN


def test_canary_traffic_is_not_asked_where_everyone_is_exposed() -> None:
    plan = plan_of({"waves.1.percent": "100%"})
    timing = Timing(plan, Pace(T0))
    assert no_canary_traffic_breach(plan, 1, timing) is not None
    assert no_canary_traffic_breach(plan, 2, timing) is None
    assert no_canary_traffic_breach(plan, 3, timing) is None


# How long a breach must last


def breach(lasting: timedelta = 5 * MINUTE, window: timedelta = 5 * MINUTE) -> Breach:
    return Breach(True, 10.0, Unit.PERCENT, lasting, window, "query")


def points(*found: tuple[float, float]) -> list[Sample]:
    """Samples by minute and value."""
    return [Sample(value, T0 + minute * MINUTE) for minute, value in found]


def every(step: float, *found: float) -> list[Sample]:
    return points(*((at * step, value) for at, value in enumerate(found)))


BAD, GOOD = 11.0, 9.0


@pytest.mark.parametrize(
    ("about", "found", "fires"),
    [
        (breach(), every(0.5, *[BAD] * 11), True),  # at every sample through five minutes
        (breach(), every(0.5, *[BAD] * 10), False),  # four and a half
        (breach(), every(0.5, *[GOOD] * 9, BAD), False),  # one in ten
        (breach(), every(0.5, *[BAD] * 5, GOOD, *[BAD] * 10), False),  # one good sample in between
        (breach(), every(0.5, *[BAD] * 20, GOOD), False),  # over by now
        (breach(), every(0.5, *[10.0] * 20), False),  # at the bound is not beyond it
        (breach(), [], False),
        (breach(), points((0, BAD)), False),  # one window
        (breach(), points((0, BAD), (5, BAD)), True),  # two that do not overlap
        (breach(), points((0, BAD), (4, BAD)), False),  # two that do
        (breach(), points((0, BAD), (2, BAD), (7, BAD)), True),  # a gap does not break it
        (breach(15 * MINUTE), every(1, *[BAD] * 16), True),
        # The gap of 13 minutes counts as the one window that the point after it looks back on.
        (breach(15 * MINUTE), points((0, BAD), (1, BAD), (14, BAD), (15, BAD)), False),
        (breach(15 * MINUTE), points((0, BAD), (15, BAD)), False),
        (breach(15 * MINUTE), points((0, BAD), (15, BAD), (20, BAD), (25, BAD)), True),
        (breach(timedelta(0)), points((0, BAD)), True),  # for: 0s
        (breach(timedelta(0)), points((0, BAD), (1, GOOD)), False),
        (breach(MINUTE), every(0.5, *[BAD] * 4), False),  # never shorter than the window
    ],
)
def test_a_breach_lasted_or_not(about: Breach, found: list[Sample], fires: bool) -> None:
    assert sustained(about, found)[0] is fires


@pytest.mark.parametrize("lost", NO_DATA, ids=str)
def test_a_past_that_cannot_be_read_fires_nothing(lost: NoData) -> None:
    assert sustained(breach(timedelta(0)), lost)[0] is False


series = st.lists(st.tuples(st.integers(1, 12), st.floats(0, 20)), max_size=25).map(
    lambda found: points(*((sum(step for step, _ in found[: i + 1]), value) for i, (_, value) in enumerate(found)))
)


@given(series, st.integers(0, 20), st.integers(1, 10))
def test_what_fires_was_bad_at_its_newest_points_in_two_windows(found: list[Sample], lasting: int, window: int) -> None:
    about = breach(lasting * MINUTE, window * MINUTE)
    if sustained(about, found)[0]:
        bad: list[Sample] = []
        for point in reversed(found):
            if point.value <= 10:
                break
            bad.append(point)
        assert bad
        assert lasting == 0 or bad[0].at - bad[-1].at >= max(about.lasting, about.window)


@given(series, st.integers(0, 20), st.data())
def test_a_healthier_past_never_makes_it_fire(found: list[Sample], lasting: int, data: st.DataObject) -> None:
    about = breach(lasting * MINUTE)
    healed = [Sample(min(p.value, data.draw(st.floats(0, 20))), p.at) for p in found]
    assert sustained(about, found)[0] or not sustained(about, healed)[0]


@given(series, st.integers(1, 20), st.data())
def test_points_that_get_lost_never_make_a_bad_stretch_longer(
    found: list[Sample], lasting: int, data: st.DataObject
) -> None:
    about = breach(lasting * MINUTE)
    bad = [Sample(BAD, p.at) for p in found]
    kept = [p for p in bad if data.draw(st.booleans())]
    assert sustained(about, bad)[0] or not sustained(about, kept)[0]


@pytest.mark.parametrize(
    ("written", "lasting"),
    [(None, 5 * MINUTE), ("0s", timedelta(0)), ("1m", 5 * MINUTE), ("15m", 15 * MINUTE)],
)
def test_a_trigger_lasts_as_written_and_at_least_its_window(written: str | None, lasting: timedelta) -> None:
    item = threshold(TRIGGER, above="10%", **({} if written is None else {"for": written}))
    found = breach_of(item, PLAN, 1, TIMING)
    assert (found.lasting, found.window, found.words) == (lasting, 5 * MINUTE, "> 10%")
    assert found.query.endswith(">= 20)")


def test_a_rehearsal_waits_for_two_windows_too() -> None:
    fast = Timing(PLAN, Pace.of(T0, timedelta(seconds=15)))
    found = breach_of(threshold(TRIGGER, above="10%", **{"for": "15m"}), PLAN, 1, fast)
    assert (found.window, found.lasting) == (MINUTE, MINUTE)
    assert breach_of(threshold(TRIGGER, above="10%", **{"for": "0s"}), PLAN, 1, fast).lasting == timedelta(0)


def test_what_is_in_force_is_known_as_long_as_the_plan_is_there() -> None:
    plan = plan_of({})
    assert in_force(plan, 1, TRIGGER) is in_force(plan, 1, TRIGGER)
    before = len(_known)
    del plan
    gc.collect()
    assert len(_known) < before
