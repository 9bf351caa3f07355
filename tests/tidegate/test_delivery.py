"""Which message is due where: tables over notices, connections and what was sent already."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tidegate.builders import MINUTE, Journal, opened, plan_of
from tidegate.journal.kinds import Kind
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.routing import silent_channels, thread_of, undelivered
from tidegate.pages.plan_document import plan_document

CONTACTS = [{"title": "First", "email": "first@example.com"}]
PLAN = plan_of({"contacts": CONTACTS})
ALL = ("slack", "pagerduty", "mail")
PROGRESS, WARNINGS, CRITICAL = "#releases", "#alerts-warnings", "#alerts-critical"


def notice(loudness: Loudness, event: str = "e") -> Notice:
    return Notice(event, "small-1", loudness, "Title", "Body")


def queued(*notices: Notice) -> Journal:
    return opened(PLAN).extend(*((Kind.QUEUED, {"notice": one.to_json()}) for one in notices))


def due(journal: Journal, parts: tuple[str, ...] = ALL, after: timedelta = timedelta(0)) -> list[tuple[str, str]]:
    found = undelivered(PLAN, journal.state, parts, journal.now + after)
    return [(one.channel, one.room or ",".join(one.to)) for one in found]


@pytest.mark.parametrize(
    ("loudness", "parts", "expected"),
    [
        (Loudness.INFO, ALL, [("slack", PROGRESS)]),
        (Loudness.WARNING, ALL, [("slack", WARNINGS), ("thread", PROGRESS)]),
        (
            Loudness.PAGE,
            ALL,
            [("slack", CRITICAL), ("thread", PROGRESS), ("pagerduty", ""), ("mail", "first@example.com")],
        ),
        (Loudness.PAGE, ("journal", "mail"), [("mail", "first@example.com")]),
        (Loudness.PAGE, (), []),
    ],
)
def test_where_a_notice_goes(loudness: Loudness, parts: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    assert due(queued(notice(loudness)), parts) == expected


def test_one_room_for_everything_gets_each_notice_once() -> None:
    plan = plan_of({"channels": {"progress": "#one", "warnings": "#one", "critical": "#one"}})
    state = queued(notice(Loudness.PAGE)).state
    assert [(d.channel, d.in_thread) for d in undelivered(plan, state, ("slack",), opened().now)] == [("slack", True)]


def test_whom_it_concerns_and_mail_at_once() -> None:
    asked = replace(notice(Loudness.INFO), to=("asked@example.com",))
    assert due(queued(asked)) == [("slack", PROGRESS), ("mail", "asked@example.com")]


def test_mail_stands_in_after_the_stated_time_only_and_once() -> None:
    journal = queued(notice(Loudness.INFO))
    journal.append(Kind.ATTEMPTED, {"event": "e", "channel": "slack", "holder": "h"})
    assert due(journal, after=4 * MINUTE) == [("slack", PROGRESS)]
    assert due(journal, after=5 * MINUTE) == [("slack", PROGRESS), ("mail", "first@example.com")]
    journal.append(Kind.SENT, {"event": "e", "channel": "mail", "reference": "m"})
    assert due(journal, after=60 * MINUTE) == [("slack", PROGRESS)]


def test_what_is_queued_while_slack_is_down_is_mailed_at_once() -> None:
    journal = queued(notice(Loudness.INFO))
    journal.append(Kind.ATTEMPTED, {"event": "e", "channel": "slack", "holder": "h"})
    later = notice(Loudness.INFO, "later").to_json()
    journal.append(Kind.QUEUED, {"notice": later}, after=10 * MINUTE)
    assert due(journal).count(("mail", "first@example.com")) == 2


def test_the_thread_begins_with_the_first_message_in_the_progress_channel() -> None:
    journal = queued(notice(Loudness.PAGE, "page"), notice(Loudness.INFO, "info"))
    assert thread_of(PLAN, journal.state) == ""
    journal.append(Kind.SENT, {"event": "page", "channel": "slack", "reference": "1"})
    journal.append(Kind.SENT, {"event": "page", "channel": "mail", "reference": "m"})
    assert thread_of(PLAN, journal.state) == ""
    journal.append(Kind.SENT, {"event": "page", "channel": "thread", "reference": "2"})
    journal.append(Kind.SENT, {"event": "info", "channel": "slack", "reference": "3"})
    assert thread_of(PLAN, journal.state) == "2"


@pytest.mark.parametrize("part", ALL)
def test_a_silent_channel_is_noticed_after_the_stated_time(part: str) -> None:
    journal = queued(notice(Loudness.PAGE))
    journal.append(Kind.ATTEMPTED, {"event": "e", "channel": part, "holder": "h"})
    tried = journal.now
    assert silent_channels(PLAN, journal.state, ALL, tried + 4 * MINUTE) == {}
    assert silent_channels(PLAN, journal.state, ALL, tried + 5 * MINUTE) == {part: tried}
    journal.append(Kind.SENT, {"event": "e", "channel": part, "reference": "k"})
    assert silent_channels(PLAN, journal.state, ALL, tried + 60 * MINUTE) == {}


@pytest.mark.parametrize("loudness", Loudness)
def test_where_the_plan_says_none_nobody_is_notified(loudness: Loudness) -> None:
    silent = plan_of({"contacts": CONTACTS, "channels": "none"})
    journal = queued(replace(notice(loudness), to=("asked@example.com",), public="Customers read this."))
    found = undelivered(silent, journal.state, (*ALL, "status_page"), journal.now + 60 * MINUTE)
    assert [one.channel for one in found] == ["status_page"]
    assert "Nobody is notified: the plan says `channels: none`" in plan_document(silent)


def test_a_notice_reads_back_and_an_older_one_knows_no_thread() -> None:
    one = replace(notice(Loudness.PAGE), to=("a@b.c",), concerns=("d@e.f",))
    assert Notice.from_json(one.to_json()) == one
    old = {k: v for k, v in one.to_json().items() if k not in ("to", "concerns", "acknowledges", "threaded")}
    assert Notice.from_json(old) == replace(one, to=(), concerns=(), threaded=False)
