"""Cuts the operations that Tidegate uses out of a vendor's own interface description.

Schemas are taken as they are, without texts and examples. What LaunchDarkly says of semantic patches in prose alone
(each instruction with its parameters and examples) is read out of that prose: nothing is written by hand. GrowthBook
names schemas with blanks, which the format does not allow, and combines answers of objects that allow nothing else, so
that no answer would do: these are opened. Requests are judged as they are described.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_FLAG = "/api/v2/flags/{projectKey}/{featureFlagKey}"
_FEATURE = "/v2/features/{id}"
_TOGGLE = "/api/admin/projects/{projectId}/features/{featureName}"
_THERE = f"{_TOGGLE}/environments/{{environment}}"
OPERATIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "launchdarkly": {
        _FLAG: ("get", "patch"),
        "/api/v2/auditlog": ("get",),
        "/api/v2/projects/{projectKey}/environments/{environmentKey}": ("get",),
    },
    "unleash": {
        _TOGGLE: ("get",),
        f"{_THERE}/strategies": ("post",),
        f"{_THERE}/strategies/{{strategyId}}": ("put", "delete"),
        f"{_THERE}/on": ("post",),
        f"{_THERE}/off": ("post",),
        "/api/admin/search/events": ("get",),
        "/api/admin/environments/project/{projectId}": ("get",),
        "/api/admin/user": ("get",),
    },
    "growthbook": {
        _FEATURE: ("get", "post"),
        f"{_FEATURE}/toggle": ("post",),
        f"{_FEATURE}/revisions": ("post",),
        f"{_FEATURE}/revisions/{{version}}/rules": ("post",),
        f"{_FEATURE}/revisions/{{version}}/rules/{{ruleId}}": ("put", "delete"),
        f"{_FEATURE}/revisions/{{version}}/toggle": ("post",),
        f"{_FEATURE}/revisions/{{version}}/publish": ("post",),
        f"{_FEATURE}/revisions/{{version}}/discard": ("post",),
        "/v1/settings": ("get",),
    },
}
_TEXTS = ("description", "example", "examples", "title", "externalDocs", "x-codeSamples", "summary", "tags")


def cut(vendor: str, whole: Json) -> Json:
    """The description of the operations that are used alone, with the schemas that they refer to."""
    paths = {path: _operations(whole, path, methods) for path, methods in OPERATIONS[vendor].items()}
    kept: Json = {}
    todo = list(_references(paths))
    while todo:
        _, _, section, name = todo.pop().split("/")
        if name not in kept.setdefault(section, {}):
            kept[section][name] = _bare(whole["components"][section][name])
            todo += _references(kept[section][name])
    # The format allows no blanks in these names.
    renamed = {name: name.replace(" ", "_") for section in kept.values() for name in section if " " in name}
    paths, kept = _renamed(paths, renamed), _renamed(kept, renamed)
    _open_what_is_combined(paths, kept)
    _open_what_is_combined(kept, kept)
    info = {"title": whole["info"]["title"], "version": str(whole["info"]["version"])}
    contract = {"openapi": whole["openapi"], "info": info, "paths": paths, "components": kept}
    if vendor == "launchdarkly":
        _add_semantic_patch(contract, whole["paths"][_FLAG]["patch"]["description"])
    return contract


def _operations(whole: Json, path: str, methods: tuple[str, ...]) -> Json:
    common = {"parameters": whole["paths"][path]["parameters"]} if "parameters" in whole["paths"][path] else {}
    return _bare(common | {method: whole["paths"][path][method] for method in methods})


def _bare(value: Any, *, names: bool = False) -> Any:
    """Without texts and examples; among the names of properties nothing is a text."""
    if isinstance(value, dict):
        kept = {
            k: v for k, v in value.items() if names or k not in _TEXTS or (k == "description" and _is_answer(value))
        }
        return {
            k: _bare(v, names=k == "properties") if k != "description" else "" if not names else _bare(v)
            for k, v in kept.items()
        }
    return [_bare(one) for one in value] if isinstance(value, list) else value


def _is_answer(value: Json) -> bool:
    return "content" in value or [*value] == ["description"]  # of an answer the format demands one


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    for name, new in names.items():
        if isinstance(value, str) and value.startswith("#/components/") and value.endswith(f"/{name}"):
            return value.removesuffix(name) + new
    return value


def _open_what_is_combined(value: Any, components: Json) -> None:
    """GrowthBook's answers combine objects that each allow nothing else: no answer at all would do."""
    if isinstance(value, dict):
        for part in value.get("allOf", ()) if isinstance(value.get("allOf"), list) else ():
            _, _, section, name = part.get("$ref", "///").split("/")
            found = components[section][name] if name else part
            found.pop("additionalProperties", None)
            for inner in found.get("anyOf", ()):
                inner.pop("additionalProperties", None)
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _open_what_is_combined(one, components)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def _add_semantic_patch(contract: Json, prose: str) -> None:
    """Gives the flag's PATCH the body that the prose describes, beside the JSON patch that the schema knows."""
    body = contract["paths"][_FLAG]["patch"]["requestBody"]["content"]
    body["application/json; domain-model=launchdarkly.semanticpatch"] = {
        "schema": {
            "type": "object",
            "required": ["instructions"],
            "additionalProperties": False,
            "properties": {
                "comment": {"type": "string"},
                "environmentKey": {"type": "string"},
                "instructions": {"type": "array", "minItems": 1, "items": {"oneOf": list(_instructions(prose))}},
            },
        }
    }


def _instructions(prose: str) -> Iterator[Json]:
    for section in re.split(r"^#### ", prose, flags=re.MULTILINE)[1:]:
        kind = section.split()[0]
        found = [one for one in _examples(section) if one.get("kind") == kind]
        if not found:
            continue
        listed = dict(re.findall(r"^ *- `(\w+)`: (.*)$", section, flags=re.MULTILINE))
        shown: Json = {}
        for example in found:
            shown |= {name: _schema(value, listed.get(name, "")) for name, value in example.items() if name != "kind"}
        listed_only = {name: shown.get(name, {}) for name in listed}
        always = set.intersection(*({*example} for example in found))
        required = sorted(name for name in always & {*listed} if "(Optional)" not in listed[name])
        yield {
            "type": "object",
            "required": ["kind", *required],
            "additionalProperties": False,
            "properties": {"kind": {"enum": [kind]}} | listed_only | shown,
        }


def _examples(section: str) -> Iterator[Json]:
    for text in re.findall(r"```json\n(.*?)```", section, flags=re.DOTALL):
        try:
            body = json.loads(re.sub(r"\s//.*", "", text))
        except ValueError:
            continue  # an answer with an ellipsis, or the like
        yield from body.get("instructions", ()) if isinstance(body, dict) else ()


def _schema(value: Any, said: str) -> Json:
    """The form of a value that an example shows; bounds and freedoms by what the text says of it."""
    bounds = re.search(r"\((\d+)-(\d+)\)", said)
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case str():
            return {"type": "string"}
        case list():
            if "strings, numbers" in said and all(isinstance(one, str) for one in value):
                return {"type": "array"}
            return {"type": "array", "items": _schema(value[0], said)} if value else {"type": "array"}
        case dict() if bounds:
            least, most = map(int, bounds.groups())
            return {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "integer", "minimum": least, "maximum": most},
            }
        case dict():
            properties = {name: _schema(one, said if name == "values" else "") for name, one in value.items()}
            return {"type": "object", "additionalProperties": False, "properties": properties}
    return {}
