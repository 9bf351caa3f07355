"""The gate: the rollout's run is suspended, costs no process, and comes back with somebody's answer."""

from datetime import datetime, timedelta
from typing import Any

from prefect.flow_runs import suspend_flow_run
from prefect.runtime import flow_run
from pydantic import ValidationError

from engine.gates.gate import automatic_answer, give_answer, open_gate
from engine.gates.read_answer import take_answer
from engine.measuring.measure import entry_findings
from engine.notices.reporter import Reporter
from engine.prefect_api.runs import answered_at
from engine.rollout.monitoring import guard_once, guard_until, guard_while_frozen
from engine.rollout.session import OpenRollout, utc_now
from flows.forms.gate_form import asking_form
from tasks.go_no_go import GateAnswer, decide_gate_answer
from tasks.wave_step import WaveStep
from tidegate.gates.approval import Answer
from tidegate.journal.state import Phase

_WAIT = timedelta(days=30)


def ask(run: OpenRollout, reporter: Reporter, wave: int) -> None:
    """Bring the gate before this wave one step further: ask, and rule on the answer. Called until it is decided."""
    run.wait_for_claim()
    opens = run.timing.gate_opens(wave, run.state.first_raise_at, utc_now())
    if not guard_until(run, reporter, opens, run.state.phase) or not guard_while_frozen(run, reporter):
        return
    if run.state.auto_approve:
        _wait_for_evidence(run, reporter, wave)
    gate = open_gate(run, wave, flow_run.id or "")
    if gate.answer is None:
        reporter.update(run, utc_now())
        if run.state.auto_approve:
            give_answer(run, wave, gate.attempt, automatic_answer(run, wave), "auto")
        else:
            given, given_at = _asked(run, reporter, wave, gate.attempt)
            take_answer(run, wave, gate.attempt, given, given_at)
    _rule(run, reporter, wave, gate.attempt)


def obey_rollback(run: OpenRollout, reporter: Reporter) -> None:
    """On the way to zero: rule on what this run's form was answered with meanwhile, of which only zero can come."""
    gate, own = run.state.gate, flow_run.id or ""
    if gate is None or run.state.phase is not Phase.GATE or gate.outcome or gate.flow_run != own:
        return
    if gate.answer is None and answered_at(own, _key(gate.wave, gate.attempt), attempts=1) is not None:
        given, given_at = _asked(run, reporter, gate.wave, gate.attempt)
        take_answer(run, gate.wave, gate.attempt, given, given_at)
    _rule(run, reporter, gate.wave, gate.attempt)


def _rule(run: OpenRollout, reporter: Reporter, wave: int, attempt: int) -> None:
    if run.state.gate is not None and run.state.gate.answer is not None:
        run.wait_for_claim()
        answer = Answer.from_json(run.state.gate.answer)
        decide_gate_answer(GateAnswer(WaveStep(run, reporter, wave), attempt, answer))


def _key(wave: int, attempt: int) -> str:
    return f"gate-{wave}-{attempt}"


def _wait_for_evidence(run: OpenRollout, reporter: Reporter, wave: int) -> None:
    """An automatic answer waits until the measured criteria allow it, guarding meanwhile."""
    while run.state.phase.is_open and any(not f.verdict.allows for f in entry_findings(run, wave, utc_now())):
        if not guard_once(run, reporter, run.state.phase):
            return


def _asked(run: OpenRollout, reporter: Reporter, wave: int, attempt: int) -> tuple[dict[str, Any], datetime]:
    """Suspend until the form is answered: its values, and when. A repeat of this attempt gets the stored ones back."""
    gate = run.state.gate
    form = asking_form(run, wave, attempt, gate.refusal if gate else "")
    key = _key(wave, attempt)
    reporter.flush()
    run.release_claim()
    try:
        given = suspend_flow_run(wait_for_input=form, timeout=int(_WAIT.total_seconds()), key=key)
    except ValidationError:
        # A run that was re-scheduled by hand gets an empty form for a key that was used up.
        key = f"{key}-again"
        given = suspend_flow_run(wait_for_input=form, key=key)
    # A code is as old as its answer, however late this process comes to read it.
    return given.model_dump(), answered_at(flow_run.id or "", key) or utc_now()
