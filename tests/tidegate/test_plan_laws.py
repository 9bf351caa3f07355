"""Laws of plans: they read back as written, their hash is stable, and exposure only grows."""

import json
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tidegate.plan_texts import BASE, load
from tidegate.plan.model import Plan, plan_hash
from tidegate.values.exposure import Exposure
from tidegate.values.units import (
    Unit,
    format_duration,
    format_percent,
    parse_duration,
    parse_percent,
    parse_quantity,
    quantity_in,
)

SMALL = load({"plan.yaml": BASE})
GROUPS = ["a", "b", "c", "d"]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of one to five waves over some audiences, each audience's share rising."""
    audiences = {
        "all": {"everyone": True},
        "ab": {"groups": ["a", "b"], "matcher": 'g=~"a|b"'},
        "c": {"groups": ["c"], "matcher": 'g="c"'},
    }
    chosen = draw(st.lists(st.sampled_from(sorted(audiences)), min_size=1, max_size=5))
    reached = dict.fromkeys(audiences, 0)
    day, waves = 1, []
    for number, audience in enumerate(chosen, start=1):
        reached[audience] = draw(st.integers(reached[audience] + 1, 1000 - len(chosen) + number))
        day += draw(st.integers(0, 9))
        soak = draw(st.integers(15, 20_000))
        criterion = {"kind": "threshold", "when": ["during"], "text": "x", "metric": "errors"}
        criterion[draw(st.sampled_from(["below", "above"]))] = f"{draw(st.integers(0, 99))}%"
        waves.append(
            {
                "name": f"wave-{number}",
                "title": draw(st.text("Wave |<>\"'→é", min_size=1).filter(str.strip)),
                "percent": format_percent(reached[audience] / 10),
                "audience": audience,
                "starts": f"day {day}",
                "soak": f"{soak}m",
                "interval": f"{draw(st.integers(1, soak))}m",
                "tolerance": draw(st.integers(0, 5)),
                "gate": {"approvers": draw(st.sampled_from([["lead"], ["lead", "boss"]]))},
                "criteria": [criterion],
            }
        )
    body = {**SMALL.to_json(), "audiences": audiences, "waves": waves}
    body["flag"] = {"key": "k", "always_off": draw(st.sampled_from([[], ["d"]]))}
    return Plan.model_validate(body)


@settings(max_examples=50)
@given(plans())
def test_a_plan_reads_back_as_written(plan: Plan) -> None:
    stored = json.loads(json.dumps(plan.to_json()))
    again = Plan.model_validate(stored)
    assert again == plan
    assert again.to_json() == plan.to_json() == stored
    assert again.hash == plan.hash == plan_hash(stored)


def test_the_hash_does_not_depend_on_the_order_of_keys_and_depends_on_every_value() -> None:
    body = SMALL.to_json()
    assert plan_hash(dict(reversed(body.items()))) == SMALL.hash
    assert plan_hash({**body, "title": "Another"}) != SMALL.hash


def is_in(exposure: Exposure, group: str, bucket: float) -> bool:
    """Whether a user is exposed: the meaning that every flag backend has to give an exposure."""
    if group in exposure.always_off:
        return False
    layers = (x for x in exposure.layers if x.groups is None or group in x.groups)
    return group in exposure.always_on or any(bucket < layer.percent for layer in layers)


@settings(max_examples=50)
@given(plans(), st.sampled_from(GROUPS), st.floats(0, 99.99))
def test_nobody_who_was_in_leaves_as_waves_follow(plan: Plan, group: str, bucket: float) -> None:
    seen = [is_in(plan.exposure_at(wave), group, bucket) for wave in range(len(plan.waves) + 1)]
    assert seen == sorted(seen)


@settings(max_examples=50)
@given(plans())
def test_exposure_is_exactly_the_waves_so_far(plan: Plan) -> None:
    assert plan.exposure_at(0).is_zero
    for number, wave in enumerate(plan.waves, start=1):
        exposure = plan.exposure_at(number)
        assert exposure.percent == wave.percent
        assert len({layer.audience for layer in exposure.layers}) == len(exposure.layers)
        assert Exposure.from_json(json.loads(json.dumps(exposure.to_json()))) == exposure
        for layer in exposure.layers:
            assert layer.percent == max(w.percent for w in plan.waves[:number] if w.audience == layer.audience)


@given(st.integers(0, 3_660 * 86_400))
def test_durations_read_back(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert parse_duration(format_duration(span)) == span


@given(st.integers(0, 1_000))
def test_percentages_read_back(tenths: int) -> None:
    assert parse_percent(format_percent(tenths / 10)) == tenths / 10


@given(st.integers(-(10**9), 10**9), st.sampled_from(Unit))
def test_quantities_read_back(number: int, unit: Unit) -> None:
    written = f"${number}" if unit is Unit.US_DOLLARS else f"{number}{unit.suffix}"
    assert quantity_in(parse_quantity(written), unit) == number
    assert unit is not Unit.COUNT or parse_quantity(number) == str(number)
