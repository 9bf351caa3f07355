"""Notices against a real inbox that refuses, loses answers and comes back: nothing is lost, nothing doubled."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.channels.mail import Mail
from blocks.channels.pagerduty import PagerDuty
from blocks.connections import OpenConnections
from blocks.errors import Unreachable
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from engine.notices.delivery import deliver, undelivered_messages
from engine.notices.queueing import notify
from engine.notices.reporter import Reporter
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.leader_election import begin_watch
from engine.watch.supervisor import watch_until
from tests.engine.inbox import Inbox
from tests.engine.world import DEAD
from tests.tidegate.builders import ANN, plan_of
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.notices.notice import Loudness, Notice

CONTACTS = [{"title": "First", "email": "first@example.com"}, {"title": "Second", "email": "second@example.com"}]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def run(tmp_path: Path, inbox: Inbox) -> OpenRollout:
    via = OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"),
        FlagdFile(path=str(tmp_path / "flags.json")),
        DEAD,
        inbox.slack,
        inbox.pagerduty,
        inbox.mail,
    )
    plan = plan_of({"contacts": CONTACTS})
    opened = open_rollout(via, plan, "n-1", started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    opened.keep_claim()
    return opened


def notice(event: str, loudness: Loudness = Loudness.INFO, **more: object) -> Notice:
    return replace(Notice(event, "n-1", loudness, f"Title of {event}", "Body."), **more)  # type: ignore[arg-type]


def test_everything_stands_in_one_thread_and_pages_in_the_critical_channel_too(run: OpenRollout, inbox: Inbox) -> None:
    notify(run, notice("one"))
    notify(run, notice("two", Loudness.WARNING))
    notify(run, notice("three", Loudness.PAGE, problem="drift"))
    assert deliver(run) == 0
    assert inbox.events("#releases") == ["one", "two", "three"]
    first, *rest = inbox.slack_in("#releases")
    assert first["thread_ts"] is None
    assert [message["thread_ts"] for message in rest] == [first["ts"]] * 2
    assert inbox.events("#alerts-warnings") == ["two"]
    assert inbox.events("#alerts-critical") == ["three"]
    assert [m["dedup_key"] for m in inbox.store.all("pagerduty")] == ["n-1/drift"]
    assert [m["recipients"] for m in inbox.store.all("mail")] == [["first@example.com", "second@example.com"]]


@pytest.mark.parametrize("fault", ["errors", "lost"])
def test_slack_that_fails_and_comes_back_has_each_notice_once(run: OpenRollout, inbox: Inbox, fault: str) -> None:
    notify(run, notice("before"))
    assert deliver(run) == 0
    inbox.fault["slack"] = fault
    for number in range(3):
        notify(run, notice(f"while-{number}", Loudness.WARNING))
        assert deliver(run) == 2 * (number + 1)
    inbox.fault.clear()
    assert deliver(run) == 0
    wanted = ["while-0", "while-1", "while-2"]
    assert inbox.events("#releases") == ["before", *wanted]
    assert inbox.events("#alerts-warnings") == wanted
    assert deliver(run) == 0
    assert len(inbox.store.all("slack")) == 7


def test_a_lost_answer_to_the_very_first_message_begins_the_thread_all_the_same(run: OpenRollout, inbox: Inbox) -> None:
    inbox.fault["slack"] = "lost"
    notify(run, notice("one"))
    assert deliver(run) == 1
    inbox.fault.clear()
    notify(run, notice("two"))
    assert deliver(run) == 0
    first, second = inbox.slack_in("#releases")
    assert run.state.notices.sent["one/slack"] == first["ts"] == second["thread_ts"]


def test_a_process_that_died_after_sending_leaves_no_double(run: OpenRollout, inbox: Inbox) -> None:
    notify(run, notice("one"))
    long_ago = utc_now() - 2 * MINUTE
    run.append(body_from_json(Kind.ATTEMPTED, {"event": "one", "channel": "slack", "holder": "host:1:gone"}), long_ago)
    reference = inbox.slack.post("#releases", notice("one"))
    assert deliver(run) == 0
    assert run.state.notices.sent["one/slack"] == reference
    assert inbox.events("#releases") == ["one"]


def test_what_another_process_is_sending_just_now_is_left_to_it(run: OpenRollout, inbox: Inbox) -> None:
    notify(run, notice("one"))
    run.append(body_from_json(Kind.ATTEMPTED, {"event": "one", "channel": "slack", "holder": "host:1:alive"}))
    assert deliver(run) == 1
    assert inbox.store.all("slack") == []
    assert deliver(run, utc_now() + MINUTE) == 0
    assert inbox.events("#releases") == ["one"]


def test_another_rollouts_message_of_the_same_event_is_not_taken_for_ours(run: OpenRollout, inbox: Inbox) -> None:
    inbox.slack.post("#releases", replace(notice("one"), rollout="n-2"))
    inbox.fault["slack"] = "errors"
    notify(run, notice("one"))
    assert deliver(run) == 1
    inbox.fault.clear()
    assert deliver(run) == 0
    assert inbox.events("#releases") == ["one", "one"]


def test_slack_that_stays_away_is_replaced_by_mail_once(run: OpenRollout, inbox: Inbox) -> None:
    inbox.fault["slack"] = "errors"
    notify(run, notice("one", concerns=("asked@example.com",)))
    now = utc_now()
    assert deliver(run, now) == 1
    assert deliver(run, now + 4 * MINUTE) == 1
    assert inbox.store.all("mail") == []
    # What Slack has still to get: the message, and in its room and the thread that Slack itself is away.
    assert deliver(run, now + 6 * MINUTE) == 3
    assert deliver(run, now + 20 * MINUTE) == 3
    everybody = [contact["email"] for contact in CONTACTS]
    assert [m["recipients"] for m in inbox.store.all("mail")] == [["asked@example.com"], everybody]
    inbox.fault.clear()
    assert deliver(run, now + 21 * MINUTE) == 0
    one, silent = inbox.events("#releases")
    assert (one, silent.startswith("slack-silent-")) == ("one", True)


def test_a_pager_that_stays_away_is_said_by_mail_and_in_slack(run: OpenRollout, inbox: Inbox) -> None:
    inbox.fault["pagerduty"] = "errors"
    notify(run, notice("page", Loudness.PAGE, problem="drift"))
    now = utc_now()
    deliver(run, now)
    assert inbox.events("#alerts-critical") == ["page"]
    assert len(inbox.store.all("mail")) == 1
    for minute in (6, 7, 30):
        assert deliver(run, now + minute * MINUTE) == 1
    (said,) = inbox.slack_in("#alerts-warnings")
    assert "PagerDuty takes no pages" in said["text"]
    assert len(inbox.store.all("mail")) == 2
    inbox.fault.clear()
    notify(run, notice("over", Loudness.PAGE, problem="drift", resolves=True))
    assert deliver(run, now + 31 * MINUTE) == 0
    (incident,) = inbox.store.all("pagerduty")
    assert [event["event_action"] for event in incident["events"]] == ["trigger", "resolve"]
    assert incident["status"] == "resolved"


def test_an_ended_rollouts_last_words_are_sent_by_whoever_may(run: OpenRollout, inbox: Inbox) -> None:
    inbox.fault["slack"] = "errors"
    run.append(body_from_json(Kind.CLOSED, {"reason": "enough", "by": ANN}))
    notify(run, notice("closed"))
    assert deliver(run) == 1
    run.release_claim()
    other = run.connections.journal.claim(run.flag, "another", "host:2:x", timedelta(seconds=30))
    inbox.fault.clear()
    held = run.connections.journal.claim("~notices", "~notices", "host:2:x", timedelta(seconds=30))
    assert deliver(run) == 1
    run.connections.journal.release(held)
    assert deliver(run) == 0
    assert inbox.events("#releases") == ["closed"]
    run.connections.journal.renew(other, timedelta(seconds=1))


def test_notices_of_an_older_release_are_not_sent_into_a_thread(run: OpenRollout, inbox: Inbox) -> None:
    old = notice("old", Loudness.PAGE).to_json()
    for field in ("to", "concerns", "acknowledges", "threaded"):
        del old[field]
    run.append(body_from_json(Kind.QUEUED, {"notice": old}))
    for channel in ("slack", "mail", "pagerduty"):
        run.append(body_from_json(Kind.SENT, {"event": "old", "channel": channel, "reference": "1.1"}))
    assert undelivered_messages(run) == []
    assert deliver(run) == 0
    assert inbox.store.all() == []


def test_without_the_right_to_read_a_notice_still_comes(run: OpenRollout, inbox: Inbox) -> None:
    # A channel that Slack does not list stands for every refusal to read.
    unlisted = plan_of({"contacts": CONTACTS, "channels": {"progress": "#hidden"}})
    run.plan = unlisted
    inbox.fault["slack"] = "errors"
    notify(run, notice("one"))
    deliver(run)
    inbox.fault.clear()
    assert deliver(run) == 0
    assert inbox.events("#hidden") == ["one"]


def test_reading_that_fails_is_no_reason_to_send_again(run: OpenRollout, inbox: Inbox) -> None:
    notify(run, notice("one"))
    deliver(run)
    with pytest.raises(Unreachable):
        reading(inbox, lambda: inbox.slack.find("#releases", notice("one"), utc_now() - MINUTE))
    assert inbox.slack.find("#releases", notice("one"), utc_now() - MINUTE) == run.state.notices.sent["one/slack"]
    assert inbox.slack.find("#releases", notice("two"), utc_now() - MINUTE) == ""
    assert inbox.slack.find("#releases", notice("one"), utc_now() + MINUTE) == ""


def reading(inbox: Inbox, ask: Callable[[], str]) -> None:
    inbox.fault["slack"] = "lost"
    try:
        ask()
    finally:
        inbox.fault.clear()


def test_nobody_else_sends_for_an_open_rollout(run: OpenRollout, inbox: Inbox) -> None:
    run.release_claim()
    run.connections.journal.claim(run.flag, run.rollout, "host:2:x", timedelta(seconds=30))
    notify(run, notice("one"))
    assert deliver(run) == 1
    assert inbox.asked == []


def test_the_watch_sends_the_last_words_of_an_ended_rollout(
    run: OpenRollout, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.append(body_from_json(Kind.CLOSED, {"reason": "enough", "by": ANN}))
    notify(run, notice("closed"))
    run.release_claim()
    monkeypatch.setattr("engine.watch.supervisor.INTERVAL", timedelta(seconds=0.1))
    claim = begin_watch(run.connections)
    assert claim is not None
    end = utc_now() + timedelta(seconds=10)
    while not inbox.store.all("slack") and utc_now() < end:
        watch_until(run.connections, claim, utc_now() + timedelta(seconds=0.2))
        claim = begin_watch(run.connections) or claim
    assert inbox.events("#releases") == ["closed"]


def test_a_delivery_that_fails_is_tried_again_at_the_next_guard(run: OpenRollout, inbox: Inbox, tmp_path: Path) -> None:
    quick = run.connections.journal.model_copy(update={"timeout_seconds": 0.3})
    watching = OpenRollout(replace(run.connections, journal=quick), run.rollout)
    notify(run, notice("one"))
    watching.refresh()
    reporter = Reporter(watching)
    with sqlite3.connect(tmp_path / "journal.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        reporter.update(watching, utc_now())
        reporter._sending.flush()
        other.execute("ROLLBACK")
    assert inbox.events("#releases") == []
    reporter.update(watching, utc_now())
    reporter._sending.flush()
    assert inbox.events("#releases") == ["one"]


def test_without_a_named_server_nothing_is_shown_and_none_is_started(
    run: OpenRollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def start(server: object, *_: object, **__: object) -> None:
        asked.append(server)
        raise RuntimeError("a temporary server")

    monkeypatch.setattr("prefect.server.api.server.SubprocessASGIServer.start", start)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        reporter = Reporter(run)
        reporter.update(run, utc_now())
        reporter.flush()
    assert asked == []


class PickyMailServer:
    """A mail server that refuses some recipients, and keeps who got what."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.got: list[tuple[str, str]] = []
        self.asked: list[str] = []

    async def handle_RCPT(self, server: object, session: object, envelope: Any, address: str, options: object) -> str:
        self.asked.append(address)
        if why := self.refused.get(address):
            return why
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        event = message_from_bytes(envelope.content)["X-Tidegate-Event"]
        self.got += [(event, address) for address in envelope.rcpt_tos]
        return "250 OK"


