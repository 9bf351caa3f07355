"""Known requests with known answers: a wrong one on the new path is corruption, silence there is an outage."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.external.figures import document_in
from tidegate.criteria.external.known_requests import Caller, HeaderName, HeaderText, Path, Probe, ProbeResult, Reply
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, KnownRequests, Request
from tidegate.criteria.stances import FROM_NOW_ONLY, NotReplayed, Stance
from tidegate.values.model import Contradiction, Name
from tidegate.values.units import PositiveDuration, format_duration
from tidegate.values.verdict import Finding, Verdict

LONGEST_SILENCE = timedelta(seconds=3)
MOST_KNOWN = 25
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")


EXAMPLE = """\
kind: synthetic
when: during
text: Known requests are answered rightly
source: shop # a web source of the connections
known: /synthetic # it answers [{"id": "a", "body": {}, "answer": {}}]
send: /orders
new: { user: synthetic-new, group: synthetic } # a group of flag.always_on
legacy: { user: synthetic-old, group: synthetic-control } # a group of flag.always_off
path_header: x-path # the answer says which path it took
patience: 2s
"""


class Synthetic(BaseCriterion):
    """Known requests with known answers, sent at each look as a user of the new path and as one of the old.

    Right answers are good for half a minute to a minute, others are asked again. A wrong answer on the new path is
    corruption; silence there while the old path answers is an outage.
    """

    example: ClassVar[str] = EXAMPLE

    kind: Literal["synthetic"]
    source: Name = Field(description="The service's name among the web sources in the connections.")
    known: Path = Field(description="Where it lists the known requests: a JSON list of {id, body, answer}.")
    send: Path = Field(description="Where each body is sent with POST.")
    new: Caller = Field(description="A user who is on the new path in every wave; the group stands in flag.always_on.")
    legacy: Caller = Field(description="A user who stays on the old path; the group stands in flag.always_off.")
    user_header: HeaderName = Field(default="x-user-id", description="The request header that names the user.")
    group_header: HeaderName = Field(default="x-user-group", description="The request header that names the group.")
    path_header: HeaderName = Field(default="x-path", description="The answer's header that says which path it took.")
    new_path: HeaderText = Field(default="new", description="What that header says on the new path.")
    legacy_path: HeaderText = Field(default="legacy", description="What that header says on the old path.")
    patience: PositiveDuration = Field(
        default=timedelta(seconds=2), description="Longer than this is no answer; 1s to 3s, asked twice."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A moment before the wave, a patience that holds up the guard, callers or paths that are one."""
        yield from super().contradictions()
        if When.ENTER in self.when:
            yield ("when",), f"found {', '.join(self.when)}, allowed for synthetic are during and trigger"
        if not timedelta(seconds=1) <= self.patience <= LONGEST_SILENCE:
            found = format_duration(self.patience)
            yield ("patience",), f"found {found}, allowed is 1s to {format_duration(LONGEST_SILENCE)}"
        if self.new.group == self.legacy.group:
            yield ("legacy", "group"), f"found {self.legacy.group!r} (as in new), allowed is another group"
        if self.new_path == self.legacy_path:
            yield ("legacy_path",), f"found {self.legacy_path!r} (as in new_path), allowed is another word"
        for name in ("user_header", "group_header"):
            if getattr(self, name).lower() in _SECRET_HEADERS:
                yield (name,), f"found {getattr(self, name)}, allowed is a header without secrets"

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """What both paths answer to the known requests."""
        return (KnownRequests(self.probe),)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Every answer held against the right one; nothing is sent once a rollback has begun."""
        probed = answers[KnownRequests(self.probe)]
        if probed.stopped:
            return Finding(at.id, self.text, Verdict.NOT_APPLICABLE, probed.stopped), None
        if probed.problem:
            sentence = f"The known requests are not known ({probed.problem})."
            return on_dry_run(self, Finding(at.id, self.text, Verdict.ERROR, sentence)), None
        return judge_synthetic(at.id, self, probed.results), None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """The known requests must take both paths in every wave, which only always-on and always-off groups do."""
        for name, groups in (("new", plan.flag.always_on), ("legacy", plan.flag.always_off)):
            group = getattr(self, name).group
            if group not in groups:
                listed = "flag.always_on" if name == "new" else "flag.always_off"
                allowed = f"a group of {listed} ({', '.join(groups) or 'which names none'})"
                yield (name, "group"), f"found {group!r}, allowed is {allowed}"

    def sentence(self, plan: PlanFacts) -> str:
        """`known requests to shop are answered rightly on the new path`."""
        wrong = "are answered wrongly or not at all" if When.TRIGGER in self.when else "are answered rightly"
        return f"known requests to {self.source} {wrong} on the new path"

    def preflight_requests(self, plan: PlanFacts) -> Sequence[Request[Any]]:
        """Whether the service lists its known requests."""
        return (KnownRequests(self.probe),)

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed(FROM_NOW_ONLY)

    @property
    def sends_as(self) -> tuple[str, ...]:
        """Who stays on the old path."""
        return (self.legacy.group,)

    @property
    def probe(self) -> Probe:
        """The same for every criterion that sends the same requests."""
        return Probe(
            self.source,
            self.known,
            self.send,
            self.new,
            self.legacy,
            self.user_header,
            self.group_header,
            self.path_header,
            self.new_path,
            self.legacy_path,
            self.patience,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """A known request: what is sent, and the only right answer."""

    id: str
    body: Any
    answer: Any


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


def judge_synthetic(id_: str, item: Synthetic, replies: Sequence[ProbeResult]) -> Finding:
    """A wrong answer on the new path is corruption; silence there while the old path answers is an outage."""
    right = [x for x in replies if x.new is Reply.RIGHT]
    wrong = [x.known for x in replies if x.new is Reply.WRONG]
    silent = [x.known for x in replies if x.new is Reply.SILENT and x.legacy is Reply.RIGHT]
    refused = [x.known for x in replies if x.new is Reply.REFUSED and x.legacy is Reply.RIGHT]
    # A right answer on the new path needs no second opinion; anything less is held against the old path.
    unsure = [x for x in replies if x.new is Reply.ASTRAY or Reply.RIGHT not in (x.new, x.legacy)]
    if wrong:
        verdict, sentence = Verdict.FAIL, f"Corruption: the new path answers {', '.join(wrong)} wrongly."
    elif silent:
        verdict = Verdict.FAIL
        sentence = f"The new path does not answer {', '.join(silent)} while the old path does."
    elif replies and len(refused) == len(replies):
        verdict, sentence = Verdict.FAIL, "The new path answers every known request with an error, the old path none."
    elif not replies or unsure:
        verdict, sentence = Verdict.ERROR, _why_unsure(unsure)
    elif refused:
        verdict = Verdict.INCONCLUSIVE
        sentence = f"The new path answers {', '.join(refused)} with an error; the error rate says how often."
    else:
        verdict, sentence = Verdict.PASS, f"All {len(replies)} known requests are answered rightly on the new path."
    bound = f"{len(replies)} right answers"
    query = f"{item.source} POST {item.send}"
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, float(len(right)), bound, len(replies), query))


def _why_unsure(unsure: Sequence[ProbeResult]) -> str:
    if not unsure:
        return "No known request was sent."
    first = unsure[0]
    return f"{first.known} tells nothing: {first.new.value} on the new path, {first.legacy.value} on the old one."
