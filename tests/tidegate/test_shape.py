"""The shape of the house: the rules are pure, and stand without the rest of it."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RULES = sorted((ROOT / "tidegate").rglob("*.py"))
ALLOWED = {"tidegate", "pydantic", "pydantic_core", "yaml", "jinja2", "pyotp"}
# What would make a rule depend on when, where or by chance it runs.
IMPURE_MODULES = {
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
}
# Parts of such modules that only rewrite text.
PURE_PARTS = {"urllib.parse"}
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "compile", "__import__"}
IMPURE_METHODS = {"now", "utcnow", "today", "getenv", "uuid1", "uuid4", "open", "read_text", "read_bytes", "write_text"}
KERNEL = {f"test_{name}" for name in ("approval", "criteria", "decision", "entries", "history", "pace", "verdict")}
# In the copy, the editable install must not lend what the copy lacks, and the laws need no second search for mistakes.
ALONE = """\
import sys
from pathlib import Path

import hypothesis

import tidegate

assert Path(tidegate.__file__).parent.parent == Path(__file__).parent
sys.modules.update(dict.fromkeys(["prefect", "sqlalchemy", "httpx", "blocks", "engine", "tasks", "flows", "console", "demo"]))
hypothesis.settings.register_profile("alone", max_examples=3, deadline=None)
hypothesis.settings.load_profile("alone")
"""


def _imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module not in PURE_PARTS:
            names.add("." if node.level else str(node.module).split(".")[0])
    return names


def _impure(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            found.add(node.func.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
            found.add(node.func.attr)
    return found


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_a_rule_imports_only_values_and_words(path: Path) -> None:
    names = _imported(ast.parse(path.read_text()))
    assert names - ALLOWED - (set(sys.stdlib_module_names) - IMPURE_MODULES) == set()


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_a_rule_asks_no_clock_no_environment_no_chance_and_no_file(path: Path) -> None:
    assert _impure(ast.parse(path.read_text())) == set()


def test_the_shape_is_seen_through_every_disguise() -> None:
    assert _imported(ast.parse("def f():\n import httpx.x as y\n from prefect.z import a")) == {"httpx", "prefect"}
    assert _imported(
        ast.parse("import urllib.request\nfrom urllib import request\nfrom urllib.parse import quote")
    ) == {"urllib"}
    assert _impure(ast.parse("from datetime import datetime as d\nd.now()\nopen('x')")) == {"now", "open"}
    assert _impure(ast.parse("re.compile('x')\ndrift.now")) == set()


def test_no_modules_import_each_other_around() -> None:
    shown = subprocess.run(
        [sys.executable, str(ROOT / "scripts/shape.py"), str(ROOT)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "import circles: 0\n" in shown, shown


def test_the_rules_and_their_tests_run_without_the_rest(tmp_path: Path) -> None:
    unwanted = shutil.ignore_patterns("__pycache__", ".hypothesis")
    shutil.copytree(ROOT / "tidegate", tmp_path / "tidegate", ignore=unwanted)
    shutil.copytree(HERE, tmp_path / "tests" / "tidegate", ignore=unwanted)
    (tmp_path / "tests" / "__init__.py").touch()
    # Settings of its own keep pytest from looking for some above.
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(ALONE)
    # The tests of plans read the plans folder, too.
    tests = sorted(f"tests/tidegate/{path.name}" for path in HERE.glob("test_*.py") if "plan" not in path.name)

    def pytest_there(*arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
        return ran.stdout

    # Every module is imported; that no function imports more when it is called, the tests above have seen.
    assert "tests collected" in pytest_there("--collect-only", *tests)
    assert " passed" in pytest_there(*(test for test in tests if Path(test).stem in KERNEL))
