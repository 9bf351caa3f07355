"""The lines of a checklist and how each is proven; a closed set, distinguished by `proof`."""

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StrictBool, StringConstraints, WithJsonSchema

from tidegate.checklist.deliverables import (
    BackupProof,
    BaseProof,
    BenchmarkProof,
    FilesProof,
    JunitProof,
    Pointer,
    ReviewsProof,
)
from tidegate.values.metrics import bound_problems
from tidegate.values.model import Contradiction, FixedQuery, Name, Switch, Text, Whole
from tidegate.values.names import Channel
from tidegate.values.units import Bound, Percent, PositiveDuration, Unit

__all__ = [
    "BacktestProof",
    "BackupProof",
    "BaseProof",
    "BenchmarkProof",
    "ChecklistItem",
    "CommandProof",
    "DnsProof",
    "DrillProof",
    "FilesProof",
    "HttpProof",
    "HumanProof",
    "JunitProof",
    "LoadBalancerProof",
    "PagerDutyAsks",
    "PagerDutyProof",
    "PrometheusProof",
    "ReviewsProof",
    "RolesProof",
    "SlackProof",
    "waits_for_people",
]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"found {text[:60]!r}, allowed is a regular expression ({error})") from None
    return text


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_pattern)]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
Plain = Annotated[
    StrictBool | Annotated[int, Strict()] | Annotated[float, Strict(), Field(allow_inf_nan=False)] | str,
    WithJsonSchema({"type": ["string", "number", "boolean"], "examples": ["ok"]}),
]


class HumanProof(BaseProof):
    """A person of the named role states it at the gate before wave 1."""

    proof: Literal["human"] = Field(default="human", description="A person states it.")
    pending: Name | None = Field(default=None, description="The kind of proof this line waits for until it exists.")


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


class DnsProof(BaseProof):
    """Names resolve on the worker's machine."""

    proof: Literal["dns"] = Field(description="Names that resolve.")
    names: tuple[Host, ...] = Field(min_length=1, description="The host names.")


class DrillProof(BaseProof):
    """A rollback drill of this flag succeeded lately, as the journal says."""

    proof: Literal["drill"] = Field(description="A drill in the journal.")
    fresh: PositiveDuration = Field(default=timedelta(days=30), description="How long ago it may have been.")


class BacktestProof(BaseProof):
    """The plan's own criteria were tried on the past lately, and rolled back few of the healthy waves there."""

    proof: Literal["backtest"] = Field(description="A back-test in the journal.")
    fresh: PositiveDuration = Field(default=timedelta(days=30), description="How long ago it may have been made.")
    covers: PositiveDuration = Field(default=timedelta(days=14), description="How much of the past it must cover.")
    at_most: Percent = Field(
        default="5%",  # type: ignore[assignment]  # read as it would be written
        description="In how many of the waves of the past any one trigger that decides may have fired.",
    )
    no_data_at_most: Percent = Field(
        default="5%",  # type: ignore[assignment]  # read as it would be written
        description="In how many of its looks such a trigger may have seen nothing.",
    )


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
    | BacktestProof
    | RolesProof,
    Field(discriminator="proof", description="One line and its proof."),
    BeforeValidator(_human_if_absent),
]


def waits_for_people(item: BaseProof) -> bool:
    """Whether only a person's statement at the gate settles it."""
    return isinstance(item, HumanProof) and item.not_applicable is None
