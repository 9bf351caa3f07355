"""What is done while a wave lasts: a closed set of actions, distinguished by `do`; none is mere text."""

from collections.abc import Iterator
from datetime import time
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from tidegate.values.model import Contradiction, Model, Name, Switch, Text
from tidegate.values.units import PositiveDuration, format_duration

COMMANDER = "incident-commander"
_CLOCK = r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$"

Clock = Annotated[
    str,
    StringConstraints(pattern=_CLOCK),
    WithJsonSchema({"type": "string", "pattern": _CLOCK, "examples": ["17:00"]}),
]


class Report(StrEnum):
    """What a meeting looks at, written from the journal when it begins."""

    STANDUP = "standup"
    RETROSPECTIVE = "retrospective"


class By(StrEnum):
    """The part of a rollout that does an automatic action."""

    RAISE = "raise"
    MONITOR = "monitor"
    SYNTHETIC = "synthetic"
    COMPARE = "compare"
    COST = "cost"


class _BaseAction(Model):
    """What every action has."""

    text: Text = Field(description="The line of the release plan.")


class Automatic(_BaseAction):
    """The rollout does it by itself; refused when the plan does not have the part that does it."""

    do: Literal["automatic"] = Field(description="Tells the actions apart.")
    by: By = Field(description="Which part: raise, monitor, synthetic, compare (with a baseline) or cost.")
    every: PositiveDuration | None = Field(
        default=None, description="With monitor: how often at least; the interval must not be longer."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Monitoring without saying how often, or how often without monitoring."""
        if (self.by is By.MONITOR) != (self.every is not None):
            found = "missing" if self.every is None else f"found with by: {self.by.value}"
            yield ("every",), f"{found}, allowed is a duration with by: monitor"


class Task(_BaseAction):
    """Somebody does it: handed over at the start, and acknowledged at the gate before the next wave."""

    do: Literal["task"] = Field(description="Tells the actions apart.")
    role: Name = Field(default=COMMANDER, description="Whose task it is.")
    at_once: Switch = Field(
        default=False,
        description="Handed over, and not asked for at the next gate (after the last wave there is none).",
    )


class ScheduledNotice(_BaseAction):
    """People are reminded each day at these times of the plan's time zone, as long as the wave lasts."""

    do: Literal["notice"] = Field(description="Tells the actions apart.")
    at: tuple[Clock, ...] = Field(min_length=1, description="Times of day in the plan's time zone.")
    roles: tuple[Name, ...] = Field(default=(), description="Who is notified by mail, too.")
    report: Report | None = Field(default=None, description="What the notice holds: standup or retrospective.")

    def contradictions(self) -> Iterator[Contradiction]:
        """The same time twice."""
        if len({clock_of(text) for text in self.at}) < len(self.at):
            yield ("at",), f"found {', '.join(self.at)}, allowed is each time once"


class DailyStandup(Model):
    """The meeting of every day of the rollout, in each wave that has no meeting with a report at that time itself."""

    text: Text = Field(default="Daily stand-up", description="How the meeting is called.")
    at: tuple[Clock, ...] = Field(min_length=1, description="Times of day in the plan's time zone.")
    roles: tuple[Name, ...] = Field(default=(), description="Who is notified by mail, too.")


class Standby(_BaseAction):
    """Somebody stands by: looked up and notified when the wave begins."""

    do: Literal["standby"] = Field(description="Tells the actions apart.")
    role: Name = Field(description="Who stands by.")
    service: Text | None = Field(
        default=None, description="A PagerDuty service's name or id, on which somebody must be on call then."
    )


def _plain(action: object) -> object:
    # Plans stored before actions had kinds hold texts; what nobody does by machine is the commander's.
    return {"do": "task", "text": action} if isinstance(action, str) else action


Action = Annotated[
    Annotated[Automatic | Task | ScheduledNotice | Standby, Field(discriminator="do", description="One action.")],
    BeforeValidator(_plain),
]


def clock_of(text: str) -> time:
    """`9:00` as a time of day."""
    hours, minutes = text.split(":")
    return time(int(hours), int(minutes))


def action_words(action: Action, *, gate_follows: bool) -> str:
    """Who or what does it: `task of engineering-lead, asked for at the next gate`."""
    match action:
        case Automatic(by=By.MONITOR, every=every) if every is not None:
            return f"automatic: a review at least every {format_duration(every)}"
        case Automatic():
            return f"automatic: {_DONE_BY[action.by]}"
        case Task():
            asked = gate_follows and not action.at_once
            return f"task of {action.role}, {'asked for at the next gate' if asked else 'handed over at the start'}"
        case ScheduledNotice():
            who = f" to {', '.join(action.roles)}" if action.roles else ""
            what = f"{action.report.value} report" if action.report else "notice"
            return f"{what}{who} daily at {' and '.join(action.at)}"
        case Standby():
            on_call = f", somebody on call for {action.service}" if action.service else ""
            return f"{action.role} stands by{on_call}"


_DONE_BY = {
    By.RAISE: "the wave raises the flag",
    By.MONITOR: "reviews",
    By.SYNTHETIC: "known requests at each look",
    By.COMPARE: "metrics held against a baseline",
    By.COST: "the projected cost held against its bound",
}
