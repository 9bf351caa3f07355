"""A process that carries out a rollout on a Prefect server of its own, whose process it names, so that a test ends it."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import engine.rollout.start_or_resume
import flows.waves
import tasks.monitor_wave
from engine.rollout.session import OpenRollout
from flows.rollout import rollout
from tests.prefect_database import prefect_on_empty_database
from tests.tidegate.builders import ANN
from tests.trials.walker import connections_of, tell


def main() -> None:
    """Arguments: a folder with the journal and the flag file, Prometheus, the rollout's name."""
    from prefect.server.api.server import SubprocessASGIServer

    folder, prometheus, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    via = connections_of(folder, prometheus)
    modules = cast("Any", engine.rollout.start_or_resume), cast("Any", flows.waves), cast("Any", tasks.monitor_wave)
    modules[0].connected = lambda _: via
    modules[1].open_run = lambda _, rollout: OpenRollout(via, rollout)
    modules[2].SHOWN_EVERY = timedelta(0)
    with prefect_on_empty_database():
        server = cast("Any", SubprocessASGIServer._instances[None]).server_process
        tell(folder / "server", str(server.pid))
        rollout("small", ANN, resume=name)


if __name__ == "__main__":
    main()
