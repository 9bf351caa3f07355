"""What the models of a plan share: words, checked text, and the way contradictions are named."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from tidegate.values.promql_template import check_fixed, check_matchers, check_measuring

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
_DAY = re.compile(r"day ([1-9][0-9]{0,2})")

FieldPath = tuple[str | int, ...]
Contradiction = tuple[FieldPath, str]


class ContradictionsError(ValueError):
    """Everything that contradicts itself in a model, each with the path of the field below it."""

    def __init__(self, problems: tuple[Contradiction, ...]) -> None:
        super().__init__("; ".join(f"{dotted(path)}: {text}" if path else text for path, text in problems))
        self.problems = problems


def dotted(path: FieldPath) -> str:
    """`waves.0.percent`."""
    return ".".join(map(str, path))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'percent'?)`, or nothing where no known word is close."""
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


class Model(BaseModel):
    """Frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def contradictions(self) -> Iterator[Contradiction]:
        """What no single field shows; each model says its own."""
        yield from ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := tuple(self.contradictions()):
            raise ContradictionsError(problems)
        return self


def _day(text: object) -> int:
    if isinstance(text, int) and not isinstance(text, bool) and 1 <= text <= 999:
        return text
    match = _DAY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"found {text!r}, allowed is a day of the rollout such as day 1 or day 3")
    return int(match[1])


def exactly(value: bool | int) -> BeforeValidator:
    """Refuses what only equals `value`: to Python, true is 1 and so is 1.0."""

    def check(found: object) -> object:
        if type(found) is not type(value) or found != value:
            raise ValueError(f"found {str(found).lower()[:60]}, allowed is {str(value).lower()}")
        return found

    return BeforeValidator(check)


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    # A folder, a file that is no zone, an over-long or an absolute name: all of them are simply not a time zone.
    except (KeyError, ValueError, OSError):
        raise ValueError(f"found {name!r}, allowed is an IANA time zone such as America/Los_Angeles or UTC") from None
    return name


def _counts(text: str) -> str:
    check_measuring(text, counts=True)
    return text


def _value(text: str) -> str:
    check_measuring(text, counts=False)
    return text


def _fixed(text: str) -> str:
    check_fixed(text)
    return text


def _matchers(text: str) -> str:
    if text.strip():
        check_matchers(text)
    return text.strip()


_PROMQL = StringConstraints(min_length=1, max_length=4_000, strip_whitespace=True)


def _promql(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 4_000, "examples": [example]})


Name = Annotated[str, StringConstraints(pattern=NAME)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000, strip_whitespace=True)]
Email = Annotated[str, StringConstraints(pattern=r'^[^@\s<>,;"]+@[^@\s<>,;"]+$', max_length=254)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/<>\"]+(/[^\s<>\"?#]*)?$", max_length=254)]
Whole = Annotated[int, Strict()]
Switch = Annotated[bool, Strict()]
Day = Annotated[
    int,
    BeforeValidator(_day),
    PlainSerializer("day {}".format, str),
    WithJsonSchema(
        {"type": ["string", "integer"], "pattern": r"^day [1-9][0-9]{0,2}$", "minimum": 1, "examples": ["day 3"]}
    ),
]
TimeZone = Annotated[str, AfterValidator(_timezone)]
CountQuery = Annotated[
    str, _PROMQL, AfterValidator(_counts), _promql("sum(increase(requests_total{ {{ selector }} }[{{ window }}]))")
]
ValueQuery = Annotated[str, _PROMQL, AfterValidator(_value), _promql("sum(memory_bytes{ {{ path }} }) / 1e6")]
FixedQuery = Annotated[str, _PROMQL, AfterValidator(_fixed), _promql('sum(requests_total{path="new"})')]
Matcher = Annotated[
    str, AfterValidator(_matchers), WithJsonSchema({"type": "string", "examples": ['cohort=~"internal|staging"']})
]
