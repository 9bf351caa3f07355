"""One-time codes in Prefect's own form, on a live server that wants a log-in: what people send is judged there."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyotp
import pytest
from prefect.context import refresh_global_settings_context

from blocks.connections import OpenConnections
from console.commands.rollout_commands import start_rollout
from console.home import PLANS, connections, home
from console.local_stack.stack import Stack, down, up, use_server
from console.prefect_runs import start_run
from demo.prometheus import wait_for_samples
from engine.gates.totp_seeds import add_approver, approvers_path, read_seeds
from engine.prefect_api.runs import run_state
from engine.rollout.session import OpenRollout, utc_now
from tests.console.dashboards import Browser
from tests.e2e.conftest import APPROVER, STARTER, reach
from tests.e2e.waiting import wait_for
from tidegate.gates.approval import asked_people
from tidegate.gates.binding import given_for
from tidegate.gates.codes import STEP
from tidegate.gates.statements import field_name, statements
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import GateRecord, Phase
from tidegate.plan.loading.loader import load_plan
from tidegate.values.exposure import ZERO

LOG_IN = "admin:rehearsal"
AUTH = httpx.BasicAuth(*LOG_IN.split(":"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, whose server asks for a log-in, and with a seed for everybody who may be asked."""
    before = dict(os.environ)
    os.environ["TIDEGATE_HOME"] = str(tmp_path_factory.mktemp("guarded"))
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = LOG_IN
    for name in ("TIDEGATE_KIT", "PREFECT_API_URL", "PREFECT_HOME", "TIDEGATE_APPROVERS"):
        os.environ.pop(name, None)
    try:
        stack = up(8.0, print)
        use_server(stack)
        wait_for_samples(stack.parts.prometheus_url, deadline=30)
        yield stack
    finally:
        keep = os.environ.get("TIDEGATE_KEEP_LOGS")
        if keep:
            shutil.copytree(home() / "logs", Path(keep), dirs_exist_ok=True)
        down(print)
        os.environ.clear()
        os.environ.update(before)
        refresh_global_settings_context()


class Form:
    """The gate's form as Prefect's server has it: read and answered with what every browser with a log-in can send."""

    def __init__(self, stack: Stack, run: OpenRollout) -> None:
        self.stack, self.run = stack, run

    def waits(self, attempt: int) -> GateRecord:
        """The gate before wave 1 at this attempt, once its run sleeps."""

        def asleep() -> GateRecord | None:
            gate = self.run.refresh().gate
            assert self.run.state.phase.is_open, self.run.state.end_reason
            waiting = gate is not None and gate.attempt == attempt and gate.waits
            return gate if gate is not None and waiting and run_state(gate.flow_run) == "PAUSED" else None

        return wait_for(asleep, 120, f"attempt {attempt} waits")  # type: ignore[return-value]

    def says(self, gate: GateRecord) -> str:
        """What stands above the form's first field."""
        asked = {"flow_run_id": gate.flow_run, "prefix": f"suspended-gate-1-{gate.attempt}-schema", "limit": 1}
        key = httpx.post(
            f"{self.stack.api}/flow_runs/{gate.flow_run}/input/filter", json=asked, auth=AUTH, timeout=60
        ).json()
        return str(json.loads(key[0]["value"])["properties"]["decision"]["description"])

    def send(self, gate: GateRecord, code: str, **changes: object) -> str:
        """Answer go as the approver; returns the server's word. A busy server is asked again."""
        boxes = {field_name(s.key): True for s in statements(self.run.plan, 1)}
        bound = given_for(1, gate.attempt, self.run.state.plan_hash)
        given = {"decision": "go", "approver": APPROVER, "code": code, "given_for": bound, **boxes, **changes}
        resume = f"{self.stack.api}/flow_runs/{gate.flow_run}/resume"

        def answered() -> httpx.Response | None:
            said = httpx.post(resume, json={"run_input": given}, auth=AUTH, timeout=60)
            early = said.status_code == httpx.codes.SERVICE_UNAVAILABLE or "schema not found" in said.text
            return None if early else said

        said = wait_for(answered, 60, "the server takes an answer")
        assert said is not None
        return str(said.json()["status"])


