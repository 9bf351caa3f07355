"""Runs of the watch whose process is gone: Prefect shows them as running for ever, so they are marked as crashed.

A run of the watch is named after its process as the claims name it. One that has neither a watch's claim nor the
place of whoever stands by ends at once by itself; one that is seen so twice, a turn of the watch apart, is dead.
"""

import logging
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from blocks.errors import ConnectionFault
from blocks.journal.block import Journal
from engine.prefect_api.server import server_client
from engine.prefect_api.work_pools import WATCH_POOL
from engine.rollout.identity import INSTANCE_ID
from engine.watch.watch_places import WATCH

_NAMED = "watch "
_AT_ONCE = 200
_log = logging.getLogger("tidegate.watch")


def watch_run_name() -> str:
    """How this process's run of the watch is named: by it a later one knows whether it lives."""
    return f"{_NAMED}{INSTANCE_ID}"


class LostRuns:
    """What one run of the watch knows of earlier ones."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seen: frozenset[UUID] = frozenset()

    def look(self) -> int:
        """Mark those that were without a claim at the look before, too; how many. A server that is away waits."""
        marked = 0
        try:
            with server_client() as client:
                lost = self._without_claim(client)
                for run in lost & self._seen:
                    try:
                        message = "its process is gone: the journal's claims are held by others"
                        client.set_flow_run_state(run, Crashed(message=message), force=True)
                    except ObjectNotFound:
                        continue
                    marked += 1
        except (httpx.HTTPError, ConnectionFault) as error:
            _log.warning("runs of the watch that are lost stay as they are for now: %s", type(error).__name__)
            return marked
        self._seen = lost
        return marked

    def _without_claim(self, client: SyncPrefectClient) -> frozenset[UUID]:
        running = FlowRunFilterStateType(any_=[StateType.RUNNING])
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["watch"])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=running)),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[WATCH_POOL])),
            limit=_AT_ONCE,
        )
        # Read behind the runs: whoever has begun since is not among them, whoever has a claim by now lives.
        held = {claim.holder for claim, _ in self._journal.current_claims(WATCH).values()}
        living = {watch_run_name(), *(f"{_NAMED}{holder}" for holder in held)}
        # Only what a run of the watch has named itself: nobody else's runs are touched.
        return frozenset(run.id for run in found if run.name.startswith(_NAMED) and run.name not in living)
