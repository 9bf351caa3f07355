"""Known requests to a service as values: what is sent to both paths, and what became of each."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from tidegate.values.model import Model

# One slash, so that a path can never name another host; nothing a request line could be broken with.
Path = Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._~?=&%+,-][A-Za-z0-9._~?=&%+,/-]*)?$", max_length=500)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]


class Caller(Model):
    """Who a known request says it comes from."""

    user: HeaderText = Field(description="The user's name, as it is sent to the service.")
    group: HeaderText = Field(description="The user's group, as the flag knows it.")


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked of a service: which requests it knows, and what both paths answer to them."""

    source: str
    known: str
    send: str
    new: Caller
    legacy: Caller
    user_header: str
    group_header: str
    path_header: str
    new_path: str
    legacy_path: str
    patience: timedelta


class Reply(StrEnum):
    """What came back for one known request on one path."""

    RIGHT = "right"
    WRONG = "wrong"
    REFUSED = "refused"  # another status than 200: an error, which the error rate judges
    SILENT = "silent"
    ASTRAY = "astray"  # answered by another path than the one meant


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What became of one known request on both paths."""

    known: str
    new: Reply
    legacy: Reply


@dataclass(frozen=True, slots=True)
class Probed:
    """What became of the known requests; or why none may be sent, or why they are not known."""

    results: tuple[ProbeResult, ...] = ()
    stopped: str = ""
    problem: str = ""
