"""A gate belongs to the run that asks: a new run of the same rollout asks anew, an answer given is kept."""

from pathlib import Path

from blocks.connections import OpenConnections
from blocks.prometheus.block import Prometheus
from engine.gates.gate import automatic_answer, boxes, give_answer, judge_answer, open_gate
from engine.measuring.measure import entry_findings
from engine.rollout.session import OpenRollout, utc_now
from tests.conftest import PrometheusServer
from tests.console.test_without_journal import WHO, opened
from tests.permits import put
from tidegate.gates.approval import Answer, Choice, Outcome, decide_answer, measured_entry
from tidegate.gates.statements import statements
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.values.verdict import Verdict


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


def at_the_last_gate(tmp_path: Path, prometheus: PrometheusServer) -> OpenRollout:
    """Three waves raised; the gate of the fourth asks people only."""
    run = opened(tmp_path, prometheus)
    claim = run.keep_claim()
    for wave in (1, 2, 3):
        run.append(
            body_from_json(
                Kind.GATE_DECIDED,
                {"wave": wave, "attempt": 1, "outcome": "go", "reason": "", "by": WHO, "extension_seconds": 0},
            )
        )
        exposure = run.plan.exposure_at(wave)
        body = {"wave": wave, "exposure": exposure.to_json(), "epoch": claim.epoch}
        run.append(body_from_json(Kind.RAISING, body))
        run.append(
            body_from_json(
                Kind.RAISED, {**body, "revision": put(run.connections.flags, run.flag, exposure, claim.epoch)}
            )
        )
        run.append(body_from_json(Kind.SOAKED, {"wave": wave}))
    assert measured_entry(run.plan, 4) == ()
    return run


def everything_stated(run: OpenRollout) -> Answer:
    stated = frozenset(s.key for s in statements(run.plan, 4))
    return Answer(Choice.GO, "commander@company.com", stated=stated)


def test_a_go_that_only_people_answer_is_refused_while_nothing_can_be_measured(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = at_the_last_gate(tmp_path, prometheus_server)
    via = run.connections
    run.connections = OpenConnections(via.journal, via.flags, Prometheus(url="http://127.0.0.1:9", timeout_seconds=0.5))
    ruling = judge_answer(run, 4, everything_stated(run))
    assert ruling.outcome is Outcome.REFUSED
    assert "ERROR" in ruling.reason


def test_a_go_that_only_people_answer_is_refused_while_the_wave_before_shows_no_data(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = at_the_last_gate(tmp_path, prometheus_server)
    ruling = judge_answer(run, 4, everything_stated(run))
    assert ruling.outcome is Outcome.REFUSED


def test_a_flag_that_was_changed_by_hand_stands_in_the_evidence_of_the_gate(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = at_the_last_gate(tmp_path, prometheus_server)
    put(run.connections.flags, run.flag, run.plan.exposure_at(1), run.keep_claim().epoch)
    [flag] = [f for f in entry_findings(run, 4, utc_now()) if f.criterion == "flag"]
    assert flag.verdict is Verdict.ERROR


def answered_automatically(run: OpenRollout) -> list[str]:
    """Who answers the gate before wave 1 of a rehearsal, one after another, until it is decided."""
    people: list[str] = []
    while run.state.votes.approved_wave == 0 and len(people) < 10:
        answer = automatic_answer(run, 1)
        ruling = decide_answer(
            run.plan,
            1,
            answer,
            started_by=run.state.started_by,
            active_approvals=run.state.votes.approvals.get(1, []),
            findings=(),
            stated=run.state.votes.stated.get(1, {}),
        )
        assert ruling.outcome in (Outcome.COUNTED, Outcome.GO), ruling
        body = {"wave": 1, "outcome": ruling.outcome.value, "reason": "", "by": answer.approver}
        run.append(
            body_from_json(
                Kind.GATE_DECIDED, {**body, "attempt": 1, "extension_seconds": 0, "stated": list(ruling.stated)}
            )
        )
        people.append(answer.approver)
    return people


def test_an_automatic_answer_comes_as_often_as_roles_have_to_sign(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    people = answered_automatically(opened(tmp_path, prometheus_server))
    who = ("commander", "oncall", "manager", "product", "security")
    assert sorted(people) == sorted(f"{name}@company.com" for name in who)


def test_in_the_rehearsal_one_go_suffices(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = opened(tmp_path, prometheus_server, "rehearsal.yaml")
    assert answered_automatically(run) == ["commander@company.com"]


def test_a_form_asks_only_for_what_nobody_has_signed_yet(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = opened(tmp_path, prometheus_server)
    before = {s.key for s in boxes(run, 1)}
    assert before == {s.key for s in statements(run.plan, 1)}
    body = {"wave": 1, "outcome": "counted", "reason": "", "by": "commander@company.com", "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, {**body, "attempt": 1, "stated": ["sign-off.2"]}))
    assert before - {s.key for s in boxes(run, 1)} == {"sign-off.2"}
