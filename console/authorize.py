"""Orders that need an approver: given here where names suffice, by a run on the worker where a code must prove them."""

import sys
import threading
from datetime import timedelta
from time import monotonic
from typing import Any

import typer

from blocks.errors import Unreachable
from engine.rollout.open import NotAllowed, NotAuthorized
from engine.rollout.session import OpenRollout
from tidegate.plan.model import Approvals
from tidegate.values.units import format_duration

PATIENCE = timedelta(minutes=2)


def asks_for_code(run: OpenRollout) -> bool:
    """Whether an approver's order counts only with a one-time code, whose seed lies on the worker."""
    return run.plan.approvals is not Approvals.OPEN


def asked_code() -> str:
    """The code, typed unseen; raises NotAllowed where there is no terminal."""
    if not sys.stdin.isatty():
        raise NotAllowed("--code is missing: in this plan an approver's order needs their one-time code")
    return str(typer.prompt("Your one-time code", hide_input=True)).strip()


def ordered(deployment: str, run: OpenRollout, patience: timedelta = PATIENCE, **parameters: Any) -> str:
    """Start the steering deployment of this name and return what it says; raises NotAuthorized for its refusal.

    Raises Unreachable where no worker takes it in time.
    """
    from console.prefect_runs import ended_as, start_run

    order = start_run(f"{deployment}/{deployment}", {"rollout": run.rollout, **parameters})
    until = monotonic() + patience.total_seconds()
    while (ended := ended_as(order)) is None:
        if monotonic() > until:
            raise Unreachable(
                f"the order was handed over, and no worker has taken it within {format_duration(patience)}; "
                f"`tidegate journal {run.rollout}` shows what becomes of it"
            )
        threading.Event().wait(0.3)
    good, said = ended
    if not good:
        raise NotAuthorized(said)
    return said


__all__ = ["PATIENCE", "asked_code", "asks_for_code", "ordered"]
