"""The effects: absolute, repeatable, fenced, read back, recorded; no Prefect on their hot paths.

A rollout is opened (`open_rollout`), looked at (`evaluate`), raised under a permit (`raise_exposure`) and taken to zero
(`roll_back`, or `zero_flag` where nothing but the flag is known). Each name is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.exposure.raise_exposure import raise_exposure
    from engine.gates.gate import decide_gate, give_answer
    from engine.gates.read_answer import take_answer
    from engine.preflight.checks import preflight_checks, run_checks
    from engine.rollback.rollback import roll_back
    from engine.rollback.zero import zero_flag
    from engine.rollout.evaluation import evaluate
    from engine.rollout.open import open_rollout
    from engine.rollout.session import OpenRollout
    from engine.watch.supervisor import watch_until

_HOME = {
    "OpenRollout": "engine.rollout.session",
    "decide_gate": "engine.gates.gate",
    "evaluate": "engine.rollout.evaluation",
    "give_answer": "engine.gates.gate",
    "open_rollout": "engine.rollout.open",
    "preflight_checks": "engine.preflight.checks",
    "raise_exposure": "engine.exposure.raise_exposure",
    "roll_back": "engine.rollback.rollback",
    "run_checks": "engine.preflight.checks",
    "take_answer": "engine.gates.read_answer",
    "watch_until": "engine.watch.supervisor",
    "zero_flag": "engine.rollback.zero",
}

__all__ = [
    "OpenRollout",
    "decide_gate",
    "evaluate",
    "give_answer",
    "open_rollout",
    "preflight_checks",
    "raise_exposure",
    "roll_back",
    "run_checks",
    "take_answer",
    "watch_until",
    "zero_flag",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
