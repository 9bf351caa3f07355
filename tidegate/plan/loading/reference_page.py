"""The reference page of every field of a plan, written from the schema so that it cannot drift."""

from collections.abc import Iterator
from typing import Any

from tidegate.criteria.kinds import CRITERION_KINDS
from tidegate.plan.fields.action_examples import ACTION_EXAMPLES
from tidegate.plan.loading.examples import EXAMPLES
from tidegate.plan.loading.json_schema import Fragment, model_schema, resolved, words
from tidegate.plan.loading.loader import MAX_BYTES, MAX_DEPTH, MAX_EXTENDS
from tidegate.values.promql_template import NAMES

_INTRO = f"""# Plan reference

A plan is one YAML file. It is read strictly: an unknown key, a word that is not listed, a second value for a key
and a text that some YAML reader would take for something else are refused, each with its file, line and field.
This page is generated; change the models, not the page.

- UTF-8 text of at most {MAX_BYTES // 1000} kB, one document, a mapping at the top, at most {MAX_DEPTH} levels deep.
- No anchors, aliases or tags: they are refused, so nothing can be multiplied or constructed.
- `true` and `false` are the only switches. `yes`, `no`, `on`, `off`, `010`, `12:30`, `1e3` and dates need quotes.
- `extends: other.yaml` starts from another file in the same folder or below (at most {MAX_EXTENDS}, no cycles).
  Mappings merge key by key, lists are replaced whole, and `null` removes a key.
- Durations: `90s`, `15m`, `1h30m`, `14d`. Percentages: `10%`, `12.5%`. Days: `day 3`.
- A bound is written in its metric's unit: `5%`, `500ms`, `2s`, `200MB`, `1.5cores`, `20/s`, `$300`, or a bare count.
- Queries are PromQL with {", ".join("`{{ " + name + " }}`" for name in NAMES)} to fill in, and nothing else.
  `{{{{ selector }}}}` stands for the matchers of path and audience, `{{{{ path }}}}` for the path's alone (for series
  without an audience label), `{{{{ window }}}}` for the time looked back. Every query needs one of the first two,
  every count and every range the third.
- A checklist's line says by `proof` how it is proven; without one, a person states it. Files lie below the folder of
  the evidence; commands and web sources are named in the connections, so that no plan holds arguments or secrets.
- `sign_off:` names by role what a person of that role states in person. The gate before wave 1 counts answers until
  each role has signed; one person may sign for every role they hold, and nobody for another.
- `pending: <kind>` marks a line whose kind of check does not exist yet: it is shown and never decides by itself.
"""


def plan_reference() -> str:
    """The page in Markdown."""
    return _INTRO + "\n" + "\n".join(line for name in _order("Plan") for line in _section(name))


def _order(name: str, seen: list[str] | None = None) -> list[str]:
    """Definitions in the order in which a reader meets them."""
    seen = [] if seen is None else seen
    if name not in seen:
        seen.append(name)
        for ref in _refs(model_schema()["$defs"][name]):
            _order(ref, seen)
    return seen


def _refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield str(part["$ref"]).removeprefix("#/$defs/")
        for key, value in part.items():
            if key != "mapping":
                yield from _refs(value)
    elif isinstance(part, list):
        for item in part:
            yield from _refs(item)


def _section(name: str) -> Iterator[str]:
    part = model_schema()["$defs"][name]
    yield f"## {name}"
    yield ""
    yield str(part.get("description", ""))
    yield ""
    if "enum" in part:
        yield f"Allowed: {', '.join(f'`{word}`' for word in part['enum'])}."
        yield ""
        return
    yield "| field | allowed | if absent | meaning |"
    yield "| --- | --- | --- | --- |"
    required = part.get("required", [])
    for field, fragment in part["properties"].items():
        absent = "refused" if field in required else _default(fragment)
        yield f"| `{field}` | {_cell(words(fragment))} | {absent} | {_cell(_meaning(field, fragment))} |"
    yield ""
    kind, do = (part["properties"].get(tag, {}).get("const") for tag in ("kind", "do"))
    of_kind = CRITERION_KINDS[kind].example if kind in CRITERION_KINDS else None
    example = EXAMPLES.get(name) or of_kind or ACTION_EXAMPLES.get(do)
    if example:
        yield from ("Example:", "", "```yaml", *example.splitlines(), "```", "")


def _meaning(field: str, fragment: Fragment) -> str:
    if field == "kind":
        return "Tells the criteria apart."
    if field == "step":
        return "Tells the steps apart."
    return str(fragment.get("description") or resolved(fragment).get("description", ""))


def _default(fragment: Fragment) -> str:
    if "x-if-absent" in fragment:
        return str(fragment["x-if-absent"])
    default = fragment.get("default")
    if default is None or default in ("", [], {}):
        return "none"
    if isinstance(default, dict):
        return "its defaults"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
