"""Slack, PagerDuty and mail against real local receivers: what arrived, and which error each failure becomes."""

import email
import email.policy
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr

from blocks import Mail, PagerDuty, Slack
from blocks.errors import AmbiguousResult, ConnectionFault, Refused, Unreachable
from blocks.pagerduty import dedup_key
from tests.blocks.conftest import LocalServer
from tidegate.notices import Loudness, Notice

NOTICE = Notice(
    "rolled_back-17",
    "patches-1",
    Loudness.PAGE,
    "Rolled back: <errors> & more",
    "5.2 % > 5 %\nGrüße <!channel>",
    "error_rate",
)
SECRET = "s3cr3t-key"


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
        warnings.simplefilter("error")
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


@dataclass
class Mailbox:
    """Keeps what arrives; answers RCPT and DATA as a test wants."""

    port: int = 0
    arrived: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    data_answer: str = "250 OK"
    hang: bool = False

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return "550 no such mailbox"
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
    with pytest.raises(Refused, match="the other recipients have it"):
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


def test_mail_nobody_there(dead_port: int) -> None:
    with pytest.raises(Unreachable):
        mail_at(dead_port).send(("ann@example.org",), NOTICE)
    with pytest.raises(Unreachable):
        mail_at(dead_port).check()
