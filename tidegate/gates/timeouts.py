"""The clock of a waiting gate: which reminders, escalations and time-outs are due at an instant."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.journal.state import GateRecord
from tidegate.plan.model import Contact, Gate, Plan

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class GateDue:
    """How many reminders have come due, who beyond the approvers gets the last one, and whether the time is up."""

    reminders: int
    escalated: tuple[Contact, ...]
    timed_out: bool


def gate_due(plan: Plan, gate: GateRecord, now: datetime) -> GateDue:
    """What is due at a gate that nobody has answered; counted from when people were first waited for."""
    asked = plan.waves[gate.wave - 1].gate
    waited = max(now - (gate.since or gate.opened_at), timedelta(0))
    count = reminders_within(asked, waited)
    # The first reminder is the approvers' own; each further one reaches one contact more, in the plan's order.
    escalated = plan.contacts[: max(count - 1, 0)] if asked.escalate else ()
    return GateDue(count, escalated, waited >= asked.on_timeout.after)


def reminders_within(asked: Gate, waited: timedelta) -> int:
    """How many reminders a wait of this length has; at the time-out itself something else is said."""
    return min(waited, asked.on_timeout.after - _INSTANT) // asked.remind
