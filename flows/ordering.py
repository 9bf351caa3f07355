"""What every order from a form has: who gives it, with which code, for which rollout, and how its run ends."""

from collections.abc import Callable
from typing import Annotated

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from engine.gates.authorize import Given
from engine.prefect_api.runs import created_at
from engine.rollout.connections import connected, open_run
from engine.rollout.open import NotAllowed
from engine.rollout.resolve_rollout import the_open_rollout
from engine.rollout.session import OpenRollout
from flows.forms.text_fields import EMAIL

Person = Annotated[str, Field(pattern=EMAIL)]
Code = Annotated[str, Field(pattern=r"^(\d{6})?$")]


def run_name() -> str:
    """`hold new-path-1a2b3c`."""
    return f"{flow_run.flow_name} {flow_run.parameters.get('rollout') or 'the open rollout'}"


def meant(rollout: str, connections: str) -> OpenRollout:
    """The named rollout, or the one that is open."""
    return open_run(connections, rollout or the_open_rollout(connected(connections).journal))


def given(code: str) -> Given:
    """How this run's order came; a code is as old as its order, however late a worker comes to it."""
    return Given("prefect", code, created_at(flow_run.id or ""))


def ended(order: Callable[[], str]) -> State:
    """The run's final state: what the order says, or why it was refused."""
    try:
        return Completed(message=order())
    except NotAllowed as refusal:
        return Failed(name="Refused", message=str(refusal))
