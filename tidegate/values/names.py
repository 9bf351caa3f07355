"""Names that other systems gave: each with that system's alphabet, taken as it is and never changed."""

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

LONGEST = 255
_SLUG = 63
_BETWEEN = {
    "key": frozenset("._-:/@+=~#|,"),
    "attribute": frozenset("._-:/@$"),
}
_FIRST = {"key": frozenset("_"), "attribute": frozenset("_$/")}
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{7,20}")
_LONGEST_CHANNEL = 80
# Escape sequences begin with a control character; the others turn the direction of what follows.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def flag_key(text: str) -> str:
    """The key itself; raises ValueError for one that no flag system has or that reads like a way to a file."""
    parts = text.split("/")
    if _is_word(text, "key") and not {"", ".", ".."} & set(parts):
        return text
    raise _refused(text, f"a flag's key of at most {LONGEST} letters, digits and . _ - : / @ + = ~ # | , inside")


def attribute(text: str) -> str:
    """The attribute's name itself; raises ValueError for one that no evaluation context has."""
    if _is_word(text, "attribute"):
        return text
    raise _refused(
        text, f"an attribute's name of at most {LONGEST} letters, digits and . _ - : / @ $, such as userGroup"
    )


def group(text: str) -> str:
    """The group's name itself; raises ValueError where it cannot be shown on one line."""
    if 0 < len(text) <= LONGEST and text == text.strip() and text.isprintable():
        return text
    raise _refused(text, f"a group's name in one line of at most {LONGEST} printable characters")


def channel(text: str) -> str:
    """A channel's name with its #, or its id; raises ValueError for anything else."""
    name = text.removeprefix("#")
    is_name = text.startswith("#") and 0 < len(name) <= _LONGEST_CHANNEL and name == name.lower()
    if _CHANNEL_ID.fullmatch(text) or (is_name and all(_is_letter(sign) or sign in "-_" for sign in name)):
        return text
    raise _refused(text, "a channel such as #alerts-critical, or its id such as C024BE91L")


def on_one_line(text: object) -> str:
    """What somebody or something else wrote, in one line that does nothing to a terminal that shows it."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", " ".join(str(text).split()))


def slug(text: str) -> str:
    """Small letters, digits and . _ - that a name is known by in addresses and file names; not unique."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9._-]+", "-", plain)[:_SLUG].strip("._-") or "flag"


def _is_word(text: str, of: str) -> bool:
    return (
        0 < len(text) <= LONGEST
        and (_is_letter(text[0]) or text[0] in _FIRST[of])
        and all(_is_letter(sign) or sign in _BETWEEN[of] for sign in text[1:])
    )


def _is_letter(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LMN"


def _refused(text: str, allowed: str) -> ValueError:
    shown = repr(text) if len(text) <= 60 else f"{text[:60]!r}... ({len(text)} characters)"
    return ValueError(f"found {shown}, allowed is {allowed}")


def _named(check: Callable[[str], str], example: str, longest: int = LONGEST) -> tuple[AfterValidator, WithJsonSchema]:
    schema = {"type": "string", "minLength": 1, "maxLength": longest, "examples": [example]}
    return AfterValidator(check), WithJsonSchema(schema)


FlagKey = Annotated[str, *_named(flag_key, "new-cart")]
Attribute = Annotated[str, *_named(attribute, "userGroup")]
Group = Annotated[str, *_named(group, "beta-users")]
Channel = Annotated[str, *_named(channel, "#alerts-critical", _LONGEST_CHANNEL + 1)]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,254}$")]
