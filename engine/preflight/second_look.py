"""Preflight's second look: what a lost scrape or a lost answer hides is often there some seconds later."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

from engine.preflight.checks import Check
from engine.rollout.identity import utc_now
from tidegate.plan.model import Plan
from tidegate.values.verdict import Finding, Verdict

_LONGEST = timedelta(seconds=45)
_PAUSE_SECONDS = 5.0
_SCRAPES = 2
Checks = Callable[[datetime], tuple[Check, ...]]
Verify = Callable[[tuple[Check, ...]], tuple[Finding, ...]]


def patience(plan: Plan) -> timedelta:
    """How long preflight asks again for what is missing: two scrapes, 5 s at least, no longer than a person waits."""
    return min(max(_SCRAPES * plan.scrape_interval, timedelta(seconds=_PAUSE_SECONDS)), _LONGEST)


def look_twice(checks_at: Checks, verify: Verify, patience: timedelta) -> tuple[Finding, ...]:
    """Every check's finding; where nothing but evidence is missing, what is missing is looked at again for a while.

    What was found to be wrong (a flag in use, an alert that fires, a gate that nobody can pass) ends it at once.
    """
    checks, until = checks_at(utc_now()), monotonic() + patience.total_seconds()
    findings = list(verify(checks))
    while missing := _missing(checks, findings):
        left = until - monotonic()
        if left <= 0:
            break
        threading.Event().wait(min(left, _PAUSE_SECONDS))
        fresh = checks_at(utc_now())
        if [check.name for check in fresh] != [check.name for check in checks]:
            missing = list(range(len(fresh)))
            findings = [Finding(check.name, check.text, Verdict.ERROR, "It was not looked at.") for check in fresh]
        checks = fresh
        for place, finding in zip(missing, verify(tuple(checks[place] for place in missing)), strict=True):
            findings[place] = finding
    return tuple(findings)


def _missing(checks: tuple[Check, ...], findings: list[Finding]) -> list[int]:
    """The places of what may come yet; none where something else is wrong, too."""
    places = [place for place, finding in enumerate(findings) if not finding.verdict.allows]
    may_come = all(checks[place].fails_for_want or findings[place].verdict is Verdict.ERROR for place in places)
    return places if may_come else []
