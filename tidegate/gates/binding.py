"""What an answer was given for: its gate, its plan, and the evidence that was shown."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tidegate.values.verdict import Finding, Verdict

_GIVEN_FOR = re.compile(r"wave (\d{1,3}), attempt (\d{1,6}), plan ([0-9a-f]{12})")


def given_for(wave: int, attempt: int, plan_hash: str) -> str:
    """The words that bind an answer to one form: `wave 2, attempt 1, plan 3fa9c1d2e4b5`."""
    return f"wave {wave}, attempt {attempt}, plan {plan_hash[:12]}"


def misdirected(words: str, wave: int, attempt: int, plan_hash: str) -> str:
    """Why an answer bound by these words is not for this gate, or empty."""
    found = _GIVEN_FOR.fullmatch(words)
    if found is None:
        return "the answer does not say which gate it is for" if not words else "the answer is for no gate we know"
    if found[3] != plan_hash[:12]:
        return f"the answer is for the plan {found[3]}, this gate is of {plan_hash[:12]}"
    if int(found[1]) != wave:
        return f"the answer is for the gate before wave {int(found[1])}, this one is before wave {wave}"
    if int(found[2]) != attempt:
        return f"the answer is for attempt {int(found[2])} of this gate, which is at attempt {attempt} by now"
    return ""


def worse_than_shown(shown: Iterable[Mapping[str, Any]], now: Iterable[Finding], stated: Collection[str]) -> str:
    """Which evidence was fine when people were asked and is not any more, or empty.

    `stated` are the keys of what people state: those are judged by themselves.
    """
    now = [finding for finding in now if finding.criterion not in stated]
    was = [body for body in shown if body["criterion"] not in stated]
    fine_then = {body["criterion"]: body["text"] for body in was if Verdict(body["verdict"]).allows}
    for finding in now:
        if not finding.verdict.allows and finding.criterion in fine_then:
            return f"worse than when you were asked: {finding.text}: {finding.verdict.value}. {finding.sentence}"
    gone = fine_then.keys() - {finding.criterion for finding in now}
    if gone:
        return f"worse than when you were asked: {fine_then[min(gone)]} was fine then and is not measured any more"
    return ""
