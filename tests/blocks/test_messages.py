"""Slack, PagerDuty and mail against real local receivers: what arrived, and which error each failure becomes."""

import email
import email.policy
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr

from blocks import Mail, PagerDuty, Slack, StatusPage
from blocks.channels.pagerduty import dedup_key
from blocks.channels.retry_after import RetryAfter, seconds_asked
from blocks.errors import AmbiguousResult, ConnectionFault, Refused, Unreachable
from tests.blocks.conftest import LocalServer
from tidegate.notices.notice import Loudness, Notice

NOTICE = Notice(
    "rolled_back-17",
    "patches-1",
    Loudness.PAGE,
    "Rolled back: <errors> & more",
    "5.2 % > 5 %\nGrüße <!channel>",
    "error_rate",
)
SECRET = "s3cr3t-key"
PASSING = ("request_timeout", "fatal_error", "rate_limited", "ratelimited", "service_unavailable")


def answer(status: int, body: object, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


def slack_at(url: str) -> Slack:
    return Slack(token=SecretStr(SECRET), base_url=f"{url}/api", timeout_seconds=1.5)


def pagerduty_at(url: str) -> PagerDuty:
    return PagerDuty(routing_key=SecretStr(SECRET), url=url, timeout_seconds=1.5)


def test_slack_gets_the_notice(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(200, {"ok": True, "ts": "171.5"})
    assert slack_at(local_server.url).post("#releases", NOTICE, thread="170.1") == "171.5"
    (request,) = local_server.arrived
    body = json.loads(request.body)
    assert request.path == "/api/chat.postMessage"
    assert request.headers["Authorization"] == f"Bearer {SECRET}"
    assert (body["channel"], body["thread_ts"]) == ("#releases", "170.1")
    assert body["text"] == "*Rolled back: &lt;errors&gt; &amp; more*\n5.2 % &gt; 5 %\nGrüße &lt;!channel&gt;"
    metadata = body["metadata"]
    assert metadata["event_type"] == "tidegate_notice"
    assert metadata["event_payload"] == {"event": "rolled_back-17", "rollout": "patches-1"}


def test_slack_check(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(200, {"ok": True, "user": "tidegate", "team": "T"})
    assert slack_at(local_server.url).check() == "Slack knows us as tidegate in T"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (answer(200, {"ok": False, "error": "invalid_auth"}), Refused),
        (answer(200, {"ok": False, "error": "channel_not_found"}), Refused),
        (answer(200, {"ok": False, "error": "internal_error"}), Unreachable),
        (answer(429, {"ok": False, "error": "ratelimited"}, **{"Retry-After": "30"}), Unreachable),
        *((answer(200, {"ok": False, "error": word}), Unreachable) for word in PASSING),
        (answer(503, {}), Unreachable),
        ((200, {}, b"<html>"), Refused),
        (None, AmbiguousResult),
    ],
)
def test_slack_faults(
    local_server: LocalServer, given: tuple[int, dict[str, str], bytes], fault: type[ConnectionFault]
) -> None:
    local_server.answer = lambda _: given
    with pytest.raises(fault) as raised:
        slack_at(local_server.url).post("#releases", NOTICE)
    assert type(raised.value) is fault
    assert SECRET not in str(raised.value)
    assert len(local_server.arrived) == 1


def test_slack_nobody_there(dead_port: int) -> None:
    with pytest.raises(Unreachable):
        slack_at(f"http://127.0.0.1:{dead_port}").post("#releases", NOTICE)


def test_pagerduty_gets_one_incident_per_problem(local_server: LocalServer) -> None:
    local_server.answer = lambda request: answer(202, {"dedup_key": json.loads(request.body)["dedup_key"]})
    pagerduty = pagerduty_at(local_server.url)
    with warnings.catch_warnings():
        # Only what the library itself says of its age, which is a UserWarning: a socket that a given-up call of an
        # earlier test leaves to the garbage collector warns here, too, whenever it is collected.
        warnings.simplefilter("error", UserWarning)
        assert pagerduty.page(NOTICE) == "patches-1/error_rate"
    assert pagerduty.page(replace(NOTICE, event="again-18")) == "patches-1/error_rate"
    assert pagerduty.acknowledge(NOTICE) == "patches-1/error_rate"
    assert pagerduty.resolve(NOTICE) == "patches-1/error_rate"
    assert pagerduty.check()
    bodies: list[dict[str, Any]] = [json.loads(request.body) for request in local_server.arrived]
    assert [body["event_action"] for body in bodies] == ["trigger", "trigger", "acknowledge", "resolve", "resolve"]
    assert {body["routing_key"] for body in bodies} == {SECRET}
    payload = bodies[0]["payload"]
    assert (payload["severity"], payload["source"]) == ("critical", "tidegate")
    assert payload["summary"] == "Rolled back: <errors> & more (patches-1)"
    assert payload["custom_details"]["body"] == NOTICE.body
    assert bodies[4]["dedup_key"] not in ("patches-1/error_rate", "")


def test_only_the_deprecation_is_silenced() -> None:
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from blocks import PagerDuty\n"
        "PagerDuty(routing_key='x').get_client()\n"
        "try: warnings.warn('another')\n"
        "except UserWarning: print('heard')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "heard\n", done.stderr


def test_long_keys_stay_apart() -> None:
    one, other = (dedup_key(replace(NOTICE, problem="x" * 300 + end)) for end in "ab")
    assert one != other
    assert len(one) == len(other) == 255


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            answer(400, {"status": "invalid event", "message": "Event object is invalid", "errors": ["bad key"]}),
            Refused,
        ),
        (answer(401, {}), Refused),
        (answer(429, {}), Unreachable),
        (answer(500, {}), Unreachable),
        (answer(202, {"no": "key"}), Unreachable),
        (None, Unreachable),
    ],
)
def test_pagerduty_faults(
    local_server: LocalServer, given: tuple[int, dict[str, str], bytes], fault: type[ConnectionFault]
) -> None:
    local_server.answer = lambda _: given
    started = time.monotonic()
    with pytest.raises(fault) as raised:
        pagerduty_at(local_server.url).page(NOTICE)
    assert type(raised.value) is fault
    assert SECRET[-4:] not in str(raised.value)
    assert time.monotonic() - started < 5


