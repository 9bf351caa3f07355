"""The work pools that runs wait in: whether each is polled by a living worker, and not paused."""

import threading
import time
from collections.abc import Iterable
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from blocks.errors import ConnectionFault, Unreachable
from engine.prefect_api.server import asked_until, does_not_answer, server_client
from engine.preflight.checks import Check
from tidegate.values.verdict import Finding, Verdict

ROLLOUT_POOL, ROLLBACK_POOL, WATCH_POOL = "tidegate", "tidegate-rollback", "tidegate-watch"
CARRIES = {ROLLOUT_POOL: "rollouts", ROLLBACK_POOL: "rollbacks", WATCH_POOL: "the watch"}
_TEXT = "Workers stand by for rollouts, rollbacks and the watch"
# A worker is heard of every 30 s; on a busy server three times may be lost, after which it counts as offline.
PATIENCE_SECONDS, _BETWEEN_SECONDS = 45.0, 3.0


class NobodyCarries(Unreachable):
    """A work pool from which no run would be taken."""


def workers_check() -> Check:
    """PASS when every work pool is polled by an online worker, and none is paused."""
    return Check("workers", _TEXT, _look)


def pool_problems(pools: Iterable[str] = tuple(CARRIES), *, patience: float = PATIENCE_SECONDS) -> tuple[str, ...]:
    """Why no run would be taken from these pools, a sentence each; none where all is well.

    A worker that was there is given `patience` (seconds) to be heard of again. Raises Refused or Unreachable.
    """
    until = time.monotonic() + patience
    while True:
        try:
            found = asked_until(until, lambda: _problems(pools))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise does_not_answer(error) from error
        sentences = tuple(sentence for sentence, _ in found.values() if sentence)
        may_come = all(can_come for sentence, can_come in found.values() if sentence)
        if not sentences or not may_come or time.monotonic() >= until:
            return sentences
        # When a worker is heard of is announced by nothing.
        threading.Event().wait(_BETWEEN_SECONDS)


def must_be_polled(pools: Iterable[str] = tuple(CARRIES)) -> None:
    """Raises NobodyCarries where a run in one of these pools would wait for ever; Refused, Unreachable."""
    if problems := pool_problems(pools):
        raise NobodyCarries(" ".join(problems))


def _look() -> Finding:
    try:
        problems = pool_problems()
    except ConnectionFault as fault:
        return Finding("workers", _TEXT, Verdict.ERROR, str(fault))
    if problems:
        return Finding("workers", _TEXT, Verdict.FAIL, " ".join(problems))
    return Finding("workers", _TEXT, Verdict.PASS, f"One is online in each of {', '.join(CARRIES)}.")


def _problems(pools: Iterable[str]) -> dict[str, tuple[str, bool]]:
    with server_client() as client:
        return {pool: _problem(client, pool) for pool in pools}


def _problem(client: SyncPrefectClient, pool: str) -> tuple[str, bool]:
    """What is wrong with the pool, or empty; and whether waiting may help."""
    try:
        known = client.read_work_pool(pool)
    except ObjectNotFound:
        return f"There is no work pool {pool}: run `tidegate deploy`.", False
    if known.is_paused:
        return f"The work pool {pool} is paused: prefect work-pool resume {pool}", False
    if known.concurrency_limit == 0:
        return f"The work pool {pool} takes no run (its concurrency limit is 0).", False
    path = {"work_pool_name": pool}
    queues = client.request("POST", "/work_pools/{work_pool_name}/queues/filter", path_params=path, json={}).json()
    default = next((queue for queue in queues if queue["id"] == str(known.default_queue_id)), None)
    if default is not None and default["is_paused"]:
        name = default["name"]
        return (
            f"The queue {name} of the work pool {pool} is paused: prefect work-queue resume {name} --pool {pool}",
            False,
        )
    workers: list[dict[str, Any]] = client.request(
        "POST", "/work_pools/{work_pool_name}/workers/filter", path_params=path, json={}
    ).json()
    if any(worker.get("status") == "ONLINE" for worker in workers):
        return "", False
    fix = f"start one: tidegate worker {pool}"
    return f"No worker is online in the work pool {pool}, so nobody carries {CARRIES[pool]}; {fix}.", bool(workers)
