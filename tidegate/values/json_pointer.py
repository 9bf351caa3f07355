"""JSON pointers (RFC 6901): one place in a JSON document, written as `/results/0/mean`."""

import re
from typing import Any

POINTER = r"^(/([^/~]|~[01])*)*$"
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_POINTER = re.compile(POINTER)


def at_pointer(document: Any, pointer: str) -> Any:
    """The value at `pointer`, the whole document at an empty one; raises LookupError with a plain sentence."""
    if _POINTER.fullmatch(pointer) is None:
        raise LookupError(f"found {pointer!r}, allowed is a JSON pointer such as /results/0/mean")
    value, walked = document, ""
    for step in pointer.split("/")[1:]:
        # The order matters: ~01 stands for ~1, not for a slash.
        key = step.replace("~1", "/").replace("~0", "~")
        match value:
            case dict() if key in value:
                value = value[key]
            case list() if _INDEX.fullmatch(key) and int(key) < len(value):
                value = value[int(key)]
            case dict():
                raise LookupError(f"{_where(walked)} has no {key!r}")
            case list():
                raise LookupError(f"{_where(walked)} is a list of {len(value)} without the place {key!r}")
            case _:
                raise LookupError(f"{_where(walked)} holds {_kind(value)}, in which {key!r} cannot be looked up")
        walked += f"/{step}"
    return value


def _where(walked: str) -> str:
    return walked or "the document"


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "a switch"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case _:
            return f"a {type(value).__name__}"
