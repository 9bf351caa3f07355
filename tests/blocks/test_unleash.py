"""Unleash, the real server: the contract, what goes wrong far away, and what its own SDK serves of what is written."""

import contextlib
import json
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from openapi_core import OpenAPI
from pydantic import SecretStr, ValidationError
from yggdrasil_engine.engine import UnleashEngine

from blocks import Unleash
from blocks.errors import ChangedMeanwhile, Fenced, NotPermitted, NotTaken, Refused, Unreachable
from blocks.flags.unleash.unleash_reading import RIGHTS, missing_rights
from blocks.flags.unleash.unleash_rules import MOST_VALUES, inexpressible, render
from engine.preflight.served_as_planned import wrong_shares
from tests.blocks.test_flag_backends import *  # noqa: F403 - the contract
from tests.blocks.test_flag_backends import FLAG, MORE, TEN
from tests.blocks.trouble.trouble_suite import *  # noqa: F403 - the suite of trouble
from tests.blocks.trouble.trouble_suite import HTTP, Trouble
from tests.blocks.trouble.vendor_trouble import vendor_trouble
from tests.blocks.unleash_account import EVERYBODY, People, UnleashAccount
from tests.blocks.vendors.cut_contract import cut
from tests.blocks.vendors.judged_server import Fault, JudgedServer
from tests.blocks.vendors.vendor_suite import *  # noqa: F403 - the suite of vendors
from tests.blocks.vendors.vendor_suite import FULL, SECONDS, USERS
from tests.permits import lasting, put
from tests.unleash_server import ENVIRONMENT, UnleashServer
from tidegate.values.exposure import ZERO, Exposure, Layer

HALF = Exposure((Layer("everyone", None, 50.0),))
WAVES = [
    Exposure((Layer("beta", ("b1",), share), *rest), always_on=("staff",), always_off=("held",))
    for share, rest in (
        (5.0, ()),
        (50.0, (Layer("everyone", None, 12.0),)),
        (100.0, (Layer("everyone", None, 12.0),)),
        (100.0, (Layer("everyone", None, 33.0),)),
        (100.0, (Layer("everyone", None, 100.0),)),
    )
]


@pytest.fixture(scope="session")
def people(unleash: UnleashServer) -> People:
    return People(unleash)


@pytest.fixture(scope="session")
def description(unleash: UnleashServer) -> OpenAPI:
    """What the running server itself says of its interface."""
    with urllib.request.urlopen(f"{unleash.url}/docs/openapi.json", timeout=60) as answer:
        return OpenAPI.from_dict(cut("unleash", json.load(answer)))


@pytest.fixture
def account(unleash: UnleashServer, people: People) -> UnleashAccount:
    unleash.create(FLAG, "other")
    return UnleashAccount(unleash, people.bot, people.ada)


@pytest.fixture
def server(account: UnleashAccount, description: OpenAPI) -> Iterator[JudgedServer]:
    """Between Tidegate and the real server: what is asked is held against Unleash's own description."""
    server = JudgedServer(description, "", account.answer)
    try:
        yield server
        assert server.violations == []
    finally:
        server.close()


def connection(account: UnleashAccount, url: str, **fields: Any) -> Unleash:
    return account.real.backend(**{"url": url, "token": SecretStr(account.bot), "timeout_seconds": SECONDS} | fields)


@pytest.fixture
def backend(account: UnleashAccount, server: JudgedServer, monkeypatch: pytest.MonkeyPatch) -> Unleash:
    monkeypatch.setenv("UNLEASH_TOKEN", account.bot)
    return connection(account, server.url)


@pytest.fixture
def another(account: UnleashAccount) -> Unleash:
    return connection(account, account.real.url)


PLACES = {"unleash": HTTP}


@pytest.fixture
def trouble(
    place: str, backend: Unleash, another: Unleash, server: JudgedServer, account: UnleashAccount, dead_port: int
) -> Trouble:
    return vendor_trouble(backend, another, server, account, dead_port)


