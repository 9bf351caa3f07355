"""The success criteria of a rollout and of its production readiness: a closed set, distinguished by `kind`."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tidegate.values.model import Contradiction, Model, Name, Text, Whole
from tidegate.values.units import Bound, Percent, PositiveDuration, format_duration, format_percent


class _BaseSuccess(Model):
    """What every success criterion has."""

    text: Text = Field(description="The line of the release plan.")


class FullTraffic(_BaseSuccess):
    """Everybody is on the new path: the last wave's exposure stands, and it is 100%."""

    kind: Literal["full_traffic"] = Field(description="Tells the success criteria apart.")


class NoRollback(_BaseSuccess):
    """Nothing was rolled back."""

    kind: Literal["no_rollback"] = Field(description="Tells the success criteria apart.")


class Handled(_BaseSuccess):
    """Every CRITICAL spell, from the review that found it to the one that found it gone or to zero, was short."""

    kind: Literal["handled"] = Field(description="Tells the success criteria apart.")
    within: PositiveDuration = Field(description="Each of them ends within this time; real time at any pace.")


class Recovery(_BaseSuccess):
    """The mean time from a failing review to the next that passes, or to zero."""

    kind: Literal["recovery"] = Field(description="Tells the success criteria apart.")
    within: PositiveDuration = Field(description="The mean is below this time; real time at any pace.")


class _OfMetric(_BaseSuccess):
    metric: Name = Field(description="The metric's name in the plan.")
    below: Bound | None = Field(default=None, description="The bound, in the metric's unit; or above.")
    above: Bound | None = Field(default=None, description="The bound, in the metric's unit; or below.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound."""
        if (self.below is None) == (self.above is None):
            found = "no bound" if self.below is None else "below and above"
            yield (), f"found {found}, allowed is exactly one of below or above"


class Throughout(_OfMetric):
    """A metric keeps its bound at every review of the whole rollout; the first that does not is announced at once."""

    kind: Literal["throughout"] = Field(description="Tells the success criteria apart.")
    events: Whole = Field(
        default=1,
        ge=1,
        le=10_000_000,
        description="Reviews are taken together until so many events stand behind them; few events prove nothing.",
    )


class PathName(StrEnum):
    """One of the two ways a request can take."""

    NEW = "new"
    OLD = "old"


class Available(_OfMetric):
    """Each path was up for the stated share of the time in which it was used; the rest is its error budget.

    Time that nobody saw is no proof: more of it than is left of the budget is no pass. A time with too few requests to
    judge a window by counts for neither, as long as all requests taken together were well.
    """

    kind: Literal["available"] = Field(description="Tells the success criteria apart.")
    objective: Percent = Field(description="The share of the time, e.g. 99.9%.")
    paths: tuple[PathName, ...] = Field(
        default=(PathName.NEW, PathName.OLD), min_length=1, description="The paths that are asked: new, old."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """No objective; a path twice."""
        yield from super().contradictions()
        if self.objective <= 0:
            yield ("objective",), f"found {format_percent(self.objective)}, allowed is above 0%"
        if len(set(self.paths)) < len(self.paths):
            yield ("paths",), f"found {', '.join(self.paths)}, allowed is each path once"


class Affordable(_BaseSuccess):
    """A month costs less than the limit of the plan's costs."""

    kind: Literal["affordable"] = Field(description="Tells the success criteria apart.")


Success = Annotated[
    FullTraffic | NoRollback | Handled | Recovery | Throughout | Available | Affordable,
    Field(discriminator="kind", description="One success criterion."),
]


def success_words(item: Success) -> str:
    """How it is judged: `each within 30m`."""
    match item:
        case FullTraffic():
            return "exposure is 100%"
        case NoRollback():
            return "nothing was rolled back"
        case Handled(within=within):
            return f"each CRITICAL spell ends within {format_duration(within)}"
        case Recovery(within=within):
            return f"the mean from a failing review to one that passes, or to zero, is below {format_duration(within)}"
        case Throughout():
            return f"{item.metric} {_bound(item)} at every review"
        case Available(objective=objective, paths=paths):
            up = f"{item.metric} {_bound(item)}"
            return f"{up} for {format_percent(objective)} of the time on the {' and the '.join(paths)} path"
        case Affordable():
            return "the projected month is below the limit"


def _bound(item: _OfMetric) -> str:
    return f"below {item.below}" if item.above is None else f"above {item.above}"


def lasted_words(span: timedelta) -> str:
    """To the second; the few seconds of a rehearsal to a tenth."""
    seconds = span.total_seconds()
    return format_duration(timedelta(seconds=round(seconds) if seconds >= 10 else round(seconds, 1)))
