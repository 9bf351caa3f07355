"""Whether somebody polls the rollback's own work pool."""

from prefect.client.orchestration import get_client

from tasks.preflight_checks import Check
from tidegate.verdict import Finding, Verdict

ROLLBACK_POOL = "tidegate-rollback"
_TEXT = "A worker stands by for rollbacks"


def rollback_worker_check() -> Check:
    """PASS when an online worker polls the rollback's work pool."""
    return Check("rollback_worker", _TEXT, _look)


def _look() -> Finding:
    path = {"work_pool_name": ROLLBACK_POOL}
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/work_pools/{work_pool_name}/workers/filter", path_params=path, json={})
    online = [w for w in found.json() if w.get("status") == "ONLINE"]
    if online:
        return Finding("rollback_worker", _TEXT, Verdict.PASS, f"{len(online)} online.")
    fix = f"Start one: prefect worker start --pool {ROLLBACK_POOL}"
    return Finding(
        "rollback_worker", _TEXT, Verdict.FAIL, f"No worker is online in the work pool {ROLLBACK_POOL}. {fix}"
    )
