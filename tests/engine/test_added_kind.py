"""A kind of criterion from another package: one module, one test file, one entry point, and it is judged everywhere."""

import json
from pathlib import Path

import pytest

from tests import added_package
from tests.added_package import ROOT
from tests.tidegate.builders import PLAN

pytestmark = pytest.mark.e2e
SOURCE = ROOT / "tests/added_kind"
WITHIN = {"kind": "within", "when": "during", "metric": "latency", "least": "1ms", "most": "800ms", "text": "Plausible"}


def installed(tmp_path: Path, module: str, entry: str, **more: str) -> dict[str, str]:
    return added_package.installed(
        tmp_path, "acme-kinds", "tidegate.criteria", entry, {"acme_within.py": module, **more}
    )


def plan_file(tmp_path: Path, **changes: object) -> Path:
    body = PLAN.to_json()
    body["waves"][0]["criteria"].append({**WITHIN, **changes})  # type: ignore[index]
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(body))
    return path


def checked(path: Path, env: dict[str, str]) -> tuple[int, str]:
    return added_package.tidegate("plan", "check", str(path), env=env)


MODULE = (SOURCE / "acme_within.py").read_text()


def test_a_kind_of_another_package_is_judged_in_every_world(tmp_path: Path) -> None:
    check = (SOURCE / "check_within.py").read_text()
    env = installed(tmp_path, MODULE, "within = acme_within:Within", **{"check_within.py": check})
    added_package.run_its_tests(tmp_path / "check_within.py", env)


def test_plan_check_takes_it_and_refuses_what_contradicts_it(tmp_path: Path) -> None:
    env = installed(tmp_path, MODULE, "within = acme_within:Within")
    code, said = checked(plan_file(tmp_path), env)
    assert (code, "OK: small" in said) == (0, True), said
    code, said = checked(plan_file(tmp_path, metric="speed"), env)
    assert code == 2
    assert "found 'speed', allowed are errors, latency, memory" in said
    code, said = checked(plan_file(tmp_path, most="5%"), env)
    assert code == 2
    assert "most" in said


@pytest.mark.parametrize(
    ("module", "entry", "words"),
    [
        (MODULE.split("    def judge(")[0], "within = acme_within:Within", "Within lacks judge, sentence, in_backtest"),
        ("raise OSError('half of it is gone')", "within = acme_within:Within", "OSError: half of it is gone"),
        (MODULE, "within = acme_within:Nothing", "AttributeError"),
    ],
)
def test_half_a_kind_is_refused_when_a_plan_asks_for_it_and_stops_no_other(
    tmp_path: Path, module: str, entry: str, words: str
) -> None:
    env = installed(tmp_path, module, entry)
    code, said = checked(plan_file(tmp_path), env)
    assert code == 2
    assert "found kind 'within', which is not whole (the package acme-kinds: " in said
    assert words in said
    (tmp_path / "plain.yaml").write_text(json.dumps(PLAN.to_json()))
    assert checked(tmp_path / "plain.yaml", env)[0] == 0


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("between = acme_within:Within", "Within is of kind 'within', allowed is an entry point named within"),
    ],
)
def test_an_entry_point_bears_the_word_of_its_kind(tmp_path: Path, entry: str, words: str) -> None:
    env = installed(tmp_path, MODULE, entry)
    code, said = checked(plan_file(tmp_path, kind="between"), env)
    assert code == 2
    assert words in said


def test_no_package_takes_the_word_of_a_kind_that_is_there(tmp_path: Path) -> None:
    module = MODULE.replace('Literal["within"]', 'Literal["threshold"]')
    env = installed(tmp_path, module, "threshold = acme_within:Within")
    (tmp_path / "plain.yaml").write_text(json.dumps(PLAN.to_json()))
    assert checked(tmp_path / "plain.yaml", env)[0] == 0


def test_the_page_shows_this_very_module() -> None:
    assert MODULE in (ROOT / "docs/extending.md").read_text()
