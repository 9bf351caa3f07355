"""Reading a plan file: the files it extends merged in, every problem named with the line it comes from."""

import posixpath
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from tidegate.plan.loading.errors import problems_of
from tidegate.plan.loading.strict_yaml import MAX_BYTES, MAX_DEPTH, Node, PlanError, Problem, parse_plan_text
from tidegate.plan.model import Plan

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_EXTENDS", "PlanError", "Problem", "load_plan"]

MAX_EXTENDS = 5


def load_plan(path: Path, read: Callable[[Path], bytes]) -> Plan:
    """The plan in the file at `path`, with the files it extends; raises PlanError and nothing else."""
    root = Node(str(path), 1, _resolved(path, read))
    try:
        return Plan.model_validate(root.plain())
    except ValidationError as error:
        raise PlanError(*problems_of(error, root)) from None


def _resolved(path: Path, read: Callable[[Path], bytes]) -> dict[str, Node]:
    layers: list[dict[str, Node]] = []
    folder, name, asked_by = path.parent, path.name, Node(str(path), 0, None)
    seen: list[str] = []
    while True:
        if name in seen:
            raise PlanError(_extends(asked_by, f"found {' -> '.join([*seen, name])}, allowed is a chain that ends"))
        if len(seen) > MAX_EXTENDS:
            raise PlanError(_extends(asked_by, f"found more than {MAX_EXTENDS} files, allowed are {MAX_EXTENDS}"))
        seen.append(name)
        layer = parse_plan_text(_content(folder / name, read, asked_by, name), str(folder / name))
        extends = layer.pop("extends", None)
        layers.append(layer)
        if extends is None:
            break
        name, asked_by = _target(extends, name), extends
    resolved = layers.pop()
    problems: list[Problem] = []
    while layers:
        resolved = _merged(resolved, layers.pop(), (), problems)
    if problems:
        raise PlanError(*problems)
    return resolved


def _content(path: Path, read: Callable[[Path], bytes], asked_by: Node, name: str) -> bytes:
    try:
        return read(path)
    # ValueError: a name with a NUL, which no file can have.
    except (OSError, ValueError) as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else "a file that cannot be read"
        if asked_by.line:
            raise PlanError(_extends(asked_by, f"found {name!r}, {why}, allowed is a plan file")) from None
        raise PlanError(Problem(str(path), 0, "", f"{why}, allowed is a plan file")) from None


def _extends(asked_by: Node, words: str) -> Problem:
    return Problem(asked_by.file, asked_by.line, "extends", words)


def _target(extends: Node, name: str) -> str:
    """The extended file's name, relative to the folder of the plan; never above it."""
    allowed = "allowed is a relative path to a plan file in the same folder or below it"
    if not isinstance(extends.value, str) or not extends.value.strip():
        raise PlanError(_extends(extends, f"found {extends.plain()!r}, {allowed}"))
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), extends.value))
    if posixpath.isabs(target) or target.split("/")[0] == ".." or "\\" in target:
        raise PlanError(_extends(extends, f"found {extends.value!r}, {allowed}"))
    return target


def _merged(
    base: dict[str, Node], over: dict[str, Node], path: tuple[str, ...], problems: list[Problem]
) -> dict[str, Node]:
    """`base` with `over` on top: mappings merge, anything else is replaced, null removes."""
    merged = dict(base)
    for key, node in over.items():
        below = base.get(key)
        if node.value is None:
            if below is None:
                words = "found null, which removes a key, but the extended file has no such key"
                problems.append(Problem(node.file, node.line, ".".join((*path, key)), words))
            merged.pop(key, None)
        elif below is not None and isinstance(below.value, dict) and isinstance(node.value, dict):
            merged[key] = Node(node.file, node.line, _merged(below.value, node.value, (*path, key), problems))
        else:
            merged[key] = node
    return merged
