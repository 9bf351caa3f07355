"""A step back on a real journal and flag: fenced, read back, and never a raise."""

from dataclasses import replace
from pathlib import Path

import pytest

from blocks.errors import Fenced
from blocks.flags.flagd.flagd_file import FlagdFile
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.exposure.step_back import step_back
from engine.notices.queueing import notify
from engine.rollback.rollback import roll_back
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.engine.world import World, no_alerts
from tests.permits import put, raise_without_evidence
from tests.tidegate.builders import ANN, BOB
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.notices.texts import raised, soaked
from tidegate.values.exposure import ZERO, Exposure


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    """A rollout in wave 2 whose plan allows a step back."""
    made = World(tmp_path, prometheus_server, no_alerts({"rollback.step_back": True, "allow_others_of_service": True}))
    run, claim = made.run, made.run.keep_claim()
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}))
    exposure = made.plan.exposure_at(2)
    body = {"wave": 2, "exposure": exposure.to_json(), "epoch": claim.epoch}
    decided = {"wave": 2, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, decided))
    revision = put(made.via.flags, run.flag, exposure, claim.epoch)
    run.append(body_from_json(Kind.RAISED, {**body, "revision": revision}))
    return made


def test_the_flag_is_lowered_read_back_and_the_raiser_is_fenced_off(world: World) -> None:
    old = world.run
    epoch = old.keep_claim().epoch
    run = OpenRollout(world.via, old.rollout)
    step_back(run, 1, by=BOB, reason="slow answers")
    assert world.via.flags.read(run.flag).exposure == world.plan.exposure_at(1)
    assert (run.state.phase, run.state.wave) == (Phase.WAVE, 1)
    with pytest.raises(Fenced):
        put(world.via.flags, run.flag, world.plan.exposure_at(2), epoch)
    [told] = [n for n in run.state.notices.queued.values() if n["event"].startswith("lowered")]
    assert told["loudness"] == "page"
    assert "slow answers" in told["body"]
    assert "the gate before wave 2" in told["body"]
    assert world.via.journal.verify() == []


def test_a_wave_that_is_raised_again_after_a_step_back_is_announced_again(world: World) -> None:
    run = OpenRollout(world.via, world.run.rollout)
    notify(run, raised(run.plan, run.state))
    step_back(run, 1, by=BOB, reason="slow answers")
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}))
    notify(run, soaked(run.plan, run.state, 1))
    decided = {"wave": 2, "attempt": 2, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, decided))
    raise_without_evidence(run, 2)
    notify(run, raised(run.plan, run.state))
    told = [event for event in run.state.notices.queued if event.startswith(("raised", "soaked"))]
    assert told == ["raised-2", "soaked-1-0-2", "raised-2-2"]


def test_a_flag_that_was_lowered_by_hand_is_not_raised_to_an_earlier_wave(world: World) -> None:
    run = world.run
    path = Path(world.via.flags.path) if isinstance(world.via.flags, FlagdFile) else Path()
    path.write_text(path.read_text().replace('"ENABLED"', '"DISABLED"'))
    with pytest.raises(NotAllowed, match="not as the journal has it"):
        step_back(OpenRollout(world.via, run.rollout), 1, by=BOB, reason="slow")
    assert world.via.flags.read(run.flag).exposure == ZERO


def test_over_a_step_back_that_was_begun_and_not_finished_nothing_is_raised(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts())
    run, before = world.run, world.plan.exposure_at(1)
    lower = Exposure(tuple(replace(layer, percent=1.0) for layer in before.layers), before.attribute)
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}))
    decided = {"wave": 2, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, decided))
    run.append(
        body_from_json(
            Kind.LOWERING, {"wave": 1, "before": 2, "exposure": lower.to_json(), "epoch": 1, "by": ANN, "reason": "r"}
        )
    )
    with pytest.raises(MayNotRaise, match="begun and not finished"):
        raise_exposure(run, 2)
    assert world.via.flags.read(run.flag).exposure == before


def test_after_a_rollback_there_is_no_step_back(world: World) -> None:
    run = OpenRollout(world.via, world.run.rollout)
    roll_back(run, reason="bad", criterion="by hand", by=BOB)
    with pytest.raises(NotAllowed, match="is rolling back"):
        step_back(run, 1, by=BOB, reason="half way")
    assert world.via.flags.read(run.flag).exposure == ZERO
