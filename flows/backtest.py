"""A back-test: the plan's own judge over what Prometheus remembers, recorded and shown."""

from datetime import UTC, datetime
from typing import Annotated

from prefect import flow, get_run_logger
from pydantic import Field

from engine.measuring.backtest import backtest as replay
from engine.measuring.backtest import record
from engine.prefect_api.artifacts import show_page, shown
from engine.rollout.connections import connected
from engine.rollout.open import plan_below
from engine.rollout.start_or_resume import PLANS
from flows.forms import EMAIL
from tidegate.backtest.run import course
from tidegate.backtest.scene import parse_harm
from tidegate.backtest.words import backtest_markdown


@flow(name="backtest", flow_run_name="backtest {plan}")
def backtest(
    plan: str,
    by: Annotated[str, Field(pattern=EMAIL)],
    start: datetime,
    end: datetime,
    inject: list[str] | None = None,
    connections: str = "default",
) -> str:
    """Try a plan on the past: how often its criteria would have fired on what was healthy. Changes nothing.

    Args:
        plan: A file below the plans folder, for example batch-patches-v1.yaml.
        by: Your e-mail address.
        start: Where the past begins.
        end: Where it ends; at least the longest wave's soak later.
        inject: Regressions that are put in, such as error_rate=2.
        connections: The name of the connections block.

    """
    loaded, via, log = plan_below(PLANS, plan), connected(connections), get_run_logger()
    what = course(loaded, _utc(start), _utc(end), harms=[parse_harm(text) for text in inject or []])
    log.info("%d questions over %d looks", len(what.questions), what.grid.count)
    result = replay(via.prometheus, what)
    name = record(via.journal, loaded, result, by)
    key = f"backtest-{loaded.flag.key}"
    show_page(backtest_markdown(result), key=key, description=f"Back-test of {loaded.name}")
    shown()
    log.info("recorded as %s; at worst rolled back in %s", name, result.worst.words)
    return name


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
