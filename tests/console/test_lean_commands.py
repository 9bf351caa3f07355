"""No command imports what it does not need: its help nothing but what prints it, and what only reads no Prefect."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from console.arguments import afterwards, gate, report
from console.command_table import COMMANDS, Below, Typed
from console.commands.report_commands import ReportKind
from console.exits import _BAD_INPUT, _CLAIM_HELD, _NOT_AUTHORIZED, _UNREACHABLE
from tests.console.test_commands import _open as opened
from tidegate.gates.approval import Choice
from tidegate.plan.fields.upkeep import Work

# What costs more than it takes to print a page of help.
HEAVY = (
    "prefect", "fastapi", "sqlalchemy", "numpy", "pandas", "httpx", "requests", "slack_sdk", "pdpyras", "redis", "jinja2",
    "prometheus_api_client", "prometheus_client", "openfeature", "uvicorn", "yaml", "segno", "tidegate.plan",
    "tidegate.journal", "blocks", "engine", "demo",
)  # fmt: skip
# Each line that is typed, one after the other in one process: what has come in by then, nobody imported before.
TYPED = f"""\
import contextlib, io, json, sys
from console.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["tidegate", *words]
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told):
            main()
    except SystemExit as end:
        assert end.code == 0, (words, end.code, told.getvalue())
    assert told.getvalue().strip(), words
    print(json.dumps([words, [name for name in {HEAVY!r} if name in sys.modules]]))
"""


def every(table: object = COMMANDS, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Typed | Below]]:
    for name, found in table.items():  # type: ignore[attr-defined]
        yield (*before, name), found
        if isinstance(found, Below):
            yield from every(found.commands, (*before, name))


EVERY = dict(every())


def imported(*lines: Sequence[str]) -> dict[str, list[str]]:
    """What of the heavy was there after each of these lines."""
    asked = [sys.executable, "-c", TYPED, json.dumps(lines)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {" ".join(words): found for words, found in map(json.loads, done.stdout.splitlines())}


def test_help_imports_nothing_but_what_prints_it() -> None:
    found = imported(*((*words, "--help") for words in [(), *EVERY]))
    assert {line: heavy for line, heavy in found.items() if heavy} == {}
    assert len(found) == len(EVERY) + 1


def test_what_only_reads_imports_no_prefect(kit: Path) -> None:
    name = opened(kit).rollout
    found = imported(
        ["status"], ["status", name], ["journal", name], ["journal", "verify"], ["watch", name, "--once"],
        ["report", name, "standup"], ["upkeep", name], ["graduate", name, "--as", "lead@example.com"],
        ["plan", "check", "rehearsal.yaml"], ["plan", "show", "rehearsal.yaml"], ["plan", "schema"],
        ["plan", "calendar", "rehearsal.yaml", "--start", "2026-03-02"],
    )  # fmt: skip
    never = {"prefect", "fastapi", "numpy", "pandas", "uvicorn", "slack_sdk", "pdpyras", "redis"}
    assert {line: sorted(never & set(heavy)) for line, heavy in found.items() if never & set(heavy)} == {}
    assert len(found) == 12


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_the_table_says_what_the_command_says(words: tuple[str, ...]) -> None:
    found = EVERY[words]
    if isinstance(found, Typed):
        module, _, name = found.place.partition(":")
        told = inspect.getdoc(getattr(import_module(module), name)) or ""
        assert " ".join(told.split("\n\n")[0].split()) == found.help


def test_what_may_be_chosen_is_what_there_is() -> None:
    """The choices stand as words, since their types would bring the whole plan along."""
    for function, parameter, kind in (
        (gate.approve, "decision", Choice),
        (report.report, "which", ReportKind),
        (afterwards.upkeep, "run_now", Work),
    ):
        hint = get_type_hints(function)[parameter]
        words = get_args(hint) if all(isinstance(one, str) for one in get_args(hint)) else get_args(get_args(hint)[0])
        assert list(words) == [str(one) for one in kind]


@pytest.mark.parametrize("place", [*_CLAIM_HELD, *_NOT_AUTHORIZED, *_BAD_INPUT, *_UNREACHABLE])
def test_every_error_that_is_explained_is_where_it_is_looked_for(place: str) -> None:
    module, _, name = place.partition(":")
    found = getattr(import_module(module), name)
    assert issubclass(found, Exception)
    assert found.__module__.startswith(module), "it is known once its own module is imported"
