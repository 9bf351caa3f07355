"""A flag file's text and where each flag stands in it, so that one is changed and every other byte stays as it is."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

EMPTY = b'{\n  "$schema": "https://flagd.dev/schema/v0/flags.json",\n  "flags": {}\n}\n'
_BOM = "\ufeff"
_BLANK = re.compile(r"[ \t\n\r]*")
_HALF = re.compile("[\ud800-\udfff]")
_FOREIGN = re.compile("[\udc80-\udcff]")
# Values of others are walked over, never kept: numbers stay text, whatever their size.
_WALK = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_NAMED = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)  # no number passes for a key


class NotAFlagFile(ValueError):
    """The text is no JSON, or no JSON that we can find flags in; the message says in which line."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a JSON object: its name, where the name begins, and where its value begins and ends."""

    name: str
    at: int
    value: int
    end: int


class FlagSource(Protocol):
    """The text of a flag file, and the flags in it."""

    @property
    def flags(self) -> Sequence[Member]:
        """Each member of `flags`, in its order."""

    @property
    def foreign_damage(self) -> str:
        """Why evaluators may refuse the whole file although our flag can be found in it, empty where they do not."""

    def definitions(self, flag: str) -> list[Any]:
        """What stands under this key: nothing, one value, or several."""

    def with_flag(self, flag: str, definition: Mapping[str, Any]) -> bytes:
        """The content with this definition; all else as it is. Raises NotAFlagFile."""

    def in_place(self, flag: str, definition: Mapping[str, Any]) -> bytes:
        """As `with_flag`, of the same length wherever that is possible."""


@dataclass(frozen=True, slots=True)
class FlagdSource:
    """The text, each member of `flags` in it, and where the last `flags` object begins and ends."""

    text: str
    flags: tuple[Member, ...]
    begin: int
    end: int
    is_list: bool = False  # whether each flag names its key itself

    @classmethod
    def parse(cls, content: bytes) -> "FlagdSource":
        """The flags of a file's content; raises NotAFlagFile. What others wrote in their flags is not judged."""
        # Bytes that are no UTF-8 are carried along as they are; `foreign_damage` tells of them.
        text = content.decode("utf-8", "surrogateescape")
        try:
            return cls._of(text)
        except json.JSONDecodeError as error:
            raise NotAFlagFile(f"line {error.lineno}: this is no JSON ({error.msg})") from error
        except RecursionError:
            raise NotAFlagFile("line 1: it is nested too deeply to be read") from None

    @classmethod
    def _of(cls, text: str) -> "FlagdSource":
        start = _blank(text, len(_BOM) if text.startswith(_BOM) else 0)
        if text[start : start + 1] != "{":
            _, end = _WALK.raw_decode(text, start)
            _nothing_after(text, end)
            raise NotAFlagFile(f"{_line(text, start)}: found no object, allowed is a flagd flag file")
        top, end = _members(text, start)
        _nothing_after(text, end)
        objects = [member for member in top if member.name == "flags"]
        if not objects:
            raise NotAFlagFile(f"{_line(text, start)}: found no object named flags, allowed is a flagd flag file")
        for member in objects:
            if text[member.value] == "[" and len(objects) == 1:
                return cls(text, tuple(_items(text, member.value)), member.value, member.end, is_list=True)
            if text[member.value] != "{":
                found = "a list" if text[member.value] == "[" else text[member.value : member.end][:40]
                raise NotAFlagFile(f"{_line(text, member.at)}: found {found} as flags, allowed is an object of flags")
        flags = tuple(flag for member in objects for flag in _members(text, member.value)[0])
        return cls(text, flags, objects[-1].value, objects[-1].end)

    @property
    def foreign_damage(self) -> str:
        """Why evaluators may refuse the whole file although our flag can be found in it, empty where they do not."""
        if (place := _FOREIGN.search(self.text)) is not None:
            return f"{_line(self.text, place.start())}: this is no UTF-8 text"
        for flag in self.flags:
            if self.text[flag.value] != "{" or (self.is_list and not flag.name):
                found = self.text[flag.value : flag.end][:40]
                return f"{_line(self.text, flag.at)}: found {found} as flag {flag.name}, allowed is an object"
        return ""

    def definitions(self, flag: str) -> list[Any]:
        """What stands under this key: nothing, one value, or several; None for one that cannot be written again."""
        return [_readable(self.text[member.value : member.end]) for member in self._all(flag)]

    def with_flag(self, flag: str, definition: Mapping[str, Any]) -> bytes:
        """The content with this definition wherever the key stands, added where it does not; all else as it is."""
        found, text = self._all(flag), self.text
        if self.is_list:
            definition = {"key": flag, **definition}
        if not found:
            return _encoded(self._with_new(flag, definition))
        for member in reversed(found):
            indent = _indent(_blanks_before(text, member.at))
            text = text[: member.value] + _written(definition, indent) + text[member.end :]
        return _encoded(text)

    def in_place(self, flag: str, definition: Mapping[str, Any]) -> bytes:
        """As `with_flag`, but of the very same length, filled up with blanks, wherever the definition fits."""
        found, text = self._all(flag), self.text
        if not found:
            return self.with_flag(flag, definition)
        if self.is_list:
            definition = {"key": flag, **definition}
        shortest = _dumped(definition, separators=(",", ":"))
        for member in reversed(found):
            room = len(_encoded(text[member.value : member.end]))
            blanks = " " * (room - len(_encoded(shortest)))
            text = text[: member.value] + shortest + blanks + text[member.end :]
        return _encoded(text)

    def _all(self, flag: str) -> list[Member]:
        return [member for member in self.flags if member.name == flag]

    def _with_new(self, flag: str, definition: Mapping[str, Any]) -> str:
        text, inside = self.text, [member for member in self.flags if self.begin < member.at < self.end]
        name = "" if self.is_list else f"{_dumped(flag)}: "
        opening, closing = "[]" if self.is_list else "{}"
        if inside:
            before, place = _blanks_before(text, inside[-1].at), inside[-1].end
            return f"{text[:place]},{before}{name}{_written(definition, _indent(before))}{text[place:]}"
        if "\n" not in text[: self.begin]:
            return f"{text[: self.begin]}{opening}{name}{_written(definition, None)}{closing}{text[self.end :]}"
        found = _BLANK.match(text, text.rfind("\n", 0, self.begin) + 1)
        outer = found[0] if found else ""
        added = f"\n{outer}  {name}{_written(definition, outer + '  ')}\n{outer}"
        return f"{text[: self.begin]}{opening}{added}{closing}{text[self.end :]}"


