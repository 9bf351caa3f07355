"""The webhook and Teams against real local receivers and the demo's inbox: what arrived, signed, and what each failure is."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from pydantic import SecretStr, ValidationError

from blocks import Teams, Webhook
from blocks.errors import AmbiguousResult, ConnectionFault, Refused, Unreachable
from demo.inbox.app import create_app
from demo.inbox.store import Store
from demo.inbox.webhook import SECRET
from demo.processes import free_port
from tests.blocks.conftest import LocalServer
from tests.blocks.test_messages import answer
from tests.e2e.waiting import wait_for
from tidegate.notices.notice import Loudness, Notice

NOTICE = Notice(
    "rolled_back-17",
    "patches-1",
    Loudness.PAGE,
    "Rolled back: [errors](http://evil) & more",
    'p95 "1,2 s" > 1 s\nGrüße {event} *bold*\nLook: https://tide.example.com/rollouts/patches-1',
    "error_rate",
)
HIDDEN = "s3cr3t-path"
ROOT = Path(__file__).parents[2]


def hook(url: str, **fields: Any) -> Webhook:
    return Webhook(url=SecretStr(f"{url}/{HIDDEN}"), timeout_seconds=1, **fields)


def teams(url: str) -> Teams:
    return Teams(url=SecretStr(f"{url}/{HIDDEN}"), timeout_seconds=1)


@pytest.fixture
def inbox() -> Iterator[str]:
    """The demo's inbox, listening."""
    import threading

    port = free_port()
    config = uvicorn.Config(create_app(Store(None), free_port()), port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, 20, "the inbox listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def arrived(inbox: str, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{inbox}/messages", params={"kind": kind}).json()
    return found


def test_the_inbox_takes_a_signed_notice_once_however_often_it_comes(inbox: str) -> None:
    sender = Webhook(url=SecretStr(f"{inbox}/webhook"), signing_secret=SecretStr(SECRET))
    assert sender.send(NOTICE) == sender.send(NOTICE)
    [message] = arrived(inbox, "webhook")
    data = message["body"]["data"]
    assert message["body"]["type"] == "tidegate.notice"
    assert (data["title"], data["body"]) == (NOTICE.title, NOTICE.body)
    assert (data["event"], data["key"], data["status"]) == ("rolled_back-17", "patches-1/error_rate", "triggered")
    assert data["link"] == "https://tide.example.com/rollouts/patches-1"
    page = httpx.get(inbox).text
    assert "Webhook, signature checked" in page
    assert SECRET not in page + json.dumps(message)


@pytest.mark.parametrize(
    "secret", [None, SecretStr("whsec_" + base64.b64encode(b"some other secret of 30 bytes.").decode())]
)
def test_the_inbox_refuses_what_is_not_signed_by_its_secret(inbox: str, secret: SecretStr | None) -> None:
    with pytest.raises(Refused, match=r"^the webhook at http://127\.0\.0\.1:\d+ answered 401$"):
        Webhook(url=SecretStr(f"{inbox}/webhook"), signing_secret=secret).send(NOTICE)
    assert arrived(inbox, "webhook") == []


def test_teams_gets_a_card_in_which_nothing_is_a_link_but_the_button(inbox: str) -> None:
    assert Teams(url=SecretStr(f"{inbox}/teams")).send(NOTICE) == NOTICE.event
    [card] = arrived(inbox, "teams")
    assert card["title"] == NOTICE.title
    assert card["text"].splitlines()[:2] == ['p95 "1,2 s" > 1 s', "Grüße {event} *bold*"]
    assert card["links"] == ["https://tide.example.com/rollouts/patches-1"]
    with pytest.raises(Refused, match="answered 404"):
        Teams(url=SecretStr(f"{inbox}/nowhere")).send(NOTICE)