@pytest.mark.timeout(590)
def test_a_code_in_prefects_own_form_is_believed_once_and_a_wrong_one_leaves_the_gate_open(
    guarded: Stack, tmp_path: Path
) -> None:
    via = connections()
    run = OpenRollout(via, _start(tmp_path))
    for person in asked_people(run.plan, 1):
        assert person in read_seeds(approvers_path())
    otp = pyotp.TOTP(read_seeds(approvers_path())[APPROVER])
    form = Form(guarded, run)
    used: list[str] = []

    def code(at: datetime) -> str:
        used.append(str(otp.at(at)))
        return used[-1]

    # Nobody without the server's log-in gets near the form.
    gate = form.waits(1)
    stranger = httpx.post(f"{guarded.api}/flow_runs/{gate.flow_run}/resume", json={"run_input": {}}, timeout=60)
    assert stranger.status_code == httpx.codes.UNAUTHORIZED
    # The form itself takes neither half a code nor an answer that is bound to another gate.
    assert form.send(gate, "12345") == "REJECT"
    elsewhere = given_for(2, 1, run.state.plan_hash)
    assert form.send(gate, code(utc_now()), given_for=elsewhere) == "REJECT"

    wrong = code(utc_now() - timedelta(hours=1))
    assert form.send(gate, wrong) == "ACCEPT"
    gate = form.waits(2)
    assert f"the code of {APPROVER} was wrong or too old" in gate.refusal
    assert form.says(gate).startswith("> **The last answer was refused:** the code of")

    # A right code is spent even by an answer that is refused for something else.
    _early_in_a_step()
    right = code(utc_now())
    assert form.send(gate, right, decision="extend", extension="1h") == "ACCEPT"
    gate = form.waits(3)
    assert "nothing can be extended before wave 1" in gate.refusal
    boxes = {field_name(s.key): "on" for s in statements(run.plan, 1)}
    answer = {"decision": "go", "wave": "1", "attempt": "3", "name": APPROVER, "code": right, **boxes}
    _on_the_dashboard(guarded, run, "answer", **answer)
    gate = form.waits(4)
    assert f"the code of {APPROVER} was used already" in gate.refusal
    assert via.flags.read(run.flag).exposure == ZERO

    _passed(form, run, gate, code)
    reach(run, Phase.WAVE, wave=1, seconds=120)
    assert via.flags.read(run.flag).exposure == run.plan.exposure_at(1)

    _held_in_prefect_by_anybody(run, spent=used[-1])
    _early_in_a_step()
    _on_the_dashboard(guarded, run, "continue", name=APPROVER, code=code(utc_now()), reason="it is fine")
    wait_for(lambda: HoldCause.OPERATOR not in run.refresh().holds, 60, "the right code has ended the hold")
    start_run("rollback/rollback", {"by": "somebody at the door", "rollout": run.rollout})
    reach(run, Phase.ROLLING_BACK, Phase.ROLLED_BACK, seconds=60)
    assert via.flags.read(run.flag).exposure == ZERO
    reach(run, Phase.ROLLED_BACK, seconds=60)
    _no_code_anywhere(via, run, used)


def _passed(form: Form, run: OpenRollout, gate: GateRecord, code: Callable[[datetime], str]) -> None:
    """A right code passes the gate; on a busy machine scrapes are lost, and what the alerts say of that is asked anew."""
    for _ in range(4):
        _early_in_a_step()
        assert form.send(gate, code(utc_now())) == "ACCEPT"

        def ruled(asked: int = gate.attempt) -> bool:
            now = run.refresh().gate
            return run.state.votes.approved_wave == 1 or (now is not None and now.attempt > asked)

        wait_for(ruled, 120, f"attempt {gate.attempt} is ruled on")
        if run.state.votes.approved_wave == 1:
            return
        gate = form.waits(gate.attempt + 1)
        assert "worse than when you were asked" in gate.refusal
    raise AssertionError(f"refused again and again: {gate.refusal}")


def _held_in_prefect_by_anybody(run: OpenRollout, spent: str) -> None:
    """A hold ordered in Prefect needs a name; to resume, the approver's code, and not one that was spent."""
    start_run("hold/hold", {"by": "somebody at the door", "reason": "it smells", "rollout": run.rollout})
    wait_for(lambda: HoldCause.OPERATOR in run.refresh().holds, 60, "it is held")
    reviewed, end = len(run.state.waves[1].reviews), utc_now() + run.timing.guard * 3
    wait_for(lambda: utc_now() > end, 60, "three guards")
    # A look that was under way when the hold was written may still be recorded.
    assert len(run.refresh().waves[1].reviews) <= reviewed + 1
    assert run.state.phase is Phase.WAVE
    start_run("resume/resume", {"by": APPROVER, "reason": "go on", "code": spent, "rollout": run.rollout})
    wait_for(lambda: run.refresh().refusals, 60, "the resume is judged")
    assert run.state.refusals[-1].why.startswith(f"the code of {APPROVER} was")
    assert HoldCause.OPERATOR in run.state.holds


def _on_the_dashboard(stack: Stack, run: OpenRollout, order: str, **form: str) -> None:
    """Send one of the dashboard's forms to the stack's own dashboard, as its page does."""
    with httpx.Client(base_url=stack.dashboard_url, timeout=90) as http:
        Browser(http, origin=stack.dashboard_url).order(run.rollout, order, **form)


def _start(folder: Path) -> str:
    """A rehearsal whose approvals need codes, started by the command line's own way."""
    plans = folder / "plans"
    shutil.copytree(PLANS, plans)
    text = "extends: rehearsal.yaml\n\nname: rehearsal-with-codes\napprovals: codes\n"
    (plans / "codes.yaml").write_text(text)
    seeds = approvers_path()
    plan = load_plan(plans / "codes.yaml", Path.read_bytes)
    for wave in range(1, len(plan.waves) + 1):
        for person in asked_people(plan, wave):
            if person not in read_seeds(seeds):
                add_approver(seeds, person)
    return start_rollout(str(plans / "codes.yaml"), STARTER, "60s", "ask")


def _early_in_a_step() -> None:
    """Wait until the authenticator shows a new code, which then counts for a minute."""
    left = STEP - timedelta(seconds=datetime.now(UTC).timestamp() % STEP.total_seconds())
    threading.Event().wait(left.total_seconds() + 0.5)


def _no_code_anywhere(via: OpenConnections, run: OpenRollout, used: list[str]) -> None:
    """No entry has a code, nor has any log."""
    for entry in via.journal.entries(run.rollout):
        if entry.kind in (Kind.ANSWERED, Kind.ORDERED, Kind.GATE_DECIDED, Kind.GATE_OPENED):
            text = json.dumps(entry.json["answer"] if entry.kind is Kind.ANSWERED else {**entry.json, "proof": None})
            assert not any(f'"{code}"' in text or f" {code}" in text for code in used), text
    for log in (home() / "logs").glob("worker-*.log"):
        assert not any(f"'code': '{code}'" in log.read_text(errors="replace") for code in used)
