"""What a plan may say of the kinds that compare and look back, and the one sentence it gets for a mistake."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tidegate.builders import plan_of
from tidegate.criteria.kinds import CRITERION_KINDS
from tidegate.pages.plan_sentences import criterion_sentence
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Plan
from tidegate.values.units import parse_signed_percent

REFERENCE = load_plan(Path(__file__).parents[2] / "plans" / "batch-patches-v1.yaml", Path.read_bytes)
BASE: dict[str, dict[str, Any]] = {
    "change": {"when": "trigger", "metric": "errors", "to": "baseline", "how": "relative", "above": "50%"},
    "trend": {"when": "during", "metrics": {"errors": "1%"}},
    "leak": {"when": "trigger", "metric": "memory", "above": "10MB"},
    "new_alerts": {"when": "during", "labels": {"severity": "critical"}},
    "resource_spike": {"when": "trigger", "metrics": ["memory"], "above": "50%"},
    "slo": {"when": "trigger", "metric": "errors", "part": "bad", "objective": "99%"},
    "coverage": {"when": "enter", "at_least": "95%"},
}


def problem(kind: str, more: dict[str, Any], wave: int = 1, **plan: Any) -> str:
    """What is said of this criterion as the last one of a wave; empty when it is accepted."""
    body = {"kind": kind, "text": "x"} | BASE[kind] | more
    body = {key: value for key, value in body.items() if value is not None}
    small = plan_of({"baseline": {}}).to_json()
    small["waves"][wave]["criteria"].append(body)  # type: ignore[index]
    try:
        Plan.model_validate(small | plan)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", BASE)
def test_each_kind_is_accepted(kind: str) -> None:
    assert problem(kind, {}) == ""


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("change", {"metric": "erors"}, "did you mean 'errors'?"),
        ("change", {"to": "wave 2"}, "found wave 2, allowed is an earlier wave (1 to 1)"),
        (
            "change",
            {"to": "yesterday"},
            "found 'yesterday', allowed is baseline, previous_wave, control, or a wave: wave 1",
        ),
        ("change", {"to": "wave 0"}, "to"),
        ("change", {"below": "5%"}, "allowed is exactly one of below or above"),
        ("change", {"above": None}, "found no bound"),
        ("change", {"how": "points", "metric": "latency"}, "allowed is a number with 'ms'"),
        ("change", {"metric": "latency", "above": "50ms"}, "allowed is a number with '%'"),
        ("change", {"how": "factor"}, "how"),
        ("change", {"substitute": "baseline"}, "found with to: baseline, allowed with to: control only"),
        ("change", {"when": "during", "for": "5m"}, "allowed with when: trigger only"),
        ("trend", {"metrics": {}}, "metrics"),
        ("trend", {"metrics": {"errors": "1ms"}}, "allowed is a number with '%'"),
        ("trend", {"metrics": {"memory": "1MB"}}, "no bound to tell which way is worse"),
        ("trend", {"required": True}, "allowed with when: trigger only"),
        ("leak", {"above": "10"}, "allowed is a number with 'MB'"),
        ("leak", {"metric": "memry"}, "did you mean 'memory'?"),
        ("new_alerts", {"labels": {}}, "labels"),
        ("resource_spike", {"metrics": []}, "metrics"),
        ("resource_spike", {"metrics": ["cpu"]}, "found 'cpu'"),
        ("resource_spike", {"deviations": 1}, "deviations"),
        ("slo", {"part": None}, "allowed is exactly one of part, below or above"),
        ("slo", {"below": "5%"}, "allowed is exactly one of part, below or above"),
        ("slo", {"metric": "latency"}, "allowed with a metric of part and whole"),
        ("slo", {"objective": "100%"}, "allowed is a percentage above 0% and below 100%"),
        ("slo", {"objective": "99"}, "allowed is a percentage above 0% and below 100%"),
        ("slo", {"short": "1h"}, "not shorter than long"),
        ("slo", {"burn": 0.5}, "burn"),
        ("slo", {"burn": "2"}, "burn"),
        ("slo", {"burn": True}, "burn"),
        ("coverage", {"metrics": ["cpu"]}, "found 'cpu'"),
    ],
)
def test_a_mistake_is_refused(kind: str, more: dict[str, Any], words: str) -> None:
    assert words in problem(kind, more)


def test_a_comparison_with_the_old_path_needs_a_substitute_where_nobody_is_left_on_it() -> None:
    full = plan_of({"baseline": {}, "waves.1.percent": "100%"}).to_json()["waves"]
    body = {"kind": "change", "text": "x"} | BASE["change"] | {"to": "control"}
    full[0]["criteria"].append(body)  # type: ignore[index]
    small = plan_of({"baseline": {}}).to_json()
    with pytest.raises(ValueError, match="at second nobody is left on the old path"):
        Plan.model_validate(small | {"waves": full})
    flag = {"key": "new-path", "always_off": ["held"]}
    Plan.model_validate(small | {"waves": full, "flag": flag})
    body["substitute"] = "baseline"
    Plan.model_validate(small | {"waves": full})
    assert problem("change", {"to": "control"}) == ""


def test_what_is_held_against_a_baseline_needs_one() -> None:
    assert "allowed in a plan with baseline" in problem("change", {}, baseline=None)
    assert "allowed in a plan with baseline" in problem("change", {"to": "previous_wave"}, wave=0, baseline=None)
    with pytest.raises(ValueError, match="metrics.memory.warning.change: found without baseline"):
        plan_of({"metrics.memory.warning": {"change": "+50%"}})
    plan = plan_of({"baseline": {}, "metrics.memory.warning": {"change": "+50%"}})
    assert Plan.model_validate(plan.to_json()) == plan


@pytest.mark.parametrize("text", ["50%", "+50", "+ 50%", "+50.55%", "++5%", 50, None, "+50000%"])
def test_a_change_has_its_sign(text: object) -> None:
    with pytest.raises(ValueError, match="allowed is a change with its sign"):
        parse_signed_percent(text)


@pytest.mark.parametrize("kind", ["threshold", "alerts", "earlier_waves", "human", *BASE])
def test_an_example_is_a_criterion_of_its_kind(kind: str) -> None:
    body = yaml.safe_load(CRITERION_KINDS[kind].example)
    assert body["kind"] == kind
    plan = REFERENCE.to_json()
    plan["waves"][3]["criteria"].append(body)  # type: ignore[index]
    criterion = Plan.model_validate(plan).waves[3].criteria[-1]
    assert criterion.kind == kind
    assert criterion_sentence(criterion, REFERENCE)
