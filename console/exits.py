"""Which sentence and which exit code an error becomes."""

from enum import IntEnum

import httpx

from blocks.errors import ClaimHeld, ConnectionFault, FlagBusy, Refused
from blocks.kit import KitError
from console.home import NotFound
from demo.processes import PartFailed
from demo.provision import PartMissing
from engine.gates.code_service import ServiceError
from engine.gates.totp_seeds import ApproversError
from engine.rollback.rollback_possible import RollbackImpossible
from engine.rollback.unknown_flag import UnknownFlag
from engine.rollout.open import NotAllowed, NotPermitted
from engine.rollout.resolve_rollout import NotOne
from engine.rollout.session import UnknownRollout
from tidegate.plan.loading.loader import PlanError


class Exit(IntEnum):
    """What a script can rely on."""

    DONE = 0
    NO_GO = 1
    BAD_INPUT = 2
    UNREACHABLE = 3
    STOPPED = 130


_BAD_INPUT = (
    PlanError,
    KitError,
    NotAllowed,
    UnknownRollout,
    NotOne,
    FlagBusy,
    Refused,
    NotFound,
    ApproversError,
    ServiceError,
    RollbackImpossible,
    UnknownFlag,
)
_UNREACHABLE = (ConnectionFault, httpx.HTTPError, PartFailed, PartMissing)


def explain(error: Exception) -> tuple[str, Exit] | None:
    """The sentence for people and the code for scripts; None for an error that is ours to mend."""
    if isinstance(error, ClaimHeld):
        return f"somebody else holds the claim: {error}", Exit.UNREACHABLE
    if isinstance(error, NotPermitted):
        return str(error), Exit.NO_GO
    if isinstance(error, _BAD_INPUT):
        return str(error), Exit.BAD_INPUT
    if isinstance(error, _UNREACHABLE):
        return str(error) or type(error).__name__, Exit.UNREACHABLE
    return None