@pytest.fixture
def picky(free_tcp_port: int) -> Iterator[tuple[PickyMailServer, Mail]]:
    server = PickyMailServer()
    controller = Controller(server, hostname="127.0.0.1", port=free_tcp_port)
    controller.start()
    yield server, Mail(host="127.0.0.1", port=free_tcp_port, starttls=False, sender="tg@example.com")
    controller.stop()


def test_who_has_a_mail_gets_it_once_and_who_refuses_it_is_asked_ever_more_seldom(
    run: OpenRollout, inbox: Inbox, picky: tuple[PickyMailServer, Mail]
) -> None:
    server, mail = picky
    run.connections = replace(run.connections, mail=mail)
    bad, good = CONTACTS[0]["email"], CONTACTS[1]["email"]
    server.refused = {bad: "550 5.1.1 no such user"}
    now = utc_now()
    notify(run, notice("drift", Loudness.PAGE, problem="drift"))
    asked_at = []
    for seconds in range(0, 4200, 10):
        before = len(server.asked)
        left = deliver(run, now + timedelta(seconds=seconds))
        if bad in server.asked[before:]:
            asked_at.append(seconds)
    assert [event for event, address in server.got if address == good].count("drift") == 1
    gaps = [after - before for before, after in zip(asked_at, asked_at[1:], strict=False)]
    assert gaps[:9] == [30, 60, 120, 240, 480, 600, 600, 600, 600]
    # Given up after ten: told, by the other ways and to the other contact, once.
    told = [event for event in run.state.notices.queued if event.startswith("undelivered-")]
    assert len(told) == 1
    assert left == 0
    assert (told[0], good) in server.got
    assert told[0] in inbox.events("#alerts-warnings")
    assert bad in run.state.notices.queued[told[0]]["title"]
    assert "550 5.1.1 no such user" in run.state.notices.queued[told[0]]["body"]
    assert server.got.count((told[0], good)) == 1