def sdk_answers(state: Mapping[str, Any], exposure: Exposure, users: Sequence[tuple[str, str]]) -> list[bool]:
    """What the engine inside of Unleash's own Python SDK makes of what the server gives SDKs."""
    engine = UnleashEngine()
    engine.take_state(_json(state))
    return [
        engine.is_enabled(FLAG, {"userId": user, "properties": {exposure.attribute: group}}).is_enabled
        for user, group in users
    ]


def _json(state: Mapping[str, Any]) -> str:
    return json.dumps({name: state[name] for name in ("version", "features", "segments", "query") if name in state})


def test_the_vendors_own_sdk_serves_each_wave_as_asked(backend: Unleash, account: UnleashAccount) -> None:
    backend.fence(FLAG, 1)
    before = [False] * len(USERS)
    for exposure in WAVES:
        would = backend.evaluate(FLAG, exposure, USERS, False)
        put(backend, FLAG, exposure, 1)
        assert sdk_answers(account.real.served(), exposure, USERS) == would, "preflight foretold another"
        assert wrong_shares(exposure, USERS, would) == ""
        assert not any(was and not now for was, now in zip(before, would, strict=True)), "somebody left"
        before = would
    assert not any(backend.evaluate(FLAG, ZERO, USERS, True))
    backend.zero(FLAG, 2)
    account.by_hand_on(FLAG)
    assert not any(sdk_answers(account.real.served(), ZERO, USERS)), "0 % is left to whoever switches it on"


def test_the_whole_sdk_by_its_own_polling(backend: Unleash, account: UnleashAccount, tmp_path: Any) -> None:
    from UnleashClient import UnleashClient

    backend.fence(FLAG, 1)
    put(backend, FLAG, WAVES[2], 1)
    client = UnleashClient(
        f"{account.real.url}/api",
        "tidegate-tests",
        environment=ENVIRONMENT,
        custom_headers={"Authorization": account.real.client},
        refresh_interval=1,
        disable_metrics=True,
        disable_registration=True,
        cache_directory=str(tmp_path),
    )
    client.initialize_client()
    try:
        seen = [client.is_enabled(FLAG, {"userId": user, "properties": {"group": group}}) for user, group in USERS]
        assert seen == backend.evaluate(FLAG, WAVES[2], USERS, False)
        backend.zero(FLAG, 2)
        end = time.monotonic() + 60
        while any(client.is_enabled(FLAG, {"userId": user, "properties": {"group": group}}) for user, group in USERS):
            assert time.monotonic() < end
            time.sleep(0.1)  # it announces no poll
    finally:
        client.destroy()


def test_users_without_an_id_are_in_at_100_percent_alone(backend: Unleash, account: UnleashAccount) -> None:
    backend.fence(FLAG, 1)
    for percent, served in ((99.0, False), (100.0, True)):
        put(backend, FLAG, Exposure((Layer("everyone", None, percent),)), 1)
        engine = UnleashEngine()
        engine.take_state(_json(account.real.served()))
        assert engine.is_enabled(FLAG, {}).is_enabled is served


@pytest.mark.parametrize("rollout", ["101", "abc", "-5", "12.5", " 40", "40%", "50"])
def test_a_percent_set_by_hand_is_no_exposure_and_its_author_is_named(
    raised: Unleash, account: UnleashAccount, rollout: str
) -> None:
    """Unleash takes each of them with 200, and serves nobody, silently, where it is no whole percent."""
    account.by_hand_rollout(FLAG, rollout)
    seen = raised.read(FLAG)
    assert seen.exposure is None
    assert "written was 10% of everyone" in seen.description
    assert f"{rollout}%" in seen.description
    assert "Ada Lovelace" in seen.description


