"""The test alarm: what it says, how long its outcome counts, and how that becomes a finding."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tidegate.criteria.external_kinds import AlarmTest
from tidegate.criteria.threshold import on_dry_run
from tidegate.journal.state import TestRecord
from tidegate.notices.notice import Loudness, Notice
from tidegate.plan.model import Plan
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding, Verdict, worst

# A test that did not pass is repeated, but not at every look: each one reaches people.
REPEATED_AFTER = timedelta(minutes=1)


def still_counts(record: TestRecord | None, fresh: timedelta, now: datetime) -> bool:
    """Whether the recorded outcome is read instead of sending another test alarm."""
    if record is None or record.at > now:
        return record is not None
    return now - record.at < (fresh if record.verdict is Verdict.PASS else min(REPEATED_AFTER, fresh))


def alarm_notice(plan: Plan, rollout: str, criterion: str, now: datetime) -> Notice:
    """The test alarm: marked as a test first and last, a problem of its own."""
    key = f"test-{criterion}-{now:%Y%m%dT%H%M%S}"
    body = (
        f"This is a test of the alarms before {plan.title} goes on: nothing is wrong, and nothing is to be done.\n"
        "It resolves itself within seconds."
    )
    return Notice(key, rollout, Loudness.PAGE, f"TEST ALARM, please ignore ({plan.flag.key})", body, key)


def outcome(steps: Mapping[str, tuple[Verdict, str]]) -> dict[str, object]:
    """The entry's body for what became of each step (the rules' tests, each way of an alarm)."""
    return {
        "verdict": worst(verdict for verdict, _ in steps.values()).value,
        "sentence": " ".join(sentence for _, sentence in steps.values()),
        "arrived": sum(verdict is Verdict.PASS for verdict, _ in steps.values()),
        "wanted": len(steps),
    }


def judge_alarm_test(id_: str, item: AlarmTest, record: TestRecord | None, now: datetime) -> Finding:
    """The finding of the recorded test; none, or one that has grown old, is no evidence."""
    bound = f"at most {format_duration(item.fresh)} ago"
    if record is None:
        sentence = "No test alarm was sent yet."
        return on_dry_run(item, Finding(id_, item.text, Verdict.ERROR, sentence, bound=bound, query=item.rules))
    age = max(now - record.at, timedelta(0))
    verdict = Verdict.ERROR if record.verdict is Verdict.PASS and age >= item.fresh else record.verdict
    told = format_duration(timedelta(seconds=int(age.total_seconds())))
    finding = Finding(
        id_,
        item.text,
        verdict,
        f"{record.sentence} Tested {told} ago; allowed is {bound}.",
        float(record.arrived),
        f"{record.wanted} of {record.wanted}, {bound}",
        record.wanted,
        item.rules,
    )
    return on_dry_run(item, finding)
