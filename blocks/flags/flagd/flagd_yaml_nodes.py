"""Where each value stands in a YAML text, and how a flag's definition is written there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WIDEST = 2**31
# What no reader of YAML 1.1 or 1.2 takes for anything but text.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z_]*")
GUESSED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}


@dataclass(slots=True)
class NodePlace:
    """A value of the text: from where to where it stands, how it is written, and what stands in it."""

    kind: str  # scalar, alias, list or map
    at: int
    end: int
    flow: bool = False
    anchor: str = ""
    plain: bool = False  # without quotes
    text: str = ""
    items: list[tuple["NodePlace | None", "NodePlace"]] = field(default_factory=list)


def places(text: str) -> NodePlace | None:
    """The one document of the text; raises yaml.YAMLError. None where it is empty."""
    events = yaml.parse(text, Loader=_Loader)
    found = [_place(event, events) for event in events if isinstance(event, yaml.NodeEvent)]
    if len(found) > 1:
        raise yaml.YAMLError("there is a second document")
    return found[0] if found else None


def _place(event: Any, events: Iterator[Any]) -> NodePlace:
    at, end, anchor = event.start_mark.index, event.end_mark.index, getattr(event, "anchor", None) or ""
    match event:
        case yaml.AliasEvent():
            return NodePlace("alias", at, end, text=anchor)
        case yaml.ScalarEvent():
            return NodePlace("scalar", at, end, flow=True, anchor=anchor, plain=not event.style, text=event.value)
    kind, closing = (
        ("map", yaml.MappingEndEvent) if isinstance(event, yaml.MappingStartEvent) else ("list", yaml.SequenceEndEvent)
    )
    place = NodePlace(kind, at, end, flow=bool(event.flow_style), anchor=anchor)
    while not isinstance(inner := next(events), closing):
        first = _place(inner, events)
        place.items.append((first, _place(next(events), events)) if kind == "map" else (None, first))
    # A block ends, to the reader, only where the next one begins: comments between are not its own.
    place.end = inner.end_mark.index if place.flow or not place.items else place.items[-1][1].end  # type: ignore[union-attr]
    return place


class _Reader(_Loader):  # type: ignore[misc]
    """Text stays text: only true and false are switches, and no date is read."""


_Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] not in ("bool", "timestamp")]
    for first, known in _Loader.yaml_implicit_resolvers.items()
}
_Reader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def values(text: str) -> Any:
    """What the text says, with its aliases and merges followed; raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Reader)  # noqa: S506 - of the safe loader


class _Writer(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _as_text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in GUESSED
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Writer.add_representer(str, _as_text)


def in_one_line(value: Any) -> str:
    """The value on one line, between braces where it has parts."""
    text = yaml.dump(value, Dumper=_Writer, default_flow_style=True, width=_WIDEST, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def in_block(value: Any, column: int, newline: str) -> str:
    """The mapping or list over several lines, all but the first indented."""
    made = yaml.dump(
        value, Dumper=_Writer, default_flow_style=False, width=_WIDEST, allow_unicode=True, sort_keys=False
    )
    return made.rstrip("\n").replace("\n", f"{newline}{' ' * column}")
