"""A gate belongs to the run that asks: a new run of the same rollout asks anew, an answer given is kept."""

from pathlib import Path

from tasks.gates import give_answer, open_gate
from tasks.open_rollout import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.test_without_journal import opened
from tidegate.approval import Answer, Choice


def asked(tmp_path: Path, prometheus: PrometheusServer, flow_run: str) -> OpenRollout:
    run = opened(tmp_path, prometheus)
    run.keep_claim()
    open_gate(run, 1, flow_run)
    return run


def test_the_same_run_finds_its_gate_open(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = asked(tmp_path, prometheus_server, "run-1")
    entries = run.state.sequence
    assert open_gate(run, 1, "run-1").attempt == 1
    assert run.refresh().sequence == entries


def test_a_new_run_asks_anew_so_that_an_answer_wakes_it(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = asked(tmp_path, prometheus_server, "run-1")
    gate = open_gate(run, 1, "run-2")
    assert (gate.attempt, gate.flow_run) == (2, "run-2")
    assert not give_answer(run, 1, 1, Answer(Choice.GO, "commander@company.com"), "command line")


def test_an_answer_that_was_given_is_not_asked_for_again(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = asked(tmp_path, prometheus_server, "run-1")
    assert give_answer(run, 1, 1, Answer(Choice.HOLD, "anybody@company.com"), "command line")
    gate = open_gate(run, 1, "run-2")
    assert gate.attempt == 1
    assert gate.answer is not None
