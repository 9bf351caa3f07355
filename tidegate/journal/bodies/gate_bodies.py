"""What the entries on gates say."""

from dataclasses import dataclass, field
from typing import Any

from tidegate.journal.bodies.body import OMITTED, Body, Objects
from tidegate.journal.kinds import Kind
from tidegate.values.verdict import Verdict


@dataclass(frozen=True)
class GateOpened(Body):
    """People are asked before a wave, on these findings; `refusal` says why once more."""

    kind = Kind.GATE_OPENED
    wave: int
    attempt: int
    verdict: Verdict
    findings: Objects
    refusal: str
    flow_run: str
    rolled_back_before: str = ""
    old_path: Objects = field(default_factory=list)


@dataclass(frozen=True)
class GateAnswered(Body):
    """An answer as given; `proof` where a code was asked for, never the code; `identity` where its person signed in."""

    kind = Kind.ANSWERED
    wave: int
    attempt: int
    answer: dict[str, Any]
    via: str
    proof: dict[str, Any] | None = field(default=None, metadata=OMITTED)
    identity: dict[str, Any] | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class GateDecided(Body):
    """What an answer led to; only an answer that was judged says what was stated, and in which roles by a sign-in."""

    kind = Kind.GATE_DECIDED
    wave: int
    attempt: int
    outcome: str
    reason: str
    by: str
    extension_seconds: float
    stated: tuple[str, ...] | None = field(default=None, metadata=OMITTED)
    statements: Objects | None = field(default=None, metadata=OMITTED)
    second: str = field(default="", metadata=OMITTED)
    roles: tuple[str, ...] | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True)
class GateEvidenceChanged(Body):
    """The evidence of a waiting gate has changed."""

    kind = Kind.GATE_LOOKED
    wave: int
    attempt: int
    verdict: Verdict
    findings: Objects
