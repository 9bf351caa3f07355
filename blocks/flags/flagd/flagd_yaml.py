"""A flag file in YAML: what changes of one flag is changed in its text, and all else, comments included, stays."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from blocks.flags.flagd.flagd_source import Member, NotAFlagFile
from blocks.flags.flagd.flagd_yaml_nodes import GUESSED, NodePlace, in_block, in_one_line, places, values

EMPTY_YAML = b"flags:\n"
_BOM = "\ufeff"
_BEFORE_A_BLOCK = re.compile(r"[ ]*(?:-[ ]+)*")
_Edit = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class FlagdYaml:
    """The text without its mark of byte order, what it says, and where `flags` and each of them stands."""

    text: str
    bom: str
    said: Any  # of flags: a mapping, a list, or nothing yet
    place: NodePlace
    in_braces: bool  # whether all of the file is one pair of braces, as JSON is
    flags: tuple[Member, ...]
    each: tuple[NodePlace, ...]

    @classmethod
    def parse(cls, content: bytes) -> "FlagdYaml":
        """The flags of a file's content; raises NotAFlagFile."""
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise NotAFlagFile(f"line {line}: this is no UTF-8 text") from error
        bare = text.removeprefix(_BOM)
        try:
            top, said = places(bare), values(bare)
        except (yaml.YAMLError, ValueError) as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
            raise NotAFlagFile(f"line {mark.line + 1 if mark else 1}: this is no YAML ({problem})") from error
        except RecursionError:
            raise NotAFlagFile("line 1: it is nested too deeply to be read") from None
        if top is None or not isinstance(said, dict):
            raise NotAFlagFile("line 1: found no mapping, allowed is a flagd flag file")
        return cls._of(bare, text[: len(text) - len(bare)], top, said)

    @classmethod
    def _of(cls, text: str, bom: str, top: NodePlace, said: dict[str, Any]) -> "FlagdYaml":
        found = [place for key, place in top.items if key is not None and key.text == "flags"]
        if len(found) != 1:
            raise NotAFlagFile(f"line 1: found {len(found) or 'no'} mappings named flags, allowed is one")
        place, flags = found[0], said["flags"]
        if place.kind == "alias" or not (flags is None or isinstance(flags, dict | list)):
            shown = "an alias" if place.kind == "alias" else str(flags)[:40]
            raise NotAFlagFile(f"{_line(text, place.at)}: found {shown} as flags, allowed is a mapping of flags")
        each = tuple(_each(place))
        members = tuple(Member(name, at, value.at, value.end) for name, at, value in each)
        return cls(text, bom, flags, place, top.flow, members, tuple(value for _, _, value in each))

    @property
    def foreign_damage(self) -> str:
        """Why evaluators may refuse the whole file although our flag can be found in it, empty where they do not."""
        if isinstance(self.said, list):
            bad = [one for one in self.said if not (isinstance(one, dict) and isinstance(one.get("key"), str))]
            shown = f"found {str(bad[0])[:40]} as a flag, allowed is a mapping with its key" if bad else ""
            return f"{_line(self.text, self.place.at)}: {shown}" if bad else ""
        for name, value in (self.said or {}).items():
            if not isinstance(value, dict):
                at = next((member.at for member in self.flags if member.name == name), self.place.at)
                return f"{_line(self.text, at)}: found {str(value)[:40]} as flag {name}, allowed is a mapping"
        return ""

    def definitions(self, flag: str) -> list[Any]:
        """What stands under this key: nothing, one value, or several; None for one that cannot be written again."""
        if isinstance(self.said, list):
            return [_readable(one) for one in self.said if isinstance(one, dict) and one.get("key") == flag]
        written = len(self._of_flag(flag))
        if not isinstance(self.said, dict) or flag not in self.said:
            return [None] * written
        # Of several under one key readers see the last, or refuse the file.
        return [_readable(self.said[flag])] * max(1, written)

    def with_flag(self, flag: str, definition: Mapping[str, Any]) -> bytes:
        """The content with this definition wherever the key stands, added where it does not; all else as it is."""
        whole = {"key": flag, **definition} if isinstance(self.said, list) else dict(definition)
        found, edits = self._of_flag(flag), list[_Edit]()
        for place, before in zip(found, self.definitions(flag), strict=False):
            if place.anchor or place.kind == "alias":
                raise NotAFlagFile(f"{_line(self.text, place.at)}: flag {flag} is an anchor or alias: write it out")
            edits += self._edits(place, before, whole)
        if not found:
            edits = self._added(self.place, {flag: whole} if not isinstance(self.said, list) else [whole])
        text = self.text
        for at, end, new in sorted(edits, reverse=True):
            text = text[:at] + new + text[end:]
        return self._checked(text, flag, whole)

    def in_place(self, flag: str, definition: Mapping[str, Any]) -> bytes:
        """As `with_flag`, but of the very same length, filled up with blanks, wherever the definition fits."""
        found, text = self._of_flag(flag), self.text
        if not found or any(place.anchor for place in found):
            return self.with_flag(flag, definition)
        whole = {"key": flag, **definition} if isinstance(self.said, list) else dict(definition)
        for place in reversed(found):
            new = ("" if place.at != place.end else " ") + in_one_line(whole)
            room = len(self.text[place.at : self._end(place)].encode())
            text = text[: place.at] + new + " " * (room - len(new.encode())) + text[self._end(place) :]
        return self._checked(text, flag, whole)

    def _of_flag(self, flag: str) -> list[NodePlace]:
        return [place for member, place in zip(self.flags, self.each, strict=True) if member.name == flag]

    def _checked(self, text: str, flag: str, whole: dict[str, Any]) -> bytes:
        """What was written, read again: whoever wrote the file may use what we do not know."""
        content = (self.bom + text).encode()
        if any(found != _readable(whole) for found in FlagdYaml.parse(content).definitions(flag) or [None]):
            raise NotAFlagFile(f"flag {flag} cannot be written into this YAML: write its definition as a plain mapping")
        return content

    def _edits(self, place: NodePlace, before: Any, after: Any) -> list[_Edit]:
        """What has to change in the text so that `after` stands where `before` does, and nothing else."""
        is_kept = isinstance(before, dict) and isinstance(after, dict) and (before.keys() & after.keys())
        if place.kind != "map" or not place.items or not is_kept:
            return [self._replaced(place, after)]
        edits, names = list[_Edit](), set[str]()
        for key, value in place.items:
            name = key.text if key is not None else ""
            names.add(name)
            if name in before and name not in after:
                if key is None or place.flow or self._before(key).strip(" "):
                    return [self._replaced(place, after)]
                edits.append((key.at - self._column(key.at), self._line_end(self._end(value)), ""))
            elif name in after and _is_guessed(value, after[name]):
                edits.append(self._replaced(value, after[name]))
            elif name in after and before.get(name) != after[name]:
                edits += self._edits(value, before.get(name), after[name])
        missing = {name: value for name, value in after.items() if name not in names and before.get(name) != value}
        return edits + (self._added(place, missing) if missing else [])

    def _end(self, place: NodePlace) -> int:
        return place.at + len(self.text[place.at : place.end].rstrip())

    def _column(self, at: int) -> int:
        return at - (self.text.rfind("\n", 0, at) + 1)

    def _before(self, place: NodePlace) -> str:
        return self.text[place.at - self._column(place.at) : place.at]

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end + 1

    def _replaced(self, place: NodePlace, value: Any) -> _Edit:
        """In the file's manner: over several lines where it stood so, else in one."""
        end = self._end(place)
        is_block = place.kind in ("map", "list") and not place.flow and not place.anchor
        if is_block and isinstance(value, dict | list) and value and _BEFORE_A_BLOCK.fullmatch(self._before(place)):
            return place.at, end, in_block(value, self._column(place.at), self._newline)
        before = self.text[: place.at].rstrip()
        if before.endswith(":") and not place.anchor:
            return len(before), end, f" {in_one_line(value)}"
        return place.at, end, (f"&{place.anchor} " if place.anchor else "") + in_one_line(value)

    def _added(self, place: NodePlace, more: Any) -> list[_Edit]:
        """More members of a mapping, or more items of a list, after those that stand there."""
        if not place.items and (self.in_braces or place.kind == "list" or place is not self.place):
            return [self._replaced(place, more)]
        if not place.items:
            at = len(self.text[: place.at].rstrip(" "))
            column = self._column(at) - len(self.text[self.text.rfind("\n", 0, at) + 1 : at].lstrip(" ")) + 2
            return [(at, self._end(place), ""), self._after_line(self._end(place), more, column)]
        last = self._end(place.items[-1][1])
        if place.flow:
            return [(last, last, f", {in_one_line(more)[1:-1]}")]
        first = place.items[0][0]
        return [self._after_line(last, more, self._column(place.at if first is None else first.at))]

    def _after_line(self, at: int, more: Any, column: int) -> _Edit:
        made = " " * column + in_block(more, column, self._newline)
        end = self._line_end(at)
        # The last line may lack its end.
        lead = "" if self.text[end - 1 : end] == "\n" else self._newline
        return end, end, f"{lead}{made}{self._newline}"

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"


def _each(place: NodePlace) -> Iterator[tuple[str, int, NodePlace]]:
    for key, value in place.items:
        if place.kind == "map" and key is not None and key.kind == "scalar":
            yield key.text, key.at, value
        elif place.kind == "list" and value.kind == "map":
            names = [found.text for inner, found in value.items if inner is not None and inner.text == "key"]
            if names:
                yield names[-1], value.at, value


def _is_guessed(place: NodePlace, value: Any) -> bool:
    """Whether some readers take this text, or a key in it, for true or false."""
    if place.kind == "map":
        return any(key is not None and _is_guessed(key, key.text) for key, _ in place.items)
    return place.plain and isinstance(value, str) and place.text.lower() in GUESSED


def _readable(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return None


def _line(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}"
