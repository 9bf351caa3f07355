"""Prefect runs from the command line: on the local stack's server unless the environment names another."""

import os
from typing import Any
from uuid import UUID

from console.stack import running_stack, use_server
from tasks import prefect_runs


def _use_local_server() -> None:
    """The local stack's server, unless the environment names one, or a kit file of one's own."""
    stack = running_stack()
    if stack is not None and not {"PREFECT_API_URL", "TIDEGATE_KIT"} & os.environ.keys():
        use_server(stack)


def start_run(deployment: str, parameters: dict[str, Any]) -> UUID:
    """Start a run of `flow/deployment` and return its id at once; raises Refused or Unreachable."""
    _use_local_server()
    return prefect_runs.start_run(deployment, parameters)


def resume_run(run: str, given: dict[str, Any]) -> None:
    """Wake a suspended run with the answer that the journal has; raises Refused or Unreachable."""
    _use_local_server()
    prefect_runs.resume_run(run, given)


def ended_as(run: UUID) -> tuple[bool, str] | None:
    """Whether a run went well, and what it says; None while it has not ended. Raises Unreachable."""
    _use_local_server()
    return prefect_runs.ended_as(run)
