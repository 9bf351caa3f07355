"""The watch: post-rollout days, waiting gates and dead processes are guarded by one long-lived loop, or by several."""

from datetime import timedelta
from typing import Annotated

from prefect import flow, get_run_logger
from pydantic import Field

from engine.rollback.journal_fallback import keep_room
from engine.rollout.connections import connected
from engine.rollout.session import utc_now
from engine.watch.leader_election import acquire_or_stand_by
from engine.watch.lost_runs import LostRuns, watch_run_name
from engine.watch.prune_runs import prune_runs
from engine.watch.supervisor import watch_until
from engine.watch.watch_places import MOST_WATCHES


@flow(name="watch", flow_run_name=watch_run_name)
def watch(
    minutes: int = 15, connections: str = "default", watches: Annotated[int, Field(ge=1, le=MOST_WATCHES)] = 1
) -> str:
    """Guard every open rollout that nobody else guards. One run watches, one stands by, any other ends at once.

    Args:
        minutes: How long this run watches before the one that stands by takes over.
        connections: The name of the connections block.
        watches: Among how many runs the rollouts are shared, by their flags; one more stands by for all of them.

    """
    via, turn = connected(connections), timedelta(minutes=minutes)
    claim = acquire_or_stand_by(via, utc_now() + 2 * turn, watches)
    if claim is None:
        return "another watch is alive"
    get_run_logger().info(keep_room())
    lost = LostRuns(via.journal)
    lost.look()
    guards = watch_until(via, claim, utc_now() + turn, utc_now() + 2 * turn, watches)
    pruned, crashed = prune_runs(utc_now()), lost.look()
    get_run_logger().info(
        "%d guards; %d finished runs of earlier watches deleted, %d lost ones marked as crashed",
        guards,
        pruned,
        crashed,
    )
    return f"{guards} guards"
