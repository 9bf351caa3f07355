"""What a plan states, each part by itself; what the parts contradict in each other is checked above."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from tidegate.checklist.items import ChecklistItem
from tidegate.plan.fields.actions import DailyStandup
from tidegate.plan.fields.calendar import Raising
from tidegate.plan.fields.channels import Channels, ChannelsOrNone, Contact
from tidegate.plan.fields.flag import Flag
from tidegate.plan.fields.policies import Readiness, Version
from tidegate.plan.fields.rollback import Rollback
from tidegate.plan.fields.success import Success
from tidegate.plan.fields.upkeep import UpkeepItem
from tidegate.plan.fields.waves import PostRollout, Wave
from tidegate.values.comparisons import Comparisons
from tidegate.values.costs import Costs
from tidegate.values.metrics import Audience, Baseline, Metric, Traffic, Variants
from tidegate.values.model import Email, Model, Name, Text, TimeZone, exactly
from tidegate.values.units import DURATION_SCHEMA, PositiveDuration, format_duration, parse_duration


def parse_pace(text: object) -> timedelta:
    """The real time one plan day takes; raises ValueError outside 1 s to 24 h."""
    span = parse_duration(text)
    if not timedelta(seconds=1) <= span <= timedelta(days=1):
        raise ValueError(f"found {text!r}, allowed is 1s to 24h for one plan day")
    return span


Pace = Annotated[timedelta, BeforeValidator(parse_pace), PlainSerializer(format_duration, str), DURATION_SCHEMA]


class OnNoData(StrEnum):
    """What happens once when `no_data_budget` is used up."""

    HOLD = "hold"
    STEP_DOWN = "step_down"
    ROLL_BACK = "roll_back"


class Approvals(StrEnum):
    """How an approver is known."""

    OPEN = "open"
    CODES = "codes"


class PlanFields(Model):
    """Every field of a release plan."""

    tidegate: Annotated[Literal[1], exactly(1)] = Field(description="Version of the plan format.")
    name: Name = Field(description="Short name of the plan.")
    title: Text = Field(description="Heading of the plan.")
    summary: str = Field(default="", max_length=5_000, description="What is released, how, and at what risk.")
    service: Name = Field(description="The service that is released.")
    flag: Flag = Field(description="The feature flag.")
    timezone: TimeZone = Field(description="IANA time zone of the plan's days.")
    raising: Raising = Field(default=Raising(), description="When exposure may rise; absent: at any time.")
    approvals: Approvals = Field(
        description="open: names are recorded, proven by a sign-in to the dashboard alone. "
        "codes: one-time codes prove go and extend."
    )
    pace: Pace | None = Field(default=None, description="Rehearsals only: how long one plan day takes, 1s to 24h.")
    scrape_interval: PositiveDuration = Field(
        default=timedelta(seconds=15), description="How often Prometheus scrapes."
    )
    guard: PositiveDuration = Field(default=timedelta(seconds=10), description="Between reviews: triggers, drift.")
    no_data_budget: PositiveDuration = Field(
        default=timedelta(minutes=15), description="How long nothing may be seen until on_no_data is done."
    )
    on_no_data: OnNoData = Field(
        default=OnNoData.HOLD,
        description="What then happens; step_down goes to the wave before (in wave 1 to zero) and holds there.",
    )
    approval_ttl: PositiveDuration = Field(
        default=timedelta(hours=24), description="How early a gate may open, and how long a go counts."
    )
    hold_max: PositiveDuration = Field(
        default=timedelta(hours=24), description="A hold that lasts longer is reported to every contact, once."
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
    comparisons: Comparisons = Field(
        default=Comparisons(), description="How often comparisons with the old path may stop a healthy release."
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
