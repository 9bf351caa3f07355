"""Monitor: guard checks and reviews until the wave has soaked or is rolled back; its reviews are child task runs."""

import contextvars
import logging
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.errors import Fenced
from engine.notices.background_worker import BackgroundWorker
from engine.prefect_api.artifacts import artifact_key
from engine.rollout.evaluation import Evaluation
from engine.rollout.monitoring import monitor, review
from engine.rollout.session import OpenRollout, await_winner
from tasks.wave_step import WaveStep, as_state
from tidegate.journal.state import Phase
from tidegate.notices.texts import review_line
from tidegate.pages.wave_outcome import wave_outcome

# A rehearsal reviews every second; each review as a run of its own would bury the page under hundreds of equal lines.
SHOWN_EVERY = timedelta(seconds=10)
_log = logging.getLogger("tidegate.monitoring")


@task(
    name="monitor wave",
    task_run_name="{at.name}: monitor",
    description="Check the guards and review the evidence at the plan's interval until the wave has soaked.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def monitor_wave(at: WaveStep) -> State:
    """Ends when the wave has soaked, with its reviews; a wave that was rolled back is cancelled, and says why."""
    progress = _Progress(at)
    shown: list[float] = []

    def reviewed(run: OpenRollout, now: datetime) -> None:
        if not shown or monotonic() - shown[-1] >= SHOWN_EVERY.total_seconds():
            shown[:] = [monotonic()]
            number = run.state.waves[at.wave].recorded + 1
            review_wave(_Review(run, now, f"{at.name}: review {number}"))
        else:
            review(run, now)
        progress.update()

    try:
        monitor(at.run, at.reporter, at.wave, reviewed)
    except Fenced:
        # Somebody has taken the claim, as a rollback by hand does; what they did is what this run shows.
        await_winner(at.run)
    progress.update()
    outcome = wave_outcome(at.run.plan, at.run.state, at.wave)
    # Not failed: Prefect would then call every review that stands below it rolled back.
    return (
        as_state(outcome)
        if outcome.kind == "completed"
        else State(type="CANCELLED", name=outcome.name, message=outcome.message)
    )


class _Review:
    """One review to be made; opaque to Prefect, as the wave's step is."""

    def __init__(self, run: OpenRollout, now: datetime, name: str) -> None:
        self.run, self.now, self.name = run, now, name

    def __repr__(self) -> str:
        return f"{self.name} of {self.run.rollout} at {self.now.isoformat()}"


@task(
    name="review",
    task_run_name="{at.name}",
    description="Measure, judge and record the wave's evidence, and act on it.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def review_wave(at: _Review) -> State:
    """One line on how it looks and what follows."""
    made: Evaluation = review(at.run, at.now)
    line = review_line(at.run.plan, at.run.state, made.seen.judged, made.decision)
    if at.run.state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
        return State(type="CANCELLED", name="RollbackBegun", message=line)
    return Completed(message=line)


_SHOWING = BackgroundWorker()


class _Progress:
    """How much of the soak is collected, as an artifact of the task; made beside it, so a failure is only logged."""

    def __init__(self, at: WaveStep) -> None:
        self._at = at
        self._context = contextvars.copy_context()
        self._artifact: UUID | None = None
        self._shown = -1.0

    def update(self) -> None:
        """Ask for the newest figure to be shown; returns at once."""
        state, wave = self._at.run.state, self._at.wave
        record = state.waves.get(wave)
        if record is None:
            return
        soak, tolerance = self._at.run.timing.soak(wave), self._at.run.plan.waves[wave - 1].tolerance
        collected, _ = record.soaked(soak, tolerance)
        whole = (soak + record.extension).total_seconds()
        percent = round(100 * collected.total_seconds() / whole, 1) if whole > 0 else 100.0
        if percent != self._shown:
            self._shown = percent
            show = partial(self._context.copy().run, self._show, percent)
            _SHOWING.do(f"progress of {self._at.run.rollout} {wave}", show)

    def _show(self, percent: float) -> None:
        if self._artifact is None:
            key = artifact_key(f"wave-{self._at.wave}", self._at.run.rollout)
            about = f"Soak of {self._at.name}, rollout {self._at.run.rollout}"
            made = create_progress_artifact(percent, key=key, description=about)
            self._artifact = made if isinstance(made, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent)
