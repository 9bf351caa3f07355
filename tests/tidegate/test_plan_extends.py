"""A plan may start from another; a problem names the file its value came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.plan_texts import BASE, load
from tidegate.plan.loading.loader import MAX_EXTENDS, PlanError


def overlay(body: str, base: str = BASE) -> dict[str, str]:
    return {"plans/new.yaml": f"extends: base.yaml\n{body}", "plans/base.yaml": base}


def problems(files: dict[str, str], name: str = "plans/new.yaml") -> list[str]:
    with pytest.raises(PlanError) as caught:
        load(files, name)
    return [str(problem) for problem in caught.value.problems]


def test_mappings_merge_lists_are_replaced_and_null_removes() -> None:
    plan = load(
        overlay(
            "name: other\nroles:\n  boss: [a@b.c, d@e.f]\nmetrics:\n  errors:\n    min_samples: 7\n    critical: null\n"
        ),
        "plans/new.yaml",
    )
    base = load({"plan.yaml": BASE})
    assert plan.name == "other"
    assert plan.roles == {"lead": ("lead@example.com",), "boss": ("a@b.c", "d@e.f")}
    assert plan.metrics["errors"].min_samples == 7
    assert plan.metrics["errors"].critical is None
    assert plan.metrics["errors"].warning == base.metrics["errors"].warning
    assert plan.waves == base.waves


def test_an_overlay_that_changes_nothing_is_the_same_plan() -> None:
    assert load(overlay(""), "plans/new.yaml").hash == load({"plan.yaml": BASE}).hash


def test_a_chain_merges_from_the_far_end() -> None:
    files = {
        "a.yaml": "extends: sub/b.yaml\nname: a\n",
        "sub/b.yaml": "extends: ../c.yaml\nname: b\ntitle: B\n",
        "c.yaml": BASE,
    }
    plan = load(files, "a.yaml")
    assert (plan.name, plan.title, plan.service) == ("a", "B", "shop")


def test_a_problem_names_the_file_of_the_value() -> None:
    assert problems(overlay("name: Not A Name\n"))[0].startswith("plans/new.yaml:2: name: found 'Not A Name'")
    broken = BASE.replace("percent: 10%", "percent: 10")
    assert problems(overlay("name: other\n", broken))[0].startswith("plans/base.yaml:40: waves.0.percent: found 10")


def test_a_contradiction_of_two_files_names_the_file_of_the_field() -> None:
    found = problems(overlay("metrics:\n  latency:\n    unit: s\n"))
    assert found == [
        "plans/base.yaml:77: waves.1.criteria.1.above: "
        "found '500ms', allowed is a number with 's' (the metric's unit is s)"
    ]


def test_what_an_overlay_leaves_out_is_missed_where_it_was_changed() -> None:
    found = problems(overlay("metrics:\n  latency:\n    unit: null\n"))
    assert found == [
        "plans/new.yaml:3: metrics.latency.unit: "
        "missing, allowed is one of percent, ms, s, MB, count, cores, per second, USD"
    ]


def test_a_mistake_in_the_base_file_is_told_with_its_line() -> None:
    assert problems(overlay("", "a: 1\na: 2\n")) == [
        "plans/base.yaml:2: a: stands twice (first on line 1), allowed is once"
    ]


def test_null_for_a_key_that_is_not_there() -> None:
    assert "plans/new.yaml:2: pace: found null, which removes a key" in problems(overlay("pace: null\n"))[0]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"p.yaml": "name: x\nextends: q.yaml\n"}, "p.yaml:2: extends: found 'q.yaml', no such file"),
        ({"p.yaml": "extends: p.yaml\n"}, "p.yaml:1: extends: found p.yaml -> p.yaml, allowed is a chain that ends"),
        (
            {"p.yaml": "extends: q.yaml\n", "q.yaml": "name: x\nextends: ./p.yaml\n"},
            "q.yaml:2: extends: found p.yaml -> q.yaml -> p.yaml",
        ),
        ({"p.yaml": "extends: ../q.yaml\n"}, "p.yaml:1: extends: found '../q.yaml', allowed is a relative path"),
        ({"p.yaml": "extends: sub/../../q.yaml\n"}, "p.yaml:1: extends: found 'sub/../../q.yaml', allowed is"),
        ({"p.yaml": "extends: /etc/passwd\n"}, "p.yaml:1: extends: found '/etc/passwd', allowed is a relative path"),
        ({"p.yaml": "extends: [a.yaml]\n"}, "p.yaml:1: extends: found ['a.yaml'], allowed is a relative path"),
        ({"p.yaml": "extends: null\n"}, "p.yaml:1: extends: found None, allowed is a relative path"),
        ({"p.yaml": 'extends: "a\\\\b.yaml"\n'}, "p.yaml:1: extends: found"),
        (
            {f"{n}.yaml": f"extends: {n + 1}.yaml\n" for n in range(MAX_EXTENDS + 2)},
            f"{MAX_EXTENDS}.yaml:1: extends: found more than {MAX_EXTENDS} files",
        ),
    ],
)
def test_a_chain_that_does_not_end_well(files: dict[str, str], expected: str) -> None:
    (found,) = problems(files, next(iter(files)))
    assert found.startswith(expected)


@given(st.lists(st.sampled_from([*"{}[]:,-#&*!|>'\"%@`? \n\tabyes010", "extends: x", "waves:", "<<"]), max_size=40))
def test_no_text_brings_anything_but_a_plan_error(parts: list[str]) -> None:
    with pytest.raises(PlanError):
        load({"plan.yaml": "".join(parts)})


@given(st.binary(max_size=60))
def test_no_bytes_bring_anything_but_a_plan_error(data: bytes) -> None:
    with pytest.raises(PlanError):
        load({"plan.yaml": data})


@given(st.data())
def test_no_replaced_line_brings_anything_but_a_plan_or_its_error(data: st.DataObject) -> None:
    lines = BASE.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    key = lines[at].split(":")[0]
    value = data.draw(
        st.sampled_from(["", "[]", "{}", "1", "-1.5", "true", "x", "''", "[{}]", "{a: {b: c}}", "[[]]", "1%", "day 9"])
    )
    lines[at] = f"{key}: {value}"
    try:
        plan = load({"plan.yaml": "\n".join(lines)})
    except PlanError as error:
        found = all(problem.message and problem.line for problem in error.problems)
    else:
        found = bool(plan.hash)
    assert found
