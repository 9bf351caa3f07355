"""`tidegate worker`: Prefect's worker, which finds Tidegate's packages however Tidegate is installed."""

import os
import sys

from console.prefect_runs import use_named_server
from engine.prefect_api.work_pools import ROLLBACK_POOL

# A rollback that somebody clicks waits for the next look of its worker; Prefect's own interval is 10 s.
_LOOKS_EVERY = "1"


def worker(pool: str, name: str | None) -> None:
    """Become the worker; whoever ends this process ends it. Raises Refused where no server is named."""
    use_named_server()
    if pool == ROLLBACK_POOL:
        os.environ.setdefault("PREFECT_WORKER_QUERY_SECONDS", _LOOKS_EVERY)
    argv = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, *(["--name", name] if name else [])]
    sys.stdout.flush()
    os.execv(sys.executable, argv)  # noqa: S606 - no shell, and the signals of an init system reach the worker itself
