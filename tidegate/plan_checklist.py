"""The lines of a checklist and how each is proven; a closed set, told apart by `proof`."""

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)

from tidegate.json_pointer import POINTER
from tidegate.plan_base import Channel, Contradiction, FixedQuery, Model, Name, Switch, Text, Whole
from tidegate.plan_metrics import bound_problems
from tidegate.units import Bound, Percent, PositiveDuration, Unit


def _below(path: str) -> str:
    if path.startswith("/") or "\\" in path or ".." in path.split("/") or "\0" in path:
        raise ValueError(f"found {path!r}, allowed is a path below the folder of the evidence")
    return path


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"found {text[:60]!r}, allowed is a regular expression ({error})") from None
    return text


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Path = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_below)]
_PATH_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 500}
Paths = Annotated[
    tuple[Path, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [_PATH_SCHEMA, {"type": "array", "items": _PATH_SCHEMA, "minItems": 1}]}),
]
Pointer = Annotated[
    str, StringConstraints(pattern=POINTER), WithJsonSchema({"type": "string", "examples": ["/results/0/mean"]})
]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_pattern)]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
Plain = Annotated[
    StrictBool | Annotated[int, Strict()] | Annotated[float, Strict(), Field(allow_inf_nan=False)] | str,
    WithJsonSchema({"type": ["string", "number", "boolean"], "examples": ["ok"]}),
]


class BaseProof(Model):
    """What every line of a checklist has."""

    text: Text = Field(description="The line of the release plan.")
    role: Name = Field(description="Who answers for it.")
    timeout: PositiveDuration | None = Field(
        default=None, description="How long the look may take; 60s for commands, 15s otherwise."
    )
    not_applicable: Text | None = Field(
        default=None, description="Why this line does not apply here; it is recorded and not looked at."
    )


class HumanProof(BaseProof):
    """A person of the named role states it at the gate before wave 1."""

    proof: Literal["human"] = Field(default="human", description="A person states it.")
    pending: Name | None = Field(default=None, description="The kind of proof this line waits for until it exists.")


class JunitProof(BaseProof):
    """Tests passed, as JUnit reports say."""

    proof: Literal["junit"] = Field(description="JUnit reports.")
    report: Paths = Field(
        min_length=1, description="The XML files, below the folder of the evidence; one path or a list."
    )
    at_least: Whole = Field(default=1, ge=1, description="How many tests must have passed; skipped ones do not count.")
    passed: Percent = Field(
        default="100%",  # type: ignore[assignment]  # read as it would be written
        gt=0,
        description="The share of the tests that ran which must have passed.",
    )
    fresh: PositiveDuration = Field(description="How old the oldest report may be, by its own timestamp or its file's.")

    def contradictions(self) -> Iterator[Contradiction]:
        """One report twice, whose tests would count twice."""
        if len(set(self.report)) < len(self.report):
            yield ("report",), "found a path twice, allowed is each path once"


