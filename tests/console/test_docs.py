"""What the docs tell people to type: it exists, and it runs."""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from prefect.context import refresh_global_settings_context

from console.cli import make_cli
from tests.console.conftest import Run
from tests.console.test_commands import _open as opened
from tests.tidegate.plan_texts import load
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.pages.plan_check import plan_report
from tidegate.rollout.decision import STOPS_SOAK

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
# Every block, whatever its language, so that none's end is taken for the next one's beginning.
_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(tidegate [^`]+)`")
APP = typer.main.get_command(make_cli())
ROLLOUT = re.compile(r"\bROLLOUT\b|\bbatch-patches-v1-3f9a1c\b")
# What needs a whole stack, or more than a moment, is run by the test named beside it.
ELSEWHERE = {
    "tidegate deploy": "console/local_stack/stack.py",  # every end-to-end test begins with it
    "tidegate start": "tests/e2e/conftest.py",
    "tidegate approve": "tests/e2e/test_rollout.py",
    "tidegate rollback": "tests/console/test_commands.py",
    "tidegate demo": "tests/console/test_commands.py",
    "tidegate backtest": "tests/trials/test_backtest.py",
    "tidegate explain": "tests/console/test_past.py",
    "tidegate preflight": "tests/demo/test_evidence.py",
    "tidegate doctor": "tests/console/test_doctor.py",
    "tidegate init": "tests/console/test_init.py",
    "tidegate approver": "tests/engine/test_approvers.py",
    "tidegate codes serve": "tests/engine/test_code_service.py",
    "tidegate worker": "tests/console/test_installed.py",
    "tidegate server": "tests/trials/test_newcomer.py",
    "tidegate dashboard": "tests/trials/test_newcomer.py",
    "tidegate plan check new-cart.yaml --prometheus": "tests/trials/test_newcomer.py",
    "uv build": "tests/installed.py",
    "uv tool install": "tests/installed.py",
    "make demo": "Makefile",
    "make test": "Makefile",
    "make setup": "Makefile",
    "make e2e": "Makefile",
    "make coverage": "Makefile",
    "make mutants": "Makefile",
    "make trials": "Makefile",
    "make chaos": "tests/trials/test_chaos.py",
    "export": "",  # settings for the lines below it
}


def typed(text: str) -> Iterator[str]:
    """The commands of a page's blocks, continued lines joined and comments left out."""
    for language, block in _BLOCK.findall(text):
        if language not in ("", "console", "sh"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+#.*", "", line.strip().removeprefix("$ "))
            if line.strip().startswith(("$ ", "tidegate ")):
                yield " ".join(command.removesuffix("&").split())


COMMANDS = sorted({(page.name, command) for page in PAGES for command in typed(page.read_text())})
MENTIONED = sorted({(page.name, found) for page in PAGES for found in _INLINE.findall(page.read_text())})


def elsewhere(command: str) -> str | None:
    return next((where for start, where in ELSEWHERE.items() if command.startswith(start)), None)


@pytest.mark.parametrize(
    ("page", "command"), [(p, c) for p, c in (*COMMANDS, *MENTIONED) if c.startswith("tidegate ")], ids=lambda x: x
)
def test_what_is_named_exists_with_its_options(page: str, command: str) -> None:
    words = [word for word in shlex.split(command.replace("...", ""))[1:] if word]
    found: Any = APP
    while hasattr(found, "list_commands") and words and not words[0].startswith("-"):
        names = words.pop(0).split("|")
        assert [name for name in names if name not in found.list_commands(None)] == [], f"{page}: {command}"
        found = found.get_command(None, names[0])
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    assert [word for word in words if word.startswith("--") and word.split("=")[0] not in known] == [], page


@pytest.mark.parametrize("command", sorted({c for _, c in COMMANDS if elsewhere(c) is None}))
def test_what_is_shown_runs(command: str, kit: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command.startswith("tidegate "), f"{command}: run it here or name the test that does"
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    refresh_global_settings_context()
    rollout = opened(kit).rollout
    if "new-cart.yaml" in command:
        text = (ROOT / "docs" / "first-plan.md").read_text()
        (kit.parent / "new-cart.yaml").write_text(re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[0])
        command = command.replace("new-cart.yaml", str(kit.parent / "new-cart.yaml"))
    words = shlex.split(ROLLOUT.sub(rollout, command))[1:]
    code, out, err = run(*words)
    monkeypatch.undo()
    refresh_global_settings_context()
    assert code in (0, 1), f"{command}: {out}{err}"
    assert out.strip()


def test_the_first_plan_is_sound_and_waits_for_nothing() -> None:
    text = (ROOT / "docs" / "first-plan.md").read_text()
    [written] = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    plan = load({"plan.yaml": written})
    assert [wave.percent for wave in plan.waves] == [100.0, 100.0]
    assert plan_report(plan, timedelta(0), "a kit").pending == ()


def test_what_runs_elsewhere_stands_there() -> None:
    for start, where in ELSEWHERE.items():
        if where:
            text = (ROOT / where).read_text()
            verb = start.split()[-1].lstrip("-")
            assert re.search(rf"\b{verb}", text), f"{start} is not run by {where}"


@pytest.mark.parametrize("cause", sorted(STOPS_SOAK))
def test_every_hold_that_pages_has_its_row(cause: HoldCause) -> None:
    page, table = ((ROOT / "docs" / name).read_text() for name in ("at-3am.md", "operations.md"))
    assert f"\n| *FLAG is held ({cause.value.replace('_', ' ')})* |" in page
    assert f"\n| `{cause.value}` |" in table


def test_every_link_leads_to_a_page_that_is_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
