"""A kit with a vendor's flags on the command line: what `plan check` prints of it, and zero without anything else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.flags.backend import MOST_OF_A_LIMIT, Metered
from blocks.kit import read_kit, write_kit
from engine.rollout.evaluation import evaluate
from engine.rollout.session import utc_now
from tests.blocks.test_unleash_journey import PLAN, raised
from tests.blocks.vendors import growthbook_account, launchdarkly_account
from tests.blocks.vendors.judged_server import judged
from tests.console.conftest import Run
from tests.engine.world import no_alerts
from tidegate.pages.plan_check import plan_report

KEY = "new-cart"
KITS: dict[str, dict[str, Any]] = {
    "launchdarkly": {"project": "shop", "token": launchdarkly_account.TOKEN},
    "growthbook": {"token": growthbook_account.TOKEN},
}


@pytest.fixture(params=KITS)
def account(request: pytest.FixtureRequest, kit: Path) -> Iterator[Any]:
    """The vendor's account, whose flag serves everybody; the kit names it."""
    vendor = request.param
    made: Any = (
        launchdarkly_account.LaunchDarklyAccount()
        if vendor == "launchdarkly"
        else growthbook_account.GrowthBookAccount()
    )
    made.create(KEY)
    made.by_hand_full(KEY)
    with judged(vendor, "", made.answer) as server:
        made.server = server
        given = {"block": f"tidegate-{vendor}", "url": server.url, "environment_key": "production"}
        values: dict[str, dict[str, Any]] = {
            "journal": {"url": f"sqlite:///{kit.parent / 'journal.db'}"},
            "flags": given | KITS[vendor] | {"timeout_seconds": 20},
            "prometheus": {"url": "http://127.0.0.1:1"},
        }
        kit.unlink()
        write_kit(kit, values)
        yield made


def test_zero_of_a_flag_that_serves_everybody(account: Any, run: Run) -> None:
    assert account.may_serve(KEY)
    run("rollback", "--flag", KEY, "--create", "--as", "me")
    assert not account.may_serve(KEY)


def test_plan_check_says_how_often_it_is_asked_and_what_it_takes(account: Any, run: Run, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(no_alerts().model_dump_json(by_alias=True, exclude_none=True))
    code, out, err = run("plan", "check", str(plan))
    assert code == 0, err
    said = " ".join(out.split())
    assert "the flag is read 360 times an hour" in said
    assert "GrowthBook takes 3600 an hour" in said or "windows of 10s" in said


def test_a_guard_check_is_one_call_and_a_quiet_hour_is_far_under_the_limit(account: Any, kit: Path) -> None:
    account.create(PLAN.flag.key)
    run_ = raised(read_kit(kit))
    before = len(account.server.arrived)
    for _ in range(6):
        evaluate(run_, utc_now(), review=False)
    calls = len(account.server.arrived) - before
    assert [call.method for call in account.server.arrived[before:]] == ["GET"] * calls
    an_hour = plan_report(run_.plan).flag_readings_per_hour * calls / 6
    assert an_hour == 360
    flags = run_.connections.flags
    assert isinstance(flags, Metered)
    assert flags.most_an_hour is None or an_hour <= MOST_OF_A_LIMIT * flags.most_an_hour


def test_plan_check_warns_of_a_guard_that_comes_near_to_the_limit(account: Any, run: Run, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(no_alerts({"guard": "2s"}).model_dump_json(by_alias=True, exclude_none=True))
    code, out, err = run("plan", "check", str(plan))
    assert code == 0, err
    said = " ".join(out.split())
    limited = "GrowthBook takes 3600 an hour" in said
    assert ("warning: the flag is read 1800 times an hour, allowed here are 720 (20% of 3600)" in said) == limited
