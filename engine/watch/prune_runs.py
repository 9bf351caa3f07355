"""Finished runs of the watch go after a day: there is one each minute, and the journal has all that counts."""

import logging
from datetime import datetime, timedelta

import httpx
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from engine.prefect_api.server import server_client
from engine.prefect_api.work_pools import WATCH_POOL

KEPT = timedelta(days=1)
_AT_ONCE = 200
_log = logging.getLogger("tidegate.pruning")


def prune_runs(now: datetime) -> int:
    """Delete the watch's runs that went well or were cancelled over a day ago; how many. Failed ones stay to be read.

    A server has other people's flows too, perhaps of the same name; the pool is ours.

    A server that does not answer is asked again by the next watch.
    """
    ended = FlowRunFilterStateType(any_=[StateType.COMPLETED, StateType.CANCELLED])
    wanted = FlowRunFilter(
        state=FlowRunFilterState(type=ended),
        end_time=FlowRunFilterEndTime(before_=now - KEPT),
    )
    gone = 0
    try:
        with server_client() as client:
            named = FlowFilter(name=FlowFilterName(any_=["watch"]))
            ours = WorkPoolFilter(name=WorkPoolFilterName(any_=[WATCH_POOL]))
            found = client.read_flow_runs(
                flow_filter=named, flow_run_filter=wanted, work_pool_filter=ours, limit=_AT_ONCE
            )
            for run in found:
                try:
                    client.delete_flow_run(run.id)
                except ObjectNotFound:
                    continue
                gone += 1
    except httpx.HTTPError as error:
        _log.warning("finished runs stay for now: %s", type(error).__name__)
    return gone
