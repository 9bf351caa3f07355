"""Notify: send what people are to hear of the wave."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from engine.notices.delivery import undelivered_messages
from engine.rollout.session import utc_now
from tasks.wave_step import WaveStep
from tidegate.journal.state import Phase


@task(
    name="notify",
    task_run_name="{at.name}: notify",
    description="Send the queued notices beside the rollout, for ten seconds at most; what is left is tried again.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def notify_wave(at: WaveStep) -> State:
    """How many notices the rollout has queued, and how many messages still wait; a rollback's proof waits for none."""
    run = at.run
    at.reporter.update(run, utc_now())
    if run.state.phase is not Phase.ROLLING_BACK:
        at.reporter.hand_over(run)
    run.refresh()
    waiting = len(undelivered_messages(run))
    left = "none waits" if not waiting else f"{waiting} messages wait and are tried again"
    titles = [str(notice["title"]) for notice in list(run.state.notices.queued.values())[-3:]]
    return Completed(message=f"{len(run.state.notices.queued)} notices so far, {left}. The newest: {'; '.join(titles)}")
