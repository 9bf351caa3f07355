"""Whether anybody guards an exposed rollout, read from the journal alone, for who looks at it."""

from datetime import timedelta

from blocks.errors import ConnectionFault
from blocks.journal.guard_checks import guard_check_ages
from engine.rollout.session import OpenRollout
from engine.watch.watch_places import watch_places
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO
from tidegate.values.units import format_duration

_PATIENCE = timedelta(seconds=60)
_GUARDS_MISSED = 3


def why_unguarded(run: OpenRollout) -> str:
    """What is missing where nobody has looked at it for a minute and three guards; empty where somebody does.

    A gate that waits then waits for nobody: an answer is recorded, and nothing follows from it.
    """
    if not run.state.phase.is_open:
        return ""
    if run.state.exposure == ZERO:
        return _unwatched(run) if run.state.phase is Phase.GATE else ""
    try:
        age = guard_check_ages(run.connections.journal).get(run.rollout)
    except ConnectionFault as fault:
        return f"Whether anybody guards it is not known: {fault}."
    allowed = max(_PATIENCE, _GUARDS_MISSED * run.timing.guard)
    if age is not None and age <= allowed.total_seconds():
        return ""
    since = "since it was raised" if age is None else f"for {format_duration(timedelta(seconds=round(age)))}"
    return (
        f"NOBODY GUARDS IT: no look {since} (allowed {format_duration(allowed)}). Start the watch's worker, "
        "`tidegate worker tidegate-watch`; `tidegate doctor` says what else is missing."
    )


def _unwatched(run: OpenRollout) -> str:
    """What is missing at a gate before anybody is exposed: the watch, which follows a lost run by a new one."""
    try:
        if watch_places(run.connections.journal).watch:
            return ""
    except ConnectionFault as fault:
        return f"Whether anybody carries it is not known: {fault}."
    return (
        "NOBODY WATCHES IT: a run that is lost stays lost. Start the watch's worker, `tidegate worker tidegate-watch`; "
        "`tidegate doctor` says what else is missing."
    )
