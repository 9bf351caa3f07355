"""What people are notified to type is whole: every command in notices, messages, pages and docs is parsed by the real app."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from typer.exceptions import TyperException

from tests.console.test_docs import APP, COMMANDS, MENTIONED, ROOT

_SAID = re.compile(r"`(tidegate [^`]+)`|(?<![`\w])(tidegate [a-z][^`\n]*?)(?=$|\n|  |\(|\[/)")
_SHOWN = re.compile(r"<code>(tidegate [^<]+)</code>")
# What stands for something in a text that is put together, where `1` would not do.
_PUT_IN = {
    "code": " --code 123456",
    "confirm": "--confirm-step restore",
    "CLOSEOUT": "close-out",
}
_STANDS_FOR = {
    "EMAIL": "ann@example.com",
    "NAME": "ann",
    "NUMBER": "1",
    "N": "1",
    "ENTRY": "1",
    "DAY": "2026-01-01",
    "WEB_PORT": "8600",
    "POOL": "tidegate",
}


def texts_of(tree: ast.Module) -> Iterator[str]:
    """Every text that the module puts together; docstrings only name commands."""
    named = (ast.Module, ast.ClassDef, ast.FunctionDef)
    documented = [node for node in ast.walk(tree) if isinstance(node, named) and _documented(node)]
    docstrings = {id(node.body[0].value) for node in documented}  # type: ignore[attr-defined]
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            yield "".join(_text(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts:
            yield node.value


def _documented(node: Any) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _text(part: ast.expr) -> str:
    if isinstance(part, ast.FormattedValue):
        return _PUT_IN.get(ast.unparse(part.value), "1")
    return str(part.value) if isinstance(part, ast.Constant) else ""


def _found() -> Iterator[tuple[str, str]]:
    for room in ("tidegate", "engine", "tasks", "flows", "console"):
        # The table's texts are the docstrings of the commands, which only name each other.
        for path in sorted(set((ROOT / room).rglob("*.py")) - {ROOT / "console" / "command_table.py"}):
            for text in texts_of(ast.parse(path.read_text())):
                for match in _SAID.finditer(text):
                    yield str(path.relative_to(ROOT)), (match[1] or match[2]).strip()
    for path in sorted((ROOT / "console" / "dashboard" / "templates").glob("*.html")):
        for command in _SHOWN.findall(re.sub(r"\{\{.*?\}\}", "1", path.read_text())):
            yield path.name, command
    for page, command in (*COMMANDS, *MENTIONED):
        # A command's bare name in a sentence is not there to be pasted, and dots say that something is left out.
        if command.startswith("tidegate ") and not re.search(r"\||\.\.\.", command) and not _is_a_name(command):
            yield page, command


def _is_a_name(command: str) -> bool:
    words = command.split()[1:]
    found: Any = APP
    while hasattr(found, "get_command") and words:
        found = found.get_command(None, words.pop(0))
    return not words


@cache
def found() -> tuple[tuple[str, str], ...]:
    """Where each command stands; looked for once, and only where it is tested: reading all of the code takes seconds."""
    return tuple(sorted(set(_found())))


def parse(command: str) -> None:
    """Parse it as the command line does; raises what a person would be shown. Nothing is run."""
    words = [_STANDS_FOR.get(word, word) for word in shlex.split(re.sub(r"[\[\]]", "", command))[1:]]
    name = "tidegate"
    if words[0] == "worker":  # its pools are a choice of three
        words = ["tidegate" if word == "1" else word for word in words]
    found: Any = APP
    while hasattr(found, "get_command"):
        name = words.pop(0)
        found = found.get_command(None, name)
        assert found is not None, f"there is no command {name}"
    found.make_context(name, words).close()


def test_every_command_that_people_are_told_to_type_is_whole() -> None:
    wrong = {}
    for where, command in found():
        try:
            parse(command)
        except Exception as error:  # whatever is wrong with one, the others are looked at
            wrong[where, command] = f"{type(error).__name__}: {error}"
    assert wrong == {}
    assert len(found()) > 100


def test_what_is_missing_is_found() -> None:
    source = (
        'def f(state):\n    "Ends by `tidegate resume`."\n    return f"hold: `tidegate resume {state.rollout}` ends it"'
    )
    [text] = texts_of(ast.parse(source))
    [said] = _SAID.finditer(text)
    with pytest.raises(TyperException, match="Missing"):
        parse(said[1])


def test_notices_messages_pages_and_docs_are_looked_into() -> None:
    where = {place for place, _ in found()}
    words = {f"tidegate/notices/{name}.py" for name in ("reminder_texts", "texts", "footer", "rollback_texts")}
    pages = {"engine/watch/orphans.py", "console/live/dashboard_panel.py", "more.html", "at-3am.md", "operations.md"}
    assert words | pages <= where