class _FromJson(BaseProof):
    """Read from a JSON file, from what a named command prints, or from a named web source."""

    file: Path | None = Field(default=None, description="A JSON file below the folder of the evidence.")
    command: Name | None = Field(default=None, description="A named command that prints JSON.")
    source: Name | None = Field(default=None, description="A named web source that answers JSON.")
    at: Pointer = Field(default="", description="Where in the JSON it stands, as a JSON pointer.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one place to read it from."""
        given = [name for name in _PLACES if getattr(self, name, None) is not None]
        if len(given) != 1:
            allowed = ", ".join(name for name in _PLACES if name in type(self).model_fields)
            yield (), f"found {' and '.join(given) or 'no place to look'}, allowed is exactly one of {allowed}"


_PLACES = ("file", "command", "source", "folder")


class ReviewsProof(_FromJson):
    """People approved the change: a number of approvals, or a list of approvals of which each person counts once."""

    proof: Literal["reviews"] = Field(description="Approvals of a code review.")
    at_least: Whole = Field(default=2, ge=1, description="How many different people must have approved.")
    by: Pointer | None = Field(default=None, description="Where each entry of the list names its author.")
    state: Pointer | None = Field(default=None, description="Where each entry of the list says how it was decided.")
    approved: Text = Field(default="APPROVED", description="What state holds for an approval; the newest entry counts.")
    fresh: PositiveDuration | None = Field(default=None, description="How old the file may be; with file only.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A state of nobody; an age that only a file has."""
        yield from super().contradictions()
        if self.state is not None and self.by is None:
            yield ("by",), "missing, allowed with state is where each entry names its author"
        if self.fresh is not None and self.file is None:
            yield ("fresh",), "found without file, allowed with file only"


class CommandProof(BaseProof):
    """A named command ends with exit code 0."""

    proof: Literal["command"] = Field(description="A command's exit code.")
    command: Name = Field(description="The command's name in the connections; plans never hold its arguments.")
    output: Pattern | None = Field(default=None, description="A regular expression that its output must match, too.")


class LoadBalancerProof(BaseProof):
    """A named command says that the configuration of the traffic split is valid."""

    proof: Literal["load_balancer"] = Field(description="A check of the split's configuration.")
    command: Name = Field(description="The command's name in the connections, such as one that runs nginx -t.")
    output: Pattern | None = Field(default=None, description="A regular expression that its output must match, too.")


class BenchmarkProof(_FromJson):
    """A measured number is within its bound."""

    proof: Literal["benchmark"] = Field(description="A measured number.")
    unit: Unit = Field(description="What the number means; the bound is written in it.")
    below: Bound | None = Field(default=None, description="The number must be under this; or above.")
    above: Bound | None = Field(default=None, description="The number must be over this; or below.")
    measured: Pointer | None = Field(default=None, description="Where the JSON says when it was measured.")
    fresh: PositiveDuration = Field(description="How old it may be, by measured or by the file's own time.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound, a bound in another unit, a number of unknown age."""
        yield from super().contradictions()
        if (self.below is None) == (self.above is None):
            found = "no bound" if self.below is None else "below and above"
            yield (), f"found {found}, allowed is exactly one of below or above"
        yield from bound_problems(self, self.unit)
        if self.file is None and self.measured is None:
            yield ("measured",), "missing, allowed without file is where the JSON says when it was measured"


class FilesProof(BaseProof):
    """Files are there and not empty."""

    proof: Literal["files"] = Field(description="Files that must be there.")
    paths: tuple[Path, ...] = Field(min_length=1, description="The files, below the folder of the evidence.")
    fresh: PositiveDuration | None = Field(default=None, description="How old each of them may be.")


class HttpProof(BaseProof):
    """A named web source answers as it should."""

    proof: Literal["http"] = Field(description="A web source's answer.")
    source: Name = Field(description="The source's name in the connections; plans never hold its address or token.")
    path: Annotated[str, StringConstraints(pattern=r"^(/[^\s]*)?$", max_length=500)] = Field(
        default="", description="Added to the source's address; begins with /."
    )
    status: Whole = Field(default=200, ge=100, le=599, description="The HTTP status it must answer.")
    at: Pointer | None = Field(default=None, description="Where in its JSON to look, with equals.")
    equals: Plain | None = Field(default=None, description="What must stand there, with at.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A place without a value, or a value without a place."""
        if (self.at is None) != (self.equals is None):
            missing = "equals" if self.equals is None else "at"
            yield (missing,), "missing, allowed are at and equals together, or neither"


class PrometheusProof(BaseProof):
    """A query's one value is within its bound, such as the number of targets that are up."""

    proof: Literal["prometheus"] = Field(description="A query's value.")
    query: FixedQuery = Field(description="PromQL giving one value.")
    unit: Unit = Field(default=Unit.COUNT, description="What the value means; the bound is written in it.")
    below: Bound | None = Field(default=None, description="The value must be under this; or above.")
    above: Bound | None = Field(default=None, description="The value must be over this; or below.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound, or a bound in another unit."""
        if (self.below is None) == (self.above is None):
            found = "no bound" if self.below is None else "below and above"
            yield (), f"found {found}, allowed is exactly one of below or above"
        yield from bound_problems(self, self.unit)


class PagerDutyAsks(StrEnum):
    """What PagerDuty is asked."""

    INTEGRATION = "integration"
    ON_CALL = "on_call"


class PagerDutyProof(BaseProof):
    """PagerDuty takes events for the service, or somebody is on call on every day of the rollout."""

    proof: Literal["pagerduty"] = Field(description="PagerDuty's own answer.")
    asks: PagerDutyAsks = Field(description="integration: it is active; on_call: nobody's turn is missing.")
    service: Text = Field(description="The PagerDuty service, by name or id.")


class SlackProof(BaseProof):
    """The channels exist and the bot is a member."""

    proof: Literal["slack"] = Field(description="Slack's own answer.")
    channels: tuple[Channel, ...] = Field(default=(), description="Left out: the plan's critical and warnings ones.")


class BackupProof(_FromJson):
    """The newest backup is young enough: an instant in JSON, or the newest file of a folder."""

    proof: Literal["backup"] = Field(description="The age of the newest backup.")
    folder: Path | None = Field(default=None, description="A folder of backups below the folder of the evidence.")
    fresh: PositiveDuration = Field(description="How old the newest backup may be.")


class DnsProof(BaseProof):
    """Names resolve on the worker's machine."""

    proof: Literal["dns"] = Field(description="Names that resolve.")
    names: tuple[Host, ...] = Field(min_length=1, description="The host names.")


class DrillProof(BaseProof):
    """A rollback drill of this flag succeeded lately, as the journal says."""

    proof: Literal["drill"] = Field(description="A drill in the journal.")
    fresh: PositiveDuration = Field(default=timedelta(days=30), description="How long ago it may have been.")


class RolesProof(BaseProof):
    """Every named role has at least one person, and may speak at the gates where that is asked."""

    proof: Literal["roles"] = Field(description="People named for roles.")
    roles: tuple[Name, ...] = Field(min_length=1, description="Roles that must name at least one person.")
    each_wave: Switch = Field(default=False, description="Each of them must be an approver of every wave's gate.")


def _human_if_absent(item: Any) -> Any:
    # Plans in journals are older than the other kinds, and say nothing of a proof.
    return {"proof": "human", **item} if isinstance(item, dict) else item


ChecklistItem = Annotated[
    HumanProof
    | JunitProof
    | ReviewsProof
    | CommandProof
    | LoadBalancerProof
    | BenchmarkProof
    | FilesProof
    | HttpProof
    | PrometheusProof
    | PagerDutyProof
    | SlackProof
    | BackupProof
    | DnsProof
    | DrillProof
    | RolesProof,
    Field(discriminator="proof", description="One line and its proof."),
    BeforeValidator(_human_if_absent),
]


def waits_for_people(item: BaseProof) -> bool:
    """Whether only a person's statement at the gate settles it."""
    return isinstance(item, HumanProof) and item.not_applicable is None
