"""Whom and what a plan measures: audiences, metrics with bounds, traffic, and the series of each path."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from tidegate.values.model import (
    Contradiction,
    CountQuery,
    Matcher,
    Model,
    Name,
    Switch,
    Text,
    ValueQuery,
    Whole,
    exactly,
)
from tidegate.values.names import Group
from tidegate.values.units import Bound, PositiveDuration, SignedPercent, Unit, quantity_in


class Audience(Model):
    """A set of users, by the group the flag's context names, and the label matcher that selects their series."""

    groups: tuple[Group, ...] | None = Field(
        default=None, min_length=1, description="Groups of users; or use everyone."
    )
    everyone: Annotated[Literal[True], exactly(True)] | None = Field(
        default=None, description="true: all users; or use groups."
    )
    matcher: Matcher = Field(default="", description="PromQL label matchers of their series; needed with groups.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Groups and everyone, neither, or groups whose series nobody can select."""
        if (self.groups is None) == (self.everyone is None):
            found = "neither" if self.groups is None else "both"
            yield (), f"found {found}, allowed is exactly one of groups or everyone: true"
        elif self.groups is not None and not self.matcher:
            yield (
                ("matcher",),
                "found an empty matcher, allowed is a label matcher that selects the series of these groups",
            )


class Limit(Model):
    """A bound on one side; or, while its kind of check does not exist, the line's text."""

    below: Bound | None = Field(default=None, description="Reached by a value under this, in the metric's unit.")
    above: Bound | None = Field(default=None, description="Reached by a value over this, in the metric's unit.")
    change: SignedPercent | None = Field(
        default=None, description="Reached by this change from the baseline, e.g. +50%; a target: by no more than it."
    )
    pending: Name | None = Field(
        default=None, description="The kind of check this line waits for; then only text stands."
    )
    text: Text | None = Field(default=None, description="The line of the release plan.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound; a pending line without its text."""
        given = [name for name in ("below", "above", "change", "pending") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "no bound"
            yield (), f"found {found}, allowed is exactly one of below, above, change, or pending with its text"
        if self.pending is not None and self.text is None:
            yield ("text",), "missing, allowed is the line of the release plan that is pending"


class Metric(Model):
    """A named query with a unit: either `query`, or `part` of `whole` as a percentage computed from counts."""

    title: Text = Field(description="How people call it.")
    unit: Unit = Field(description="What its numbers mean; bounds are written in it.")
    query: ValueQuery | None = Field(default=None, description="PromQL giving one value.")
    count: CountQuery | None = Field(default=None, description="PromQL giving the number of events behind query.")
    part: CountQuery | None = Field(default=None, description="PromQL counting the part; with whole.")
    whole: CountQuery | None = Field(default=None, description="PromQL counting the whole; with part.")
    window: PositiveDuration = Field(
        default=timedelta(minutes=5), description="What {{ window }} stands for; at least four scrapes."
    )
    lookback: PositiveDuration = Field(
        default=timedelta(minutes=30), description="How far back counts may accumulate when there are too few."
    )
    min_samples: Whole = Field(default=20, ge=1, le=10_000_000, description="Events needed before any verdict.")
    stale_after: PositiveDuration | None = Field(
        default=None,
        description="How old its newest point may be, in real time at any pace; "
        "absent: four times what lies between two points of its own series, at least 5s.",
    )
    may_be_absent: Switch | None = Field(
        default=None,
        description="Whether its series may not exist yet, as of violations that never happened: preflight lists them "
        "for the approvers instead of refusing. A value is still needed for any verdict.",
    )
    target: Limit | None = Field(default=None, description="Where the metric should be.")
    warning: Limit | None = Field(default=None, description="Crossed: a notice to the warnings channel.")
    critical: Limit | None = Field(default=None, description="Crossed: counts as a critical alert.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Two ways of measuring or none, bounds in another unit, a warning that comes after the critical bound."""
        ratio = self.part is not None or self.whole is not None
        if ratio and (self.part is None or self.whole is None or self.query is not None or self.count is not None):
            yield (), "found a mixture, allowed is either query (with or without count), or both part and whole"
        if not ratio and self.query is None:
            yield (), "nothing is measured, allowed is query, or both part and whole"
        if ratio and self.unit is not Unit.PERCENT:
            yield ("unit",), f"found {self.unit.value}, allowed for part and whole is percent"
            return
        if self.lookback < self.window:
            yield ("lookback",), "shorter than window, allowed is at least the window"
        wrong = [
            x
            for name in ("target", "warning", "critical")
            for x in bound_problems(getattr(self, name), self.unit, name)
        ]
        yield from wrong
        if not wrong and self.warning and self.critical:
            yield from _disorder(self.warning, self.critical, self.unit)


def _disorder(warning: Limit, critical: Limit, unit: Unit) -> Iterator[Contradiction]:
    for side, sign in (("below", -1), ("above", 1)):
        first, second = getattr(warning, side), getattr(critical, side)
        if (
            first is not None
            and second is not None
            and sign * quantity_in(first, unit) > sign * quantity_in(second, unit)
        ):
            yield ("critical", side), f"found {second}, allowed is {first} (the warning's bound) or further out"


def bound_problems(bounds: object, unit: Unit, *where: str) -> Iterator[Contradiction]:
    """The bounds of a limit or threshold that are not written in `unit`."""
    for side in ("below", "above"):
        bound = getattr(bounds, side, None)
        if bound is not None:
            try:
                quantity_in(bound, unit)
            except ValueError as error:
                yield (*where, side), str(error)


class Baseline(Model):
    """The old path before wave 1, measured once between preflight and the first gate."""

    window: PositiveDuration = Field(
        default=timedelta(hours=24), description="How far back it is measured; a whole day holds every hour once."
    )


class Traffic(Model):
    """Completed requests on both paths of an audience; shows a new path that is dead or gets no traffic."""

    query: CountQuery = Field(description="PromQL counting requests of {{ selector }} in {{ window }}.")
    window: PositiveDuration = Field(default=timedelta(minutes=5), description="What {{ window }} stands for.")
    min_expected: Whole = Field(
        default=20, ge=1, description="Requests that must be expected before silence is a finding."
    )


class Variants(Model):
    """PromQL label matchers that select the new and the old path."""

    canary: Matcher = Field(description='The new path, e.g. path="new".')
    control: Matcher = Field(description='The old path, e.g. path="legacy".')

    def contradictions(self) -> Iterator[Contradiction]:
        """Two variants that are one, or one that selects everything."""
        for side in ("canary", "control"):
            if not getattr(self, side):
                yield (side,), "found an empty matcher, allowed is a label matcher that selects the path's series"
        if self.canary and self.canary == self.control:
            yield ("control",), f"found {self.control!r} (the canary's), allowed is a matcher of the old path"
