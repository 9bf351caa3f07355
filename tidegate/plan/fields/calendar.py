"""When exposure may rise: days of the week, hours of the day, and freezes. Lowering it knows no calendar."""

from collections.abc import Iterator
from datetime import date, time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from tidegate.values.model import Contradiction, Model, Text

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock(text: str) -> str:
    try:
        time.fromisoformat(text)
    except ValueError:
        raise ValueError(f'found {text!r}, allowed is a time of day such as "09:00"') from None
    return text


def _date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'found {text!r}, allowed is a date such as "2026-12-20"') from None
    return text


Clock = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}:[0-9]{2}$"), AfterValidator(_clock)]
Date = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_date)]


class FreezeDates(Model):
    """Days on which nothing is raised, the first and the last included."""

    first: Date = Field(description="The first day, e.g. '2026-12-20', in the plan's time zone.")
    last: Date = Field(description="The last day.")
    reason: Text = Field(description="Why.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A freeze that ends before it begins."""
        if self.last < self.first:
            yield ("last",), f"found {self.last}, allowed is {self.first} (first) or later"


class Raising(Model):
    """When a wave may be raised, in the plan's time zone; holding and rolling back are always allowed."""

    days: tuple[Weekday, ...] = Field(default=WEEKDAYS, min_length=1, description="Days of the week.")
    from_: Clock = Field(default="00:00", alias="from", description="From this time of day, e.g. '09:00'.")
    until: Clock | None = Field(default=None, description="Before this time of day, e.g. '16:00'; absent: all day.")
    freezes: tuple[FreezeDates, ...] = Field(default=(), description="Days without any raise.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A day twice, or hours that end before they begin."""
        if len(set(self.days)) < len(self.days):
            yield ("days",), f"found {', '.join(self.days)}, allowed is each day once"
        if self.until is not None and self.until <= self.from_:
            yield ("until",), f"found {self.until}, allowed is later than {self.from_} (from)"

    @property
    def is_always(self) -> bool:
        """Whether there is no restriction at all."""
        return set(self.days) == set(WEEKDAYS) and self.from_ == "00:00" and self.until is None and not self.freezes
