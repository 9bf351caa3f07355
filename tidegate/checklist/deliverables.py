"""Lines of a checklist that are proven by what was delivered: reports, exports, documents and backups."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from tidegate.values.json_pointer import POINTER
from tidegate.values.metrics import bound_problems
from tidegate.values.model import Contradiction, Model, Name, Text, Whole
from tidegate.values.units import Bound, Percent, PositiveDuration, Unit


def _below(path: str) -> str:
    if path.startswith("/") or "\\" in path or ".." in path.split("/") or "\0" in path:
        raise ValueError(f"found {path!r}, allowed is a path below the folder of the evidence")
    return path


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Path = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_below)]
_PATH_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 500}
Paths = Annotated[
    tuple[Path, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [_PATH_SCHEMA, {"type": "array", "items": _PATH_SCHEMA, "minItems": 1}]}),
]
Pointer = Annotated[
    str, StringConstraints(pattern=POINTER), WithJsonSchema({"type": "string", "examples": ["/results/0/mean"]})
]


class BaseProof(Model):
    """What every line of a checklist has."""

    text: Text = Field(description="The line of the release plan.")
    role: Name = Field(description="Who answers for it.")
    timeout: PositiveDuration | None = Field(
        default=None,
        description="How long the look may take, if the connection allows it; 60s for commands, else 15s.",
    )
    not_applicable: Text | None = Field(
        default=None, description="Why this line does not apply here; it is recorded and not looked at."
    )


class JunitProof(BaseProof):
    """Tests passed, as JUnit reports say."""

    proof: Literal["junit"] = Field(description="JUnit reports.")
    report: Paths = Field(
        min_length=1, description="The XML files, below the folder of the evidence; one path or a list."
    )
    at_least: Whole = Field(default=1, ge=1, description="How many tests must have passed; skipped ones do not count.")
    passed: Percent = Field(
        default="100%",  # type: ignore[assignment]  # read as it would be written
        gt=0,
        description="The share of the tests that ran which must have passed.",
    )
    fresh: PositiveDuration = Field(description="How old the oldest report may be, by its own timestamp or its file's.")

    def contradictions(self) -> Iterator[Contradiction]:
        """One report twice, whose tests would count twice."""
        if len(set(self.report)) < len(self.report):
            yield ("report",), "found a path twice, allowed is each path once"


class _FromJson(BaseProof):
    """Read from a JSON file, from what a named command prints, or from a named web source."""

    file: Path | None = Field(default=None, description="A JSON file below the folder of the evidence.")
    command: Name | None = Field(default=None, description="A named command that prints JSON.")
    source: Name | None = Field(default=None, description="A named web source that answers JSON.")
    at: Pointer = Field(default="", description="Where in the JSON it stands, as a JSON pointer.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one place to read it from."""
        given = [name for name in _PLACES if getattr(self, name, None) is not None]
        if len(given) != 1:
            allowed = ", ".join(name for name in _PLACES if name in type(self).model_fields)
            yield (), f"found {' and '.join(given) or 'no place to look'}, allowed is exactly one of {allowed}"


_PLACES = ("file", "command", "source", "folder")


class ReviewsProof(_FromJson):
    """People approved the change: a number of approvals, or a list of approvals of which each person counts once."""

    proof: Literal["reviews"] = Field(description="Approvals of a code review.")
    at_least: Whole = Field(default=2, ge=1, description="How many different people must have approved.")
    by: Pointer | None = Field(default=None, description="Where each entry of the list names its author.")
    state: Pointer | None = Field(default=None, description="Where each entry of the list says how it was decided.")
    approved: Text = Field(default="APPROVED", description="What state holds for an approval; the newest entry counts.")
    fresh: PositiveDuration | None = Field(default=None, description="How old the file may be; with file only.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A state of nobody; an age that only a file has."""
        yield from super().contradictions()
        if self.state is not None and self.by is None:
            yield ("by",), "missing, allowed with state is where each entry names its author"
        if self.fresh is not None and self.file is None:
            yield ("fresh",), "found without file, allowed with file only"


class BenchmarkProof(_FromJson):
    """A measured number is within its bound."""

    proof: Literal["benchmark"] = Field(description="A measured number.")
    unit: Unit = Field(description="What the number means; the bound is written in it.")
    below: Bound | None = Field(default=None, description="The number must be under this; or above.")
    above: Bound | None = Field(default=None, description="The number must be over this; or below.")
    measured: Pointer | None = Field(default=None, description="Where the JSON says when it was measured.")
    fresh: PositiveDuration = Field(description="How old it may be, by measured or by the file's own time.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound, a bound in another unit, a number of unknown age."""
        yield from super().contradictions()
        if (self.below is None) == (self.above is None):
            found = "no bound" if self.below is None else "below and above"
            yield (), f"found {found}, allowed is exactly one of below or above"
        yield from bound_problems(self, self.unit)
        if self.file is None and self.measured is None:
            yield ("measured",), "missing, allowed without file is where the JSON says when it was measured"


class FilesProof(BaseProof):
    """Files are there and not empty."""

    proof: Literal["files"] = Field(description="Files that must be there.")
    paths: tuple[Path, ...] = Field(min_length=1, description="The files, below the folder of the evidence.")
    fresh: PositiveDuration | None = Field(default=None, description="How old each of them may be.")


class BackupProof(_FromJson):
    """The newest backup is young enough: an instant in JSON, or the newest file of a folder."""

    proof: Literal["backup"] = Field(description="The age of the newest backup.")
    folder: Path | None = Field(default=None, description="A folder of backups below the folder of the evidence.")
    fresh: PositiveDuration = Field(description="How old the newest backup may be.")
