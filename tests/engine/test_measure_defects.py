"""A criterion that cannot be judged is refused when the plan is read, or named as our own defect."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from blocks.errors import Unreachable
from engine.measuring.judge import context_of, measure, not_judged
from engine.measuring.sources import start_queries
from tests.conftest import PrometheusServer
from tests.engine.world import World, no_alerts
from tests.tidegate.builders import plan_of
from tidegate.criteria.base import Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.kinds import CRITERION_KINDS
from tidegate.criteria.requests import Answers
from tidegate.plan.in_force import in_force
from tidegate.values.verdict import Finding, Verdict


def naming_metrics() -> dict[str, dict[str, Any]]:
    examples = {kind: yaml.safe_load(known.example) for kind, known in CRITERION_KINDS.items()}
    return {kind: body for kind, body in examples.items() if isinstance(body, dict) and {"metric", "metrics"} & {*body}}


@pytest.mark.parametrize("kind", naming_metrics())
def test_a_criterion_about_an_unknown_metric_is_refused_when_the_plan_is_read(kind: str) -> None:
    body = naming_metrics()[kind]
    unknown = {"metric": "nope"} if "metric" in body else {"metrics": ["nope"]}
    with pytest.raises(ValidationError, match="nope"):
        plan_of({"waves.0.criteria.3": {**body, **unknown}})


def test_a_verdict_that_is_no_verdict_is_an_error_of_this_criterion_alone(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts())
    item = in_force(world.plan, 1, When.DURING)[0]

    class Sloppy(type(item.criterion)):  # type: ignore[misc]
        """A kind of another package whose verdict is a mere word."""

        def judge(self, at: Context, answers: Answers) -> Judgement:
            return Finding(at.id, self.text, "PASS", "All is well."), None  # type: ignore[arg-type]

    sloppy = replace(item, criterion=Sloppy.model_construct(**dict(item.criterion)))
    seen = start_queries(world.run, 1, world.now)
    finding, breach = measure(seen, sloppy, context_of(seen, sloppy))
    assert (finding.verdict, breach) == (Verdict.ERROR, None)
    assert "which is none" in finding.sentence


def test_our_own_defect_is_named_as_such() -> None:
    said = not_judged(KeyError("latency_query"))
    assert said.startswith("A defect of Tidegate, not of the release")
    assert "Waiting mends nothing" in said
    assert "latency_query" in said


def test_a_connection_that_fails_is_no_defect() -> None:
    assert not_judged(Unreachable("no answer")) == "It could not be judged (Unreachable: no answer)."
