"""The test alarm: how long its outcome counts, and how that becomes a finding."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.findings import on_dry_run
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import AlarmOutcome, AlarmSent, Answers, Request
from tidegate.criteria.stances import FROM_NOW_ONLY, NotReplayed, Stance
from tidegate.values.model import Contradiction, Name
from tidegate.values.units import PositiveDuration, format_duration
from tidegate.values.verdict import Finding, Verdict, worst

# A test that did not pass is repeated, but not at every look: each one reaches people.
REPEATED_AFTER = timedelta(minutes=1)


EXAMPLE = """\
kind: alarm_test
when: enter
text: All ALARM tests pass
rules: alert-rule-tests # a command of the connections, such as promtool test rules
reaches: [slack, pagerduty]
fresh: 24h
"""


class AlarmTest(BaseCriterion):
    """The alert rules pass their own tests, and a test alarm really arrives; done once, then valid for a while."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["alarm_test"]
    rules: Name = Field(description="The command's name in the connections that tests the alert rules.")
    reaches: tuple[Literal["slack", "pagerduty"], ...] = Field(
        default=("slack", "pagerduty"), min_length=1, description="Where the test alarm has to arrive."
    )
    fresh: PositiveDuration = Field(
        default=timedelta(hours=24), description="How long a passed test counts; never shrunk by a pace."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Another moment than the gate; the same way twice."""
        yield from super().contradictions()
        if self.when != (When.ENTER,):
            yield ("when",), f"found {', '.join(self.when)}, allowed for alarm_test is enter (it sends a test alarm)"
        if len(set(self.reaches)) < len(self.reaches):
            yield ("reaches",), f"found {', '.join(self.reaches)}, allowed is each word once"

    @property
    def _asked(self) -> AlarmSent:
        return AlarmSent(self.rules, self.reaches, self.fresh)

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """The newest recorded test, or one made now."""
        return (self._asked,)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Whether it arrived, and is young enough."""
        return judge_alarm_test(at.id, self, answers[self._asked], at.now), None

    def sentence(self, plan: PlanFacts) -> str:
        """`alert-rule-tests passes and a test alarm arrives by slack and pagerduty, at most 1d ago`."""
        ways = " and ".join(self.reaches)
        fresh = format_duration(self.fresh)
        return f"{self.rules} passes and a test alarm arrives by {ways}, at most {fresh} ago"

    def preflight_requests(self, plan: PlanFacts) -> Sequence[Request[Any]]:
        """Whether the command is known."""
        return (self._asked,)

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed(FROM_NOW_ONLY)


def still_counts(record: AlarmOutcome | None, fresh: timedelta, now: datetime) -> bool:
    """Whether the recorded outcome is read instead of sending another test alarm."""
    if record is None or record.at > now:
        return record is not None
    return now - record.at < (fresh if record.verdict is Verdict.PASS else min(REPEATED_AFTER, fresh))


def outcome(steps: Mapping[str, tuple[Verdict, str]]) -> dict[str, object]:
    """The entry's body for what became of each step (the rules' tests, each way of an alarm)."""
    return {
        "verdict": worst(verdict for verdict, _ in steps.values()).value,
        "sentence": " ".join(sentence for _, sentence in steps.values()),
        "arrived": sum(verdict is Verdict.PASS for verdict, _ in steps.values()),
        "wanted": len(steps),
    }


def judge_alarm_test(id_: str, item: AlarmTest, record: AlarmOutcome | None, now: datetime) -> Finding:
    """The finding of the recorded test; none, or one that has grown old, is no evidence."""
    bound = f"at most {format_duration(item.fresh)} ago"
    if record is None:
        sentence = "No test alarm was sent yet."
        return on_dry_run(item, Finding(id_, item.text, Verdict.ERROR, sentence, bound=bound, query=item.rules))
    age = max(now - record.at, timedelta(0))
    verdict = Verdict.ERROR if record.verdict is Verdict.PASS and age >= item.fresh else record.verdict
    age_words = format_duration(timedelta(seconds=int(age.total_seconds())))
    finding = Finding(
        id_,
        item.text,
        verdict,
        f"{record.sentence} Tested {age_words} ago; allowed is {bound}.",
        float(record.arrived),
        f"{record.wanted} of {record.wanted}, {bound}",
        record.wanted,
        item.rules,
    )
    return on_dry_run(item, finding)
