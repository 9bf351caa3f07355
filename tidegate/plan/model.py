"""The release plan as frozen values; whatever is not written here is refused when a plan is read."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WrapSerializer,
)

from tidegate.checklist.items import ChecklistItem, HumanProof
from tidegate.criteria.base import When
from tidegate.criteria.kinds import Criterion
from tidegate.plan.actions import Action, DailyStandup
from tidegate.plan.calendar import Freeze, Raising
from tidegate.plan.costs import Costs
from tidegate.plan.policies import AfterWaiting, GateTimeout, OnNewBuild, Readiness, Version
from tidegate.plan.rollback import Proof, Rollback
from tidegate.plan.success import Success
from tidegate.plan.upkeep import UpkeepItem
from tidegate.plan.validation import whole_plan_contradictions
from tidegate.values.exposure import Exposure, Layer
from tidegate.values.metrics import Audience, Baseline, Limit, Metric, Traffic, Variants
from tidegate.values.model import (
    NAME,
    Address,
    Channel,
    Contradiction,
    Day,
    Email,
    Model,
    Name,
    Text,
    TimeZone,
    Whole,
    exactly,
)
from tidegate.values.units import DURATION_SCHEMA, Percent, PositiveDuration, format_duration, parse_duration

__all__ = [
    "NAME",
    "AfterWaiting",
    "Audience",
    "Baseline",
    "Channels",
    "ChecklistItem",
    "Contact",
    "Criterion",
    "Email",
    "Flag",
    "Freeze",
    "Gate",
    "HumanProof",
    "Limit",
    "Metric",
    "Model",
    "Name",
    "OnBlind",
    "OnNewBuild",
    "Plan",
    "PostRollout",
    "Proof",
    "Raising",
    "Readiness",
    "Rollback",
    "Text",
    "Traffic",
    "Variants",
    "Wave",
    "When",
    "parse_pace",
    "plan_hash",
    "timezone_of",
]


def parse_pace(text: object) -> timedelta:
    """The real time one plan day takes; raises ValueError outside 1 s to 24 h."""
    span = parse_duration(text)
    if not timedelta(seconds=1) <= span <= timedelta(days=1):
        raise ValueError(f"found {text!r}, allowed is 1s to 24h for one plan day")
    return span


Pace = Annotated[timedelta, BeforeValidator(parse_pace), PlainSerializer(format_duration, str), DURATION_SCHEMA]


SHORTEST_LEASE = timedelta(seconds=5)


def _a_lease(lasts: timedelta) -> timedelta:
    if lasts < SHORTEST_LEASE:
        raise ValueError(f"found {format_duration(lasts)}, allowed is {format_duration(SHORTEST_LEASE)} or longer")
    return lasts


class Lease(Model):
    """Exposure that ends by itself unless a living Tidegate renews it; for backends with a clock (flagd)."""

    lasts: Annotated[PositiveDuration, AfterValidator(_a_lease)] = Field(
        description="How long after the last renewal it ends; in production at least 10m. Real time at any pace."
    )
    at_full: bool = Field(default=False, description="Whether everybody's exposure ends so, too.")


class Flag(Model):
    """The feature flag that a rollout raises."""

    key: Name = Field(description="The flag's key in the flag system.")
    attribute: Name = Field(default="group", description="The evaluation-context attribute that names a user's group.")
    always_on: tuple[Name, ...] = Field(default=(), description="Groups exposed from wave 1 on, whatever the percent.")
    always_off: tuple[Name, ...] = Field(default=(), description="Groups held out (control group); off in every wave.")
    lease: Lease | None = Field(default=None, description="Exposure that ends unless it is renewed; absent: it stays.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A group that is always on and always off."""
        if both := sorted(set(self.always_on) & set(self.always_off)):
            yield ("always_off",), f"found {both[0]!r}, which is in always_on too, allowed is one of them"


class Gate(Model):
    """Where people decide whether a wave may begin."""

    approvers: tuple[Name, ...] = Field(min_length=1, description="Roles whose people may say go or extend.")
    quorum: Whole = Field(default=1, ge=1, le=20, description="How many different people must say go.")
    remind: PositiveDuration = Field(
        default=timedelta(hours=4), description="How often people are reminded, in real time at any pace."
    )
    escalate: bool = Field(default=True, description="Each reminder after the first reaches one more contact.")
    on_timeout: GateTimeout = Field(default=GateTimeout(), description="When nobody answers.")


