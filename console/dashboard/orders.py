"""What the buttons do: the very functions of the command line, in the name of whoever pressed them."""

import logging
import threading
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field
from datetime import timedelta

from blocks.errors import ConnectionFault, Unreachable
from console.answers import (
    hand_over,
    is_asked,
    note_refused,
    record_answer,
    refuse_answer,
    ruling_after,
    waiting_gate,
    wake,
)
from console.authorize import asks_for_code, ordered
from console.live.rollout_cache import Board
from console.who import email
from engine.gates.authorize import Given
from engine.gates.gate import boxes
from engine.notices.delivery import deliver
from engine.rollback.rollback import has_ended_at_zero, prove, prove_again, roll_back
from engine.rollback.rollback_possible import RollbackImpossible, check_rollback_possible
from engine.rollout.evaluation import hold
from engine.rollout.open import NotAllowed
from engine.rollout.resolve_rollout import may_roll_back
from engine.rollout.session import OpenRollout
from engine.steering.orders import end_holds
from tidegate.gates.answer import needs_code, shown_without_codes
from tidegate.gates.approval import Answer, Choice, Outcome
from tidegate.gates.binding import given_for
from tidegate.gates.identity import ProvenIdentity
from tidegate.gates.statements import field_name
from tidegate.journal.state import GateRecord
from tidegate.pages.tables import one_line
from tidegate.values.units import parse_duration, seconds_between

VIA = "dashboard"
_LONGEST = 2_000
_PATIENCE = timedelta(seconds=30)  # a run takes ten seconds to wake
_provers: dict[str, threading.Thread] = {}
_log = logging.getLogger("tidegate.dashboard")


@dataclass(frozen=True, slots=True)
class FormOutcome:
    """What became of an order, in a sentence; `waits` where it counts and nothing begins yet."""

    sentence: str
    good: bool = True
    waits: bool = False
    typed: Mapping[str, str] = field(default_factory=dict)  # the form that was not taken, to be shown again

    @property
    def tone(self) -> str:
        """How it is shown: done, waiting for others, or not done."""
        return "warn" if self.waits else "good" if self.good else "bad"


@dataclass(frozen=True, slots=True)
class OrderedBy:
    """Who gives an order: the name, and what their sign-in proved of them."""

    name: str
    identity: ProvenIdentity | None = None


def pause(board: Board, rollout: str, who: OrderedBy, form: Mapping[str, str]) -> FormOutcome:
    """Hold exposure; needs a name, nothing else."""
    done = hold(
        OpenRollout(board.connections, rollout), _name(who.name), _text(form, "reason") or "held on the dashboard"
    )
    return FormOutcome("Held: exposure stays, guarding goes on." if done else "It is held already.")


def resume(board: Board, rollout: str, who: OrderedBy, form: Mapping[str, str]) -> FormOutcome:
    """End the holds that need a person; an approver only, whose code the worker judges where the plan asks for one."""
    reason, person = _text(form, "reason") or "resumed on the dashboard", email(who.name, "name")
    run = OpenRollout(board.connections, rollout)
    if asks_for_code(run):
        code = _text(form, "code")
        try:
            return FormOutcome(ordered("resume", run, _PATIENCE, by=person, reason=reason, code=code))
        except Unreachable:
            return FormOutcome("Handed over; this page shows what the worker makes of it.")
    ended = end_holds(run, person, reason, Given(VIA, identity=who.identity))
    return FormOutcome(f"Resumed ({', '.join(ended)})." if ended else "Nothing was held.")


def roll_back_at_once(board: Board, rollout: str, who: OrderedBy, form: Mapping[str, str]) -> FormOutcome:
    """Flag to zero for everybody before this returns; the proof follows in another thread. Needs a name."""
    name = _name(who.name)
    try:
        run = OpenRollout(board.connections, rollout)
        if not may_roll_back(run):
            return FormOutcome(f"It is {run.state.phase.value.replace('_', ' ')} already; nothing to do.")
    except ConnectionFault:
        # The rollback never waits for the journal: what was read before is enough to write zero.
        run = _apart(board.of(rollout).run)
    try:
        check_rollback_possible(board.connections.journal, rollout=rollout)
    except RollbackImpossible as late:
        return FormOutcome(f"{late}. `tidegate rollback {rollout} --anyway` does it all the same.", good=False)
    reason = _text(form, "reason") or "Ordered on the dashboard."
    again = has_ended_at_zero(run.state)
    zeroed = roll_back(run, reason=reason, criterion="by hand", by=name)
    _prove_beside(run, (lambda: prove_again(run, zeroed, by=name)) if again else (lambda: prove(run)))
    if zeroed.zero_at is None:
        return FormOutcome(
            f"The flag could NOT be set to zero: {one_line(zeroed.problem)}. Set it by hand now.", good=False
        )
    took = seconds_between(zeroed.ordered_at, zeroed.zero_at)
    return FormOutcome(f"{run.flag} is at zero after {took}; the proof by measurement follows.")


