"""The parts of a rollout's view, and how a view becomes plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class WaveView:
    """One line of the waves' table."""

    number: int
    title: str
    exposure: str
    word: str
    soak: str
    soak_percent: float
    reviews: int


@dataclass(frozen=True, slots=True)
class StatementView:
    """One box that a gate asks for: whose word alone counts for it, and whose it has; empty where nobody's.

    `lines` are those that it stands for, where these are several.
    """

    key: str
    role: str
    text: str
    people: tuple[str, ...]
    by: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateView:
    """The decision that waits."""

    wave: int
    attempt: int
    title: str
    waiting: str
    waiting_seconds: float
    refusal: str
    rolled_back_before: str
    old_path: tuple[Mapping[str, str], ...]
    answered: bool
    approvers: tuple[str, ...]
    said_go: tuple[str, ...]
    quorum: int
    statements: tuple[StatementView, ...]
    findings: tuple[Mapping[str, Any], ...]
    question: str = ""
    missing: str = ""  # what a go that counts still lacks, in words


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A message: when it was queued, and which channels have had it."""

    at: datetime | None
    loudness: str
    title: str
    sent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which buttons have something to do."""

    resume: bool
    hold: bool
    rollback: bool
    decide: bool


def plain(value: object) -> Any:
    """The value as JSON has it: instants as ISO 8601, enums as their words."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