class _Observed(Model):
    """What waves and the post-rollout days have in common."""

    soak: PositiveDuration = Field(description="Healthy observed time to collect.")
    interval: PositiveDuration = Field(description="How often a review is recorded.")
    tolerance: Whole = Field(default=0, ge=0, description="Unhealthy reviews allowed in the trailing soak.")
    success: Text | None = Field(default=None, description="The plan's line on what counts as success.")
    actions: tuple[Action, ...] = Field(default=(), description="What is done meanwhile, and by whom.")
    criteria: tuple[Criterion, ...] = Field(min_length=1, description="What must hold, and what rolls back.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A review that the soak would never see."""
        if self.interval > self.soak:
            found, soak = format_duration(self.interval), format_duration(self.soak)
            yield ("interval",), f"found {found}, allowed is at most {soak} (the soak)"


class Wave(_Observed):
    """One step of exposure."""

    name: Name = Field(description="Short name, unique in the plan.")
    title: Text = Field(description="How people call it.")
    target: Text | None = Field(default=None, description="The plan's line on who gets it.")
    percent: Percent = Field(description="Share of the audience; above the audience's share so far.")
    audience: Name = Field(description="The audience's name in the plan.")
    starts: Day = Field(description="The earliest day of the rollout, e.g. day 3.")
    gate: Gate = Field(description="Who decides that it may begin.")


class PostRollout(_Observed):
    """The observed days after the last wave's soak."""


NO_CHANNELS = "none"


class Contact(Model):
    """Whom to reach, in order of escalation."""

    title: Text = Field(description="What they are.")
    email: Email = Field(description="Where they are reached.")


class Channels(Model):
    """Where notices go."""

    critical: Channel = Field(default="#alerts-critical", description="Pages and rollbacks.")
    warnings: Channel = Field(default="#alerts-warnings", description="Warning bounds crossed.")
    progress: Channel = Field(default="#releases", description="One thread for each rollout, with everything.")
    second_after: PositiveDuration = Field(
        default=timedelta(minutes=5), description="A channel that fails for longer is replaced by another (mail)."
    )
    dashboard: Address | None = Field(default=None, description="Where people reach the dashboard; each page links it.")

    @property
    def silent(self) -> bool:
        """Whether the plan says that nobody is notified."""
        return False


class NoChannels(Channels):
    """`channels: none`: nobody is notified, which the plan says itself."""

    @property
    def silent(self) -> bool:
        """Whether the plan says that nobody is notified."""
        return True


def _no_channels(value: object) -> object:
    return NoChannels() if value == NO_CHANNELS else value


def _as_written(value: Channels, otherwise: SerializerFunctionWrapHandler) -> object:
    return NO_CHANNELS if value.silent else otherwise(value)


ChannelsOrNone = Annotated[
    Channels,
    BeforeValidator(_no_channels, json_schema_input_type=Channels | Literal["none"]),
    WrapSerializer(_as_written),
]


class OnBlind(StrEnum):
    """What happens once when `max_blind` is used up."""

    HOLD = "hold"
    STEP_DOWN = "step_down"
    ROLL_BACK = "roll_back"


class Approvals(StrEnum):
    """How an approver is known."""

    OPEN = "open"
    CODES = "codes"


class Plan(Model):
    """A whole release plan, resolved: overlays and defaults included."""

    tidegate: Annotated[Literal[1], exactly(1)] = Field(description="Version of the plan format.")
    name: Name = Field(description="Short name of the plan.")
    title: Text = Field(description="Heading of the plan.")
    summary: str = Field(default="", max_length=5_000, description="What is released, how, and at what risk.")
    service: Name = Field(description="The service that is released.")
    flag: Flag = Field(description="The feature flag.")
    timezone: TimeZone = Field(description="IANA time zone of the plan's days.")
    raising: Raising = Field(default=Raising(), description="When exposure may rise; absent: at any time.")
    approvals: Approvals = Field(
        description="open: names are recorded, not proven. codes: one-time codes prove go and extend."
    )
    pace: Pace | None = Field(default=None, description="Rehearsals only: how long one plan day takes, 1s to 24h.")
    scrape_interval: PositiveDuration = Field(
        default=timedelta(seconds=15), description="How often Prometheus scrapes."
    )
    guard: PositiveDuration = Field(default=timedelta(seconds=10), description="Beat between reviews: triggers, drift.")
    max_blind: PositiveDuration = Field(
        default=timedelta(minutes=15), description="How long nothing may be seen until on_blind is done."
    )
    on_blind: OnBlind = Field(
        default=OnBlind.HOLD,
        description="What then happens; step_down goes to the wave before (in wave 1 to zero) and holds there.",
    )
    approval_ttl: PositiveDuration = Field(
        default=timedelta(hours=24), description="How early a gate may open, and how long a go counts."
    )
    hold_max: PositiveDuration = Field(
        default=timedelta(hours=24), description="A hold that lasts longer is told to every contact, once."
    )
    version: Version | None = Field(default=None, description="How a new build on the new path is seen.")
    allow_others_of_service: bool = Field(
        default=False, description="Whether another rollout of the service may be open, if that one's plan says so too."
    )
    standup: DailyStandup | None = Field(default=None, description="The meeting of every day of the rollout.")
    roles: dict[Name, tuple[Email, ...]] = Field(min_length=1, description="People by role.")
    contacts: tuple[Contact, ...] = Field(default=(), description="Escalation, in order.")
    channels: ChannelsOrNone = Field(
        default=Channels(), description="Where notices go; none: nobody is notified, and preflight asks for no channel."
    )
    audiences: dict[Name, Audience] = Field(min_length=1, description="Sets of users by name.")
    variants: Variants = Field(description="The series of the new and the old path.")
    traffic: Traffic = Field(description="Requests completed on either path.")
    baseline: Baseline | None = Field(
        default=None, description="How the old path is measured before wave 1; needed by what is held against it."
    )
    metrics: dict[Name, Metric] = Field(min_length=1, description="What is measured, by name.")
    checklist: dict[Text, tuple[ChecklistItem, ...]] = Field(default={}, description="Lines by section.")
    sign_off: dict[Name, tuple[Text, ...]] = Field(
        default={}, description="What a person of each role states in person before wave 1, by role."
    )
    waves: tuple[Wave, ...] = Field(min_length=1, max_length=20, description="The steps of exposure, in order.")
    post_rollout: PostRollout = Field(description="The observed days after the last wave.")
    rollback: Rollback = Field(description="The rollback.")
    costs: Costs | None = Field(default=None, description="What it costs and what it is worth.")
    success: tuple[Success, ...] = Field(
        default=(), description="What the journal must show before the release is production-grade."
    )
    upkeep: tuple[UpkeepItem, ...] = Field(default=(), description="What goes on after the rollout.")
    readiness: tuple[Readiness, ...] = Field(
        default=(), description="What people state after the post-rollout days: production-grade."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """What its parts contradict in each other."""
        return whole_plan_contradictions(self)

    @property
    def hash(self) -> str:
        """SHA-256 of the resolved plan; part of every approval."""
        return plan_hash(self.to_json())

    def to_json(self) -> dict[str, object]:
        """As stored in the rollout's opening entry; `Plan.model_validate` reads it back."""
        body: dict[str, object] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return body

    def exposure_at(self, wave: int) -> Exposure:
        """The exposure of wave `wave` (1-based): its layer and all earlier ones, a larger share replacing a smaller."""
        layers: dict[str, Layer] = {}
        for step in self.waves[:wave]:
            layers.pop(step.audience, None)
            layers[step.audience] = Layer(step.audience, self.audiences[step.audience].groups, step.percent)
        return Exposure(tuple(layers.values()), self.flag.attribute, self.flag.always_on, self.flag.always_off)


def plan_hash(resolved: dict[str, object]) -> str:
    """SHA-256 over the canonical JSON of a resolved plan."""
    text = json.dumps(resolved, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def timezone_of(plan: Plan) -> ZoneInfo:
    """The plan's time zone."""
    return ZoneInfo(plan.timezone)
