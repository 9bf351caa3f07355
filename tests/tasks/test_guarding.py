"""Between a wave's soak and the next gate the rollout's own run guards, for days if the calendar says so."""

from datetime import datetime, timedelta
from pathlib import Path

from tasks.guarding import guard_until
from tasks.open_rollout import OpenRollout, utc_now
from tasks.progress import Reporter
from tests.conftest import PrometheusServer
from tests.tasks.world import World, no_alerts
from tidegate.entries import Kind
from tidegate.rollout_state import Phase
from tidegate.views.health import silent_for


class Unseen(Reporter):
    """Shows nothing."""

    def update(self, run: OpenRollout, now: datetime) -> None:
        """Nobody looks."""


def test_a_soaked_wave_is_reviewed_until_the_next_gate_opens(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts())
    run = world.run
    run.append(Kind.SOAKED, {"wave": 1}, world.now)
    assert silent_for(run.state, run.timing, utc_now()), "the last review is days old"
    assert guard_until(run, Unseen(run), utc_now() + timedelta(seconds=0.2), Phase.SOAKED)
    assert silent_for(run.state, run.timing, utc_now()) is None
