"""A test message to where somebody asked for one: a Slack channel, an address, or PagerDuty."""

from collections.abc import Sequence
from uuid import uuid4

from blocks.connections import OpenConnections
from blocks.errors import Refused
from engine.doctor.connections import REMEDIES
from engine.doctor.lines import Look, Looking
from tidegate.notices.notice import Loudness, Notice

PAGERDUTY = "pagerduty"
NAMED = (PAGERDUTY, "teams", "webhook")


def message_looks(via: OpenConnections, send: Sequence[str]) -> tuple[Look, ...]:
    """One look for each place, which sends there: `#channel`, an e-mail address, or a channel's name."""
    return tuple(Look(f"message to {place}", REMEDIES[_part(place)], _sending(via, place)) for place in send)


def _part(place: str) -> str:
    return place if place in NAMED else "slack" if place.startswith("#") else "mail"


def _sending(via: OpenConnections, place: str) -> Looking:
    def send() -> str:
        part = _part(place)
        if getattr(via, part) is None:
            raise Refused(f"the kit has no {part}")
        key = f"doctor-{uuid4().hex[:12]}"
        body = "Somebody tries whether Tidegate's notices arrive here: nothing is wrong, and nothing is to be done."
        notice = Notice(key, "tidegate doctor", Loudness.PAGE, "Test message, please ignore", body, key)
        if part == PAGERDUTY and via.pagerduty is not None:
            via.pagerduty.page(notice)
            return f"PagerDuty took the page {via.pagerduty.resolve(notice)}, which is resolved again"
        if part == "teams" and via.teams is not None:
            return f"Teams took the message {via.teams.send(notice)}"
        if part == "webhook" and via.webhook is not None:
            return f"the webhook took the message {via.webhook.send(notice)}"
        if part == "slack" and via.slack is not None:
            return f"Slack took the message for {place} ({via.slack.post(place, notice)})"
        if via.mail is not None:
            return f"the mail server took the message for {place} ({via.mail.send((place,), notice)})"
        raise Refused(f"the kit has no {part}")

    return send
