"""`tidegate upkeep`, and the schedules of its deployment."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import yaml
from prefect.server.schemas.schedules import CronSchedule

from engine.rollout.session import OpenRollout, utc_now
from engine.steering.upkeep import mark_done
from tests.console.dashboards import browser
from tests.console.test_watch import NAME, run, typed
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.fields.upkeep import Work

__all__ = ["run", "typed"]
Typed = Callable[..., tuple[int, str]]


def test_the_list_of_what_goes_on_after_it(run: OpenRollout, typed: Typed) -> None:
    code, text = typed("upkeep", NAME)
    assert (code, "1. Document lessons learned (incident-commander): once the last wave has soaked" in text) == (
        0,
        True,
    )
    assert "13. Semi-annual disaster recovery drill (operations-lead): on its schedule" in text
    code, text = typed("upkeep", NAME, "--json")
    assert (code, len(json.loads(text)), any(task["open"] for task in json.loads(text))) == (0, 13, False)
    assert len(run.plan.upkeep) == 13


def test_what_people_have_to_do_stands_in_the_list_on_the_page_and_on_the_dashboard(
    run: OpenRollout, typed: Typed
) -> None:
    assert "Upkeep" not in typed("status")[1]
    assert "upkeep-title" not in browser(run.connections).page(f"/rollouts/{run.rollout}")
    for wave in (2, 3, 4):
        run.append(
            body_from_json(
                Kind.RAISED,
                {"wave": wave, "exposure": run.plan.exposure_at(wave).to_json(), "revision": "r", "epoch": 1},
            )
        )
    run.append(body_from_json(Kind.SOAKED, {"wave": 4}))
    left = sum(task["open"] for task in json.loads(typed("upkeep", NAME, "--json")[1]))
    assert left > 0
    assert f"{left} open" in typed("status")[1]
    page = typed("status", NAME)[1]
    html = browser(run.connections).page(f"/rollouts/{run.rollout}")
    for text in ("Document", "Semi-annual"):
        assert text in page
        assert text in html
    assert f"tidegate upkeep {NAME} --done N --as EMAIL" in html
    mark_done(run, 1, "commander@company.com", "in the wiki", utc_now())
    assert f"{left - 1} open" in typed("status")[1]
    assert "in the wiki" in browser(run.connections).page(f"/rollouts/{run.rollout}")


def test_half_of_an_order_is_refused(run: OpenRollout, typed: Typed) -> None:
    before = run.refresh().sequence
    assert typed("upkeep", NAME, "--done", "1")[0] == 2
    assert typed("upkeep", NAME, "--done", "1", "--as", "a@b.c")[0] == 2  # not open yet
    assert typed("upkeep", NAME, "--run", "laundry")[0] == 2
    assert run.refresh().sequence == before


def test_each_work_has_one_schedule_that_is_active() -> None:
    deployments = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    [upkeep] = [d for d in deployments if d["name"] == "upkeep"]
    assert [s["parameters"]["work"] for s in upkeep["schedules"]] == [work.value for work in Work]
    # Written out each time: a schedule once deployed as inactive stays so.
    assert all(s["active"] is True and s["timezone"] == "America/Los_Angeles" for s in upkeep["schedules"])


def test_prefects_own_scheduler_has_runs_for_each_of_them() -> None:
    """A schedule that it cannot work out is a line in the server's log, and a run that never comes."""
    deployments = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    crons = [schedule for one in deployments for schedule in one["schedules"] if "cron" in schedule]
    assert len(crons) == 5
    for schedule in crons:
        known = CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
        runs = asyncio.run(known.get_dates(3, start=utc_now()))
        assert len({run.isoformat() for run in runs}) == 3, schedule["slug"]