def _apart(run: OpenRollout) -> OpenRollout:
    """A copy of a rollout that viewers share, for this order alone."""
    own = copy(run)
    own.state, own.claim = deepcopy(run.state), None
    return own


def _prove_beside(run: OpenRollout, measure: Callable[[], object]) -> None:
    running = _provers.get(run.rollout)
    if running is None or not running.is_alive():
        _provers[run.rollout] = threading.Thread(
            target=_prove, args=(run, measure), name=f"prove {run.rollout}", daemon=True
        )
        _provers[run.rollout].start()


def _prove(run: OpenRollout, measure: Callable[[], object]) -> None:
    try:
        deliver(run.again())
        measure()
        deliver(run.again())
        run.release_claim()
    except ConnectionFault as fault:
        # The watch proves it once this process's lease has run out.
        _log.warning("the rollback of %s is not proven from here: %s", run.rollout, fault)


def answer(board: Board, rollout: str, who: OrderedBy, form: Mapping[str, str]) -> FormOutcome:
    """Answer the gate that waits; go and extend only for the very attempt that the page showed."""
    run = OpenRollout(board.connections, rollout)
    said = form.get("decision", "")
    if said == Choice.ROLLBACK:
        # Not by way of the run that waits: zero is written by this process, now, and whether or not a gate waits.
        return roll_back_at_once(board, rollout, who, {"reason": form.get("note", "")})
    if said == Choice.HOLD and not is_asked(run):
        return pause(board, rollout, who, {"reason": form.get("note", "")})
    gate = waiting_gate(run, _name(who.name), said if said in list(Choice) else "an answer", VIA)
    if said not in list(Choice):
        why = f"decision: found {shown_without_codes(one_line(said) or None)}, allowed are {', '.join(Choice)}"
        refuse_answer(run, gate, _name(who.name), "an answer", VIA, why)
    choice = Choice(said)
    person = _name(who.name).lower() if choice is Choice.HOLD else email(who.name, "name")
    if choice is not Choice.HOLD and (form.get("wave"), form.get("attempt")) != (str(gate.wave), str(gate.attempt)):
        why = "the gate has asked anew since this page was loaded: look at what it shows now"
        refuse_answer(run, gate, person, choice, VIA, why)
    extension = _text(form, "extension") if choice is Choice.EXTEND else ""
    try:
        span = parse_duration(extension) if extension else None
    except ValueError as error:
        raise NotAllowed(f"extension: {error}") from None
    stated = frozenset(s.key for s in boxes(run, gate.wave) if form.get(field_name(s.key)) == "on")
    bound = given_for(gate.wave, gate.attempt, run.state.plan_hash)
    roles = who.identity.roles if who.identity is not None else ()
    given = Answer(choice, person, _text(form, "note"), span, stated, bound, roles=roles)
    if needs_code(run.plan, given):
        return _judged_by_the_worker(run, gate, given, _text(form, "code"))
    outcome, reason = record_answer(run, gate, given, VIA, who.identity)
    if outcome is Outcome.REFUSED:
        return FormOutcome(f"Refused: {reason}", good=False)
    threading.Thread(target=_wake, args=(run,), name=f"wake {rollout}", daemon=True).start()
    return _decided(outcome, reason)


def _judged_by_the_worker(run: OpenRollout, gate: GateRecord, given: Answer, code: str) -> FormOutcome:
    """Hand the answer over with its code, and say what the worker made of it, if that comes soon."""
    if not code:
        why = "go and extend need the one-time code of their approver"
        note_refused(run, gate, given.approver, given.decision, VIA, why)
        return FormOutcome(f"Refused: {why}.", good=False)
    read = hand_over(run, gate, given, code, VIA)
    try:
        outcome, reason = ruling_after(run, gate, read, _PATIENCE)
    except Unreachable:
        return FormOutcome("Handed over; this page shows what the worker makes of it.")
    return _decided(outcome, reason)


def _decided(outcome: Outcome, reason: str) -> FormOutcome:
    if outcome is Outcome.COUNTED:
        return FormOutcome(f"Not begun: {reason}", waits=True)
    return FormOutcome(f"{outcome.value.capitalize()}: {reason}", good=outcome is not Outcome.REFUSED)


def _wake(run: OpenRollout) -> None:
    try:
        problem = wake(run, run.state.gate) if run.state.gate is not None else ""
    except Exception as error:  # noqa: BLE001 - the answer is in the journal, whatever Prefect's client says
        problem = f"the run could not be woken ({type(error).__name__}: {error}); the watch does so"
    if problem:
        _log.warning("%s: %s", run.rollout, problem)


def _name(who: str) -> str:
    name = " ".join(who.split())[:200]
    if not name:
        raise NotAllowed("name: found nothing, allowed is the name of whoever gives the order")
    return name


def _text(form: Mapping[str, str], name: str) -> str:
    return " ".join(form.get(name, "").split())[:_LONGEST]
