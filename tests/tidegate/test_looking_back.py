"""Spikes, objectives, new alerts and coverage: what fails, what passes, and what cannot be determined."""

from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import MINUTE, T0, in_wave, plan_of
from tidegate.criteria.alerting.new_alerts import NewAlerts, judge_new_alerts, new_alerts_query
from tidegate.criteria.metrics.coverage import Coverage, judge_coverage
from tidegate.criteria.metrics.resource_spike import ResourceSpike, judge_spike, since, spike_bound
from tidegate.criteria.metrics.slo import Slo, judge_slo, slo_queries, slo_readings, slo_spans
from tidegate.journal.kinds import Kind
from tidegate.plan.pace import Pace, Timing
from tidegate.values.samples import AlertReading, NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Verdict

P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741
PLAN = plan_of()
TIMING = Timing(PLAN, Pace(T0))
FEW, GONE, ABSENT, NAN = (
    NoData(r, T0) for r in (NoDataReason.TOO_FEW, NoDataReason.UNREACHABLE, NoDataReason.NO_SERIES, NoDataReason.NAN)
)


def points(values: list[float]) -> list[Sample]:
    return [Sample(value, T0 + number * MINUTE) for number, value in enumerate(values)]


# Spikes

SPIKE = ResourceSpike.model_validate(
    {"kind": "resource_spike", "when": "trigger", "metrics": ["memory"], "above": "50%", "text": "Spike"}
)
FLAT = [120.0] * 60
WIGGLY = [100.0 + (n % 21) * 4 for n in range(60)]


@pytest.mark.parametrize(
    ("now", "past", "expected"),
    [
        (Sample(120, T0), points(FLAT), P),
        (Sample(179, T0), points(FLAT), P),  # flat, but not yet by half
        (Sample(181, T0), points(FLAT), F),
        (Sample(260, T0), points(WIGGLY), P),  # by half, but not by six deviations
        (Sample(330, T0), points(WIGGLY), F),
        (Sample(181, T0), points([*FLAT, *[181.0] * 20]), F),  # the spike itself does not hide it
        (Sample(0, T0), points(FLAT), P),
        (Sample(900, T0), points(FLAT[:19]), I),
        (Sample(900, T0), [], I),
        (Sample(900, T0), ABSENT, I),
        (Sample(120, T0), GONE, E),
        (FEW, points(FLAT), I),
        (NAN, points(FLAT), E),
        (GONE, points(FLAT), E),
    ],
)
def test_a_spike_is_far_above_its_own_median(now: Reading, past: list[Sample] | NoData, expected: Verdict) -> None:
    found, breach = judge_spike("id", SPIKE, PLAN, "memory", 2, TIMING, now, past)
    assert found.verdict is expected, found.sentence
    if expected is F:
        assert breach is not None
        assert breach.bound == spike_bound([p.value for p in past], 6, 50)  # type: ignore[union-attr]


def test_a_spike_is_looked_for_within_the_wave() -> None:
    assert since(SPIKE, PLAN, "memory", TIMING, T0, T0 + 60 * MINUTE) == T0 + 5 * MINUTE
    assert since(SPIKE, PLAN, "memory", TIMING, T0, T0 + 1000 * MINUTE) == T0 + 640 * MINUTE


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_the_bound_is_never_below_the_share_over_the_median(values: list[float]) -> None:
    assert spike_bound(values, 6, 50) >= 1.5 * median(values)


# Objectives


def slo(**more: Any) -> Slo:
    body = {"kind": "slo", "when": "trigger", "metric": "errors", "part": "bad", "objective": "99%", "text": "SLO"}
    return Slo.model_validate(body | {"burn": 10.0} | more)


def answers(long: tuple[Reading | float, float], short: tuple[Reading | float, float]) -> dict[str, Reading]:
    found: dict[str, Reading] = {}
    for name, (part, whole) in (("long", long), ("short", short)):
        found[f"{name}_part"] = Sample(part, T0) if isinstance(part, float | int) else part
        found[f"{name}_whole"] = Sample(whole, T0) if isinstance(whole, float | int) else whole
    return found


GOOD, FINE = {"part": "good"}, {"part": None, "below": "500ms", "metric": "latency"}
DURING = {"when": "during", "burn": 1.0}