def test_who_is_taken_again_has_it_by_the_next_try(run: OpenRollout, picky: tuple[PickyMailServer, Mail]) -> None:
    server, mail = picky
    run.connections = replace(run.connections, mail=mail, pagerduty=None, slack=None)
    bad, good = CONTACTS[0]["email"], CONTACTS[1]["email"]
    server.refused = {bad: "450 4.2.0 greylisted"}
    now = utc_now()
    notify(run, notice("drift", Loudness.PAGE))
    assert deliver(run, now) == 1
    server.refused = {}
    assert deliver(run.again(), now + timedelta(seconds=29)) == 1
    assert deliver(run.again(), now + timedelta(seconds=31)) == 0
    assert sorted(server.got) == [("drift", bad), ("drift", good)]


def test_a_refused_page_is_still_before_its_end(run: OpenRollout, inbox: Inbox) -> None:
    now = utc_now()
    right = run.connections.pagerduty
    refusing = replace(run.connections, slack=None, mail=None, pagerduty=PagerDuty(routing_key="x", url=inbox.url))
    run.connections = refusing  # that address knows no events: 404
    notify(run, notice("up", Loudness.PAGE, problem="drift"))
    notify(run, notice("down", Loudness.INFO, problem="drift", resolves=True, acknowledges=True))
    assert deliver(run, now) == 2
    run.connections = replace(refusing, pagerduty=right)
    assert deliver(run, now + timedelta(seconds=10)) == 2
    assert deliver(run, now + timedelta(seconds=31)) == 0
    assert [key.partition("/")[0] for key in run.state.notices.sent] == ["up", "down"]


