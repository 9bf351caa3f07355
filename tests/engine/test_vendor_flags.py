"""A rollout whose flag is at a vendor: guarded by one call a check; drift and a zero by hand say who did it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.flags.growthbook.growthbook import GrowthBook
from blocks.flags.launchdarkly.launchdarkly import LaunchDarkly
from engine.rollback.zero import zero_flag
from engine.rollout.evaluation import Evaluation, evaluate
from tests.blocks.vendors import growthbook_account, launchdarkly_account
from tests.blocks.vendors.judged_server import JudgedServer, judged
from tests.conftest import PrometheusServer
from tests.engine.world import World, healthy, no_alerts
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.values.exposure import ZERO

PLAN = no_alerts()


class AtVendor(World):
    """A world whose flag is in a vendor's account."""

    account: Any
    server_of_flags: JudgedServer

    def guard(self) -> Evaluation:
        """One look, a guard's time after the last."""
        self.now += self.run.timing.guard
        self.scrape(self.now, healthy)
        return evaluate(self.run, self.now, review=False)


@pytest.fixture(params=["launchdarkly", "growthbook"])
def world(request: pytest.FixtureRequest, tmp_path: Path, prometheus_server: PrometheusServer) -> Iterator[AtVendor]:
    is_first = request.param == "launchdarkly"
    account: Any = launchdarkly_account.LaunchDarklyAccount() if is_first else growthbook_account.GrowthBookAccount()
    account.create(PLAN.flag.key)
    with judged(request.param, "", account.answer) as server:
        given: dict[str, Any] = {"url": server.url, "environment_key": "production", "timeout_seconds": 20}
        flags: Any = (
            LaunchDarkly(project="shop", token=SecretStr(launchdarkly_account.TOKEN), **given)
            if is_first
            else GrowthBook(token=SecretStr(growthbook_account.TOKEN), **given)
        )
        made = AtVendor(tmp_path, prometheus_server, PLAN, flags=flags)
        made.account, made.server_of_flags = account, server
        yield made


def test_a_guard_check_is_one_call(world: AtVendor) -> None:
    world.guard()
    before = len(world.server_of_flags.arrived)
    world.guard()
    assert len(world.server_of_flags.arrived) == before + 1
    assert HoldCause.DRIFT not in world.run.state.holds


def test_an_edit_by_hand_holds_and_says_whose_it_was(world: AtVendor) -> None:
    world.guard()
    world.account.by_hand_full(world.run.flag)
    world.guard()
    reason = world.run.state.holds[HoldCause.DRIFT]
    assert "10% of staff -> changed by hand" in reason
    assert "Ada Lovelace" in reason


def test_a_zero_by_hand_is_a_rollback_that_says_whose_it_was(world: AtVendor) -> None:
    world.guard()
    world.account.by_hand_off(world.run.flag)
    world.guard()
    back = world.run.state.rollback
    assert back is not None
    assert back.criterion == "drift"
    assert "Ada Lovelace" in back.reason
    assert world.via.flags.read(world.run.flag).exposure == ZERO
    assert not world.account.may_serve(world.run.flag)


def test_the_order_to_roll_back_takes_it_to_zero(world: AtVendor) -> None:
    world.guard()
    assert world.account.may_serve(world.run.flag)
    zeroed = zero_flag(world.via, world.run.flag, world.run.rollout, world.now)
    assert zeroed.zero_at is not None, zeroed.problem
    assert not world.account.may_serve(world.run.flag)
