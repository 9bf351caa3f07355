"""Every kind of line has a worked example that the models take, and every example is of a kind that there is."""

from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from tidegate.checklist.items import BaseProof, ChecklistItem
from tidegate.plan.loading.examples import EXAMPLES
from tidegate.plan.loading.json_schema import model_schema
from tidegate.plan.loading.reference_page import plan_reference

ITEMS: TypeAdapter[Any] = TypeAdapter(list[ChecklistItem])
PROOFS = [name for name in EXAMPLES if name.endswith("Proof")]


@pytest.mark.parametrize("name", PROOFS)
def test_the_example_of_a_proof_is_of_its_kind(name: str) -> None:
    [item] = ITEMS.validate_python(yaml.safe_load(EXAMPLES[name]))
    assert isinstance(item, BaseProof)
    assert type(item).__name__ == name
    assert f"## {name}\n" in plan_reference()
    assert EXAMPLES[name] in plan_reference()


def test_every_kind_of_proof_has_an_example() -> None:
    known = {name for name in model_schema()["$defs"] if name.endswith("Proof") and name != "Proof"}
    assert set(PROOFS) == known


def test_every_example_is_of_a_model_that_there_is() -> None:
    assert set(EXAMPLES) <= set(model_schema()["$defs"])
