"""Scale: make the flag's exposure the wave's, under a permit, and read it back."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.errors import NotTaken, Refused, Unreachable
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.gates.gate import revoke_approval
from engine.notices.queueing import notify
from engine.rollout.session import Superseded
from tasks.wave_step import WaveStep, as_state
from tidegate.notices.texts import raised
from tidegate.pages.wave_outcome import wave_outcome


@task(
    name="scale flag",
    task_run_name="{at.name}: scale the flag",
    description="Raise the flag to the wave's exposure under a permit made anew for each attempt, and read it back.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def scale_flag(at: WaveStep) -> State:
    """Raise, or revoke the approval and say why not: then the gate asks anew."""
    run, before = at.run, at.run.state.exposure
    try:
        if raise_exposure(run, at.wave):
            notify(run, raised(run.plan, run.state))
    except (MayNotRaise, NotTaken, Refused, Superseded, Unreachable) as refusal:
        revoke_approval(run, at.wave, f"not raised: {refusal}")
        return as_state(wave_outcome(run.plan, run.state, at.wave))
    return Completed(message=f"{run.flag}: {before} to {run.state.exposure}, read back.")
