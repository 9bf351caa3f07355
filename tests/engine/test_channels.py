"""Whoever the plan pages can be reached before wave 1: each connection there may be, alone and together."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from blocks.channels.mail import Mail
from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from demo.inbox.store import KINDS
from engine.notices.delivery import deliver, undelivered_messages
from engine.notices.queueing import notify
from engine.preflight.checks import preflight_checks, run_checks
from engine.rollout.open import open_rollout
from engine.rollout.session import utc_now
from tests.engine.inbox import Inbox
from tests.engine.world import DEAD
from tests.tidegate.builders import ANN, plan_of
from tidegate.notices.notice import Loudness, Notice
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.values.verdict import Finding, Verdict

CONTACTS = [
    {"title": "Primary Oncall", "email": "first@example.com"},
    {"title": "Commander", "email": "second@example.com"},
]
PLAN = plan_of({"contacts": CONTACTS})
BOTH = "Primary Oncall (first@example.com), Commander (second@example.com)"
P, F, N = Verdict.PASS, Verdict.FAIL, Verdict.NOT_APPLICABLE


@pytest.fixture
def via(tmp_path: Path) -> OpenConnections:
    """The README's three connections: nobody is notified anything by them."""
    return OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"), FlagdFile(path=str(tmp_path / "flags.json")), DEAD
    )


def found(via: OpenConnections, plan: Plan = PLAN) -> Finding:
    now = utc_now()
    checks = preflight_checks(via, plan, Timing(plan, Pace(now)), started_by=ANN, now=now)
    [finding] = run_checks(tuple(check for check in checks if check.name == "channels"))
    return finding


def having(via: OpenConnections, inbox: Inbox, parts: str) -> OpenConnections:
    return replace(via, **{part: getattr(inbox, part) for part in parts.split()})


@pytest.mark.parametrize(
    ("parts", "faults", "verdict", "words"),
    [
        ("", "", F, f"Nothing reaches {BOTH}."),
        ("slack", "", P, "Pages go by Slack."),
        ("mail", "", P, "Pages go by mail."),
        ("slack mail", "", P, "Pages go by Slack and mail."),
        ("slack", "slack", F, f"Nothing reaches {BOTH}."),
        ("slack mail", "slack", P, "Pages go by mail."),
        ("teams", "", P, "Pages go by Teams."),
        ("teams", "teams", F, f"Nothing reaches {BOTH}."),
        ("teams webhook mail", "teams", P, "Pages go by the webhook and mail."),
        ("webhook", "webhook", F, f"Nothing reaches {BOTH}."),
        ("status_page", "", F, f"Nothing reaches {BOTH}."),
        ("slack pagerduty mail", "slack", P, "Pages go by PagerDuty and mail."),
        ("slack pagerduty", "pagerduty", P, "Pages go by Slack."),
        ("slack pagerduty", "slack pagerduty", F, f"Nothing reaches {BOTH}."),
        ("pagerduty", "", P, "Pages go by PagerDuty."),
        ("pagerduty", "pagerduty", F, f"Nothing reaches {BOTH}."),
    ],
)
def test_everybody_who_is_paged_has_a_connection_that_works(
    via: OpenConnections, inbox: Inbox, parts: str, faults: str, verdict: Verdict, words: str
) -> None:
    inbox.fault = dict.fromkeys(faults.split(), "errors")
    finding = found(having(via, inbox, parts))
    assert (finding.verdict, words in finding.sentence) == (verdict, True), finding.sentence
    assert ("Add to the kit `pagerduty: {" in finding.sentence) is (verdict is F)
    assert [message for part in KINDS for message in inbox.store.all(part)] == []


@pytest.mark.parametrize(("parts", "verdict"), [("mail", F), ("slack", P), ("pagerduty mail", P), ("", F)])
def test_without_contacts_mail_alone_reaches_nobody(
    via: OpenConnections, inbox: Inbox, parts: str, verdict: Verdict
) -> None:
    finding = found(having(via, inbox, parts), plan_of())
    assert finding.verdict is verdict, finding.sentence
    assert ("Nothing reaches anybody." in finding.sentence) is (verdict is F)


@pytest.mark.parametrize("parts", ["", "slack pagerduty mail"])
def test_a_plan_may_say_that_nobody_is_notified(via: OpenConnections, inbox: Inbox, parts: str) -> None:
    finding = found(having(via, inbox, parts), plan_of({"contacts": CONTACTS, "channels": "none"}))
    assert (finding.verdict, finding.sentence) == (
        N,
        "Nobody is notified of anything: the plan says `channels: none`.",
    )


class _Picky:
    """Refuses whom it is told to."""

    refused: frozenset[str] = frozenset()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@pytest.fixture
def picky(free_tcp_port: int) -> Iterator[tuple[_Picky, Mail]]:
    handler = _Picky()
    controller = Controller(handler, hostname="127.0.0.1", port=free_tcp_port)
    controller.start()
    yield handler, Mail(host="127.0.0.1", port=free_tcp_port, starttls=False, sender="tg@example.com")
    controller.stop()


@pytest.mark.parametrize(
    ("refused", "parts", "verdict", "nothing"),
    [
        ("", "", P, ""),
        ("second", "", F, "Commander (second@example.com)"),
        ("first second", "", F, BOTH),
        ("second", "slack", P, ""),
        ("first second", "slack", P, ""),
    ],
)
def test_a_contact_whom_the_mail_server_refuses_is_named(
    via: OpenConnections,
    inbox: Inbox,
    picky: tuple[_Picky, Mail],
    refused: str,
    parts: str,
    verdict: Verdict,
    nothing: str,
) -> None:
    handler, mail = picky
    handler.refused = frozenset(f"{name}@example.com" for name in refused.split())
    finding = found(replace(having(via, inbox, parts), mail=mail))
    assert finding.verdict is verdict, finding.sentence
    assert (f"Nothing reaches {nothing}." in finding.sentence) is bool(nothing)
    for name in refused.split():
        assert f"Mail does not reach {name}@example.com: 550 5.1.1 no such user." in finding.sentence


@pytest.mark.parametrize(
    ("lost", "others", "heard_by"),
    [
        ("slack", "pagerduty mail", "mail"),
        ("slack", "mail", "mail"),
        ("slack", "pagerduty", "pagerduty"),
        ("pagerduty", "slack mail", "mail"),
        ("pagerduty", "slack", "slack"),
        ("mail", "slack pagerduty", "slack"),
        ("mail", "pagerduty", "pagerduty"),
    ],
)
def test_a_channel_lost_later_is_told_by_the_others_once(
    via: OpenConnections, inbox: Inbox, lost: str, others: str, heard_by: str
) -> None:
    having_all = having(via, inbox, f"{lost} {others}")
    if lost == "mail":
        having_all = replace(
            having_all, mail=Mail(host="127.0.0.1", port=9, starttls=False, sender="tg@example.com", timeout_seconds=1)
        )
    else:
        inbox.fault[lost] = "errors"
    run = open_rollout(having_all, PLAN, "n-1", started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    run.keep_claim()
    notify(run, Notice("page", "n-1", Loudness.PAGE, "Title", "Body.", problem="drift"))
    now = utc_now()
    assert deliver(run, now) > 0
    assert [event for event in run.state.notices.queued if "-silent-" in event] == []
    for _ in range(2):
        deliver(run, now + PLAN.channels.second_after)
    [event] = [event for event in run.state.notices.queued if "-silent-" in event]
    assert f"{event}/{heard_by}" in run.state.notices.sent
    assert {due.part for due in undelivered_messages(run, now)} == {lost}
