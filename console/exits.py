"""Which sentence and which exit code an error becomes. An error is known by its name: none is imported for it."""

import sys
from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """What a script can rely on."""

    DONE = 0
    NO_GO = 1
    BAD_INPUT = 2
    UNREACHABLE = 3
    STOPPED = 130


_CLAIM_HELD = ("blocks.errors:ClaimHeld",)
_NOT_AUTHORIZED = ("engine.rollout.not_allowed:NotAuthorized",)
_BAD_INPUT = (
    "tidegate.plan.loading.strict_yaml:PlanError",
    "blocks.kit_values:KitError",
    "engine.rollout.not_allowed:NotAllowed",
    "engine.rollout.session:UnknownRollout",
    "engine.rollout.resolve_rollout:NotOne",
    "blocks.errors:FlagBusy",
    "blocks.errors:Refused",
    "console.home:NotFound",
    "engine.gates.totp_seeds:ApproversError",
    "engine.gates.code_service:ServiceError",
    "engine.rollback.rollback_possible:RollbackImpossible",
    "engine.rollback.unknown_flag:UnknownFlag",
)
_UNREACHABLE = (
    "blocks.errors:ConnectionFault",
    "httpx:HTTPError",
    "demo.processes:PartFailed",
    "demo.provision:PartMissing",
)


def sentence_and_exit(error: Exception) -> tuple[str, Exit] | None:
    """The sentence for people and the code for scripts; None for an error that is ours to mend."""
    if _is_one(error, _CLAIM_HELD):
        return f"somebody else holds the claim: {error}", Exit.UNREACHABLE
    if _is_one(error, _NOT_AUTHORIZED):
        return str(error), Exit.NO_GO
    if _is_one(error, _BAD_INPUT):
        return str(error), Exit.BAD_INPUT
    if _is_one(error, _UNREACHABLE):
        return str(error) or type(error).__name__, Exit.UNREACHABLE
    return None


def _is_one(error: Exception, kinds: Iterable[str]) -> bool:
    """Whether it is of one of these kinds; one whose module nobody has imported cannot have been raised."""
    for place in kinds:
        module, _, name = place.partition(":")
        found = sys.modules.get(module)
        if found is not None and isinstance(error, getattr(found, name, ())):
            return True
    return False
