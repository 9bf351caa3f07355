"""The product's own processes, without Prefect's server: watches, the run that carries a rollout, and people's orders.

One process imports everything once and makes each actor by a fork; whoever kills one kills no other.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import engine.notices.reporter
from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, ConnectionFault, Fenced, NotTaken, Refused, Unreachable
from blocks.kit import read_kit
from chaos import sabotage
from chaos.clocks import live_on
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.gates.gate import automatic_answer, decide_gate, give_answer, open_gate, revoke_approval
from engine.notices.queueing import notify
from engine.notices.reporter import reporter_for
from engine.rollback.rollback import prove, roll_back
from engine.rollout import identity
from engine.rollout.monitoring import guard_to_zero, monitor
from engine.rollout.open import NotAllowed, open_rollout
from engine.rollout.session import PROOF_PATIENCE, OpenRollout, Superseded, await_winner, utc_now
from engine.watch.leader_election import acquire_or_stand_by
from engine.watch.supervisor import watch_until
from tidegate.gates.approval import Answer
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.notices.texts import raised
from tidegate.plan.loading.loader import load_plan
from tidegate.rollout.next_step import Ask, FinishEasing, Preflight, ProveRollback, Rest, RunWave, next_step

PLAN = Path(__file__).with_name("plan.yaml")
_TURN = timedelta(seconds=45)
_SABOTAGE = os.environ.get("CHAOS_SABOTAGE", "")
_log = logging.getLogger("chaos")


def watch(via: OpenConnections) -> None:
    """One watch after the other, as the schedule starts them: this one guards, or stands by."""
    while True:
        try:
            claim = acquire_or_stand_by(via, utc_now() + 2 * _TURN)
            if claim is not None:
                watch_until(via, claim, utc_now() + _TURN, utc_now() + 2 * _TURN)
        except ConnectionFault as fault:
            _log.warning("the watch ended: %s", fault)
        time.sleep(0.5)


def carry(via: OpenConnections, name: str) -> None:
    """What a rollout's run does, from its journal alone: the same steps as the flow's, without its pages."""
    run = OpenRollout(via, name)
    while True:
        try:
            match next_step(run.refresh()):
                case Preflight():
                    run.wait_for_claim()
                    looked = {"verdict": "PASS", "findings": []}
                    run.append(body_from_json(Kind.PREFLIGHT, looked), unless=lambda s: s.goes_no_further, fenced=True)
                case Ask(wave):
                    _ask(run, wave)
                case RunWave(wave):
                    _wave(run, wave)
                case FinishEasing():
                    run.wait_for_claim()
                    guard_to_zero(run, reporter_for(run))
                case ProveRollback():
                    run.wait_for_claim(PROOF_PATIENCE)
                    reporter_for(run).update(run, utc_now())
                    prove(run)
                case Rest():
                    reporter_for(run).flush()
                    run.release_claim()
                    sabotage.after_the_end(_SABOTAGE, run)
                    return
                case _:
                    raise NotImplementedError(run.state.phase)
        except Fenced:
            await_winner(run)
        except (ClaimHeld, Unreachable, Refused, Superseded) as fault:
            # Prefect would start the run anew.
            _log.warning("%s goes on soon: %s", name, fault)
            run.claim = None
            time.sleep(1)


def _ask(run: OpenRollout, wave: int) -> None:
    run.wait_for_claim()
    sabotage.before_asking(_SABOTAGE, run, wave)
    gate = open_gate(run, wave, "chaos")
    reporter = reporter_for(run)
    if gate.answer is None:
        reporter.update(run, utc_now())
        reporter.flush()
        run.release_claim()
        while run.refresh().phase is Phase.GATE and run.state.gate is not None and run.state.gate.answer is None:
            time.sleep(0.3)
        return
    run.wait_for_claim()
    decide_gate(run, wave, gate.attempt, Answer.from_json(gate.answer))


def _wave(run: OpenRollout, wave: int) -> None:
    run.wait_for_claim()
    if run.state.phase is Phase.RAISING:
        try:
            if raise_exposure(run, wave):
                notify(run, raised(run.plan, run.state))
        except (MayNotRaise, NotTaken, Refused, Superseded, Unreachable) as refusal:
            revoke_approval(run, wave, f"not raised: {refusal}")
    if run.state.phase is Phase.WAVE:
        monitor(run, reporter_for(run), wave)


def begin(via: OpenConnections, name: str) -> None:
    """A person starts a rollout."""
    plan = load_plan(PLAN, Path.read_bytes)
    open_rollout(via, plan, name, started_by="ops@example.com", pace=None, auto_approve=False, connection_set="default")


def go(via: OpenConnections, name: str, wave: str) -> None:
    """A person says go, whatever else is the matter; what it leads to is the product's."""
    run = OpenRollout(via, name)
    gate = run.state.gate
    if gate is None or gate.wave != int(wave):
        raise NotAllowed(f"{name} does not ask about wave {wave}")
    if not give_answer(run, gate.wave, gate.attempt, automatic_answer(run, gate.wave), "chaos"):
        raise NotAllowed(f"{name} does not wait for an answer")


def back(via: OpenConnections, name: str) -> None:
    """A person orders the rollback, and is told only when zero is served."""
    if roll_back(OpenRollout(via, name), reason="ordered", criterion="", by="lead@example.com").zero_at is None:
        raise Unreachable("zero could not be written")


def verify(via: OpenConnections) -> None:
    """The journal's own judgement of itself."""
    if problems := via.journal.verify():
        raise Refused(f"the journal is not whole: {'; '.join(problems)}")


_ACTORS: dict[str, Callable[..., None]] = {f.__name__: f for f in (watch, carry, begin, go, back, verify)}


def _act(kit: Path, kind: str, given: list[str]) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(2, 1)  # the numbers of processes are told there
    live_on(kit.parent)
    _be_somebody_else(kit.parent.name)
    os.environ["TIDEGATE_KIT"] = str(kit)
    engine.notices.reporter.create_markdown_artifact = lambda *_, **__: None  # type: ignore[assignment]
    sabotage.put_in(_SABOTAGE)
    try:
        _ACTORS[kind](read_kit(kit), *given)
    except Exception as error:
        _log.error("%s %s: %s: %s", kind, " ".join(given), type(error).__name__, error)
        return 1
    return 0


def _be_somebody_else(host: str) -> None:
    """A fork is another process to every claim, on the host that it stands for."""
    before = identity.INSTANCE_ID
    now = f"{host}:{os.getpid()}:{uuid4().hex[:8]}"
    for module in list(sys.modules.values()):
        if getattr(module, "INSTANCE_ID", None) == before:
            module.INSTANCE_ID = now  # type: ignore[attr-defined]


def main() -> None:
    """Make an actor for each line that is read, and say its process's number; how each ends stands in a file."""
    home, ended = Path(sys.argv[1]), Path(sys.argv[2])
    logging.basicConfig(format="%(asctime)s %(process)d %(name)s %(levelname)s %(message)s")

    def reap(*_: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                (ended / str(found[0])).write_text(str(os.waitstatus_to_exitcode(found[1])))

    signal.signal(signal.SIGCHLD, reap)
    print("ready", flush=True)
    for line in sys.stdin:
        host, kind, *given = line.split()
        made = os.fork()
        if made == 0:
            code = 1
            try:
                code = _act(home / host / "kit.yaml", kind, given)
            finally:
                logging.shutdown()
                os._exit(code)
        print(made, flush=True)


if __name__ == "__main__":
    main()
