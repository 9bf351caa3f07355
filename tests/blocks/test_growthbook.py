"""GrowthBook: the contract of every flag backend, and what goes wrong with an API far away."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from blocks.errors import Refused
from blocks.flags.growthbook.growthbook import GrowthBook
from tests.blocks.test_flag_backends import *  # noqa: F403 - the contract
from tests.blocks.test_flag_backends import FLAG, MORE, TEN
from tests.blocks.trouble.trouble_suite import *  # noqa: F403 - the suite of trouble
from tests.blocks.trouble.trouble_suite import HTTP, Trouble
from tests.blocks.trouble.vendor_trouble import vendor_trouble
from tests.blocks.vendors.growthbook_account import ENVIRONMENT, TOKEN, GrowthBookAccount
from tests.blocks.vendors.judged_server import JudgedServer, judged
from tests.blocks.vendors.vendor_suite import *  # noqa: F403 - the suite of vendors
from tests.blocks.vendors.vendor_suite import FULL, SECONDS
from tests.permits import put
from tidegate.values.exposure import ZERO


@pytest.fixture
def account() -> GrowthBookAccount:
    account = GrowthBookAccount()
    for flag in (FLAG, "other"):
        account.create(flag)
    return account


@pytest.fixture
def server(account: GrowthBookAccount) -> Iterator[JudgedServer]:
    with judged("growthbook", "", account.answer) as server:
        yield server


def growthbook(url: str, **fields: object) -> GrowthBook:
    given = {"environment_key": ENVIRONMENT, "token": SecretStr(TOKEN), "environment": "rehearsal"}
    return GrowthBook(**({"url": url, "timeout_seconds": SECONDS} | given | fields))  # type: ignore[arg-type]


@pytest.fixture
def backend(server: JudgedServer, monkeypatch: pytest.MonkeyPatch) -> GrowthBook:
    monkeypatch.setenv("GROWTHBOOK_TOKEN", TOKEN)
    return growthbook(server.url)


@pytest.fixture
def another(server: JudgedServer) -> GrowthBook:
    return growthbook(server.url)


PLACES = {"growthbook": HTTP}


@pytest.fixture
def trouble(
    place: str,
    backend: GrowthBook,
    another: GrowthBook,
    server: JudgedServer,
    account: GrowthBookAccount,
    dead_port: int,
) -> Trouble:
    return vendor_trouble(backend, another, server, account, dead_port)


def test_the_conflict_of_two_revisions_is_the_fence(
    backend: GrowthBook, another: GrowthBook, server: JudgedServer, account: GrowthBookAccount
) -> None:
    """The late writer has its revision ready and wakes up right before it publishes."""
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    server.before["publish"] = lambda: another.zero(FLAG, 2)
    with pytest.raises(Fenced):  # noqa: F405
        put(backend, FLAG, FULL, 1)
    assert not account.may_serve(FLAG)
    drafts = [one for one in account.revisions[FLAG].values() if one["status"] == "draft"]
    assert not drafts, "what was not published is not left lying"


def test_a_permit_that_ends_while_the_revision_is_made_publishes_nothing(
    backend: GrowthBook, server: JudgedServer
) -> None:
    from tests.permits import lasting

    backend.fence(FLAG, 1)
    held: list[str] = []
    permit = replace(lasting(FLAG, TEN, 1), revoked=lambda: "held by ada" if held else "")  # noqa: F405
    server.before["rules"] = lambda: held.append("now")
    with pytest.raises(NotPermitted, match="held by ada"):  # noqa: F405
        backend.write(FLAG, TEN, 1, permit)
    assert backend.read(FLAG).exposure == ZERO


def test_somebody_who_switches_it_off_while_the_revision_is_made(
    backend: GrowthBook, server: JudgedServer, account: GrowthBookAccount
) -> None:
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    server.before["publish"] = lambda: account.by_hand_off(FLAG)
    with pytest.raises(NotTaken):  # noqa: F405
        put(backend, FLAG, MORE, 1)
    assert not account.may_serve(FLAG)


def test_a_default_value_of_the_new_path_is_refused_and_zero_serves_the_old_one_all_the_same(
    backend: GrowthBook, account: GrowthBookAccount
) -> None:
    account.create("eager", default="true")
    assert backend.read("eager").exposure is None
    with pytest.raises(Refused, match="its default value serves the new path"):
        backend.question("eager")
    backend.zero("eager", 1)
    assert backend.read("eager").exposure == ZERO
    assert not account.may_serve("eager")


def test_rules_of_others_are_refused_before_a_rollout_and_kept_by_zero(
    backend: GrowthBook, account: GrowthBookAccount
) -> None:
    assert backend.question(FLAG) == ""
    account.by_hand_rule(FLAG, value="true", condition='{"country": "SE"}', environments=[ENVIRONMENT])
    account.by_hand_rule(FLAG, value="true", environments=["staging"])
    with pytest.raises(Refused, match="1 rules stand there that are not Tidegate's"):
        backend.question(FLAG)
    backend.zero(FLAG, 4)
    rules = account.features[FLAG]["rules"]
    assert [rule["value"] for rule in rules] == ["false", "false", "true", "true"]
    assert rules[3]["environments"] == ["staging"]
    assert (backend.read(FLAG).exposure, backend.look(FLAG).epoch) == (ZERO, 4)


def test_only_boolean_flags(backend: GrowthBook, account: GrowthBookAccount) -> None:
    account.create("colours", value_type="string")
    for ask in (lambda: backend.read("colours"), lambda: backend.fence("colours", 1)):
        with pytest.raises(Refused, match="allowed are boolean flags"):
            ask()


def test_a_raise_takes_few_calls(backend: GrowthBook, server: JudgedServer) -> None:
    """GrowthBook takes sixty a minute."""
    backend.fence(FLAG, 1)
    before = len(server.arrived)
    put(backend, FLAG, TEN, 1)
    assert len(server.arrived) - before <= 12