def test_what_cannot_be_said_is_refused_before_anything_is_written(raised: Unleash, server: JudgedServer) -> None:
    arrived = server.calls("PUT") + server.calls("POST")
    many = tuple(f"g{number}" for number in range(MOST_VALUES + 1))
    shares = tuple(Layer(f"a{number}", (f"a{number}",), 1.0) for number in range(16))
    for exposure, words in (
        (Exposure((Layer("everyone", None, 12.5),)), "whole percents only.*allowed are 12% and 13%"),
        (Exposure((Layer("many", many, 50.0),)), "found 251 groups in one list, allowed are 250"),
        (Exposure(shares), "found 16 shares, allowed are 15"),
    ):
        for ask in (
            lambda wanted=exposure: put(raised, FLAG, wanted, 1),
            lambda wanted=exposure: raised.evaluate(FLAG, wanted, USERS, False),
        ):
            with pytest.raises(Refused, match=words):
                ask()
    assert server.calls("PUT") + server.calls("POST") == arrived
    assert raised.read(FLAG).exposure == TEN


def test_somebody_elses_strategies_are_refused_before_a_rollout_unless_they_are_off(
    backend: Unleash, account: UnleashAccount
) -> None:
    account.by_hand("POST", FLAG, "strategies", {**EVERYBODY, "disabled": True})
    assert backend.question(FLAG) == ""
    backend.fence(FLAG, 1)
    account.by_hand("POST", FLAG, "strategies", EVERYBODY)
    for ask in (lambda: backend.question(FLAG), lambda: put(backend, FLAG, TEN, 1)):
        with pytest.raises(Refused, match="that Tidegate did not write"):
            ask()
    assert not account.may_serve(FLAG)


def test_a_flag_that_depends_on_another_is_refused(backend: Unleash, account: UnleashAccount) -> None:
    account.real.ask("POST", f"projects/default/features/{FLAG}/dependencies", {"feature": "other"})
    with pytest.raises(Refused, match="depends on other"):
        backend.question(FLAG)


def test_a_flag_that_was_archived_is_zero_and_not_raised(backend: Unleash, account: UnleashAccount) -> None:
    account.real.ask("DELETE", f"projects/default/features/{FLAG}")
    with contextlib.suppress(Refused):
        assert backend.read(FLAG).exposure == ZERO
    with pytest.raises(Refused):
        backend.question(FLAG)


def test_a_prepared_write_of_a_lost_epoch_finds_its_strategies_gone(raised: Unleash, another: Unleash) -> None:
    prepared = raised.look(FLAG)
    another.fence(FLAG, 2)
    with pytest.raises(ChangedMeanwhile):
        raised.serve(FLAG, FULL, 1, prepared, lambda: None)
    assert another.read(FLAG).exposure == TEN


def test_a_strategy_that_a_lost_epoch_adds_is_taken_away(
    raised: Unleash, another: Unleash, account: UnleashAccount
) -> None:
    another.fence(FLAG, 2)
    for body in render(FLAG, HALF, 1, "userId"):
        account.real.ask("POST", f"projects/default/features/{FLAG}/environments/{ENVIRONMENT}/strategies", body)
    assert another.read(FLAG).exposure is None
    seen, was = another.set_back(FLAG, TEN, 2)
    assert was is not None
    assert (seen.exposure, was.exposure) == (TEN, None)
    assert another.set_back(FLAG, TEN, 2) == (seen, None)
    with pytest.raises(Fenced):
        put(raised, FLAG, TEN, 1)


def test_what_a_taker_that_died_left_beside_is_no_drift(raised: Unleash, account: UnleashAccount) -> None:
    for body in render(FLAG, TEN, 2, "userId"):
        account.real.ask("POST", f"projects/default/features/{FLAG}/environments/{ENVIRONMENT}/strategies", body)
    assert raised.read(FLAG).exposure == TEN
    raised.fence(FLAG, 3, TEN)
    assert len(account.real.environment(FLAG)["strategies"]) == 2


@pytest.mark.parametrize(
    ("standing", "allowed", "found"), [(HALF, TEN, TEN), (TEN, HALF, TEN), (TEN, ZERO, ZERO), (ZERO, HALF, ZERO)]
)
def test_a_taker_never_raises(
    backend: Unleash, another: Unleash, standing: Exposure, allowed: Exposure, found: Exposure
) -> None:
    bare = {exposure: Exposure(exposure.layers) for exposure in (HALF, TEN)}
    backend.fence(FLAG, 1)
    put(backend, FLAG, bare.get(standing, ZERO), 1)
    another.fence(FLAG, 2, bare.get(allowed, ZERO))
    assert another.read(FLAG).exposure == bare.get(found, ZERO)
    assert another.look(FLAG).epoch == 2


