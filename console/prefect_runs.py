"""Prefect runs from the command line: on the local stack's server unless the environment names another."""

import os
from typing import Any
from uuid import UUID

from blocks.errors import Refused
from console.home import home
from console.local_stack.stack import running_stack, use_server
from demo.processes import is_running
from engine.prefect_api import runs as prefect_runs
from engine.prefect_api.server import server_address


def use_named_server() -> None:
    """The server that the environment names, else the local stack's; raises Refused where there is neither.

    With a kit file of one's own the local stack is not meant.
    """
    if not {"PREFECT_API_URL", "TIDEGATE_KIT"} & os.environ.keys():
        stack = running_stack()
        if stack is not None:
            if not is_running(stack.server):
                raise Refused(f"the local stack of {home()} is down: run `tidegate up`")
            use_server(stack)
    server_address()


def start_run(deployment: str, parameters: dict[str, Any]) -> UUID:
    """Start a run of `flow/deployment` and return its id at once; raises Refused or Unreachable."""
    use_named_server()
    return prefect_runs.start_run(deployment, parameters)


def resume_run(run: str, given: dict[str, Any]) -> None:
    """Wake a suspended run with the answer that the journal has; raises Refused or Unreachable."""
    use_named_server()
    prefect_runs.resume_run(run, given)


def ended_as(run: UUID) -> tuple[bool, str] | None:
    """Whether a run went well, and what it says; None while it has not ended. Raises Unreachable."""
    use_named_server()
    return prefect_runs.ended_as(run)
