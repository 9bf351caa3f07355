"""The steps of exposure, and the observed days after them."""

from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field

from tidegate.criteria.kinds import Criterion
from tidegate.plan.fields.actions import Action
from tidegate.plan.fields.policies import GateTimeout
from tidegate.values.model import Contradiction, Day, Model, Name, Text, Whole
from tidegate.values.units import Percent, PositiveDuration, format_duration


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
