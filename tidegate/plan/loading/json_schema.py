"""The plan's JSON Schema for editors, and what it says about one field in words."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from tidegate.plan.loading.strict_yaml import Node
from tidegate.plan.model import Plan
from tidegate.values.model import FieldPath
from tidegate.values.units import format_duration

Fragment = Mapping[str, Any]
_OVERLAY = "Overlay"
# What tells the kinds of a union apart, and the kind that is meant where nothing is said.
TAGS = ("kind", "proof", "do", "step")
TAG_IF_ABSENT = {"proof": "human"}


def plan_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a plan file: a whole plan, or with `extends` any part of one."""
    defs: dict[str, Any] = dict(model_schema()["$defs"])
    parts = {f"{_OVERLAY}{name}": _overlay(part) for name, part in defs.items()}
    parts[f"{_OVERLAY}Plan"]["properties"]["extends"] = {
        "type": "string",
        "minLength": 1,
        "description": "The plan file this one changes, relative to it; in the same folder or below.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate plan",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"$ref": f"#/$defs/{_OVERLAY}Plan"},
        "else": {"$ref": "#/$defs/Plan"},
        "$defs": {**defs, **parts},
    }


class _Generator(GenerateJsonSchema):
    """Pydantic's, with durations as people write them and closed sets of keys."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        return {**found, "additionalProperties": False} if "patternProperties" in found else found


@cache
def model_schema() -> dict[str, Any]:
    """As pydantic gives it, the plan itself among the definitions."""
    schema: dict[str, Any] = Plan.model_json_schema(mode="validation", by_alias=True, schema_generator=_Generator)
    defs = schema.pop("$defs")
    return {"$defs": {"Plan": schema, **defs}}


def _overlay(part: Any) -> Any:
    """A definition of which any part may be given, and null removes a key; lists are replaced whole."""
    if not isinstance(part, dict):
        return part
    match part:
        case {"$ref": ref}:
            return {**part, "$ref": ref.replace("#/$defs/", f"#/$defs/{_OVERLAY}")}
        case {"anyOf": choices}:
            return {**part, "anyOf": [_overlay(choice) for choice in choices]}
        case {"type": "object"}:
            changed = {key: value for key, value in part.items() if key not in ("required", "minProperties")}
            if "properties" in part:
                changed["properties"] = {k: _or_null(_overlay(v)) for k, v in part["properties"].items()}
            if isinstance(part.get("additionalProperties"), dict):
                changed["additionalProperties"] = _or_null(_overlay(part["additionalProperties"]))
            if "patternProperties" in part:
                changed["patternProperties"] = {k: _or_null(_overlay(v)) for k, v in part["patternProperties"].items()}
            return changed
        case _:
            return dict(part)


def _or_null(part: Any) -> Any:
    return {"anyOf": [part, {"type": "null"}]}


def fragment_at(path: FieldPath, root: Node) -> Fragment:
    """The schema of the field at `path`; empty where the plan format knows no such field."""
    fragment: Fragment = resolved({"$ref": "#/$defs/Plan"})
    node: Node | None = root
    for step in path:
        fragment = resolved(_chosen(fragment, node).get("properties", {}).get(step) or _inner(fragment))
        node = _child(node, step)
    return _chosen(fragment, node)


def _child(node: Node | None, step: str | int) -> Node | None:
    if node is None:
        return None
    if isinstance(node.value, dict):
        return node.value.get(str(step))
    return (
        node.value[step] if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value) else None
    )


def _inner(fragment: Fragment) -> Fragment:
    listed = [choice for choice in fragment.get("anyOf", ()) if "items" in choice]
    fragment = listed[0] if listed else fragment
    inner: object = (
        fragment.get("items") or fragment.get("additionalProperties") or next(iter(_named(fragment).values()), {})
    )
    return inner if isinstance(inner, dict) else {}


def _named(fragment: Fragment) -> dict[str, Any]:
    return dict(fragment.get("patternProperties", {}))


def key_words(fragment: Fragment) -> str:
    """What is allowed as a key of this mapping."""
    return words({"type": "string", "pattern": next(iter(_named(fragment)), "")})


def _chosen(fragment: Fragment, node: Node | None) -> Fragment:
    """The kind of criterion, or of proof, that `node` says it is."""
    discriminator = fragment.get("discriminator", {})
    mapping, name = discriminator.get("mapping", {}), discriminator.get("propertyName", "")
    kind = node.value.get(name) if node is not None and isinstance(node.value, dict) else None
    word = TAG_IF_ABSENT.get(name) if kind is None else kind.value
    ref = mapping.get(word) if isinstance(word, str) else None
    if node is not None and isinstance(node.value, dict) and "anyOf" in fragment and not discriminator:
        # A mapping, or a word in its place: what is written here is the mapping.
        ref = next((choice["$ref"] for choice in fragment["anyOf"] if "$ref" in choice), None)
    return resolved({"$ref": ref}) if ref else fragment


def discriminating_key(fragment: Fragment) -> str:
    """The key that tells the members of a closed union apart."""
    return str(fragment.get("discriminator", {}).get("propertyName", "kind"))


def resolved(fragment: Fragment) -> Fragment:
    """The fragment itself, behind references and `or null`, its own description first."""
    while True:
        own = {key: value for key, value in fragment.items() if key in ("description", "default")}
        if "$ref" in fragment:
            target: Fragment = model_schema()["$defs"][fragment["$ref"].removeprefix("#/$defs/")]
        elif len(some := [x for x in fragment.get("anyOf", ()) if x != {"type": "null"}]) == 1:
            target = some[0]
        else:
            return fragment
        fragment = {**target, **own}


def schema_keys(fragment: Fragment) -> list[str]:
    """The keys a mapping may have."""
    return list(fragment.get("properties", {}))


def words(fragment: Fragment) -> str:
    """What is allowed for a field, such as `text` or `one of hold, roll_back`."""
    fragment = resolved(fragment)
    match fragment:
        case {"const": const}:
            return str(const).lower() if isinstance(const, bool) else str(const)
        case {"enum": [*choices]}:
            return f"one of {', '.join(map(str, choices))}"
        case {"discriminator": {"mapping": mapping, "propertyName": "proof"}}:
            return f"a line with its proof (proof: {', '.join(mapping)})"
        case {"discriminator": {"mapping": mapping, "propertyName": "do"}}:
            return f"an action (do: {', '.join(mapping)})"
        case {"discriminator": {"mapping": mapping}}:
            key = discriminating_key(fragment)
            return f"{'a criterion' if key == 'kind' else f'a {key}'} ({key}: {', '.join(mapping)})"
        case {"anyOf": [first, {"const": str(word)}]}:
            return f"{words(first)}, or {word}"
        case {"anyOf": [first, *_]}:
            return f"{words(first)} (or a list of these)"
        case {"type": "array"}:
            return f"a list of {_plural(words(fragment.get('items', {})))}"
        case {"type": "object", "properties": keys}:
            return f"a mapping with {', '.join(keys)}"
        case {"type": "object"}:
            return "a mapping of names"
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "number", "minimum": least, "maximum": most}:
            return f"a number from {least:g} to {most:g}"
        case {"type": "integer"}:
            least, most = fragment.get("minimum"), fragment.get("maximum")
            span = f" from {least} to {most}" if most is not None else "" if least is None else f", {least} or more"
            return f"a whole number{span}"
    example = fragment.get("examples", [None])[0]
    if example is not None:
        return f"{_noun(str(example))} such as {example}"
    pattern = str(fragment.get("pattern", ""))
    return next((noun for start, noun in _PATTERNS.items() if pattern.startswith(start)), "text")


def _noun(example: str) -> str:
    if example in _NOUNS:
        return _NOUNS[example]
    return "PromQL" if "(" in example else "label matchers"


_NOUNS = {"24h": "a duration", "10%": "a percentage", "5%": "a number with its unit", "day 3": "a day of the rollout"}
_NOUNS |= {"/results/0/mean": "a JSON pointer", "ok": "a text, number or switch"}
_NOUNS |= {"17:00": "a time of day", "new-cart": "a flag's key", "userGroup": "an attribute's name"}
_NOUNS |= {"beta-users": "a group's name", "#alerts-critical": "a channel"}
_NOUNS |= {"+50%": "a change with its sign", "wave 1": "baseline, previous_wave, control, or a wave"}
_PATTERNS = {
    "^[a-z0-9][": "a name of small letters, digits, and . _ - inside",
    "^[^@": "an e-mail address",
    "^https": "an address such as https://tidegate.example.com",
    "^[a-zA-Z_]": "a label name",
}


def _plural(noun: str) -> str:
    known = {"text": "texts", "an e-mail address": "e-mail addresses", "a whole number": "whole numbers"}
    known |= {
        "a name": "names",
        "a mapping": "mappings",
        "a criterion": "criteria",
        "a line": "lines",
        "an action": "actions",
        "a step": "steps",
    }
    return next((plural for start, plural in known.items() if noun.startswith(start)), noun)
