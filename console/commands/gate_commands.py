"""The command that answers a gate: judged here where approvals are open, by the worker where they need codes."""

import sys

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from console.answers import PATIENCE, hand_over, record_answer, ruling_after, waiting_gate, wake
from console.authorize import asked_code
from console.exits import Exit
from console.home import connections
from console.who import email, some_name
from engine.gates.gate import boxes
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tidegate.gates.answer import SAFE, needs_code
from tidegate.gates.approval import Answer, Choice, Outcome
from tidegate.gates.binding import given_for
from tidegate.gates.statements import may_state
from tidegate.journal.state import GateRecord
from tidegate.notices.texts import approvals_words
from tidegate.values.units import parse_duration

out = Console(highlight=False)
log = Console(stderr=True, highlight=False)
VIA = "command line"


def approve(
    rollout: str,
    who: str,
    decision: Choice,
    note: str = "",
    extension: str | None = None,
    confirm: bool = False,
    code: str = "",
    break_glass: bool = False,
    second: str = "",
) -> None:
    """Answer the gate that waits. Only go and extend need an approver; hold and rollback need a name."""
    if break_glass != bool(second):
        raise NotAllowed("--break-glass and --with belong together: it takes two people of different roles")
    run = OpenRollout(connections(), rollout)
    other = email(second, "--with") if second else ""
    person = some_name(who).lower() if decision in SAFE else email(who)
    outcome, reason = answer_gate(run, person, decision, note, extension, confirm, code=code, second=other)
    out.print(f"{outcome.value}: {reason}", markup=False)
    out.print(f"[dim]{approvals_words(run.plan)}[/dim]")
    raise typer.Exit(Exit.NO_GO if outcome is Outcome.REFUSED else Exit.DONE)


def answer_gate(
    run: OpenRollout,
    who: str,
    decision: Choice,
    note: str,
    extension: str | None,
    confirm: bool,
    *,
    code: str = "",
    second: str = "",
) -> tuple[Outcome, str]:
    """Answer the waiting gate and say what it led to; a refused answer changes nothing and leaves the gate open.

    Raises NotAllowed where no gate waits, Refused or Unreachable where the worker cannot be asked.
    """
    gate = waiting_gate(run, who, decision, VIA)
    try:
        span = parse_duration(extension) if extension else None
    except ValueError as error:
        raise NotAllowed(f"--extension: {error}") from None
    stated = _stated(run, gate, who, confirm) if decision is Choice.GO else frozenset()
    bound = given_for(gate.wave, gate.attempt, run.state.plan_hash)
    answer = Answer(decision, who, note, span, stated, bound, second)
    if needs_code(run.plan, answer):
        return _hand_over(run, gate, answer, code or asked_code())
    return _judge_here(run, gate, answer)


def _stated(run: OpenRollout, gate: GateRecord, who: str, confirm: bool) -> frozenset[str]:
    unsaid = boxes(run, gate.wave)
    asked = [s for s in unsaid if may_state(run.plan, s, who)]
    others = dict.fromkeys(s.role for s in unsaid if s not in asked)
    for statement in asked:
        out.print(f"  • {statement.text} ({statement.role})", markup=False)
        for line in run.plan.sign_off[statement.role] if statement.is_signature else ():
            out.print(f"      {line}", markup=False)
    if others:
        out.print(f"  Left to others: what {', '.join(others)} has to state", markup=False)
    if not asked:
        return frozenset()
    if confirm or (sys.stdin.isatty() and typer.confirm("Do you state all of this?", default=False)):
        return frozenset(s.key for s in asked)
    return frozenset()


def _judge_here(run: OpenRollout, gate: GateRecord, answer: Answer) -> tuple[Outcome, str]:
    outcome, reason = record_answer(run, gate, answer, VIA)
    if outcome is not Outcome.REFUSED and (problem := wake(run, gate)):
        log.print(problem, markup=False)
    return outcome, reason


def _hand_over(run: OpenRollout, gate: GateRecord, answer: Answer, code: str) -> tuple[Outcome, str]:
    read = hand_over(run, gate, answer, code, VIA)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=log) as progress:
        progress.add_task("handed over; the worker judges the code", total=None)
        return ruling_after(run, gate, read, PATIENCE)
