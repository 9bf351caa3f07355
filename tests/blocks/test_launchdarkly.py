"""LaunchDarkly: the contract of every flag backend, and what goes wrong with an API far away."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from blocks.errors import Refused, Unreachable
from blocks.flags.launchdarkly.launchdarkly import LaunchDarkly
from tests.blocks.test_flag_backends import *  # noqa: F403 - the contract
from tests.blocks.test_flag_backends import FLAG, MORE, TEN
from tests.blocks.trouble.trouble_suite import *  # noqa: F403 - the suite of trouble
from tests.blocks.trouble.trouble_suite import HTTP, Trouble
from tests.blocks.trouble.vendor_trouble import vendor_trouble
from tests.blocks.vendors.judged_server import JudgedServer, judged
from tests.blocks.vendors.launchdarkly_account import ENVIRONMENT, PROJECT, TOKEN, LaunchDarklyAccount
from tests.blocks.vendors.vendor_suite import *  # noqa: F403 - the suite of vendors
from tests.blocks.vendors.vendor_suite import SECONDS
from tests.permits import put
from tidegate.values.exposure import ZERO


@pytest.fixture
def account() -> LaunchDarklyAccount:
    account = LaunchDarklyAccount()
    for flag in (FLAG, "other"):
        account.create(flag)
    return account


@pytest.fixture
def server(account: LaunchDarklyAccount) -> Iterator[JudgedServer]:
    with judged("launchdarkly", "", account.answer) as server:
        yield server


def launchdarkly(url: str, **fields: object) -> LaunchDarkly:
    given = {"project": PROJECT, "environment_key": ENVIRONMENT, "token": SecretStr(TOKEN), "environment": "rehearsal"}
    return LaunchDarkly(**({"url": url, "timeout_seconds": SECONDS} | given | fields))  # type: ignore[arg-type]


@pytest.fixture
def backend(server: JudgedServer, monkeypatch: pytest.MonkeyPatch) -> LaunchDarkly:
    monkeypatch.setenv("LAUNCHDARKLY_TOKEN", TOKEN)
    return launchdarkly(server.url)


@pytest.fixture
def another(server: JudgedServer) -> LaunchDarkly:
    return launchdarkly(server.url)


PLACES = {"launchdarkly": HTTP}


@pytest.fixture
def trouble(
    place: str,
    backend: LaunchDarkly,
    another: LaunchDarkly,
    server: JudgedServer,
    account: LaunchDarklyAccount,
    dead_port: int,
) -> Trouble:
    return vendor_trouble(backend, another, server, account, dead_port)


def off_is(account: LaunchDarklyAccount, off: int | None) -> None:
    config = account.config(FLAG)
    config["offVariation"] = off
    if off is None:
        del config["offVariation"]


@pytest.mark.parametrize(("off", "words"), [(0, "serves the new path"), (None, "is missing")])
def test_an_off_variation_that_is_not_the_old_path_is_refused_and_zero_sets_it_right(
    backend: LaunchDarkly, account: LaunchDarklyAccount, off: int | None, words: str
) -> None:
    off_is(account, off)
    assert backend.read(FLAG).exposure is None
    with pytest.raises(Refused, match=f"its off variation {words}"):
        backend.question(FLAG)
    with pytest.raises(Refused, match="it is not written over"):
        backend.fence(FLAG, 1)
    backend.zero(FLAG, 1)
    assert backend.read(FLAG).exposure == ZERO
    assert account.config(FLAG)["offVariation"] == 1


def test_what_stands_there_besides_is_refused_before_a_rollout_and_kept_by_zero(
    backend: LaunchDarkly, account: LaunchDarklyAccount
) -> None:
    assert backend.question(FLAG) == ""
    on = account.flags[FLAG]["variations"][0]["_id"]
    clause = {"contextKind": "user", "attribute": "country", "op": "in", "negate": False, "values": ["SE"]}
    account.by_hand(FLAG, {"kind": "addRule", "variationId": on, "clauses": [clause]})
    with pytest.raises(Refused, match="1 rules stand there that are not Tidegate's"):
        backend.question(FLAG)
    account.by_hand_on(FLAG)
    backend.zero(FLAG, 4)
    assert [rule["clauses"][0]["attribute"] for rule in account.config(FLAG)["rules"]] == ["country", "tidegate"]
    assert backend.look(FLAG).epoch == 4
    account.by_hand(
        "other", {"kind": "addTargets", "variationId": account.flags["other"]["variations"][0]["_id"], "values": ["u"]}
    )
    with pytest.raises(Refused, match="users stand there one by one"):
        backend.question("other")


def test_a_context_of_another_kind_is_served_the_old_path(backend: LaunchDarkly) -> None:
    """LaunchDarkly serves the first share of a rollout to every context that lacks its kind."""
    from ldclient import Context, LDClient
    from ldclient.config import Config
    from ldclient.integrations.test_data import TestData

    from blocks.flags.launchdarkly.launchdarkly_evaluation import sdk_flag

    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    source = TestData.data_source()
    client = LDClient(Config("offline", update_processor_class=source, send_events=False), 5)
    try:
        from ldclient.impl.model import FeatureFlag
        from ldclient.versioned_data_kind import FEATURES

        served = FeatureFlag(sdk_flag(backend.look(FLAG).definition, ENVIRONMENT))
        client._config.feature_store.upsert(FEATURES, served.to_json_dict())
        devices = [client.variation(FLAG, Context.builder(f"d{n}").kind("device").build(), False) for n in range(50)]
        assert not any(devices)
    finally:
        client.close()


def test_only_boolean_flags(backend: LaunchDarkly, account: LaunchDarklyAccount) -> None:
    account.create("colours", values=("red", "green", "blue"))
    for ask in (lambda: backend.read("colours"), lambda: backend.fence("colours", 1)):
        with pytest.raises(Refused, match="allowed are boolean flags"):
            ask()


def test_what_somebody_has_scheduled_keeps_a_raise_and_no_zero(
    backend: LaunchDarkly, account: LaunchDarklyAccount
) -> None:
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    account.has_pending_change = True
    with pytest.raises(Unreachable, match="a scheduled change would fail"):
        put(backend, FLAG, MORE, 1)
    assert backend.read(FLAG).exposure == TEN
    backend.zero(FLAG, 2)
    assert backend.read(FLAG).exposure == ZERO