def test_pagerduty_nobody_there(dead_port: int) -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable):
        pagerduty_at(f"http://127.0.0.1:{dead_port}").page(NOTICE)
    assert time.monotonic() - started < 5


def test_who_asks_to_be_left_alone_is_left_alone(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(429, {"ok": False, "error": "ratelimited"}, **{"Retry-After": "600"})
    url, page = local_server.url, StatusPage(page="p", api_key=SecretStr(SECRET), url=local_server.url)
    slack, pagerduty = slack_at(url), pagerduty_at(url)
    asks: list[tuple[str, Callable[[], object]]] = [
        ("Slack", lambda: slack.post("#releases", NOTICE)),
        ("PagerDuty", lambda: pagerduty.page(NOTICE)),
        ("status page", page.check),
    ]
    for whom, ask in asks:
        local_server.arrived.clear()
        with pytest.raises(Unreachable):
            ask()
        with pytest.raises(Unreachable, match=rf"{whom}.*it asked for no more requests for another (600|599) s"):
            ask()
        assert len(local_server.arrived) == 1
    # What was not asked too often is asked on.
    local_server.answer = lambda _: answer(200, {"ok": True, "user": "tidegate", "team": "T"})
    assert slack.check()


def test_the_wait_ends_and_is_never_longer_than_a_quarter_of_an_hour() -> None:
    now = [100.0]
    wait = RetryAfter(lambda: now[0])
    wait.note("a", {"retry-after": "86400"})
    wait.note("b", {"Retry-After": "nonsense"})
    wait.must_be_over("b", "B")
    with pytest.raises(Unreachable):
        wait.must_be_over("a", "A")
    now[0] += 900
    wait.must_be_over("a", "A")
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 27 <= seconds_asked(soon) <= 30
    assert [seconds_asked(odd) for odd in (None, "", "-5", "nan", "Wed, 21 Oct 2015 07:28:00 GMT")] == [0] * 5


def test_a_page_that_is_too_big_is_cut_and_says_so(local_server: LocalServer) -> None:
    local_server.answer = lambda request: (
        answer(202, {"dedup_key": json.loads(request.body)["dedup_key"]})
        if len(request.body) <= 512 * 1000
        else answer(413, {})
    )
    for text in ("x" * 2_000_000, "\u20ac" * 700_000, '"' * 1_000_000):
        assert pagerduty_at(local_server.url).page(replace(NOTICE, body=text))
        body = json.loads(local_server.arrived[-1].body)["payload"]["custom_details"]["body"]
        kept = body.removesuffix("\n[cut: the journal has the whole of it]")
        assert kept != body
        assert text.startswith(kept)
        assert len(kept) > 50_000


@dataclass
class Mailbox:
    """Keeps what arrives; answers RCPT and DATA as a test wants."""

    port: int = 0
    arrived: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    data_answer: str = "250 OK"
    hang: bool = False

    sender_answer: str = "250 OK"
    recipient_answer: str = "550 no such mailbox"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.sender_answer.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.sender_answer

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return self.recipient_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.hang:
            import asyncio

            await asyncio.sleep(3)
        if self.data_answer.startswith("250"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.arrived.append(message)
            self.recipients += envelope.rcpt_tos
        return self.data_answer


@pytest.fixture
def mailbox(dead_port: int) -> Iterator[Mailbox]:
    box = Mailbox()

    def log_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data.password == SECRET.encode(), handled=False)

    controller = Controller(
        box, hostname="127.0.0.1", port=dead_port, authenticator=log_in, auth_require_tls=False, decode_data=False
    )
    controller.start()
    box.port = dead_port
    yield box
    controller.stop()


def mail_at(port: int, **fields: Any) -> Mail:
    return Mail(
        **{
            "host": "127.0.0.1",
            "port": port,
            "starttls": False,
            "sender": "tg@example.org",
            "timeout_seconds": 1.5,
            **fields,
        }
    )


def test_mail_arrives(mailbox: Mailbox) -> None:
    mail = mail_at(mailbox.port, username="tg", password=SecretStr(SECRET))
    assert "took the log-in" in mail.check()
    reference = mail.send(("ann@example.org", "bob@example.org"), NOTICE)
    (message,) = mailbox.arrived
    assert mailbox.recipients == ["ann@example.org", "bob@example.org"]
    assert message["Subject"] == NOTICE.title
    assert message["Message-ID"] == reference
    assert (message["From"], message["X-Tidegate-Event"]) == ("tg@example.org", NOTICE.event)
    assert message.get_content().splitlines() == NOTICE.body.splitlines()
    assert mail.send(("ann@example.org",), NOTICE) == reference
    assert mail.send(("ann@example.org",), replace(NOTICE, event="other")) != reference


def test_no_header_is_injected(mailbox: Mailbox) -> None:
    evil = "x\r\nBcc: eve@example.org\n\nbody\x00\u2028y"
    mail_at(mailbox.port).send(("ann@example.org",), replace(NOTICE, title=evil, rollout=evil, event=evil))
    (message,) = mailbox.arrived
    assert mailbox.recipients == ["ann@example.org"]
    assert message["Bcc"] is None
    assert message["Subject"].startswith("x Bcc: eve@example.org body")
    for address in ("ann@example.org\r\nBcc: eve@example.org", "ann@example.org, eve@example.org", "", "ann"):
        with pytest.raises(Refused):
            mail_at(mailbox.port).send((address,), NOTICE)
    with pytest.raises(Refused):
        mail_at(mailbox.port).send((), NOTICE)
    assert len(mailbox.arrived) == 1


def test_mail_faults(mailbox: Mailbox) -> None:
    to = ("ann@example.org",)
    with pytest.raises(Refused) as raised:
        mail_at(mailbox.port, username="tg", password=SecretStr("wrong-pass")).send(to, NOTICE)
    assert "wrong-pass" not in str(raised.value)
    with pytest.raises(Refused, match="STARTTLS"):
        mail_at(mailbox.port, starttls=True).send(to, NOTICE)
    mailbox.refused = to
    with pytest.raises(Refused, match=r"ann@example\.org"):
        mail_at(mailbox.port).send(to, NOTICE)
    with pytest.raises(
        Refused, match=r"refused for ann@example\.org \(550 no such mailbox\); bob@example\.org have it"
    ):
        mail_at(mailbox.port).send((*to, "bob@example.org"), NOTICE)
    mailbox.refused = ()
    mailbox.data_answer = "451 try later"
    with pytest.raises(Unreachable, match="451"):
        mail_at(mailbox.port).send(to, NOTICE)
    mailbox.data_answer = "554 no"
    with pytest.raises(Refused, match="554"):
        mail_at(mailbox.port).send(to, NOTICE)
    mailbox.hang = True
    with pytest.raises(AmbiguousResult):
        mail_at(mailbox.port).send(to, NOTICE)


@pytest.mark.parametrize(
    ("sender_answer", "recipient_answer", "fault"),
    [
        ("553 5.7.1 not owned by user", "250 OK", Refused),
        ("250 OK", "553 5.7.1 <tg@example.org>: sender address rejected", Refused),
        ("250 OK", "550 no", Refused),
        ("451 4.3.0 later", "250 OK", Unreachable),
        ("250 OK", "450 4.2.0 greylisted", Unreachable),
    ],
)
def test_a_sender_that_can_never_be_used_is_noticed(
    mailbox: Mailbox, sender_answer: str, recipient_answer: str, fault: type[ConnectionFault]
) -> None:
    mailbox.sender_answer, mailbox.recipient_answer = sender_answer, recipient_answer
    mailbox.refused = () if recipient_answer.startswith("250") else ("tg@example.org",)
    with pytest.raises(fault, match=r"does not take mail from tg@example\.org: \d{3} "):
        mail_at(mailbox.port).check()
    assert not mailbox.arrived


def test_a_sender_without_a_mailbox_can_be_used(mailbox: Mailbox) -> None:
    mailbox.refused, mailbox.recipient_answer = ("tg@example.org",), "550 5.1.1 user unknown"
    assert mail_at(mailbox.port).check().endswith("takes mail from tg@example.org, which has no mailbox")
    assert mail_at(mailbox.port).refused_of(("ann@example.org",)) == {}
    assert not mailbox.arrived


def test_mail_nobody_there(dead_port: int) -> None:
    with pytest.raises(Unreachable):
        mail_at(dead_port).send(("ann@example.org",), NOTICE)
    with pytest.raises(Unreachable):
        mail_at(dead_port).check()


LINKED = replace(NOTICE, body="Gate waits <now>.\nLook: https://tide.example.com/rollouts/patches-1/gate")


def test_a_notice_with_an_address_has_a_button_in_slack(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(200, {"ok": True, "ts": "1.5"})
    slack_at(local_server.url).post("#releases", LINKED)
    slack_at(local_server.url).post("#releases", NOTICE)
    linked, plain = (json.loads(request.body) for request in local_server.arrived)
    *sections, actions = linked["blocks"]
    assert "".join(one["text"]["text"] for one in sections) == linked["text"]
    assert actions["elements"] == [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": "Open the gate"},
            "url": "https://tide.example.com/rollouts/patches-1/gate",
        }
    ]
    assert "blocks" not in plain


def test_a_long_notice_is_cut_into_the_sections_that_slack_takes(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(200, {"ok": True, "ts": "1.5"})
    long = replace(LINKED, body=("x" * 7_000 + "\n") * 30 + LINKED.body)
    slack_at(local_server.url).post("#releases", long)
    blocks = json.loads(local_server.arrived[0].body)["blocks"]
    assert len(blocks) <= 50
    assert all(len(one["text"]["text"]) <= 3_000 for one in blocks if one["type"] == "section")


def test_a_page_in_pagerduty_links_the_rollout(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(202, {"status": "success", "dedup_key": "k"})
    pagerduty_at(local_server.url).page(LINKED)
    assert json.loads(local_server.arrived[0].body)["links"] == [
        {"href": "https://tide.example.com/rollouts/patches-1/gate", "text": "Open on the dashboard"}
    ]


def test_mail_is_text_and_the_same_as_a_page_with_a_button() -> None:
    sender = Mail(host="127.0.0.1", sender="tidegate@example.com")
    message = sender._message(("ann@example.com",), LINKED)
    plain, page = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert plain.get_content().strip() == LINKED.body
    assert 'href="https://tide.example.com/rollouts/patches-1/gate"' in page.get_content()
    assert "Gate waits &lt;now&gt;." in page.get_content()
    assert sender._message(("ann@example.com",), NOTICE).get_body(("html",)) is None
