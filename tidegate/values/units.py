"""Durations, percentages and quantities as people write them in a plan."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?) ?%")
_QUANTITY = re.compile(r"(?P<before>\$?)(?P<number>-?[0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?P<after>%|[a-zA-Z/]*)")
_LONGEST = timedelta(days=3_660)
DURATION_PATTERN = r"^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"


def parse_duration(text: object) -> timedelta:
    """The span written as `14d`, `24h`, `1h30m` or `90s`; raises ValueError for anything else."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        raise ValueError(f"found {text!r}, allowed is a duration such as 90s, 15m, 24h or 14d")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = days * _SECONDS["d"] + hours * _SECONDS["h"] + minutes * _SECONDS["m"] + seconds
    if total > _LONGEST.total_seconds():
        raise ValueError(f"found {text!r}, allowed are at most {_LONGEST.days} days")
    return timedelta(seconds=total)


def format_duration(span: timedelta) -> str:
    """The shortest text that `parse_duration` reads back; below a minute tenths of a second are kept."""
    seconds = round(span.total_seconds(), 1)
    if seconds != int(seconds) and abs(seconds) < _SECONDS["m"]:
        return f"{seconds:.1f}s"
    left, parts = round(seconds), []
    if left and left % _SECONDS["h"] == 0 and left <= 72 * _SECONDS["h"]:
        return f"{left // _SECONDS['h']}h"
    for unit, size in _SECONDS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta(0):
        raise ValueError("found 0s, allowed is a duration above zero")
    return span


DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["24h"]})
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, str), DURATION_SCHEMA]
PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(lambda text: _positive(parse_duration(text))),
    PlainSerializer(format_duration, str),
    DURATION_SCHEMA,
]


def parse_percent(text: object) -> float:
    """The share written as `10%` or `12.5%`, 0 to 100 in steps of 0.01; raises ValueError for anything else."""
    match = _PERCENT.fullmatch(text) if isinstance(text, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError(f"found {text!r}, allowed is a percentage such as 10% or 12.5% (0% to 100%, steps of 0.01)")
    return float(match[1])


def format_percent(percent: float) -> str:
    """`10%`, `12.5%`."""
    return f"{percent:g}%"


Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(format_percent, str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,2})? ?%$", "examples": ["10%"]}),
]


_SIGNED = re.compile(r"([+-][0-9]{1,4}(?:\.[0-9])?) ?%")


def parse_signed_percent(text: object) -> float:
    """The change written as `+50%` or `-20%`; raises ValueError for anything else."""
    match = _SIGNED.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"found {text!r}, allowed is a change with its sign, such as +50% or -20%")
    return float(match[1])


def format_signed_percent(percent: float) -> str:
    """`+50%`, `-12.5%`."""
    return f"{percent:+g}%"


SignedPercent = Annotated[
    float,
    BeforeValidator(parse_signed_percent),
    PlainSerializer(format_signed_percent, str),
    WithJsonSchema({"type": "string", "pattern": r"^[+-][0-9]{1,4}(\.[0-9])? ?%$", "examples": ["+50%"]}),
]


class Unit(StrEnum):
    """What a metric's numbers mean; a bound must be written in the unit of its metric."""

    PERCENT = "percent"
    MILLISECONDS = "ms"
    SECONDS = "s"
    MEGABYTES = "MB"
    COUNT = "count"
    CORES = "cores"
    PER_SECOND = "per second"
    US_DOLLARS = "USD"

    @property
    def suffix(self) -> str:
        """How a quantity of this unit ends when written; dollars stand before it."""
        return _SUFFIXES[self]

    def format(self, value: float) -> str:  # type: ignore[override]
        """`2.3%`, `385 ms`, `125 MB`, `$300`, `0`."""
        # Cents are never dropped: $299.80 is below $300.
        large = abs(value) >= 100 and self is not Unit.US_DOLLARS
        digits = 0 if large or value == int(value) else 2
        number = f"{value:.{digits}f}"
        if self is Unit.PERCENT:
            return f"{number}%"
        if self is Unit.US_DOLLARS:
            return f"-${number[1:]}" if number.startswith("-") else f"${number}"
        return f"{number} {self.suffix}".strip()


_SUFFIXES = {
    Unit.PERCENT: "%",
    Unit.MILLISECONDS: "ms",
    Unit.SECONDS: "s",
    Unit.MEGABYTES: "MB",
    Unit.COUNT: "",
    Unit.CORES: "cores",
    Unit.PER_SECOND: "/s",
    Unit.US_DOLLARS: "$",
}


def parse_quantity(text: object) -> str:
    """A number with its unit as written, such as `500ms`; raises ValueError for anything else."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str) or _QUANTITY.fullmatch(text) is None:
        raise ValueError(f"found {text!r}, allowed is a number with its unit, such as 5%, 500ms, 200MB, $300 or 0")
    return text


@lru_cache(maxsize=1024)
def quantity_in(text: str, unit: Unit) -> float:
    """The number, if it is written in `unit`; raises ValueError naming both units otherwise."""
    match = _QUANTITY.fullmatch(text)
    # Never both, since no unit is written around its number.
    if match is None or match["before"] + match["after"] != unit.suffix:
        wanted = f"a number with {unit.suffix!r}" if unit.suffix else "a bare number"
        raise ValueError(f"found {text!r}, allowed is {wanted} (the metric's unit is {unit.value})")
    return float(match["number"])


Bound = Annotated[
    str,
    BeforeValidator(parse_quantity),
    WithJsonSchema({"type": ["string", "number"], "examples": ["5%", "500ms", 0]}),
]


_MONEY = re.compile(r"\$([0-9]{1,9}(?:\.[0-9]{1,6})?)")


def parse_money(text: object) -> Decimal:
    """The exact amount written as `$30.37`, zero or more; raises ValueError for anything else."""
    if isinstance(text, Decimal):
        return text
    match = _MONEY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"found {text!r}, allowed is an amount such as $30.37")
    return Decimal(match[1])


def format_money(amount: Decimal) -> str:
    """`$30.37`, `$0.0416`, `-$4`: cents at least where there are any, and nothing that was written is lost."""
    number = f"{abs(amount):f}"
    if "." in number:
        whole, part = number.split(".")
        part = part.rstrip("0")
        number = f"{whole}.{part.ljust(2, '0')}" if part else whole
    return f"{'-' if amount < 0 else ''}${number}"


Money = Annotated[
    Decimal,
    BeforeValidator(parse_money),
    PlainSerializer(format_money, str),
    WithJsonSchema({"type": "string", "pattern": r"^\$[0-9]{1,9}(\.[0-9]{1,6})?$", "examples": ["$30.37"]}),
]


def seconds_between(start: datetime | None, end: datetime | None) -> str:
    """`2.3 s`, below a tenth `0.04 s`, or `?` when one end is missing."""
    if start is None or end is None:
        return "?"
    seconds = (end - start).total_seconds()
    return f"{seconds:.2f} s" if 0 < seconds < 0.1 else f"{seconds:.1f} s"
