"""How long people are waited for, what a new build of the new path means, and what makes a release production-grade."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from tidegate.values.model import FixedQuery, Model, Name, Text
from tidegate.values.names import LabelName
from tidegate.values.units import PositiveDuration


class AfterWaiting(StrEnum):
    """What happens once at a gate that nobody answered in time."""

    HOLD = "hold"
    ROLL_BACK = "roll_back"


class GateTimeout(Model):
    """How long a gate waits for an answer, and what happens then."""

    after: PositiveDuration = Field(default=timedelta(hours=72), description="Real time without an answer.")
    then: AfterWaiting = Field(default=AfterWaiting.HOLD, description="hold and page, or roll back.")


class OnNewBuild(StrEnum):
    """What a changed version on the new path leads to."""

    ASK = "ask"
    RESTART_SOAK = "restart_soak"
    NOTE = "note"


class Version(Model):
    """How the version that the new path runs is seen."""

    query: FixedQuery = Field(description="PromQL with one series for each version of the new path.")
    label: LabelName = Field(default="version", description="The label that holds the version.")
    on_new_build: OnNewBuild = Field(
        default=OnNewBuild.ASK,
        description="ask holds until resume, restart_soak begins the soak anew, note tells. "
        "Whoever was counted at a gate is asked again.",
    )


class Readiness(Model):
    """What a person states before a finished rollout is called production-grade."""

    text: Text = Field(description="The plan's line, verbatim.")
    role: Name = Field(description="Whose word it is; nobody states it for a role they do not hold.")
