"""Flags that are no switch, by the variants that the plan names; and shares finer than a tenth of a percent."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext

from blocks import FlagdFile
from blocks.errors import Refused
from blocks.flags.backend import as_planned
from tests.blocks.evaluation import is_on, provider_on, variant_of
from tests.blocks.flag_files import FLAG, everyone
from tests.permits import put
from tidegate.values.exposure import ZERO, Exposure, Layer

VARIANTS = ("NEW", "OLD")
MIGRATION = {
    "state": "ENABLED",
    "variants": {"OLD": "old", "DUAL_WRITE": "dual", "NEW": {"path": "new"}},
    "defaultVariant": "OLD",
    "metadata": {"owner": "storage"},
}
STAFF = Exposure((Layer("everyone", None, 50.0),), always_on=("staff",), always_off=("held",), variants=VARIANTS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"flags": {FLAG: MIGRATION}}))
    return path


def standing(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["flags"][FLAG]
    return found


def test_the_plans_variants_are_served_and_their_values_stay(file: Path) -> None:
    backend = FlagdFile(path=str(file))
    assert backend.question(FLAG, STAFF) == ""
    backend.fence(FLAG, 1)
    put(backend, FLAG, STAFF, 1)
    assert backend.read(FLAG).exposure == STAFF
    assert standing(file)["variants"] == MIGRATION["variants"]
    assert [variant_of(file, FLAG, "u", {"group": group}) for group in ("staff", "held")] == ["NEW", "OLD"]
    served = {variant_of(file, FLAG, f"u{number}", {"group": "x"}) for number in range(60)}
    assert served == {"NEW", "OLD"}


@pytest.mark.parametrize("by", ["order", "hand", "write"])
def test_zero_serves_the_variant_that_the_plan_calls_old(file: Path, by: str) -> None:
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    put(backend, FLAG, STAFF, 1)
    if by == "order":
        backend.zero(FLAG, None)
    elif by == "hand":
        subprocess.run(["bash", "-c", backend.by_hand(FLAG)], check=True, timeout=60)
    else:
        backend.write(FLAG, ZERO, 1)
    assert FlagdFile(path=str(file)).read(FLAG).exposure == ZERO
    assert {key: value for key, value in standing(file).items() if key != "metadata"} == {
        key: value for key, value in {**MIGRATION, "targeting": {}}.items() if key != "metadata"
    }
    assert variant_of(file, FLAG, "u", {"group": "staff"}) == "OLD"


def test_before_the_first_raise_it_is_at_zero_by_the_plan_alone(file: Path) -> None:
    seen = FlagdFile(path=str(file)).read(FLAG)
    assert seen.exposure is None
    assert as_planned(seen, VARIANTS).exposure == ZERO
    for other in (None, ("OLD", "NEW"), ("NEW", "DUAL_WRITE")):
        assert as_planned(seen, other).exposure is None
    changed = {**MIGRATION, "targeting": {"if": [{"in": [{"var": "group"}, ["staff"]]}, "NEW", "OLD"]}}
    file.write_text(json.dumps({"flags": {FLAG: changed}}))
    assert as_planned(FlagdFile(path=str(file)).read(FLAG), VARIANTS).exposure is None


@pytest.mark.parametrize(
    ("definition", "variants", "words"),
    [
        (MIGRATION, None, r"not boolean \(DUAL_WRITE, NEW, OLD\): name the two that are meant in the plan"),
        (MIGRATION, ("NEXT", "OLD"), "has no variant 'NEXT' .those that it has: DUAL_WRITE, NEW, OLD"),
        (None, VARIANTS, "is not there with the variants NEW and OLD"),
        ({**MIGRATION, "variants": {"NEW": 1, "OLD": 1}}, VARIANTS, "must be another value"),
        ({**MIGRATION, "variants": {"NEW": False, "OLD": True}}, VARIANTS, "and not true"),
    ],
)
def test_what_cannot_be_raised_so_is_refused_and_left(
    tmp_path: Path, definition: Any, variants: tuple[str, str] | None, words: str
) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {} if definition is None else {FLAG: definition}}))
    before, backend = file.read_bytes(), FlagdFile(path=str(file))
    wanted = Exposure((Layer("everyone", None, 10.0),), variants=variants)
    backend.fence(FLAG, 1)
    calls: list[Any] = [lambda: backend.question(FLAG, wanted), lambda: put(backend, FLAG, wanted, 1)]
    for call in calls:
        with pytest.raises(Refused, match=words):
            call()
    assert file.read_bytes() == before


def test_a_raise_to_other_variants_is_a_raise_and_a_lease_ends_at_the_old_one(file: Path) -> None:
    assert not STAFF.within(Exposure((Layer("everyone", None, 100.0),), always_on=("staff",), variants=("OLD", "NEW")))
    assert Exposure.from_json(STAFF.to_json()) == STAFF
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    put(backend, FLAG, STAFF, 1)
    backend.write_until(FLAG, STAFF, 1, datetime.now(UTC) - timedelta(seconds=5), None)
    assert backend.read(FLAG).expired
    assert variant_of(file, FLAG, "u", {"group": "staff"}) == "OLD"


def test_nobody_leaves_where_a_wave_needs_steps_of_a_hundredth_of_a_percent(tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    backend = FlagdFile(path=str(file))
    backend.fence(FLAG, 1)
    before: set[int] = set()
    for percent, low, high in ((0.5, 0.2, 0.9), (0.51, 0.2, 0.9), (12.5, 11, 14), (12.55, 11, 14), (50.01, 48, 52)):
        put(backend, FLAG, everyone(percent), 1)
        with provider_on(file) as provider:
            now = {
                user
                for user in range(6_000)
                if provider.resolve_boolean_details(FLAG, False, EvaluationContext(f"user-{user}", {})).value
            }
        assert before <= now
        assert low <= 100 * len(now) / 6_000 <= high
        before = now
    assert not is_on(file, FLAG, "", {})


@pytest.mark.parametrize("variants", [VARIANTS, None])
def test_preflight_evaluates_what_would_be_written_by_flagds_own_evaluation(
    file: Path, variants: tuple[str, str] | None
) -> None:
    backend, key = FlagdFile(path=str(file)), FLAG if variants else "a-switch"
    before = file.read_bytes()
    users = [(f"u{number}", ("staff", "held", "x")[number % 3]) for number in range(1_500)]
    layers = (Layer("everyone", None, 50.0),)
    exposure = Exposure(layers, "user.group", always_on=("staff",), always_off=("held",), variants=variants)
    for default in (False, True):
        served = backend.evaluate(key, exposure, users, default)
        assert all(served[0::3])
        assert not any(served[1::3])
        assert 200 < sum(served[2::3]) < 300
        assert not any(backend.evaluate(key, Exposure(variants=variants), users, default))
    assert file.read_bytes() == before


def test_a_zero_that_would_leave_services_to_their_default_is_seen_in_preflight(file: Path) -> None:
    backend, users = FlagdFile(path=str(file)), [("u", "x")]
    assert backend.evaluate(FLAG, ZERO, users, True) == [True]
    assert backend.evaluate(FLAG, ZERO, users, False) == [False]