def test_a_card_has_runs_of_text_alone_and_fits_into_teams(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(202, {})
    teams(local_server.url).send(replace(NOTICE, body="é" * 100_000))
    [request] = local_server.arrived
    card = json.loads(request.body)["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert "actions" not in card
    assert len(request.body) < 28_000


def test_the_signature_is_that_of_standard_webhooks(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(200, {})
    hook(local_server.url, signing_secret=SecretStr(SECRET)).send(NOTICE)
    [request] = local_server.arrived
    head = {name.lower(): value for name, value in request.headers.items()}
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + request.body
    right = hmac.new(base64.b64decode(SECRET[6:]), signed, hashlib.sha256).digest()
    assert head["webhook-signature"] == f"v1,{base64.b64encode(right).decode()}"
    assert abs(time.time() - int(head["webhook-timestamp"])) < 60


def test_a_body_of_ones_own_is_filled_and_what_a_notice_says_is_no_place(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(202, {})
    form = {"message": "{title}", "note": ["{body}", 3, None], "alias": "t/{key}"}
    hook(local_server.url, body=form, headers={"Authorization": SecretStr("GenieKey x")}).send(NOTICE)
    [request] = local_server.arrived
    assert json.loads(request.body) == {
        "message": NOTICE.title,
        "note": [NOTICE.body, 3, None],
        "alias": "t/patches-1/error_rate",
    }
    assert request.headers["Authorization"] == "GenieKey x"


def test_the_end_of_a_problem_goes_to_its_own_address(local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(202, {})
    close = SecretStr(f"{local_server.url}/alerts/{{key}}/close?by=alias")
    sender = hook(local_server.url, resolve_url=close, resolve_body={"note": "{status}"}, least="page")
    over = replace(NOTICE, resolves=True, loudness=Loudness.INFO, problem="a/b c")
    assert sender.takes(over)
    assert sender.takes(NOTICE)
    assert not sender.takes(replace(NOTICE, loudness=Loudness.WARNING))
    assert not sender.takes(replace(NOTICE, loudness=Loudness.INFO, problem="", resolves=True))
    sender.send(over)
    [request] = local_server.arrived
    assert request.path == "/alerts/patches-1%2Fa%2Fb%20c/close?by=alias"
    assert json.loads(request.body) == {"note": "resolved"}


def test_the_page_shows_a_kit_with_which_an_alerting_service_has_the_problem_and_its_end(
    local_server: LocalServer,
) -> None:
    """Opsgenie's two calls, by the very lines that docs/connections.md shows; only the host is another."""
    page = (ROOT / "docs/connections.md").read_text(encoding="utf-8")
    [shown] = (block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "api.opsgenie.com" in block)
    kit = yaml.safe_load(shown.replace("https://api.opsgenie.com", local_server.url))["webhook"]
    local_server.answer = lambda _: answer(202, {"result": "Request will be processed"})
    sender = Webhook.model_validate(kit)
    over = replace(NOTICE, title="Over", resolves=True, loudness=Loudness.INFO)
    assert not sender.takes(replace(NOTICE, loudness=Loudness.INFO))
    for notice in (NOTICE, over):
        assert sender.takes(notice)
        sender.send(notice)
    begun, ended = local_server.arrived
    assert (begun.method, begun.path) == ("POST", "/v2/alerts")
    alert = json.loads(begun.body)
    assert (alert["message"], alert["description"], alert["alias"]) == (
        NOTICE.title,
        NOTICE.body,
        "patches-1/error_rate",
    )
    assert begun.headers["Authorization"] == ended.headers["Authorization"] == "GenieKey KEY"
    assert ended.path == "/v2/alerts/patches-1%2Ferror_rate/close?identifierType=alias"
    assert json.loads(ended.body) == {"source": "tidegate", "note": "Over"}
    assert "GenieKey" not in (begun.body + ended.body).decode() + repr(sender)


@pytest.mark.parametrize("make", [hook, teams])
@pytest.mark.parametrize(
    ("status", "fault"),
    [(500, Unreachable), (503, Unreachable), (429, Unreachable), (408, Unreachable), (400, Refused), (401, Refused),
     (404, Refused), (301, Refused)],
)  # fmt: skip
def test_each_refusal_is_told_without_the_address(
    make: Any, status: int, fault: type[ConnectionFault], local_server: LocalServer
) -> None:
    local_server.answer = lambda _: answer(
        status, {"said": f"{local_server.url}/{HIDDEN}"}, Location="http://127.0.0.1:9/"
    )
    with pytest.raises(fault) as raised:
        make(local_server.url).send(NOTICE)
    assert str(status) in str(raised.value)
    assert HIDDEN not in str(raised.value)
    assert len(local_server.arrived) == 1
    assert HIDDEN not in repr(make(local_server.url)) + make(local_server.url).model_dump_json()


def test_a_connector_that_says_no_in_words_has_taken_nothing(local_server: LocalServer) -> None:
    said = b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"
    local_server.answer = lambda _: (200, {}, said)
    with pytest.raises(Unreachable, match="took nothing"):
        teams(local_server.url).send(NOTICE)
    local_server.answer = lambda _: (200, {}, b"1")
    assert teams(local_server.url).send(NOTICE) == NOTICE.event


@pytest.mark.parametrize("make", [hook, teams])
def test_whoever_asks_for_quiet_is_left_alone(make: Any, local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(429, {}, **{"Retry-After": "60"})
    sender = make(local_server.url)
    for _ in range(2):
        with pytest.raises(Unreachable):
            sender.send(NOTICE)
    assert len(local_server.arrived) == 1


@pytest.mark.parametrize("make", [hook, teams])
def test_nobody_there_is_unreachable_and_a_lost_answer_is_neither(make: Any, local_server: LocalServer) -> None:
    with pytest.raises(Unreachable, match="ConnectError"):
        make(f"http://127.0.0.1:{free_port()}").send(NOTICE)

    def late(_: object) -> Any:
        time.sleep(2.5)
        return answer(200, {})

    local_server.answer = late
    with pytest.raises(AmbiguousResult, match="the answer was lost"):
        make(local_server.url).send(NOTICE)


@pytest.mark.parametrize("make", [hook, teams])
def test_a_check_sends_nothing(make: Any, local_server: LocalServer) -> None:
    local_server.answer = lambda _: answer(405, {})
    assert make(local_server.url).check().endswith("answers")
    assert [(one.method, one.body) for one in local_server.arrived] == [("HEAD", b"")]
    local_server.answer = lambda _: answer(502, {})
    with pytest.raises(Unreachable, match="502"):
        make(local_server.url).check()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "ftp://x"}, "allowed is an address"),
        ({"url": "https://{key}.example.com"}, "its host without places"),
        ({"body": {"a": ["{secret}"]}}, "found the place {secret}, allowed are event, "),
        ({"signing_secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"signing_secret": "no base64!"}, "24 to 64 bytes"),
        ({"least": "loud"}, "'info', 'warning' or 'page'"),
    ],
)
def test_a_bad_kit_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("{", r"\{")):
        Webhook(**{"url": "https://hooks.example.com", **fields})
