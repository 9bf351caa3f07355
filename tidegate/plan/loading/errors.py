"""What pydantic found, in our sentences, each with the line of the file it comes from."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from tidegate.criteria.kinds import REFUSED_KINDS
from tidegate.plan.loading.json_schema import TAG_IF_ABSENT, TAGS, fragment_at, key_words, schema_keys, words
from tidegate.plan.loading.strict_yaml import Node, Problem
from tidegate.values.model import ContradictionsError, FieldPath, did_you_mean, dotted


def problems_of(error: ValidationError, root: Node) -> Iterator[Problem]:
    """One problem per mistake, most telling line first looked up in `root`."""
    items = error.errors(include_url=False)
    places = [item["loc"] for item in items]
    for item in items:
        kind, loc = item["type"], item["loc"]
        # A list whose items are refused counts as short, which is not what people have to mend.
        if kind == "too_short" and any(len(place) > len(loc) and place[: len(loc)] == loc for place in places):
            continue
        path = _path(loc, root)
        context: Mapping[str, Any] = item.get("ctx", {})
        cause = context.get("error")
        if isinstance(cause, ContradictionsError):
            for below, text in cause.problems:
                yield _problem(root, (*path, *below), text)
        elif kind == "value_error":
            yield _problem(root, path, str(cause))
        else:
            yield _problem(root, path, _sentence(kind, path, loc, item["input"], context, root))


def _problem(root: Node, path: FieldPath, text: str) -> Problem:
    node = _nearest(root, path)
    return Problem(node.file, node.line, dotted(path), text)


def _nearest(root: Node, path: FieldPath) -> Node:
    node = root
    for step in path:
        below = _below(node, step)
        if below is None:
            break
        node = below
    return node


def _below(node: Node, step: str | int) -> Node | None:
    match node.value:
        case dict():
            return node.value.get(str(step))
        case list() if isinstance(step, int) and step < len(node.value):
            return node.value[step]
        case _:
            return None


def _path(loc: tuple[str | int, ...], root: Node) -> FieldPath:
    """The path in the file: pydantic adds the kind of a criterion or proof, and marks keys, which nobody wrote."""
    path: list[str | int] = []
    node: Node | None = root
    tagged: Node | None = None
    for step in loc:
        if tagged is not node and _is_tag(node, step):
            tagged = node
            continue
        if step == "[key]":
            continue
        # A single word may stand for a list of one; nobody wrote its position.
        if isinstance(step, int) and node is not None and not isinstance(node.value, list):
            continue
        path.append(step)
        node = None if node is None else _below(node, step)
    return tuple(path)


def _is_tag(node: Node | None, step: str | int) -> bool:
    """Whether this step is the kind that `node` has, rather than a key of it."""
    if node is None or not isinstance(node.value, dict):
        return False
    written = [node.value[name].value for name in TAGS if name in node.value]
    return step in written if written else step in TAG_IF_ABSENT.values() and step not in node.value


def _sentence(kind: str, path: FieldPath, loc: FieldPath, found: object, context: Mapping[str, Any], root: Node) -> str:
    if loc and loc[-1] == "[key]":
        return f"found the key {shown(path[-1])}, allowed is {key_words(fragment_at(path[:-1], root))}"
    fragment = fragment_at(path, root)
    match kind:
        case "missing":
            return f"missing, allowed is {words(fragment)}"
        case "extra_forbidden":
            known = schema_keys(fragment_at(path[:-1], root))
            return f"unknown key, allowed are {', '.join(known)}{did_you_mean(str(path[-1]), known)}"
        case "union_tag_not_found":
            name = str(context["discriminator"]).strip("'")
            return f"{name} is missing, allowed is {name}: one of {', '.join(_tags(fragment))}"
        case "union_tag_invalid":
            tag = str(context["tag"])
            known = _tags(fragment)
            name = str(context["discriminator"]).strip("'")
            if name == "kind" and tag in REFUSED_KINDS:
                return f"found kind {tag!r}, which is not whole ({REFUSED_KINDS[tag]}), allowed are {', '.join(known)}"
            return f"found {name} {tag!r}, allowed are {', '.join(known)}{did_you_mean(tag, known)}"
        case "enum" | "literal_error":
            return f"found {shown(found)}, allowed is {words(fragment)}{did_you_mean(str(found), _enum(fragment))}"
        case "too_short":
            return f"found {'nothing' if not found else len(found)}, allowed is at least {context['min_length']}"  # type: ignore[arg-type]
        case "too_long":
            return f"found {context['actual_length']}, allowed are at most {context['max_length']}"
        case "string_too_short":
            return "found an empty text, allowed is some text"
        case "string_too_long":
            return f"found {len(str(found))} characters, allowed are at most {context['max_length']}"
        case "greater_than_equal":
            return f"found {shown(found)}, allowed is {context['ge']} or more"
        case "less_than_equal":
            return f"found {shown(found)}, allowed is {context['le']} or less"
        # Left are wrong types and patterns, and whatever pydantic adds: what is allowed says it all.
        case _:
            hint = " (put it in quotes)" if kind == "string_type" and isinstance(found, int | float) else ""
            return f"found {shown(found)}, allowed is {words(fragment)}{hint}"


def _tags(fragment: Mapping[str, Any]) -> list[str]:
    return list(fragment.get("discriminator", {}).get("mapping", {}))


def _enum(fragment: Mapping[str, Any]) -> list[str]:
    return [str(x) for x in fragment.get("enum", [fragment.get("const", "")])]


def shown(value: object) -> str:
    """A value as people wrote it, short."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
        case str():
            return repr(value if len(value) <= 60 else f"{value[:60]}...")
        case _:
            return str(value)
