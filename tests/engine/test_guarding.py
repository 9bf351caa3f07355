"""Between a wave's soak and the next gate the rollout's own run guards, for days if the calendar says so."""

import threading
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from engine.notices.reporter import Reporter
from engine.rollout.monitoring import guard_until
from engine.rollout.session import OpenRollout, utc_now
from tests.conftest import PrometheusServer
from tests.engine.world import World, no_alerts
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
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
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}), world.now)
    assert silent_for(run.state, run.timing, utc_now()), "the last review is days old"
    assert guard_until(run, Unseen(run), utc_now() + timedelta(seconds=0.2), Phase.SOAKED)
    assert silent_for(run.state, run.timing, utc_now()) is None


def test_a_clock_that_is_set_back_during_a_look_makes_no_pause_longer(
    tmp_path: Path, prometheus_server: PrometheusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts({"guard": "1s"}))
    offset, looks = [timedelta(0)], []

    def looked(*_: object, **__: object) -> None:
        looks.append(monotonic())
        offset[0] -= timedelta(hours=1)

    monkeypatch.setattr("engine.rollout.monitoring.evaluate", looked)
    monkeypatch.setattr("engine.rollout.monitoring.utc_now", lambda: utc_now() + offset[0])
    guarding = threading.Thread(
        target=guard_until,
        args=(world.run, Unseen(world.run), utc_now() + timedelta(days=1), world.run.state.phase),
        daemon=True,
    )
    guarding.start()
    deadline = monotonic() + 60
    while len(looks) < 3:
        assert monotonic() < deadline, "it sleeps for an hour"
        threading.Event().wait(0.05)
    world.run.state.phase = Phase.ROLLED_BACK
    guarding.join(30)
    assert not guarding.is_alive()
