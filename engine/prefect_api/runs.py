"""Prefect runs as the effects need them: start a deployment, and wake a run that waits at its gate."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect.exceptions import ObjectNotFound

from blocks.errors import Refused, Unreachable
from engine.prefect_api.server import does_not_answer, server_address, server_client

ATTEMPTS = 10
_WAIT_SECONDS = 1.0
_MOST = 200  # what a server gives at once


def start_run(deployment: str, parameters: dict[str, Any]) -> UUID:
    """Start a run of `flow/deployment` and return its id at once; raises Refused or Unreachable."""
    for attempt in range(ATTEMPTS):
        try:
            with server_client(retries=True) as client:
                found = client.read_deployment_by_name(deployment)
                return client.create_flow_run_from_deployment(found.id, parameters=parameters).id
        except ObjectNotFound:
            raise Refused(f"there is no deployment {deployment}: run `tidegate deploy` (or `tidegate up`)") from None
        except httpx.HTTPStatusError as error:
            # The server on SQLite answers 503 when it is busy; asking again is right then.
            if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE or attempt == ATTEMPTS - 1:
                raise Unreachable(f"Prefect: {error.response.status_code} {error.response.text[:200]}") from error
        except httpx.HTTPError as error:
            raise does_not_answer(error) from error
        threading.Event().wait(_WAIT_SECONDS)
    raise Unreachable("Prefect's server stays busy")


def resume_run(run: str, given: dict[str, Any], attempts: int = ATTEMPTS) -> None:
    """Wake a suspended run with the same answer that the journal has; raises Refused or Unreachable."""
    reason = ""
    for _ in range(attempts):
        try:
            with server_client() as client:
                response = client.request(
                    "POST", "/flow_runs/{id}/resume", path_params={"id": run}, json={"run_input": given}
                )
                body = response.json()
        except httpx.HTTPStatusError as error:
            reason = f"{error.response.status_code} {error.response.text[:200]}"
            if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                raise Refused(f"Prefect: {reason}") from error
        except httpx.HTTPError as error:
            reason = f"its server at {server_address()} does not answer ({type(error).__name__})"
            # The client has knocked three times by then; a server that is away is not waited for like a busy one.
            if isinstance(error, httpx.ConnectError):
                break
        else:
            # A refusal comes as HTTP 200; only the status tells.
            if body["status"] == "ACCEPT":
                return
            reason = str(body["details"].get("reason"))
            # The state shows Suspended a moment before the form is stored.
            if "schema not found" not in reason and "not paused" not in reason:
                raise Refused(f"Prefect: {reason}")
        threading.Event().wait(_WAIT_SECONDS)
    raise Unreachable(f"Prefect: {reason}")


def answered_at(run: str, key: str, attempts: int = ATTEMPTS) -> datetime | None:
    """When the form that waited under this key was answered, by the server's clock; None where nobody can say."""
    for _ in range(attempts):
        try:
            with server_client() as client:
                found = client.filter_flow_run_input(UUID(run), f"suspended-{key}-response", 1, set())
        except (httpx.HTTPError, ValueError, Refused):
            threading.Event().wait(_WAIT_SECONDS)
            continue
        created = next((given.created for given in found), None)
        return None if created is None else datetime.fromisoformat(created.isoformat())
    return None


def run_state(run: str) -> str:
    """The state type of a run (RUNNING, PAUSED, CANCELLED, ...), or GONE where the server knows no such run.

    Raises Unreachable.
    """
    try:
        with server_client() as client:
            state = client.read_flow_run(UUID(run)).state
    except (ObjectNotFound, ValueError):
        return "GONE"
    except httpx.HTTPError as error:
        raise does_not_answer(error) from error
    return "PENDING" if state is None else state.type.value


def created_at(run: str) -> datetime | None:
    """When a run was ordered, by the server's clock; None where nobody can say."""
    try:
        with server_client() as client:
            created = client.read_flow_run(UUID(run)).created
    except (httpx.HTTPError, ObjectNotFound, ValueError, Refused):
        return None
    return None if created is None else datetime.fromisoformat(created.isoformat())


def ended_as(run: UUID) -> tuple[bool, str] | None:
    """Whether a run went well, and what it says; None while it has not ended. Raises Unreachable."""
    try:
        with server_client() as client:
            state = client.read_flow_run(run).state
    except (httpx.HTTPError, ObjectNotFound) as error:
        raise does_not_answer(error) from error
    if state is None or not state.is_final():
        return None
    return state.is_completed(), str(state.message or state.name)


@dataclass(frozen=True, slots=True)
class FlowRunSeen:
    """A run as Prefect's server has it: when it was ordered, and with which parameters."""

    id: str
    created: datetime
    parameters: dict[str, Any]


def runs_that_start(flow: str, pool: str) -> list[FlowRunSeen]:
    """The runs of this flow in this work pool that were ordered and have not begun, those planned for later left out.

    A server has other people's flows too, perhaps of the same name; the pool is ours. Raises Unreachable.
    """
    from prefect.client.schemas import filters, sorting
    from prefect.client.schemas.objects import StateType

    waiting = filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING])
    try:
        with server_client() as client:
            found = client.read_flow_runs(
                flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=[flow])),
                flow_run_filter=filters.FlowRunFilter(state=filters.FlowRunFilterState(type=waiting)),
                work_pool_filter=filters.WorkPoolFilter(name=filters.WorkPoolFilterName(any_=[pool])),
                sort=sorting.FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=_MOST,
            )
    except httpx.HTTPError as error:
        raise does_not_answer(error) from error
    now = datetime.now(UTC)
    return [
        FlowRunSeen(str(run.id), datetime.fromisoformat(run.created.isoformat()), run.parameters)
        for run in found
        if run.created is not None and run.expected_start_time is not None and run.expected_start_time <= now
    ]
