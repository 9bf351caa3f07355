"""Notices: queued in the journal, sent beside the loop, distinguished by their event id."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from blocks.errors import AmbiguousResult, ClaimHeld, ConnectionFault, RecipientsRefused, Refused
from engine.notices.queueing import notify
from engine.rollout.session import INSTANCE_ID, LEASE, OpenRollout, utc_now
from tidegate.journal.bodies.people_bodies import DeliveryRefused, NoticeAttempted, NoticeSent
from tidegate.journal.state import RolloutState
from tidegate.notices.footer import ended_page
from tidegate.notices.notice import Notice
from tidegate.notices.routing import (
    MAIL,
    PAGERDUTY,
    SLACK,
    STATUS,
    TEAMS,
    WEBHOOK,
    Due,
    messages_of,
    silent_channels,
    thread_of,
    wait_after,
)
from tidegate.notices.routing import undelivered as due_messages
from tidegate.notices.texts import channel_silent, delivery_given_up

SENDING = "~notices"  # no flag's key can begin so; who has this claim sends for rollouts that own no flag any more
_BY_URGENCY = (PAGERDUTY, SLACK, TEAMS, WEBHOOK, MAIL)
_CLOCKS_APART = timedelta(minutes=2)
_log = logging.getLogger("tidegate.notices")


def undelivered_messages(run: OpenRollout, now: datetime | None = None) -> list[Due]:
    """Every message of a queued notice that was not sent yet."""
    due = due_messages(run.plan, run.state, _parts(run), now or utc_now())
    webhook = run.connections.webhook
    return [one for one in due if one.channel != WEBHOOK or webhook is None or webhook.takes(one.notice)]


def deliver(run: OpenRollout, now: datetime | None = None) -> int:
    """Send what is queued and not sent, in order, recording each; what fails is tried again next time.

    Only the process that holds the flag's claim sends, so that nothing is announced twice. Returns how many wait.
    """
    run.refresh()
    if not undelivered_messages(run, now):
        return 0
    with _one_at_a_time(run) as alone, _right_to_send(run) as mine:
        if alone and mine:
            run.refresh()
            _send_all(run, now)
            _tell_given_up(run)
            _tell_silent(run, now or utc_now())
            # What was just queued is sent at once.
            _send_all(run, now)
    return len(undelivered_messages(run, now))


_locks: dict[str, threading.Lock] = {}


@contextmanager
def _one_at_a_time(run: OpenRollout) -> Iterator[bool]:
    """Whether no other thread of this process sends for the rollout just now."""
    lock = _locks.setdefault(f"{run.connections.journal.url.get_secret_value()} {run.rollout}", threading.Lock())
    alone = lock.acquire(blocking=False)
    try:
        yield alone
    finally:
        if alone:
            lock.release()


@contextmanager
def _right_to_send(run: OpenRollout) -> Iterator[bool]:
    journal = run.connections.journal
    current = journal.current_claim(run.flag)
    if current is not None and current[0].holder == INSTANCE_ID and current[0].rollout == run.rollout:
        yield True
        return
    if run.state.phase.is_open:
        yield False
        return
    try:
        claim = journal.claim(SENDING, SENDING, INSTANCE_ID, LEASE)
    except ClaimHeld:
        yield False
        return
    try:
        yield True
    finally:
        journal.release(claim)


def _send_all(run: OpenRollout, now: datetime | None) -> None:
    silent: set[str] = set()
    for due in undelivered_messages(run, now):
        # An older message goes first: a problem's page before its end, a thread's beginning before the rest.
        lane = f"{due.part}/{due.notice.problem}" if due.part == PAGERDUTY else due.part
        if silent & {due.part, lane}:
            continue
        moment = now or utc_now()
        if due.not_before is not None and moment < due.not_before:
            if due.part == PAGERDUTY:
                silent.add(lane)
            continue
        try:
            reference = _sent(run, due, moment)
        except ConnectionFault as fault:
            if isinstance(fault, Refused) or (due.part == MAIL and isinstance(fault, AmbiguousResult)):
                _note_refused(run, due, fault, moment)
            # Whoever refused one message may take another; whoever did not answer is not asked again this time.
            silent.add(due.part if not isinstance(fault, Refused) else lane if due.part == PAGERDUTY else "")
            _log.warning("notice %s could not be sent by %s: %s", due.notice.event, due.channel, fault)
            continue
        if reference is not None:
            body = NoticeSent(due.notice.event, due.channel, reference)
            run.append(body, unless=lambda state, key=due.key: key in state.notices.sent)  # type: ignore[misc]


def _note_refused(run: OpenRollout, due: Due, fault: ConnectionFault, now: datetime) -> None:
    """Write down who has the message and who refused it: nobody gets it again, and nobody is asked without end."""
    before = run.state.notices.refused.get(due.key)
    count = before.count + 1 if before else 1
    wait = wait_after(count)
    reached = (before.reached if before else frozenset()) | (
        frozenset(fault.reached) if isinstance(fault, RecipientsRefused) else frozenset()
    )
    body = DeliveryRefused(
        event=due.notice.event,
        channel=due.channel,
        count=count,
        reached=tuple(sorted(reached)),
        refused=tuple(sorted(set(due.to) - reached)) or (due.room or due.channel,),
        reason=str(fault),
        until=now + wait if wait is not None else None,
    )

    def known(state: RolloutState) -> bool:
        there = state.notices.refused.get(due.key)
        return there is not None and there.count >= count

    run.append(body, now, unless=known)


def _tell_given_up(run: OpenRollout) -> None:
    """Tell, by what is left, whom messages do not reach."""
    for key, refusal in tuple(run.state.notices.refused.items()):
        body = run.state.notices.queued.get(key.rpartition("/")[0])
        if refusal.until is None and body is not None:
            title = Notice.from_json(body).title
            notify(run, delivery_given_up(run.plan, run.state, refusal.refused, refusal.reason, title))


def _tell_silent(run: OpenRollout, now: datetime) -> None:
    """Tell, by what is left, which channel takes nothing any more."""
    silent = silent_channels(run.plan, run.state, _parts(run), now)
    others = [part for part in _BY_URGENCY if part in _parts(run) and part not in silent]
    for part, since in silent.items():
        notify(run, channel_silent(run.plan, run.state, part, since, others))


def _sent(run: OpenRollout, due: Due, now: datetime) -> str | None:
    """The reference of the message, sent now or by an earlier try whose answer was lost; None: left to another."""
    via, notice = run.connections, due.notice
    thread = thread_of(run.plan, run.state) if due.in_thread else ""
    earlier = run.state.notices.attempts.get(due.key)
    if earlier is None:
        body = NoticeAttempted(notice.event, due.channel, INSTANCE_ID)
        if run.append(body, now, unless=lambda state: _is_tried(state, due)) is None:
            return None
    elif earlier.holder != INSTANCE_ID and now - earlier.at < LEASE:
        return None
    elif due.part == SLACK and via.slack is not None:
        try:
            since = earlier.at - _CLOCKS_APART
            if found := via.slack.find(due.room, notice, since, thread):
                return found
        except Refused as refusal:
            # Without the right to read, at least once is worth more than at most once.
            _log.warning("Slack cannot be asked for %s, which may come twice: %s", notice.event, refusal)
    return _send(run, due, thread)


def _send(run: OpenRollout, due: Due, thread: str = "") -> str | None:
    via, notice = run.connections, due.notice
    if due.part == SLACK and via.slack is not None:
        return via.slack.post(due.room, notice, thread)
    if due.channel == PAGERDUTY and via.pagerduty is not None:
        if notice.acknowledges:
            return via.pagerduty.acknowledge(notice)
        return via.pagerduty.resolve(notice) if notice.resolves else via.pagerduty.page(notice)
    if due.channel == STATUS and via.status_page is not None:
        return via.status_page.resolve(notice) if notice.resolves else via.status_page.open(notice)
    if due.channel == TEAMS and via.teams is not None:
        return via.teams.send(notice)
    if due.channel == WEBHOOK and via.webhook is not None:
        return via.webhook.send(notice)
    if due.channel == MAIL and via.mail is not None:
        return via.mail.send(due.to, notice)
    return None


def page_now(run: OpenRollout, notice: Notice) -> str:
    """Send a page past the journal, which does not answer: by the first channel that takes it; its name, or empty.

    The same notice is queued once the journal has what happened; its event id tells people that it is the same.
    """
    whole = ended_page(run.plan, run.state, notice)
    ways = {due.channel: due for due in messages_of(run.plan, whole, _parts(run))}
    for channel in _BY_URGENCY:
        if (due := ways.get(channel)) is None:
            continue
        try:
            _send(run, due)
        except ConnectionFault as fault:
            _log.warning("page %s could not be sent by %s: %s", notice.event, channel, fault)
        else:
            return channel
    return ""


def _is_tried(state: RolloutState, due: Due) -> bool:
    return due.key in state.notices.attempts or due.key in state.notices.sent


def _parts(run: OpenRollout) -> frozenset[str]:
    return frozenset(part for part, _ in run.connections.present())
