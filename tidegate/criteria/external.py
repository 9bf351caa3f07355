"""How answers from outside Prometheus become findings: counts, costs, known requests."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidegate.criteria.cost_amounts import amount_in, projected
from tidegate.criteria.external_kinds import Cost, Count, Synthetic, bound_words
from tidegate.criteria.threshold import no_data_words, on_dry_run
from tidegate.plan.costs import Costs
from tidegate.plan.model import When
from tidegate.values.json_pointer import at_pointer
from tidegate.values.samples import NoData, NoDataReason, Reading, sample
from tidegate.values.units import parse_money, quantity_in
from tidegate.values.verdict import Finding, Verdict

MOST_KNOWN = 25


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


def judge_count(id_: str, item: Count, reading: Reading) -> Finding:
    """Whether the answered number keeps its bound; nothing counted is good news, no answer is none."""
    where = f"{item.source} {item.pointer}".strip()
    return _judge_figure(id_, item, reading, f"{item.source} counts", where)


def judge_cost(id_: str, item: Cost, reading: Reading) -> Finding:
    """Whether the projected monthly cost keeps its bound."""
    where = f"{item.source} {item.pointer}".strip() if item.source else f"({item.query}) * {item.price}"
    where = "the plan's costs" if item.is_of_the_plan else where
    return _judge_figure(id_, item, reading, "The projected monthly cost is", where)


def priced(units: Reading, price: str) -> Reading:
    """The monthly cost of so many units at this price."""
    amount = amount_in(units)
    return amount if isinstance(amount, NoData) else sample(float(amount * parse_money(price)), units.at)


def model_cost(costs: Costs, answers: Mapping[str, Reading], at: datetime) -> Reading:
    """What a month costs by the plan's model, from what its queries answered."""
    month = projected(costs, answers)
    return month if isinstance(month, NoData) else sample(float(month), at)


def _judge_figure(id_: str, item: Count | Cost, reading: Reading, words: str, where: str) -> Finding:
    bound = bound_words(item)
    if isinstance(reading, NoData):
        sentence = f"{item.source or 'Prometheus'} gave no figure ({no_data_words(reading)})."
        return on_dry_run(item, Finding(id_, item.text, Verdict.ERROR, sentence, bound=bound, query=where))
    limit = quantity_in((item.above if item.above is not None else item.below) or "", item.unit)
    beyond = reading.value > limit if item.above is not None else reading.value < limit
    trigger = When.TRIGGER in item.when
    verdict = Verdict.PASS if beyond != trigger else Verdict.FAIL
    none = ": none occurred" if isinstance(item, Count) and reading.value == 0 and verdict is Verdict.PASS else ""
    allowed = "rolls back when" if trigger else "must be"
    sentence = f"{words} {item.unit.format(reading.value)}{none}; {allowed} {bound}."
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, reading.value, bound, 1, where))


class Reply(StrEnum):
    """What came back for one known request on one path."""

    RIGHT = "right"
    WRONG = "wrong"
    REFUSED = "refused"  # another status than 200: an error, which the error rate judges
    SILENT = "silent"
    ASTRAY = "astray"  # answered by another path than the one meant


@dataclass(frozen=True, slots=True)
class Known:
    """A known request: what is sent, and the only right answer."""

    id: str
    body: Any
    answer: Any


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What became of one known request on both paths."""

    known: str
    new: Reply
    legacy: Reply


def known_requests(status: int, body: bytes) -> tuple[Known, ...]:
    """The known requests of a service's answer; raises ValueError for anything else, or none, or too many."""
    listed = document_in(status, body)
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_KNOWN:
        found = f"{len(listed)} requests" if isinstance(listed, list) else "no list"
        raise ValueError(f"found {found}, allowed is a list of 1 to {MOST_KNOWN} known requests")
    for item in listed:
        if not isinstance(item, dict) or not {"id", "body", "answer"} <= item.keys() or not isinstance(item["id"], str):
            raise ValueError("found something else, allowed are known requests with id, body and answer")
    return tuple(Known(item["id"], item["body"], item["answer"]) for item in listed)


def reply_of(status: int, body: bytes, path: str | None, meant: str, answer: Any) -> Reply:
    """What an answer is worth, held against the one that is right on the path that was meant."""
    if status != 200:
        return Reply.REFUSED
    if path != meant:
        return Reply.ASTRAY
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return Reply.WRONG
    # As text, since to Python true is 1 and 1 is 1.0.
    return Reply.RIGHT if _text(found) == _text(answer) else Reply.WRONG


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def judge_synthetic(id_: str, item: Synthetic, told: Sequence[ProbeResult]) -> Finding:
    """A wrong answer on the new path is corruption; silence there while the old path answers is an outage."""
    right = [x for x in told if x.new is Reply.RIGHT]
    wrong = [x.known for x in told if x.new is Reply.WRONG]
    silent = [x.known for x in told if x.new is Reply.SILENT and x.legacy is Reply.RIGHT]
    refused = [x.known for x in told if x.new is Reply.REFUSED and x.legacy is Reply.RIGHT]
    # A right answer on the new path needs no second opinion; anything less is held against the old path.
    unsure = [x for x in told if x.new is Reply.ASTRAY or Reply.RIGHT not in (x.new, x.legacy)]
    if wrong:
        verdict, sentence = Verdict.FAIL, f"Corruption: the new path answers {', '.join(wrong)} wrongly."
    elif silent:
        verdict = Verdict.FAIL
        sentence = f"The new path does not answer {', '.join(silent)} while the old path does."
    elif told and len(refused) == len(told):
        verdict, sentence = Verdict.FAIL, "The new path answers every known request with an error, the old path none."
    elif not told or unsure:
        verdict, sentence = Verdict.ERROR, _why_unsure(unsure)
    elif refused:
        verdict = Verdict.INCONCLUSIVE
        sentence = f"The new path answers {', '.join(refused)} with an error; the error rate says how often."
    else:
        verdict, sentence = Verdict.PASS, f"All {len(told)} known requests are answered rightly on the new path."
    bound = f"{len(told)} right answers"
    query = f"{item.source} POST {item.send}"
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, float(len(right)), bound, len(told), query))


def _why_unsure(unsure: Sequence[ProbeResult]) -> str:
    if not unsure:
        return "No known request was sent."
    first = unsure[0]
    return f"{first.known} tells nothing: {first.new.value} on the new path, {first.legacy.value} on the old one."
