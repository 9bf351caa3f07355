"""A small, safe part of YAML, read into values that know their line: no aliases, tags, duplicates or guessed types."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import yaml

MAX_BYTES = 512_000
MAX_DEPTH = 16

# YAML 1.1 and 1.2 readers disagree on these words and numbers, and people are surprised by either.
_WORDS = re.compile(r"(?:yes|no|on|off|y|n|true|false|null)", re.IGNORECASE)
# Where they can only be keys.
_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {("flag",): ("on", "off")}
_NUMBER_LIKE = re.compile(
    r"[-+]?(?:0[0-9_]+(?:\.[0-9_]*)?|0[xob][0-9a-f_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:e[-+]?[0-9]+)?|\.[0-9_]+(?:e[-+]?[0-9]+)?|\.inf|\.nan"
    r"|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)",
    re.IGNORECASE,
)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ][-0-9:.+Zz ]*)?")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a plan: where it stands, and what was found and is allowed."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, " ".join(self.message.split())) if part)


class PlanError(ValueError):
    """A plan that cannot be used, and every reason found; `str()` is one line per problem."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line)))
        super().__init__("\n".join(map(str, self.problems)))


Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the place it was written at; for an entry of a mapping that is the line of its key."""

    file: str
    line: int
    value: "Scalar | list[Node] | dict[str, Node]"

    def plain(self) -> object:
        """The value without its places."""
        match self.value:
            case dict():
                return {key: node.plain() for key, node in self.value.items()}
            case list():
                return [node.plain() for node in self.value]
            case scalar:
                return scalar


def parse_plan_text(data: bytes, file: str) -> dict[str, Node]:
    """The mapping that a plan file holds; raises PlanError."""
    root, problems = read_mapping(data, file, "a release plan")
    if problems:
        raise PlanError(*problems)
    return root


def read_mapping(
    data: bytes, file: str, what: str, *, secret: bool = False
) -> tuple[dict[str, Node], tuple[Problem, ...]]:
    """The mapping that a file holds, and what was found wrong in it; raises PlanError where it is none at all.

    A value with a problem reads as None. With `secret` no value is repeated in a message.
    """
    text = _decoded(data, file)
    reader = _Reader(file, secret)
    try:
        root = reader.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise PlanError(Problem(file, line, "", "found an unprintable character, allowed is plain text")) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = "cannot be read as YAML" if secret else f"cannot be read as YAML: {error.problem or error.context}"
        raise PlanError(*reader.problems, Problem(file, mark.line + 1 if mark else 0, "", words)) from None
    # An escape such as "\UFFFFFFFF" names no character, which PyYAML leaves to chr().
    except (yaml.YAMLError, OverflowError) as error:
        words = "cannot be read as YAML" if secret else f"cannot be read as YAML: {error}"
        raise PlanError(*reader.problems, Problem(file, 0, "", words)) from None
    except PlanError:
        raise
    except ValueError:
        words = "cannot be read as YAML: an escape names no character"
        raise PlanError(*reader.problems, Problem(file, 0, "", words)) from None
    if root is None or root.value is None:
        raise PlanError(*reader.problems, Problem(file, 0, "", f"the file is empty, allowed is {what}"))
    if not isinstance(root.value, dict):
        raise PlanError(Problem(file, root.line, "", f"found {_kind(root.value)}, allowed is a mapping (key: value)"))
    return root.value, tuple(reader.problems)


def reads_as_text(text: str) -> bool:
    """Whether this text, written without quotes, is read back as itself and not refused or taken for something else."""
    guessed = (_WORDS, _DATE, _NUMBER_LIKE, _INTEGER, _DECIMAL)
    return text not in ("", "~") and not any(pattern.fullmatch(text) for pattern in guessed)


def _decoded(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        words = f"the file has {len(data) / 1000:.0f} kB, allowed are {MAX_BYTES // 1000} kB"
        raise PlanError(Problem(file, 0, "", words))
    if b"\0" in data:
        raise PlanError(Problem(file, 0, "", "found a binary file, allowed is UTF-8 text"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PlanError(Problem(file, line, "", "found bytes that are not UTF-8, allowed is UTF-8 text")) from None


def _kind(value: object) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a single value"


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


@dataclass(slots=True)
class _Reader:
    """Builds nodes from the parser's events, so that nothing is expanded or constructed behind our back."""

    file: str
    secret: bool = False
    problems: list[Problem] = field(default_factory=list)

    def document(self, events: Iterator[yaml.Event]) -> Node | None:
        root: Node | None = None
        seen = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                seen += 1
                if seen > 1:
                    self._stop(event, "", "found a second document, allowed is one per file")
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, ())
        return root

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], path: tuple[str, ...]) -> Node:
        line, where = _line(event), ".".join(path)
        if isinstance(event, yaml.AliasEvent):
            self._stop(event, where, f"found the alias {self._shown(f'*{event.anchor}')}, allowed is the value itself")
        if getattr(event, "anchor", None):
            anchor = self._shown(f"&{event.anchor}")  # type: ignore[attr-defined]
            self._stop(event, where, f"found the anchor {anchor}, allowed is a value without anchor")
        if getattr(event, "tag", None):
            tag = self._shown(event.tag)  # type: ignore[attr-defined]
            self._stop(event, where, f"found the tag {tag}, allowed is a value without tag")
        if len(path) > MAX_DEPTH:
            self._stop(event, where, f"nested too deep, allowed are {MAX_DEPTH} levels")
        match event:
            case yaml.ScalarEvent():
                return Node(self.file, line, self._scalar(event, where))
            case yaml.SequenceStartEvent():
                items: list[Node] = []
                while not isinstance(inner := next(events), yaml.SequenceEndEvent):
                    items.append(self._node(inner, events, (*path, str(len(items)))))
                return Node(self.file, line, items)
            case _:
                return Node(self.file, line, self._mapping(events, path))

    def _mapping(self, events: Iterator[yaml.Event], path: tuple[str, ...]) -> dict[str, Node]:
        found: dict[str, Node] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                kind = "a mapping" if isinstance(event, yaml.MappingStartEvent) else "a list or alias"
                self._stop(event, ".".join(path), f"found the key {kind}, allowed is a name")
            noted = len(self.problems)
            is_name = event.value in _NAMES.get(path, ()) and event.style is event.tag is event.anchor is None
            key = event.value if is_name else self._node(event, events, path).value
            if not isinstance(key, str):
                if len(self.problems) == noted:
                    words = f"found the key {event.value or 'nothing'}, allowed is a name (in quotes if need be)"
                    self._note(event, ".".join(path), words)
                key = event.value
            value = self._node(next(events), events, (*path, key))
            if key in found:
                words = f"stands twice (first on line {found[key].line}), allowed is once"
                self.problems.append(Problem(self.file, line, ".".join((*path, key)), words))
            else:
                found[key] = Node(self.file, line, value.value)
        return found

    def _scalar(self, event: yaml.ScalarEvent, where: str) -> Scalar:
        text: str = event.value
        if event.style is not None:
            # Escapes can name what no file may hold: control characters and halves of characters.
            if _UNPRINTABLE.search(text):
                self._note(event, where, "found an unprintable character, allowed is plain text")
            return text
        if text in ("", "~", "null"):
            return None
        if text in ("true", "false"):
            return text == "true"
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
        if _WORDS.fullmatch(text):
            quoted = "the text" if self.secret else f'"{text}"'
            words = f"found {self._shown(text)} without quotes, allowed is true or false, or {quoted} in quotes"
            self._note(event, where, words)
            return None
        if _DATE.fullmatch(text) or _NUMBER_LIKE.fullmatch(text):
            found = self._shown(text[:40])
            words = f"found {found} without quotes, allowed is a plain decimal number, or the text in quotes"
            self._note(event, where, words)
            return None
        return text

    def _shown(self, text: str) -> str:
        return "a value (not shown)" if self.secret else text

    def _note(self, event: yaml.Event, where: str, words: str) -> None:
        self.problems.append(Problem(self.file, _line(event), where, words))

    def _stop(self, event: yaml.Event, where: str, words: str) -> NoReturn:
        raise PlanError(*self.problems, Problem(self.file, _line(event), where, words))
