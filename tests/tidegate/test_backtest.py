"""The pure parts of a back-test: intervals, the period's grid, what the checklist makes of a result."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.tidegate.builders import PLAN, T0, plan_of
from tidegate.backtest.proof import judge_backtest
from tidegate.backtest.rates import Rate, wilson
from tidegate.backtest.replay.backtest_data import Harm, parse_harm
from tidegate.backtest.replay.past import Asked, Grid, Past
from tidegate.backtest.replay.replay_result import codes_by_value, seen_of
from tidegate.backtest.result import criteria_hash
from tidegate.backtest.run import course
from tidegate.checklist.items import BacktestProof, ChecklistItem
from tidegate.journal.bodies.lifecycle_bodies import Backtested
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding, Verdict

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("share", "n", "low", "high"), [(0.0, 29, 0.0, 0.117), (0.1, 10, 0.0179, 0.4042), (1.0, 5, 0.5655, 1.0)]
)
def test_the_interval_is_wilsons(share: float, n: int, low: float, high: float) -> None:
    assert wilson(share, n) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


@given(st.integers(0, 50), st.integers(1, 50))
def test_the_interval_holds_the_share(hits: int, n: int) -> None:
    share = min(hits, n) / n
    low, high = wilson(share, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    assert wilson(0.5, 0) == (0.0, 1.0)


def test_waves_that_overlap_widen_the_interval() -> None:
    apart, overlapping = Rate(4, 40, 40).interval, Rate(4, 40, 5).interval
    assert overlapping[0] < apart[0]
    assert overlapping[1] > apart[1]


@given(st.integers(0, 3600), st.sampled_from([1, 15, 60, 3600]), st.integers(0, 500))
def test_every_instant_is_a_multiple_of_its_step(begin: int, step: int, length: int) -> None:
    start = START + timedelta(seconds=begin)
    grid = Grid.over(start, start + timedelta(seconds=length * step), timedelta(seconds=step))
    assert start <= grid.start < start + timedelta(seconds=step)
    assert all(grid.at(n).timestamp() % step == 0 for n in range(min(grid.count, 3)))
    if grid.count:
        assert grid.end <= start + timedelta(seconds=length * step)
        assert grid.place(grid.end) == grid.count - 1


def test_what_was_not_measured_is_no_series_and_what_is_not_a_number_is_none() -> None:
    asked = Asked("up", timedelta(seconds=60))
    ms = round(START.timestamp() * 1000)
    past = Past({asked: {ms: 2.0, ms + 60_000: float("nan")}})
    assert past.reading(asked, START) == Sample(2.0, START)
    for minutes, reason in ((1, NoDataReason.NAN), (2, NoDataReason.NO_SERIES)):
        found = past.reading(asked, START + timedelta(minutes=minutes))
        assert isinstance(found, NoData)
        assert found.reason is reason


@given(st.lists(st.one_of(st.none(), st.floats(-100, 100)), max_size=60), st.floats(-50, 50))
def test_a_bound_is_found_by_bisecting_as_by_asking_for_each(values: list[float | None], bound: float) -> None:
    def judge(reading: Reading) -> Verdict:
        if isinstance(reading, NoData):
            return Verdict.ERROR
        return Verdict.FAIL if reading.value > bound else Verdict.PASS

    readings: list[Reading] = [
        NoData(NoDataReason.NO_SERIES, T0) if value is None else Sample(value, T0) for value in values
    ]
    expected = {Verdict.PASS: 0, Verdict.ERROR: 2, Verdict.FAIL: 3}
    assert list(codes_by_value(readings, judge)) == [expected[judge(reading)] for reading in readings]


def test_looks_without_data_in_a_row_are_a_spell() -> None:
    grid = Grid.over(START, START + DAY, timedelta(minutes=1))
    seen = seen_of(bytes([0, 2, 0, 2, 2, 2, 1]), grid, 10)
    assert (seen.looked, seen.no_data, seen.unsure, seen.failed) == (7, 4, 1, 0)
    assert seen.spells == ((grid.at(13), grid.at(15)),)


@pytest.mark.parametrize("text", ["errors", "errors=", "errors=-1", "errors=nan", "errors=twice", "errors=1e9"])
def test_harm_that_is_none_is_refused(text: str) -> None:
    assert parse_harm("errors=2.5") == Harm("errors", 2.5)
    with pytest.raises(ValueError, match="--inject: found .*, allowed is METRIC=FACTOR"):
        parse_harm(text)


def test_what_cannot_be_tried_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="--wave: found 7, allowed is 1 to 2"):
        course(PLAN, START, START + DAY, waves=(7,))
    with pytest.raises(ValueError, match=r"--inject: found 'speed', allowed are errors, latency, memory"):
        course(PLAN, START, START + DAY, harms=(Harm("speed", 2),))
    with pytest.raises(ValueError, match=r"--from and --to: found 0:30:00, allowed is at least 1:00:00 \(First\)"):
        course(PLAN, START, START + timedelta(minutes=30))


def test_the_same_criteria_on_dry_run_or_not_are_the_same() -> None:
    criteria = PLAN.to_json()["waves"][0]["criteria"]  # type: ignore[index]
    trial = [{**c, "dry_run": c["when"] == ["trigger"], "text": "In other words"} for c in criteria]
    assert criteria_hash(plan_of({"waves.0.criteria": trial})) == criteria_hash(PLAN)
    assert criteria_hash(plan_of({"waves.0.soak": "3h"})) != criteria_hash(PLAN)
    stricter = [{**c, "above": "9%"} if c.get("above") == "10%" else c for c in criteria]
    assert criteria_hash(plan_of({"waves.0.criteria": stricter})) != criteria_hash(PLAN)


def proof(**fields: Any) -> BacktestProof:
    body = {"text": "Tried on the past", "role": "lead", "proof": "backtest", **fields}
    found: BacktestProof = TypeAdapter(ChecklistItem).validate_python(body)
    return found


def recorded(percent: float = 0.0, no_data: float = 0.0, **changes: Any) -> dict[str, Any]:
    fired = {"happened": 0, "waves": 20, "apart": 20, "percent": percent, "low": 0.0, "high": 16.0}
    line = {"text": "Too many errors", "when": "trigger", "fired": fired, "no_data": no_data}
    rows = [{**line, "wave": wave, "criterion": "first.4"} for wave in (1, 2)]
    rows.append({**line, "wave": 1, "criterion": "first.5", "fired": None, "no_data": 0.0})
    return {
        "flag": PLAN.flag.key,
        "by": "ann@example.com",
        "plan": PLAN.name,
        "plan_hash": PLAN.hash,
        "criteria_hash": criteria_hash(PLAN),
        "start": (T0 - 20 * DAY).isoformat(),
        "end": T0.isoformat(),
        "look_seconds": 60.0,
        "waves": [{"wave": 1}, {"wave": 2}],
        "criteria": rows,
        **changes,
    }


def judged(body: dict[str, Any] | None, age: timedelta = DAY, **fields: Any) -> tuple[Verdict, str]:
    found: Finding = judge_backtest(
        proof(**fields), PLAN, None if body is None else (T0 - age, Backtested.from_json(body)), T0
    )
    return found.verdict, found.sentence


def test_a_young_back_test_of_these_criteria_with_few_false_rollbacks_passes() -> None:
    verdict, sentence = judged(recorded(2.5), at_most="5%")
    assert verdict is Verdict.PASS
    assert "at worst Too many errors fired in 2.5% of its waves (0.0%-16.0%)" in sentence


@pytest.mark.parametrize(
    ("body", "fields", "said"),
    [
        (None, {}, "no back-test of this flag in the last 30d: run `tidegate backtest"),
        (recorded(7.5), {"at_most": "5%"}, "fired in 7.5% of its waves (0.0%-16.0%), allowed is at most 5%"),
        (recorded(no_data=12.0), {}, "saw nothing in 12.0% of its looks, allowed is at most 5%"),
        (recorded(criteria_hash="other"), {}, "was of other criteria"),
        (recorded(start=(T0 - 3 * DAY).isoformat()), {}, "is too short, allowed is 14d or longer"),
        (recorded(waves=[{"wave": 1}]), {}, "left out wave 2"),
        (recorded(criteria=[]), {}, "could replay no trigger that decides"),
    ],
)
def test_what_a_back_test_lacks_fails_the_line(body: dict[str, Any] | None, fields: dict[str, Any], said: str) -> None:
    verdict, sentence = judged(body, **fields)
    assert verdict is Verdict.FAIL
    assert said in sentence


def test_an_old_back_test_is_none() -> None:
    assert judged(recorded(), age=31 * DAY)[0] is Verdict.FAIL
    assert judged(recorded(), age=31 * DAY, fresh="60d")[0] is Verdict.PASS
