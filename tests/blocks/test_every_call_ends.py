"""Every outside call against a server that hangs, trickles, never ends or answers half: it ends, as a fault or no data."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from blocks import HttpFlag, Journal
from blocks.cache import Cache
from blocks.channels.mail import Mail
from blocks.channels.pagerduty import PagerDuty
from blocks.channels.slack import Slack
from blocks.channels.status_page import StatusPage
from blocks.channels.teams import Teams
from blocks.channels.webhook import Webhook
from blocks.errors import ConnectionFault
from blocks.flags.growthbook.growthbook import GrowthBook
from blocks.flags.launchdarkly.launchdarkly import LaunchDarkly
from blocks.flags.unleash.unleash import Unleash
from blocks.ofrep import Ofrep
from blocks.prometheus.block import Prometheus
from blocks.sign_in import SignIn
from blocks.web import Web
from tests.blocks.hostile import HostileServer, Manner, hostile
from tidegate.notices.notice import Loudness, Notice

NOTICE = Notice("event", "rollout", Loudness.PAGE, "Title", "Body", problem="x", public_title="Title", public="Body")
SECONDS = 0.5
LONGEST = 12 * SECONDS + 5  # by the time-out of each read it would be minutes
HTTP, SMTP, REDIS = b"HTTP/1.1 200 OK\r\n", b"220-", b"$100000\r\n"


def slack(server: HostileServer) -> Slack:
    return Slack(token=SecretStr("xoxb-1"), base_url=server.url, timeout_seconds=SECONDS)


def pagerduty(server: HostileServer) -> PagerDuty:
    return PagerDuty(
        routing_key=SecretStr("0" * 32),
        url=server.url,
        api_url=server.url,
        api_token=SecretStr("key"),
        timeout_seconds=SECONDS,
    )


def mail(server: HostileServer) -> Mail:
    return Mail(host="127.0.0.1", port=server.port, starttls=False, sender="a@example.com", timeout_seconds=SECONDS)


def page(server: HostileServer) -> StatusPage:
    return StatusPage(page="p", api_key=SecretStr("k"), url=server.url, timeout_seconds=SECONDS)


def web(server: HostileServer) -> Web:
    return Web(sources={"it": server.url}, timeout_seconds=SECONDS)


def launchdarkly(server: HostileServer) -> LaunchDarkly:
    given = {"project": "p", "environment_key": "e", "token": SecretStr("t")}
    return LaunchDarkly(url=server.url, timeout_seconds=SECONDS, **given)


def growthbook(server: HostileServer) -> GrowthBook:
    return GrowthBook(url=server.url, timeout_seconds=SECONDS, environment_key="e", token=SecretStr("t"))


def unleash(server: HostileServer) -> Unleash:
    return Unleash(url=server.url, token=SecretStr("t"), timeout_seconds=SECONDS)


def cache(server: HostileServer) -> Cache:
    return Cache(url=SecretStr(f"redis://127.0.0.1:{server.port}/0"), timeout_seconds=SECONDS)


def sign_in(server: HostileServer) -> SignIn:
    return SignIn(issuer=server.url, client_id="d", client_secret=SecretStr("s"), timeout_seconds=SECONDS)


def flag_service(server: HostileServer) -> HttpFlag:
    asked = {method: {"method": method, "path": "/flags/{flag}"} for method in ("GET", "PUT", "DELETE")}
    requests = {"read_request": asked["GET"], "set_request": asked["PUT"], "zero_request": asked["DELETE"]}
    return HttpFlag(url=server.url, timeout_seconds=SECONDS, **requests)


def journal(server: HostileServer) -> Journal:
    return Journal(url=SecretStr(f"postgresql://u@127.0.0.1:{server.port}/x"), timeout_seconds=SECONDS)


CALLS: dict[str, tuple[bytes, Callable[[HostileServer], Any]]] = {
    "Prometheus": (HTTP, lambda s: Prometheus(url=s.url, timeout_seconds=SECONDS).check()),
    "Slack, posting": (HTTP, lambda s: slack(s).post("#a", NOTICE)),
    "Slack, reading": (HTTP, lambda s: slack(s).find("#a", NOTICE, datetime.now(UTC))),
    "Slack, checking": (HTTP, lambda s: slack(s).check()),
    "PagerDuty, paging": (HTTP, lambda s: pagerduty(s).page(NOTICE)),
    "PagerDuty, reading": (HTTP, lambda s: pagerduty(s).service("shop")),
    "mail, sending": (SMTP, lambda s: mail(s).send(("b@example.com",), NOTICE)),
    "mail, checking": (SMTP, lambda s: mail(s).check()),
    "Teams": (HTTP, lambda s: Teams(url=SecretStr(s.url), timeout_seconds=SECONDS).send(NOTICE)),
    "webhook": (HTTP, lambda s: Webhook(url=SecretStr(s.url), timeout_seconds=SECONDS).send(NOTICE)),
    "OFREP": (HTTP, lambda s: Ofrep(url=s.url, timeout_seconds=SECONDS).is_on("f", "u", {})),
    "sign-in": (HTTP, lambda s: sign_in(s).check()),
    "flag service, reading": (HTTP, lambda s: flag_service(s).read("f")),
    "flag service, zero": (HTTP, lambda s: flag_service(s).zero("f", 1)),
    "journal": (b"N", lambda s: journal(s).check()),
    "status page": (HTTP, lambda s: page(s).open(NOTICE)),
    "web source": (HTTP, lambda s: web(s).ask("it")),
    "LaunchDarkly, reading": (HTTP, lambda s: launchdarkly(s).read("f")),
    "LaunchDarkly, zero": (HTTP, lambda s: launchdarkly(s).zero("f", 1)),
    "GrowthBook, reading": (HTTP, lambda s: growthbook(s).read("f")),
    "GrowthBook, zero": (HTTP, lambda s: growthbook(s).zero("f", 1)),
    "Unleash, reading": (HTTP, lambda s: unleash(s).read("f")),
    "Unleash, zero": (HTTP, lambda s: unleash(s).zero("f", 1)),
    "cache, checking": (REDIS, lambda s: cache(s).check()),
    "cache, flushing": (REDIS, lambda s: cache(s).flush_prefix("a", timeout=SECONDS)),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("manner", Manner)
def test_it_ends_and_says_so(manner: Manner, call: str) -> None:
    greeting, ask = CALLS[call]
    with hostile(manner, greeting) as server:
        began = time.monotonic()
        with pytest.raises(ConnectionFault) as fault:
            ask(server)
        assert time.monotonic() - began < LONGEST
        assert str(fault.value), "a fault without a sentence"
