"""The alarm test's effects: the rules' own tests, a message that is found again, a page that is resolved."""

import threading
from collections.abc import Callable

from blocks.errors import AmbiguousResult, ConnectionFault, NotTaken, Refused, Unreachable
from engine.measuring.sources import MetricSnapshot
from engine.rollout.session import OpenRollout
from tidegate.criteria.alerting.alarm_test import outcome, still_counts
from tidegate.criteria.requests import AlarmSent
from tidegate.journal.bodies.evidence_bodies import AlarmTested
from tidegate.journal.records import TestRecord
from tidegate.notices.alarm_test_text import alarm_notice
from tidegate.notices.notice import Notice
from tidegate.values.verdict import Verdict

_RULES_SECONDS = 30.0
_one_at_a_time = threading.Lock()
Step = tuple[Verdict, str]


def newest_test(seen: MetricSnapshot, id_: str, asked: AlarmSent) -> TestRecord | None:
    """The newest recorded test, or a test made now and recorded when there is none that counts."""
    record = seen.run.state.evidence.tested.get(id_)
    if not still_counts(record, asked.fresh, seen.now):
        with _one_at_a_time:
            # Its own copy of the rollout, read afresh: another look may just have tested, here or elsewhere.
            run = seen.run.again()
            if not still_counts(run.state.evidence.tested.get(id_), asked.fresh, seen.now):
                found = outcome(send_test(run, id_, asked, seen))
                run.append(AlarmTested.from_json({"criterion": id_, **found}), seen.now)
            record = run.state.evidence.tested.get(id_)
    return record


def send_test(run: OpenRollout, id_: str, asked: AlarmSent, seen: MetricSnapshot) -> dict[str, Step]:
    """What became of the rules' tests and of the alarm on each way; nobody is alarmed while the rules are broken."""
    rules = _stepped(lambda: _rules(run, asked.rules))
    if rules[0] is not Verdict.PASS:
        return {"rules": rules, **{way: (Verdict.INCONCLUSIVE, f"No test by {way}.") for way in asked.reaches}}
    notice = alarm_notice(run.plan, run.rollout, id_, seen.now)
    ways = {"slack": lambda: _slack(run, notice), "pagerduty": lambda: _pagerduty(run, notice)}
    return {"rules": rules, **{way: _stepped(ways[way]) for way in asked.reaches}}


def _stepped(step: Callable[[], Step]) -> Step:
    try:
        return step()
    except NotTaken as fault:
        return Verdict.FAIL, f"{fault}."
    except (Refused, Unreachable, AmbiguousResult, ConnectionFault) as fault:
        return Verdict.ERROR, f"{fault}."


def _rules(run: OpenRollout, name: str) -> Step:
    commands = run.connections.commands
    if commands is None or name not in commands.commands:
        raise Refused(f"there is no command {name!r}: add it to the part `commands` of the kit")
    result = commands.run(name, timeout=_RULES_SECONDS)
    if result.code != 0:
        last = " ".join(result.output.split())[-300:]
        return Verdict.FAIL, f"{name} failed with exit code {result.code}: {last}."
    return Verdict.PASS, f"{name} passed in {result.seconds:.1f} s."


def _slack(run: OpenRollout, notice: Notice) -> Step:
    slack = run.connections.slack
    if slack is None:
        raise Refused("there is no Slack: add a part `slack` to the kit")
    channel = run.plan.channels.critical
    ts = slack.post_and_find(channel, notice)
    return Verdict.PASS, f"The test alarm stands in {channel} (message {ts})."


def _pagerduty(run: OpenRollout, notice: Notice) -> Step:
    pagerduty = run.connections.pagerduty
    if pagerduty is None:
        raise Refused("there is no PagerDuty: add a part `pagerduty` to the kit")
    try:
        opened = pagerduty.page(notice)
    finally:
        # Also after a lost answer: a test must not go on waking people.
        resolved = pagerduty.resolve(notice)
    if opened != resolved:
        raise NotTaken(f"PagerDuty opened {opened} and resolved {resolved}")
    return Verdict.PASS, f"PagerDuty took and resolved the test alarm ({opened})."
