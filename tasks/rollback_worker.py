"""Whether somebody polls the rollback's own work pool."""

import threading
import time
from typing import Any

from prefect.client.orchestration import get_client

from tasks.preflight_checks import Check
from tidegate.verdict import Finding, Verdict

ROLLBACK_POOL = "tidegate-rollback"
_TEXT = "A worker stands by for rollbacks"
# A worker is heard of every 30 s; on a busy server three times may be lost, after which it counts as offline.
_PATIENCE_SECONDS, _BETWEEN_SECONDS = 45.0, 3.0


def rollback_worker_check() -> Check:
    """PASS when an online worker polls the rollback's work pool; one that was there is given time to be heard again."""
    return Check("rollback_worker", _TEXT, _look)


def _look() -> Finding:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        known = _workers()
        online = [worker for worker in known if worker.get("status") == "ONLINE"]
        if online:
            return Finding("rollback_worker", _TEXT, Verdict.PASS, f"{len(online)} online.")
        if not known or time.monotonic() >= until:
            break
        # When a worker is heard of is announced by nothing.
        threading.Event().wait(_BETWEEN_SECONDS)
    fix = f"Start one: prefect worker start --pool {ROLLBACK_POOL}"
    return Finding(
        "rollback_worker", _TEXT, Verdict.FAIL, f"No worker is online in the work pool {ROLLBACK_POOL}. {fix}"
    )


def _workers() -> list[dict[str, Any]]:
    path = {"work_pool_name": ROLLBACK_POOL}
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/work_pools/{work_pool_name}/workers/filter", path_params=path, json={})
    workers: list[dict[str, Any]] = found.json()
    return workers
