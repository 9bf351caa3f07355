"""Slack's channels and PagerDuty's services and shifts, read from a real local server in the vendors' form."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from blocks import PagerDuty, Slack
from blocks.channels.pagerduty import PagedService, ShiftSeen
from blocks.channels.slack import ChannelSeen
from blocks.errors import ConnectionFault, Refused, Unreachable
from tests.blocks.conftest import Answer, LocalServer, Request

SECRET = "s3cr3t-key"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 9, 12, tzinfo=UTC)


def answer(status: int, body: object) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def asked(request: Request) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.path).query)


def slack_at(url: str) -> Slack:
    return Slack(token=SecretStr(SECRET), base_url=f"{url}/api", timeout_seconds=1.5)


def pagerduty_at(url: str, token: str | None = SECRET) -> PagerDuty:
    secret = None if token is None else SecretStr(token)
    return PagerDuty(routing_key=SecretStr("r"), url=url, api_url=url, api_token=secret, timeout_seconds=1.5)


def channel(name: str, member: bool = True, archived: bool = False) -> dict[str, object]:
    return {"id": f"C{name}", "name": name, "is_member": member, "is_archived": archived}


def test_channels_are_looked_for_on_every_page(local_server: LocalServer) -> None:
    pages = {
        None: ([channel("general"), channel("alerts")], "next"),
        "next": ([channel("warnings", member=False), channel("old", archived=True)], ""),
    }

    def list_channels(request: Request) -> Answer:
        given = asked(request) | parse_qs(request.body.decode())
        cursor = given.get("cursor", [None])[0]
        found, following = pages[cursor]
        return answer(200, {"ok": True, "channels": found, "response_metadata": {"next_cursor": following}})

    local_server.answer = list_channels
    assert slack_at(local_server.url).channels(["#alerts", "#warnings", "#old", "#gone"]) == {
        "#alerts": ChannelSeen(member=True, archived=False),
        "#warnings": ChannelSeen(member=False, archived=False),
        "#old": ChannelSeen(member=True, archived=True),
        "#gone": None,
    }
    assert len(local_server.arrived) == 2
    assert {urlsplit(request.path).path for request in local_server.arrived} == {"/api/conversations.list"}
    assert "private_channel" in str(asked(local_server.arrived[0])) + local_server.arrived[0].body.decode()


def test_no_more_pages_are_read_than_needed(local_server: LocalServer) -> None:
    body = {"ok": True, "channels": [channel("a")], "response_metadata": {"next_cursor": "more"}}
    local_server.answer = lambda _: answer(200, body)
    assert slack_at(local_server.url).channels(["#a"])["#a"] is not None
    assert len(local_server.arrived) == 1


def test_pages_without_end_are_given_up(local_server: LocalServer) -> None:
    body = {"ok": True, "channels": [], "response_metadata": {"next_cursor": "more"}}
    local_server.answer = lambda _: answer(200, body)
    with pytest.raises(Refused, match="allowed are fewer"):
        slack_at(local_server.url).channels(["#a"])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (answer(200, {"ok": False, "error": "missing_scope"}), Refused),
        (answer(200, {"ok": False, "error": "ratelimited"}), Unreachable),
    ],
)
def test_channels_that_cannot_be_read(local_server: LocalServer, given: Answer, fault: type[ConnectionFault]) -> None:
    local_server.answer = lambda _: given
    with pytest.raises(fault) as raised:
        slack_at(local_server.url).channels(["#a"])
    assert SECRET not in str(raised.value)


SERVICE = {"id": "PABC123", "name": "shop", "status": "active", "escalation_policy": {"id": "PPOL123"}}


def test_a_service_is_found_by_its_exact_name_or_id(local_server: LocalServer) -> None:
    def answers(request: Request) -> Answer:
        if urlsplit(request.path).path == "/services":
            return answer(200, {"services": [{**SERVICE, "id": "PZZZ999", "name": "shop-old"}, SERVICE], "more": False})
        if request.path == "/services/PABC123":
            return answer(200, {"service": SERVICE})
        return answer(404, {"error": {"message": "Not Found"}})

    local_server.answer = answers
    block = pagerduty_at(local_server.url)
    seen = PagedService("PABC123", "active", "PPOL123")
    assert block.service("shop") == seen
    assert block.service("PABC123") == seen
    assert block.service("sho") is None
    assert block.service("PNONE99") is None
    assert local_server.arrived[0].headers["Authorization"] == f"Token token={SECRET}"
    assert asked(local_server.arrived[0])["query"] == ["shop"]


def test_first_level_shifts_of_every_page(local_server: LocalServer) -> None:
    def shift(who: str, level: int, start: str | None, end: str | None) -> dict[str, object]:
        return {"user": {"summary": who}, "escalation_level": level, "start": start, "end": end}

    def answers(request: Request) -> Answer:
        if asked(request).get("offset") == ["100"]:
            return answer(200, {"oncalls": [shift("Bob", 1, None, None)], "more": False})
        first = [shift("Ann", 1, "2026-03-02T12:00:00Z", "2026-03-09T12:00:00Z"), shift("Boss", 2, None, None)]
        return answer(200, {"oncalls": first, "more": True})

    local_server.answer = answers
    shifts = pagerduty_at(local_server.url).on_call("PPOL123", NOON, LATER)
    assert shifts == (ShiftSeen("Ann", NOON, LATER), ShiftSeen("Bob", None, None))
    first = asked(local_server.arrived[0])
    assert first["escalation_policy_ids[]"] == ["PPOL123"]
    assert (first["since"], first["until"]) == ([NOON.isoformat()], [LATER.isoformat()])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (answer(401, {}), Refused),
        (answer(403, {}), Refused),
        (answer(429, {}), Unreachable),
        (answer(500, {}), Unreachable),
        ((200, {}, b"<html>"), Unreachable),
        (answer(200, []), Refused),
        (None, Unreachable),
    ],
)
def test_what_pagerduty_does_not_tell(
    local_server: LocalServer, given: Answer | None, fault: type[ConnectionFault]
) -> None:
    local_server.answer = lambda _: given
    for look in (
        lambda: pagerduty_at(local_server.url).service("shop"),
        lambda: pagerduty_at(local_server.url).on_call("PPOL123", NOON, LATER),
    ):
        with pytest.raises(fault) as raised:
            look()
        assert type(raised.value) is fault
        assert SECRET[-4:] not in str(raised.value)


def test_without_a_key_nothing_is_asked(local_server: LocalServer) -> None:
    with pytest.raises(Refused, match="add api_token"):
        pagerduty_at(local_server.url, token=None).service("shop")
    assert local_server.arrived == []
