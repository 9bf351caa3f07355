"""What goes on after a rollout: tasks of people with a due date, and work that the upkeep deployment does by itself."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from tidegate.values.model import Contradiction, Model, Name, Text
from tidegate.values.units import Duration, PositiveDuration, format_duration


class Work(StrEnum):
    """Who or what does it: people, or one of the schedules of the upkeep deployment."""

    PEOPLE = "people"
    THRESHOLDS = "thresholds"
    COSTS = "costs"
    SECURITY = "security"
    DRILL = "drill"


class UpkeepItem(Model):
    """One task; people's are asked for until somebody marks them done, the others come back on their schedule."""

    text: Text = Field(description="The line of the release plan.")
    role: Name = Field(description="Whose task it is, or who is notified of the outcome.")
    work: Work = Field(
        default=Work.PEOPLE,
        description="people, or done by the upkeep deployment: thresholds (weekly), costs (monthly), security "
        "(quarterly), drill (twice a year).",
    )
    begins: Duration = Field(default=timedelta(0), description="With people: asked for so long after the last wave.")
    due: PositiveDuration | None = Field(
        default=None, description="With people: to be done so long after the last wave; reminded of each day then."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A task of people without a due date, or scheduled work with one."""
        if (self.work is Work.PEOPLE) != (self.due is not None):
            found = "missing" if self.due is None else f"found with work: {self.work.value}"
            yield ("due",), f"{found}, allowed is a duration with work: people"
        if self.due is not None and self.due <= self.begins:
            found, begins = format_duration(self.due), format_duration(self.begins)
            yield ("due",), f"found {found}, allowed is longer than {begins} (begins)"


def upkeep_words(item: UpkeepItem) -> str:
    """`task of operations-lead, due 7d after the last wave`."""
    if item.due is None:
        return f"{item.work.value}, done by the upkeep deployment, reported to {item.role}"
    begins = f" from {format_duration(item.begins)} on," if item.begins else ""
    return f"task of {item.role},{begins} due {format_duration(item.due)} after the last wave"
