"""What an entry says is read as the type of its kind: nobody outside tidegate/journal takes what is stored apart."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("tidegate", "blocks", "engine", "tasks", "flows", "console", "benchmarks")
TAKES_APART = {"get", "items", "keys", "pop", "values"}


def product() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (p for p in sorted((ROOT / package).rglob("*.py")) if ROOT / "tidegate/journal" not in p.parents)


def is_stored(node: ast.AST, names: set[str]) -> bool:
    """Whether it is an entry's `json`, as an attribute or under a name that was given to it."""
    return (isinstance(node, ast.Attribute) and node.attr == "json") or (
        isinstance(node, ast.Name) and node.id in names
    )


def names_of_stored(scope: ast.AST) -> set[str]:
    """The names that stand for an entry's `json` in this function or module: x = entry.json, also side by side."""
    found: set[str] = set()
    for node in ast.walk(scope):
        pairs: list[tuple[ast.AST, ast.AST]] = []
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs += zip(target.elts, node.value.elts, strict=False)
                pairs.append((target, node.value))
        elif isinstance(node, ast.NamedExpr):
            pairs.append((node.target, node.value))
        found |= {name.id for name, value in pairs if isinstance(name, ast.Name) and is_stored(value, set())}
    return found


def taken_apart(tree: ast.Module) -> set[int]:
    """The lines that read one field of what is stored."""
    scopes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lines: set[int] = set()
    for scope in [*scopes, tree]:
        names = names_of_stored(scope) if scope is not tree else set()
        for node in ast.walk(scope):
            if isinstance(node, ast.Subscript) and is_stored(node.value, names):
                lines.add(node.lineno)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in TAKES_APART and is_stored(node.func.value, names):
                    lines.add(node.lineno)
            elif isinstance(node, ast.Compare) and any(is_stored(each, names) for each in node.comparators):
                lines.add(node.lineno)
    return lines


@pytest.mark.parametrize("path", list(product()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_entry_is_taken_apart_outside_the_journal(path: Path) -> None:
    lines = taken_apart(ast.parse(path.read_text()))
    assert not lines, f"{path}: lines {sorted(lines)}: found a field of `entry.json`, allowed is one of `entry.body`"


@pytest.mark.parametrize(
    "line",
    [
        "return entry.json['wave']",
        "return entry.json.get('flag')",
        "return 'fallback' in entry.json",
        "said = entry.json\n    return said['wave']",
        "at, said = entry.at, entry.json\n    return said['wave']",
        "return (said := entry.json) and said.get('wave')",
    ],
)
def test_every_way_to_take_one_apart_is_found(line: str) -> None:
    assert taken_apart(ast.parse(f"def read(entry):\n    {line}\n"))
    assert not taken_apart(ast.parse("def read(entry):\n    said = entry.body\n    return said.wave, entry.json\n"))
