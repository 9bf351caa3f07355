"""A criterion that cannot be judged is refused when the plan is read, or named as our own defect."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from blocks.errors import Unreachable
from engine.measuring.judge import not_judged
from tests.tidegate.builders import plan_of
from tidegate.criteria.kinds import CRITERION_KINDS


def naming_metrics() -> dict[str, dict[str, Any]]:
    examples = {kind: yaml.safe_load(known.example) for kind, known in CRITERION_KINDS.items()}
    return {kind: body for kind, body in examples.items() if isinstance(body, dict) and {"metric", "metrics"} & {*body}}


@pytest.mark.parametrize("kind", naming_metrics())
def test_a_criterion_about_an_unknown_metric_is_refused_when_the_plan_is_read(kind: str) -> None:
    body = naming_metrics()[kind]
    unknown = {"metric": "nope"} if "metric" in body else {"metrics": ["nope"]}
    with pytest.raises(ValidationError, match="nope"):
        plan_of({"waves.0.criteria.3": {**body, **unknown}})


def test_our_own_defect_is_named_as_such() -> None:
    said = not_judged(KeyError("latency_query"))
    assert said.startswith("A defect of Tidegate, not of the release")
    assert "Waiting mends nothing" in said
    assert "latency_query" in said


def test_a_connection_that_fails_is_no_defect() -> None:
    assert not_judged(Unreachable("no answer")) == "It could not be judged (Unreachable: no answer)."