def test_zero_holds_where_only_its_percent_cannot_be_set(
    raised: Unleash, server: JudgedServer, account: UnleashAccount
) -> None:
    server.before["strategies"] = lambda: server.faults.append(Fault(500, "POST"))
    raised.zero(FLAG, 2)
    assert not account.may_serve(FLAG)
    server.faults.clear()
    seen, _ = raised.set_back(FLAG, ZERO, 2)
    assert seen.exposure == ZERO
    assert raised.look(FLAG).is_tidy
    account.by_hand_on(FLAG)
    assert raised.read(FLAG).exposure == ZERO


def test_a_permit_that_ends_before_the_switch_exposes_nobody(
    backend: Unleash, server: JudgedServer, account: UnleashAccount
) -> None:
    backend.fence(FLAG, 1)
    held: list[str] = []
    server.before["PUT"] = lambda: held.append("held by ada")
    with pytest.raises(NotPermitted, match="held by ada"):
        backend.write(FLAG, TEN, 1, replace(lasting(FLAG, TEN, 1), revoked=lambda: "".join(held)))
    assert not account.may_serve(FLAG)


def test_a_server_that_is_killed_and_comes_back(raised: Unleash, account: UnleashAccount) -> None:
    direct = connection(account, account.real.url, timeout_seconds=5)
    account.real.kill()
    for ask in (lambda: direct.read(FLAG), lambda: direct.zero(FLAG, 2), lambda: put(direct, FLAG, MORE, 1)):
        with pytest.raises(Unreachable):
            ask()
    account.real.start()
    assert connection(account, account.real.url).read(FLAG).exposure == TEN
    connection(account, account.real.url).zero(FLAG, 2)
    assert not account.may_serve(FLAG)


def test_an_edit_of_our_own_strategy_in_the_very_moment_is_seen_at_the_read_back_or_written_over(
    raised: Unleash, server: JudgedServer, account: UnleashAccount
) -> None:
    """Unleash has no conditional write: what stands there afterwards is what was permitted, never more."""
    server.before["PUT"] = lambda: account.by_hand_rollout(FLAG, "100")
    with contextlib.suppress(NotTaken):
        put(raised, FLAG, MORE, 1)
    assert raised.read(FLAG).exposure in (MORE, None)


def test_the_rights_that_are_missing_are_named(backend: Unleash, unleash: UnleashServer) -> None:
    given = [{"project": "p", "environment": "e", "permission": name} for name in RIGHTS]
    assert missing_rights({"permissions": given}, "p", "e") == []
    assert missing_rights({"permissions": [{"permission": "ADMIN"}]}, "p", "e") == []
    assert missing_rights({"permissions": given[1:]}, "p", "e") == [RIGHTS[0]]
    for project, environment in (("p", "other"), ("other", "e")):
        assert missing_rights({"permissions": given}, project, environment) == list(RIGHTS)
    assert missing_rights("?", "p", "e") == list(RIGHTS)
    assert "may change strategies and switch" in backend.check()
    with pytest.raises(Refused, match="the token lacks CREATE_FEATURE_STRATEGY"):
        backend.model_copy(update={"token": SecretStr(unleash.viewer())}).check()
    with pytest.raises(Refused, match="it is not there.*development, production"):
        backend.model_copy(update={"environment_name": "staging"}).check()


@pytest.mark.parametrize("stickiness", ["random", "default", "a b", ""])
def test_a_stickiness_by_which_nobody_keeps_a_path_is_refused(stickiness: str) -> None:
    with pytest.raises(ValidationError, match="stickiness"):
        Unleash(url="https://unleash.example.com", token=SecretStr("t"), stickiness=stickiness)


def test_whole_percents_are_all_that_is_asked() -> None:
    for percent in range(101):
        assert inexpressible(Exposure((Layer("everyone", None, float(percent)),))) == ""
