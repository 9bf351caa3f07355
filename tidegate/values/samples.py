"""What a measurement can be: one value at an instant, or no data and why."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class NoDataReason(StrEnum):
    """Why there is no value."""

    NO_SERIES = "no_series"
    NAN = "nan"
    STALE = "stale"
    TOO_FEW = "too_few"
    SLOW = "slow"
    UNREACHABLE = "unreachable"
    PARTIAL = "partial"
    MANY_SERIES = "many_series"
    REFUSED = "refused"

    @property
    def spends_no_data_budget(self) -> bool:
        """Whether this spends the plan's `no_data_budget`; too little traffic is not spending the no-data budget."""
        return self is not NoDataReason.TOO_FEW


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value, the instant it was measured for, the count of events behind it, and its newest raw point."""

    value: float
    at: datetime
    n: float | None = None
    newest: datetime | None = None  # of the series that it was made from; None where that was not asked
    at_least: bool = False  # it may be any amount more: a quantile beyond the last finite bucket

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.value} is no measured value; `sample` makes NoData of it")


@dataclass(frozen=True, slots=True)
class NoData:
    """No value, and the reason in a word and in a sentence."""

    reason: NoDataReason
    at: datetime
    detail: str = ""
    n: float | None = None
    newest: datetime | None = None  # of what is stale, where it is known
    seen: float | None = None  # no evidence of health: what a partial answer held, or an infinite value
    points: tuple[Sample, ...] = ()  # the same, of a range


Reading = Sample | NoData


@dataclass(frozen=True, slots=True)
class AlertReading:
    """What Prometheus says of the alerts that a matcher selects: the firing ones, and how many rules were healthy.

    What fires was seen whatever the problem is: more of the answer could only add to it.
    """

    at: datetime
    firing: tuple[str, ...]
    healthy_rules: int
    problem: NoData | None = None
    rules_read: int = 0  # alerting rules that could be read, healthy or not


def sample(value: float, at: datetime, n: float | None = None, newest: datetime | None = None) -> Reading:
    """A Sample, or NoData where the number is not finite: NaN and infinity never become evidence."""
    if not math.isfinite(value):
        seen = None if math.isnan(value) else value
        return NoData(NoDataReason.NAN, at, f"the query answered {value}", n, newest, seen)
    return Sample(value, at, n, newest)


def older(one: datetime | None, other: datetime | None) -> datetime | None:
    """The older of two newest points; one that is not known says nothing."""
    return min(one, other) if one is not None and other is not None else one or other


def with_count(value: Reading, count: Reading | None, at_least: int) -> Reading:
    """`value` with the number of events behind it; NoData(too_few) when there are fewer than `at_least`."""
    if isinstance(value, NoData) and value.reason.spends_no_data_budget and value.reason is not NoDataReason.NAN:
        return value
    match count:
        case None:
            return value
        case NoData():
            return replace(count, seen=value.seen if isinstance(value, NoData) else value.value)
        case Sample(value=n, at=at) if n < at_least:
            return NoData(NoDataReason.TOO_FEW, at, f"{n:.0f} of at least {at_least} requests", n)
        case Sample(value=n):
            if isinstance(value, NoData):
                return replace(value, n=n)
            return replace(value, n=n, newest=older(value.newest, count.newest))


def ratio(part: Reading, whole: Reading, at_least: int) -> Reading:
    """100 * part / whole in percent, from counts; NoData when the whole is below `at_least` (and at least 1)."""
    if isinstance(whole, NoData):
        return whole
    if whole.value < max(at_least, 1):
        found = f"{whole.value:.0f} of at least {max(at_least, 1)} requests"
        return NoData(NoDataReason.TOO_FEW, whole.at, found, whole.value)
    if isinstance(part, NoData):
        return part
    return sample(100 * part.value / whole.value, whole.at, whole.value, older(part.newest, whole.newest))