@pytest.mark.parametrize(
    ("about", "long", "short", "expected"),
    [
        ({}, (110, 1000), (11, 100), F),
        ({}, (100, 1000), (10, 100), P),  # exactly ten times the budget
        ({}, (110, 1000), (5, 100), P),  # over, and no longer burning
        ({}, (50, 1000), (90, 100), P),  # burning, and not yet for long
        ({}, (0, 1000), (0, 100), P),
        ({}, (0, 10), (0, 5), I),
        ({}, (110, 1000), (5, 19), I),
        ({}, (GONE, 1000), (0, 100), E),
        ({}, (0, ABSENT), (0, 100), E),
        (GOOD, (890, 1000), (89, 100), F),
        (GOOD, (1000, 1000), (100, 100), P),
        (FINE, (50, 60), (50, 60), F),
        (FINE, (58, 60), (58, 60), P),
        (FINE, (2, 2), (2, 2), I),
        (FINE, (ABSENT, ABSENT), (ABSENT, ABSENT), I),
        (FINE, (GONE, GONE), (GONE, GONE), E),
        (DURING, (10, 1000), (90, 100), P),  # kept over the long window, which alone is asked
        (DURING, (11, 1000), (0, 100), F),
        (DURING, (0, FEW), (0, 100), I),
    ],
)
def test_an_objective_is_missed_when_both_windows_burn(
    about: dict[str, Any], long: Any, short: Any, expected: Verdict
) -> None:
    item = slo(**about)
    found = judge_slo("id", item, PLAN, slo_readings(item, PLAN, answers(long, short)), "q")
    assert found.verdict is expected, found.sentence


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_more_bad_events_never_lift_the_verdict(one: int, other: int) -> None:
    few, many = (
        judge_slo("id", slo(), PLAN, slo_readings(slo(), PLAN, answers((n, 1000), (n, 1000))), "q").verdict
        for n in sorted((one, other))
    )
    assert not (few is F and many is P)


def test_an_objective_looks_no_further_back_than_the_first_raise() -> None:
    item = slo(long="14d", short="1h")
    spans = slo_spans(item, PLAN, TIMING, 180 * MINUTE)
    assert spans == {"long": 180 * MINUTE, "short": 60 * MINUTE}
    assert slo_spans(item, PLAN, TIMING, 0 * MINUTE)["long"] == 5 * MINUTE
    asked = slo_queries(slo(**FINE), PLAN, 1, TIMING, {"long": 60 * MINUTE, "short": 5 * MINUTE})
    assert asked["long_part"].endswith("< bool 500)[3600000ms:60000ms])")
    assert asked["short_whole"].endswith("[300000ms:15000ms])")


# New alerts

NEW = NewAlerts.model_validate(
    {"kind": "new_alerts", "when": "during", "labels": {"severity": 'a"b'}, "text": "No new alert"}
)


@pytest.mark.parametrize(
    ("count", "rules", "problem", "expected"),
    [
        (Sample(0, T0), 3, None, P),
        (Sample(2, T0), 3, None, F),
        (Sample(2, T0), 0, GONE, F),
        (Sample(0, T0), 0, None, E),
        (Sample(0, T0), 3, GONE, E),
        (GONE, 3, None, E),
        (ABSENT, 3, None, E),
    ],
)
def test_no_alert_began_where_one_could_have(
    count: Reading, rules: int, problem: NoData | None, expected: Verdict
) -> None:
    found = judge_new_alerts("id", NEW, count, AlertReading(T0, ("Old",), rules, problem), "q")
    assert found.verdict is expected, found.sentence
    dry = NEW.model_copy(update={"dry_run": True})
    assert judge_new_alerts("id", dry, count, AlertReading(T0, (), rules, problem), "q").verdict is N


def test_the_query_for_new_alerts_forgets_after_a_soak_and_knows_those_from_before() -> None:
    query = new_alerts_query(NEW.labels, 120 * MINUTE, 60 * MINUTE)
    assert 'severity="a\\"b"' in query
    assert "[3600000ms]" in query
    assert "offset 7200000ms" in query
    assert query.endswith("or vector(0)")


# Coverage

COVER = Coverage.model_validate({"kind": "coverage", "when": "enter", "at_least": "75%", "text": "Covered"})


def reviewed(*there: bool, n: float | None = None) -> Any:
    journal = in_wave(1)
    for each in there:
        lines = [{"name": name, "value": 1.0, "n": None} for name in ("errors", "latency")]
        lines.append({"name": "memory", "value": 1.0 if each else None, "n": n})
        journal.append(Kind.REVIEWED, {"wave": 1, "credit": 60, "healthy": True, "metrics": lines}, after=MINUTE)
    return journal.state.record


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (reviewed(True, True, True, False), P),
        (reviewed(True, True, False, False), F),
        (reviewed(False, False, False, False, n=3.0), P),  # counted, though too few
        (reviewed(True, True, True), I),
        (reviewed(), I),
        (None, I),
    ],
)
def test_every_metric_must_have_been_there(record: Any, expected: Verdict) -> None:
    assert judge_coverage("id", COVER, PLAN, record).verdict is expected


def test_only_the_named_metrics_are_asked_for() -> None:
    record = reviewed(False, False, False, False)
    assert judge_coverage("id", COVER, PLAN, record).verdict is F
    named = COVER.model_copy(update={"metrics": ("errors",)})
    assert judge_coverage("id", named, PLAN, record).verdict is P
