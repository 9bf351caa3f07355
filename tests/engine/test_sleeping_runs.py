"""A run that sleeps behind its answer is woken, and a server that cannot wake it is asked ever more rarely."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import Unreachable
from engine.gates.gate import automatic_answer, give_answer, open_gate
from engine.rollout.session import OpenRollout
from engine.watch.sleeping_runs import LONGEST_WAIT, WAKE_AFTER, SleepingRuns
from tests.conftest import PrometheusServer
from tests.console.test_gates import at_the_last_gate

SECOND = timedelta(seconds=1)


@pytest.fixture
def answered(tmp_path: Path, prometheus_server: PrometheusServer) -> OpenRollout:
    run = at_the_last_gate(tmp_path, prometheus_server)
    gate = open_gate(run, 4, "the-run")
    give_answer(run, 4, gate.attempt, automatic_answer(run, 4), "auto")
    run.refresh()
    return run


def test_a_server_that_does_not_wake_it_is_asked_ever_more_rarely(answered: OpenRollout) -> None:
    woken: list[float] = []
    gate = answered.state.gate
    assert gate is not None
    assert gate.answered_at is not None

    def refuse(flow_run: str, given: dict[str, Any]) -> None:
        assert (flow_run, given["decision"]) == ("the-run", "go")
        woken.append(seconds)
        raise Unreachable("the run is merely starting")

    sleeping = SleepingRuns(refuse)
    for second in range(0, 20_000, 10):
        seconds = float(second)
        sleeping.look(answered, gate.answered_at + second * SECOND)
        sleeping.wait(5)
    apart = [after - before for before, after in zip(woken, woken[1:], strict=False)]
    assert woken[0] == WAKE_AFTER.total_seconds()
    assert apart[:4] == [10.0, 20.0, 40.0, 80.0]
    assert set(apart[4:]) == {LONGEST_WAIT.total_seconds()}, "never given up"


def test_whoever_asks_anew_is_woken_as_soon_as_the_first(answered: OpenRollout) -> None:
    woken: list[str] = []
    sleeping = SleepingRuns(lambda flow_run, _: woken.append(flow_run))
    gate = answered.state.gate
    assert gate is not None
    assert gate.answered_at is not None
    for second in (19, 20, 21):
        sleeping.look(answered, gate.answered_at + second * SECOND)
        sleeping.wait(5)
    assert woken == ["the-run"]
    answered.state.gate.attempt += 1  # type: ignore[union-attr]
    sleeping.look(answered, gate.answered_at + 22 * SECOND)
    sleeping.wait(5)
    assert woken == ["the-run", "the-run"]
