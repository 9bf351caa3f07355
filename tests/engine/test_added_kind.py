"""A kind of criterion from another package: one module, one test file, one entry point, and it is judged everywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidegate.builders import PLAN

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests/added_kind"
WITHIN = {"kind": "within", "when": "during", "metric": "latency", "least": "1ms", "most": "800ms", "text": "Plausible"}


def installed(tmp_path: Path, module: str, entry: str, tests: str | None = None) -> dict[str, str]:
    """The environment in which the package is there; as an installer leaves it, without asking any index."""
    (tmp_path / "acme_within.py").write_text(module)
    if tests is not None:
        shutil.copy(SOURCE / tests, tmp_path / tests)
    info = tmp_path / "acme_kinds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-kinds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tidegate.criteria]\n{entry}\n")
    return {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}


def plan_file(tmp_path: Path, **changes: object) -> Path:
    body = PLAN.to_json()
    body["waves"][0]["criteria"].append({**WITHIN, **changes})  # type: ignore[index]
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(body))
    return path


def checked(path: Path, env: dict[str, str]) -> tuple[int, str]:
    asked = [sys.executable, "-c", "from console.cli import main; main()", "plan", "check", str(path)]
    done = subprocess.run(asked, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


MODULE = (SOURCE / "acme_within.py").read_text()


def test_a_kind_of_another_package_is_judged_in_every_world(tmp_path: Path) -> None:
    env = installed(tmp_path, MODULE, "within = acme_within:Within", "check_within.py")
    asked = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    done = subprocess.run(
        [*asked, f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), str(tmp_path / "check_within.py")],
        env=env, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


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
