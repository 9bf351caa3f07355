"""A number from outside Prometheus: how it is read from a JSON answer, and held against one bound."""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from tidegate.criteria.base import BaseCriterion, When
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.plan_checks import one_side
from tidegate.values.json_pointer import POINTER, at_pointer
from tidegate.values.model import Contradiction
from tidegate.values.samples import NoData, NoDataReason, Reading, sample
from tidegate.values.units import Bound, Unit, quantity_in
from tidegate.values.verdict import Finding, Verdict

Pointer = Annotated[str, StringConstraints(pattern=POINTER, max_length=500)]


class FigureCriterion(BaseCriterion):
    """A number held against one bound: enter and during state what must hold, a trigger states what must not."""

    below: Bound | None = Field(default=None, description="The bound, in the figure's unit; or above.")
    above: Bound | None = Field(default=None, description="The bound, in the figure's unit; or below.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound, or one in another unit."""
        yield from super().contradictions()
        yield from one_side(self.below, self.above)
        for side in ("below", "above"):
            bound = getattr(self, side)
            if bound is not None:
                try:
                    quantity_in(bound, self.unit)
                except ValueError as error:
                    yield (side,), str(error).replace("the metric's unit", "the unit")

    @property
    def unit(self) -> Unit:
        """What its number means."""
        raise NotImplementedError


def document_in(status: int, body: bytes) -> Any:
    """The JSON of an answer; raises ValueError for another status than 200 or what is no JSON."""
    if status != 200:
        raise ValueError(f"HTTP {status}, allowed is 200")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the answer is not JSON") from None


def figure_in(status: int, body: bytes, pointer: str, at: datetime) -> Reading:
    """The number at the pointer of a JSON answer, zero or more; NoData where there is none."""
    try:
        found = at_pointer(document_in(status, body), pointer)
    except (ValueError, LookupError) as problem:
        return NoData(NoDataReason.REFUSED, at, str(problem.args[0]))
    # To Python, true is 1.
    if isinstance(found, bool) or not isinstance(found, int | float):
        return NoData(NoDataReason.REFUSED, at, f"{pointer or 'the answer'} holds {_shown(found)}, which is no number")
    try:
        value = float(found)
    except OverflowError:
        value = math.inf
    if value < 0:
        return NoData(NoDataReason.REFUSED, at, f"{pointer or 'the answer'} holds {value:g}, allowed is 0 or more")
    return sample(value, at)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return repr(value[:40])
        case dict():
            return "an object"
        case _:
            return "a list"


def figure_bound(figure: FigureCriterion) -> str:
    """`above 5`, `below $300`."""
    side, bound = ("above", figure.above) if figure.below is None else ("below", figure.below)
    return f"{side} {figure.unit.format(quantity_in(bound or '', figure.unit))}"


def judge_figure(
    id_: str, item: FigureCriterion, reading: Reading, words: str, where: str, *, asked: str, zero: str = ""
) -> Finding:
    """Whether a number keeps its bound; no answer from whoever was asked is no evidence, `zero` is said of none."""
    bound = figure_bound(item)
    if isinstance(reading, NoData):
        sentence = f"{asked} gave no figure ({no_data_words(reading)})."
        return on_dry_run(item, Finding(id_, item.text, Verdict.ERROR, sentence, bound=bound, query=where))
    limit = quantity_in((item.above if item.above is not None else item.below) or "", item.unit)
    beyond = reading.value > limit if item.above is not None else reading.value < limit
    trigger = When.TRIGGER in item.when
    verdict = Verdict.PASS if beyond != trigger else Verdict.FAIL
    none = zero if reading.value == 0 and verdict is Verdict.PASS else ""
    allowed = "rolls back when" if trigger else "must be"
    sentence = f"{words} {item.unit.format(reading.value)}{none}; {allowed} {bound}."
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, reading.value, bound, 1, where))
