"""The test alarm: what it says."""

from datetime import datetime

from tidegate.notices.notice import Loudness, Notice
from tidegate.plan.model import Plan


def alarm_notice(plan: Plan, rollout: str, criterion: str, now: datetime) -> Notice:
    """The test alarm: marked as a test first and last, a problem of its own."""
    key = f"test-{criterion}-{now:%Y%m%dT%H%M%S}"
    body = (
        f"This is a test of the alarms before {plan.title} goes on: nothing is wrong, and nothing is to be done.\n"
        "It resolves itself within seconds."
    )
    return Notice(key, rollout, Loudness.PAGE, f"TEST ALARM, please ignore ({plan.flag.key})", body, key)