@pytest.mark.parametrize("fault", ["errors", "lost"])
@pytest.mark.parametrize("part", ["teams", "webhook"])
def test_teams_and_the_webhook_have_what_they_missed_once_they_are_back(
    run: OpenRollout, inbox: Inbox, part: str, fault: str
) -> None:
    run.connections = replace(run.connections, slack=None, pagerduty=None, mail=None, **{part: getattr(inbox, part)})
    inbox.fault[part] = fault
    notify(run, notice("one"))
    notify(run, notice("two", Loudness.PAGE, problem="drift"))
    assert deliver(run) == 2
    inbox.fault.clear()
    assert deliver(run) == 0
    titles = [m["title"] if part == "teams" else m["body"]["data"]["title"] for m in inbox.store.all(part)]
    # A webhook's receiver sees by the id that a message comes twice; Teams does not.
    assert (list(dict.fromkeys(titles)) if part == "teams" else titles) == ["Title of one", "Title of two"]
    assert set(run.state.notices.sent) == {f"one/{part}", f"two/{part}"}


def test_a_webhook_for_pages_gets_pages_and_their_ends(run: OpenRollout, inbox: Inbox) -> None:
    webhook = inbox.webhook.model_copy(update={"least": "page"})
    run.connections = replace(run.connections, slack=None, pagerduty=None, mail=None, webhook=webhook)
    notify(run, notice("quiet"))
    notify(run, notice("loud", Loudness.PAGE, problem="drift"))
    notify(run, notice("over", problem="drift", resolves=True))
    assert deliver(run) == 0
    assert [m["body"]["data"]["status"] for m in inbox.store.all("webhook")] == ["triggered", "resolved"]
    assert len({m["body"]["data"]["key"] for m in inbox.store.all("webhook")}) == 1
