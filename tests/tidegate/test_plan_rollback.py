"""The steps of the full rollback: a closed set, careful defaults, and plain texts of plans that are stored already."""

import pytest

from tests.tidegate.plan_texts import BASE, load
from tidegate.plan.fields.rollback import ByHand, Mode, Restore
from tidegate.plan.loading.loader import PlanError
from tidegate.plan.model import Plan, plan_hash

STEPS = """\
  snapshot: print-snapshot
  full:
    - { step: load_balancer, text: All to legacy }
    - { step: stop_service, text: Stop it, command: stop-new }
    - { step: flush_cache, text: Flush, prefix: "patch:" }
    - { step: restore, text: Restore, command: restore, timeout: 10m }
    - { step: verify_legacy, text: Look at legacy, source: legacy, pointer: /status, equals: ok }
    - Call the customer
"""


def test_what_loses_something_asks_and_what_does_not_goes_ahead() -> None:
    full = load({"plan.yaml": BASE + STEPS}).rollback.full
    modes = {step.step: step.mode for step in full if not isinstance(step, ByHand)}
    assert modes == {
        "load_balancer": Mode.AUTOMATIC,
        "stop_service": Mode.AUTOMATIC,
        "flush_cache": Mode.ASK,
        "restore": Mode.ASK,
        "verify_legacy": Mode.AUTOMATIC,
    }
    restore = next(step for step in full if isinstance(step, Restore))
    assert restore.timeout.total_seconds() == 600
    assert "lost" in restore.loses
    assert full[-1] == ByHand(step="by_hand", text="Call the customer")


def test_a_plan_with_steps_reads_back_as_it_was_stored() -> None:
    plan = load({"plan.yaml": BASE + STEPS})
    assert Plan.model_validate(plan.to_json()) == plan


def test_a_plan_stored_with_plain_texts_is_read_and_keeps_its_hash() -> None:
    stored = load({"plan.yaml": BASE}).to_json()
    stored["rollback"]["full"] = ["Stop new service", "Flush caches"]  # type: ignore[index]
    plan = Plan.model_validate(stored)
    assert [step.text for step in plan.rollback.full] == ["Stop new service", "Flush caches"]
    assert {step.step for step in plan.rollback.full} == {"by_hand"}
    assert plan.hash == plan_hash(stored)


def sentences(text: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        load({"plan.yaml": text})
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "field", "sentence"),
    [
        ("step: stop_service", "step: stop_servic", "rollback.full.1", "did you mean 'stop_service'?"),
        ("{ step: stop_service, text: Stop it", "{ text: Stop it", "rollback.full.1", "step is missing"),
        ("command: stop-new", "comand: stop-new", "rollback.full.1.command", "missing, allowed is a name"),
        ("command: stop-new", "command: rm -rf /", "rollback.full.1.command", "allowed is a name"),
        (', prefix: "patch:"', "", "rollback.full.2", "found neither, allowed is exactly one of"),
        ('prefix: "patch:"', 'prefix: "patch:", database: 0', "rollback.full.2", "found database and prefix"),
        ('prefix: "patch:"', 'prefix: ""', "rollback.full.2.prefix", "found an empty text"),
        ("  snapshot: print-snapshot\n", "", "rollback.snapshot", "missing, allowed is the name of the command"),
        (", equals: ok", "", "rollback.full.4.pointer", "found without equals"),
        ("source: legacy,", "source: legacy, mode: ask,", "rollback.full.4.mode", "allowed is automatic"),
        ("timeout: 10m", "timeout: 0s", "rollback.full.3.timeout", "above zero"),
        ("text: Stop it, ", "text: Stop it, mode: maybe, ", "rollback.full.1.mode", "one of automatic, ask"),
    ],
)
def test_a_step_that_is_wrong_is_refused_with_its_place(old: str, new: str, field: str, sentence: str) -> None:
    assert (BASE + STEPS).count(old) == 1
    found = sentences((BASE + STEPS).replace(old, new))
    assert any(f" {field}: " in line and sentence in line for line in found), found


def test_traffic_is_never_moved_to_a_legacy_that_nobody_looks_at() -> None:
    line = "    - { step: verify_legacy, text: Look at legacy, source: legacy, pointer: /status, equals: ok }\n"
    assert any("legacy is looked at first" in each for each in sentences((BASE + STEPS).replace(line, "")))
