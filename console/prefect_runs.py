"""Prefect runs from the command line: start a deployment, and wake a run that waits at its gate."""

import os
import threading
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from blocks.errors import Refused, Unreachable
from console.home import NotFound
from console.stack import running_stack, use_server

_ATTEMPTS = 6
_WAIT_SECONDS = 1.0


def _use_local_server() -> None:
    """The local stack's server, unless the environment names one, or a kit file of one's own."""
    stack = running_stack()
    if stack is not None and not {"PREFECT_API_URL", "TIDEGATE_KIT"} & os.environ.keys():
        use_server(stack)


def start_run(deployment: str, parameters: dict[str, Any]) -> UUID:
    """Start a run of `flow/deployment` and return its id at once; raises NotFound or Unreachable."""
    _use_local_server()
    for attempt in range(_ATTEMPTS):
        try:
            with get_client(sync_client=True) as client:
                found = client.read_deployment_by_name(deployment)
                return client.create_flow_run_from_deployment(found.id, parameters=parameters).id
        except ObjectNotFound:
            raise NotFound(f"there is no deployment {deployment}: run `tidegate deploy` (or `tidegate up`)") from None
        except httpx.HTTPStatusError as error:
            # The server on SQLite answers 503 when it is busy; asking again is right then.
            if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE or attempt == _ATTEMPTS - 1:
                raise Unreachable(f"Prefect: {error.response.status_code} {error.response.text[:200]}") from error
        except httpx.HTTPError as error:
            raise Unreachable(f"Prefect's server does not answer ({type(error).__name__})") from error
        threading.Event().wait(_WAIT_SECONDS)
    raise Unreachable("Prefect's server stays busy")


def resume_run(run: str, given: dict[str, Any]) -> None:
    """Wake a suspended run with the same answer that the journal has; raises Refused or Unreachable."""
    _use_local_server()
    reason = ""
    for _ in range(_ATTEMPTS):
        try:
            with get_client(sync_client=True) as client:
                response = client.request(
                    "POST", "/flow_runs/{id}/resume", path_params={"id": run}, json={"run_input": given}
                )
                body = response.json()
        except httpx.HTTPStatusError as error:
            reason = f"{error.response.status_code} {error.response.text[:200]}"
            if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                raise Refused(f"Prefect: {reason}") from error
        except httpx.HTTPError as error:
            raise Unreachable(f"Prefect's server does not answer ({type(error).__name__})") from error
        else:
            # A refusal comes as HTTP 200; only the status tells.
            if body["status"] == "ACCEPT":
                return
            reason = str(body["details"].get("reason"))
            # The state shows Suspended a moment before the form is stored.
            if "schema not found" not in reason and "not paused" not in reason:
                raise Refused(f"Prefect: {reason}")
        threading.Event().wait(_WAIT_SECONDS)
    raise Refused(f"Prefect: {reason}")
