"""Which notice is still due on which channel: from the plan, the journal and the instant alone."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate.journal.state import RolloutState
from tidegate.notices.notice import Loudness, Notice
from tidegate.plan.model import Plan

# As written in the journal. A rollout's thread lies in the progress channel and has everything; `slack` is the
# one message in the channel of the notice's loudness.
SLACK, THREAD, PAGERDUTY, MAIL, STATUS = "slack", "thread", "pagerduty", "mail", "status_page"
TEAMS, WEBHOOK = "teams", "webhook"
PART_NAMES = {PAGERDUTY: "PagerDuty", SLACK: "Slack", TEAMS: "Teams", WEBHOOK: "the webhook", MAIL: "mail"}
_FIRST_WAIT, _LONGEST_WAIT, _REFUSALS_BORNE = timedelta(seconds=30), timedelta(minutes=10), 10


@dataclass(frozen=True, slots=True)
class Due:
    """One message to be sent: to a Slack room, to another channel, or to people by mail."""

    notice: Notice
    channel: str
    room: str = ""
    in_thread: bool = False
    to: tuple[str, ...] = ()
    not_before: datetime | None = None  # refused, and tried again then

    @property
    def key(self) -> str:
        """What tells it apart within the rollout."""
        return f"{self.notice.event}/{self.channel}"

    @property
    def part(self) -> str:
        """The connection that it goes through."""
        return SLACK if self.channel == THREAD else self.channel


def room_of(plan: Plan, loudness: Loudness) -> str:
    """The Slack channel for notices of this loudness."""
    match loudness:
        case Loudness.PAGE:
            return plan.channels.critical
        case Loudness.WARNING:
            return plan.channels.warnings
        case Loudness.INFO:
            return plan.channels.progress


def messages_of(plan: Plan, notice: Notice, parts: Collection[str]) -> Iterator[Due]:
    """Every message that the notice makes at once, through the connections there are."""
    if plan.channels.silent:
        # What a status page says to customers is no notice to people here.
        parts = [part for part in parts if part == STATUS]
    room, progress = room_of(plan, notice.loudness), plan.channels.progress
    if SLACK in parts:
        yield Due(notice, SLACK, room, in_thread=notice.threaded and room == progress)
        if notice.threaded and room != progress:
            yield Due(notice, THREAD, progress, in_thread=True)
    yield from (Due(notice, part) for part in (TEAMS, WEBHOOK) if part in parts)
    if PAGERDUTY in parts and (notice.loudness is Loudness.PAGE or notice.acknowledges):
        yield Due(notice, PAGERDUTY)
    if STATUS in parts and notice.public:
        yield Due(notice, STATUS)
    contacts = tuple(contact.email for contact in plan.contacts) if notice.loudness is Loudness.PAGE else ()
    if MAIL in parts and (people := tuple(dict.fromkeys((*contacts, *notice.to)))):
        yield Due(notice, MAIL, to=people)


def undelivered(plan: Plan, state: RolloutState, parts: Collection[str], now: datetime) -> list[Due]:
    """Every message that was not sent yet, oldest first; mail stands in for a Slack that has failed for too long."""
    found: list[Due] = []
    down = _down_since(plan, state, parts)
    for body in state.notices.queued.values():
        notice = Notice.from_json(body)
        messages = list(messages_of(plan, notice, parts))
        missing = [left for due in messages if due.key not in state.notices.sent for left in _left_of(due, state)]
        found += missing
        late = any(
            due.part == SLACK and due.room in down and now - down[due.room] >= plan.channels.second_after
            for due in missing
        )
        people = notice.concerns or tuple(contact.email for contact in plan.contacts)
        instead = Due(notice, MAIL, to=people)
        mailed = instead.key in state.notices.sent or any(due.channel == MAIL for due in messages)
        if late and people and MAIL in parts and not mailed and not plan.channels.silent:
            found += _left_of(instead, state)
    return found


def _left_of(due: Due, state: RolloutState) -> Iterator[Due]:
    """The message for those who have not got it, from when it may be tried again; none where it was given up."""
    refusal = state.notices.refused.get(due.key)
    if refusal is None:
        yield due
    elif refusal.until is not None:
        to = tuple(person for person in due.to if person not in refusal.reached)
        yield replace(due, to=to, not_before=refusal.until)


def wait_after(count: int) -> timedelta | None:
    """How long a message waits that was refused so often, longer each time; None: it is given up after an hour."""
    return None if count >= _REFUSALS_BORNE else min(_FIRST_WAIT * 2 ** (count - 1), _LONGEST_WAIT)


def _down_since(
    plan: Plan, state: RolloutState, parts: Collection[str], leave_out: Collection[str] = ()
) -> dict[str, datetime]:
    """For each Slack room, and for every other part by its name: when the oldest message that waits was first tried."""
    down: dict[str, datetime] = {}
    for body in state.notices.queued.values():
        for due in messages_of(plan, Notice.from_json(body), parts):
            tried = state.notices.attempts.get(due.key)
            if tried is not None and due.key not in (*state.notices.sent, *leave_out):
                place = due.room or due.channel
                down[place] = min(tried.at, down.get(place, tried.at))
    return down


def silent_channels(plan: Plan, state: RolloutState, parts: Collection[str], now: datetime) -> dict[str, datetime]:
    """Since when each of the channels has taken nothing, once that has lasted too long."""
    silent: dict[str, datetime] = {}
    # A single room or mailbox that refuses is reported by itself; whoever refuses pages takes none at all.
    refused = [key for key in state.notices.refused if not key.endswith(f"/{PAGERDUTY}")]
    for place, since in _down_since(plan, state, parts, refused).items():
        if place != STATUS and now - since >= plan.channels.second_after:
            part = place if place in PART_NAMES else SLACK
            silent[part] = min(since, silent.get(part, since))
    return silent


def thread_of(plan: Plan, state: RolloutState) -> str:
    """The first message's `ts` in the progress channel, which all others answer to; empty before there is one."""
    for key, reference in state.notices.sent.items():
        event, _, channel = key.rpartition("/")
        if event not in state.notices.queued:
            continue
        loudness = Loudness(state.notices.queued[event]["loudness"])
        in_progress = channel == SLACK and room_of(plan, loudness) == plan.channels.progress
        if channel == THREAD or in_progress:
            return reference
    return ""
