"""Notices: queued in the journal, sent beside the loop, told apart by their event id."""

import logging
from collections.abc import Callable, Iterator
from functools import partial

from blocks.errors import ConnectionFault
from tasks.open_rollout import HOLDER, OpenRollout
from tidegate.entries import Kind
from tidegate.history import RolloutState
from tidegate.notices import Loudness, Notice
from tidegate.plan import Plan

_log = logging.getLogger("tidegate.notices")


def tell(run: OpenRollout, notice: Notice) -> None:
    """Queue the notice, once for its event id; `deliver` sends it."""
    run.append(Kind.QUEUED, {"notice": notice.to_json()}, unless=lambda state: notice.event in state.queued)


def undelivered(run: OpenRollout) -> list[tuple[Notice, str]]:
    """Every queued notice with a channel that has not had it yet."""
    found = []
    for body in run.state.queued.values():
        notice = Notice.from_json(body)
        for channel, _ in _ways(run, notice):
            if f"{notice.event}/{channel}" not in run.state.sent:
                found.append((notice, channel))
    return found


def deliver(run: OpenRollout) -> int:
    """Send what is queued and not sent, recording each; a channel that fails is tried again next time.

    Only the process that holds the flag's claim sends, so that nothing is announced twice. Returns how many wait.
    """
    run.refresh()
    if not undelivered(run):
        return 0
    current = run.connections.journal.current_claim(run.flag)
    if current is None or current[0].holder != HOLDER:
        return len(undelivered(run))
    waiting = 0
    for notice, channel in undelivered(run):
        send = dict(_ways(run, notice))[channel]
        try:
            reference = send()
        except ConnectionFault as fault:
            waiting += 1
            _log.warning("notice %s could not be sent by %s: %s", notice.event, channel, fault)
            continue
        key = f"{notice.event}/{channel}"
        body = {"event": notice.event, "channel": channel, "reference": reference}
        run.append(Kind.SENT, body, unless=partial(_is_sent, key))
    return waiting


def page_now(run: OpenRollout, notice: Notice) -> str:
    """Send a page past the journal, which does not answer: by the first channel that takes it; its name, or empty.

    The same notice is queued once the journal has what happened; its event id tells people that it is the same.
    """
    ways = dict(_ways(run, notice))
    for channel in ("pagerduty", "slack", "mail"):
        if (send := ways.get(channel)) is None:
            continue
        try:
            send()
        except ConnectionFault as fault:
            _log.warning("page %s could not be sent by %s: %s", notice.event, channel, fault)
        else:
            return channel
    return ""


def _is_sent(key: str, state: RolloutState) -> bool:
    return key in state.sent


def _ways(run: OpenRollout, notice: Notice) -> Iterator[tuple[str, Callable[[], str]]]:
    via, plan = run.connections, run.plan
    if (slack := via.slack) is not None:
        room = _room(plan, notice)
        yield "slack", lambda: slack.post(room, notice)
    if notice.loudness is Loudness.PAGE and (pagerduty := via.pagerduty) is not None:
        yield "pagerduty", lambda: pagerduty.resolve(notice) if notice.resolves else pagerduty.page(notice)
    if notice.loudness is Loudness.PAGE and (mail := via.mail) is not None and plan.contacts:
        yield "mail", lambda: mail.send(tuple(c.email for c in plan.contacts), notice)
    elif notice.to and (own := via.mail) is not None:
        yield "mail", lambda: own.send(notice.to, notice)


def _room(plan: Plan, notice: Notice) -> str:
    match notice.loudness:
        case Loudness.PAGE:
            return plan.channels.critical
        case Loudness.WARNING:
            return plan.channels.warnings
        case Loudness.INFO:
            return plan.channels.progress
