"""One wave: verify, scale, monitor, decide, notify."""

from functools import cache
from typing import Any

from prefect import Flow, flow, get_run_logger
from prefect.client.schemas.objects import State

from blocks.errors import Fenced
from engine.notices.reporter import reporter_for
from engine.rollout.connections import open_run
from engine.rollout.session import OpenRollout, await_winner
from tasks.go_no_go import go_no_go
from tasks.monitor_wave import monitor_wave
from tasks.notify import notify_wave
from tasks.scale_flag import scale_flag
from tasks.verify_criteria import verify_entry_criteria
from tasks.wave_step import WaveStep, as_state
from tidegate.journal.state import Phase
from tidegate.pages.wave_outcome import wave_name, wave_outcome
from tidegate.rollout.next_step import RunWave, next_step


def run_wave(run: OpenRollout, number: int, connections: str) -> None:
    """Run the wave as a subflow of the rollout; whether it ran, and how it ended, only the journal says."""
    name, before = wave_name(run.plan, number), run.state.sequence
    ended: State[Any] = wave_flow(number)(run.rollout, name, connections, return_state=True)
    if ended.is_crashed() or (ended.is_failed() and ended.name == "Failed"):
        ended.result()  # raises what was raised in the wave; a wave that was rolled back has a name of its own
    if next_step(run.refresh()) == RunWave(number) and run.state.sequence == before:
        # Prefect may take a call for an earlier one, and hand back that one's state without running anything.
        get_run_logger().warning("%s: the journal has nothing of this run (%s); it is run again", name, ended)


@cache
def wave_flow(number: int) -> Flow[[str, str, str], State[Any]]:
    """The flow of this wave, made of a function of its own: by it Prefect tells waves apart once a run is resumed."""

    def body(rollout: str, name: str, connections: str) -> State[Any]:  # noqa: ARG001 - name names the run
        return _steps(rollout, number, connections)

    body.__name__ = body.__qualname__ = f"wave_{number}"
    body.__doc__ = f"Wave {number}: verify, scale, monitor, decide, notify."
    return flow(name=f"wave-{number}", flow_run_name="{name}")(body)


def _steps(rollout: str, number: int, connections: str) -> State[Any]:
    """Raise an approved wave if the journal says it is not raised yet, and monitor it until it has soaked."""
    run = open_run(connections, rollout)
    at = WaveStep(run, reporter_for(run), number)
    run.wait_for_claim()
    try:
        if run.state.phase is Phase.RAISING:
            verify_entry_criteria(at)
        if run.state.phase is Phase.RAISING:
            scale_flag(at)
        if run.state.phase is Phase.WAVE:
            monitor_wave(at)
        go_no_go(at)
        notify_wave(at)
    except Fenced:
        await_winner(run)
    return as_state(wave_outcome(run.plan, run.refresh(), number))