def _readable(text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except ValueError:
        return None
    return value


def _members(text: str, at: int) -> tuple[list[Member], int]:
    """The members of the object that begins here, in their order, and where it ends; raises JSONDecodeError."""
    found: list[Member] = []
    at = _blank(text, at + 1)
    if text[at : at + 1] == "}":
        return found, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("a name in double quotes is missing", text, at)
        name, after = _WALK.raw_decode(text, at)
        value = _blank(text, _one_of(text, _blank(text, after), ":"))
        _, end = _WALK.raw_decode(text, value)
        found.append(Member(name, at, value, end))
        after = _blank(text, end)
        at = _blank(text, _one_of(text, after, ",}"))
        if text[after] == "}":
            return found, after + 1


def _items(text: str, at: int) -> Iterator[Member]:
    """The items of the list that begins here, each by the key that it names; raises JSONDecodeError."""
    at = _blank(text, at + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        value, end = _NAMED.raw_decode(text, at)
        name = value.get("key") if isinstance(value, dict) else None
        yield Member(name if isinstance(name, str) else "", at, at, end)
        after = _blank(text, end)
        at = _blank(text, _one_of(text, after, ",]"))
        if text[after] == "]":
            return


def _one_of(text: str, at: int, allowed: str) -> int:
    if not text[at : at + 1] or text[at] not in allowed:
        raise json.JSONDecodeError(f"{' or '.join(allowed)} is missing", text, at)
    return at + 1


def _nothing_after(text: str, end: int) -> None:
    if (after := _blank(text, end)) != len(text):
        raise json.JSONDecodeError("there is more after its end", text, after)


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _blanks_before(text: str, at: int) -> str:
    return text[len(text[:at].rstrip(" \t\r\n")) : at]


def _indent(blanks: str) -> str | None:
    return blanks.rpartition("\n")[2] if "\n" in blanks else None


def _line(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}"


def _written(definition: Mapping[str, Any], indent: str | None) -> str:
    """In the file's manner: over several lines where its members begin a line, else in one."""
    if indent is None:
        return _dumped(definition)
    return _dumped(definition, indent=2).replace("\n", f"\n{indent}")


def _dumped(value: Any, **style: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **style)
    # Half an emoji can be written down in its escaped form only.
    return text if text.isascii() or not _HALF.search(text) else json.dumps(value, allow_nan=False, **style)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
