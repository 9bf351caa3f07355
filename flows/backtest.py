"""A back-test: the plan's own judge over what Prometheus remembers, recorded and shown."""

from datetime import UTC, datetime
from typing import Annotated

from prefect import flow, get_run_logger
from pydantic import Field

from engine.past.backtest import backtest as replay
from engine.past.backtest import record
from engine.prefect_api.artifacts import artifact_key, artifacts_made, show_page
from engine.rollout.connections import connected
from engine.rollout.open import plan_below
from engine.rollout.plans_folder import plans_folder_of
from flows.forms.text_fields import EMAIL
from tidegate.backtest.replay.backtest_data import parse_harm
from tidegate.backtest.run import course
from tidegate.backtest.words import backtest_markdown
from tidegate.values.names import slug


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
    via, log = connected(connections), get_run_logger()
    loaded = plan_below(plans_folder_of(via), plan)
    what = course(loaded, _utc(start), _utc(end), harms=[parse_harm(text) for text in inject or []])
    log.info("%d questions over %d looks", len(what.questions), what.grid.count)
    result = replay(via.prometheus, what)
    name = record(via.journal, loaded, result, by)
    key = artifact_key("backtest", slug(loaded.flag.key))
    show_page(backtest_markdown(result), key=key, description=f"Back-test of {loaded.name}")
    artifacts_made()
    log.info("recorded as %s; at worst rolled back in %s", name, result.worst.words)
    return name


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
