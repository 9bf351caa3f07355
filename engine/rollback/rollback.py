"""The rollback: zero for everybody first, then the proof by measurement."""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from blocks.errors import ConnectionFault
from engine.notices.delivery import page_now
from engine.notices.queueing import notify
from engine.rollback.full_rollback import full_rollback
from engine.rollback.journal_fallback import merge_quietly, write_fallback
from engine.rollback.proof import RollbackProof, measure_proof
from engine.rollback.zero import ZeroBeside, Zeroed, zero_flag
from engine.rollout.session import OpenRollout, Superseded, utc_now
from tidegate.journal.bodies.exposure_bodies import RollbackProven, RolledBackToZero
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.incidents import open_pages
from tidegate.notices.reminder_texts import zeroed_again
from tidegate.notices.rollback_texts import late_proof
from tidegate.notices.texts import post_mortem_task, proof_missing, rolled_back, rolling_back
from tidegate.values.exposure import ZERO

ZERO_PATIENCE = timedelta(minutes=5)
_log = logging.getLogger("tidegate.rollback")


def roll_back(
    run: OpenRollout, *, reason: str, criterion: str, by: str, judged: Callable[[], dict[str, Any] | None] | None = None
) -> Zeroed:
    """Zero first, then the entry and the page; repeated, it converges. Proof is `prove`'s.

    `judged` is asked once the flag is at zero, for what the entry keeps of the answers that the trigger was judged by.
    """
    ordered_at = utc_now()
    zeroed = zero_flag(run.connections, run.flag, run.rollout, ordered_at)
    run.claim = zeroed.claim
    record_rollback(run, zeroed, reason=reason, criterion=criterion, by=by, judged=what_it_was_judged_by(judged))
    return zeroed


def what_it_was_judged_by(judged: Callable[[], dict[str, Any] | None] | None) -> dict[str, Any] | None:
    """The answers that a trigger was judged by, as far as they can be stored; an order stands without them, too."""
    try:
        found = judged() if judged is not None else None
        json.dumps(found, allow_nan=False)  # what cannot be stored must not keep the order from being stored
    except Exception:  # noqa: BLE001 - an order is written whatever becomes of its reasons
        _log.exception("what the trigger was judged by is not kept")
        return None
    return found


def record_rollback(
    run: OpenRollout, zeroed: Zeroed, *, reason: str, criterion: str, by: str, judged: dict[str, Any] | None = None
) -> None:
    """Write what was done and queue the page; what the journal does not take waits in a file and is merged later."""
    body = replace(rollback_body(zeroed, reason=reason, criterion=criterion, by=by), judged=judged)
    try:
        run.refresh()
        if run.append(body, unless=already_at_zero) is not None:
            notify(run, rolling_back(run.plan, run.state, zeroed.problem))
    except (ConnectionFault, Superseded) as fault:
        # The flag is at zero; the file is merged, or the next look finds the flag so.
        write_fallback(run.rollout, run.flag, body)
        _log.error("the rollback of %s is not recorded yet: %s", run.rollout, fault)
        notice = rolling_back(run.plan, run.state, zeroed.problem)
        notice = replace(notice, body=f"{reason}\n{notice.body}\nThe journal does not answer: {fault}")
        # Beside: a pager that hangs must hold up neither the proof nor the next guard.
        threading.Thread(target=page_now, args=(run, notice), name=f"page {run.rollout}", daemon=True).start()


def rollback_body(zeroed: Zeroed, *, reason: str, criterion: str, by: str) -> RolledBackToZero:
    """What the journal keeps of the order and of what became of it."""
    return RolledBackToZero(
        reason=reason,
        criterion=criterion,
        by=by,
        ordered_at=zeroed.ordered_at,
        zero_at=zeroed.zero_at,
        revision=zeroed.revision,
        epoch=zeroed.claim.epoch if zeroed.claim else None,
        problem=zeroed.problem,
    )


def has_ended_at_zero(state: RolloutState) -> bool:
    """Whether the rollout is over and left its flag at zero; what it serves now is another question."""
    return already_at_zero(state) and not state.phase.is_open


def already_at_zero(state: RolloutState) -> bool:
    """Whether the journal says already that the rollback was taken."""
    if state.phase is Phase.ROLLED_BACK or (state.phase is Phase.CLOSED and state.exposure == ZERO):
        return True
    return state.rollback is not None and state.rollback.zero_at is not None


def prove(run: OpenRollout) -> RollbackProof | None:
    """Measure that the new path is chosen no more and record it; None when that was recorded before.

    A flag that could not be written is written again first. Where that fails, or where the counter still moves after
    the deadline, the full rollback begins; a proof that is only missing is paged and nothing more.
    """
    state = run.refresh()
    merge_quietly(run)
    back = state.rollback
    if back is None or back.proven:
        return None
    if back.zero_at is None:
        roll_back(run, reason=back.reason, criterion=back.criterion, by=back.by)
        if back.zero_at is None and not _zero_beside_the_full_rollback(run):
            return _record(
                run, RollbackProof(False, None, None, None, "Not proven: the flag could not be set to zero.")
            )
    try:
        # Whoever ordered it may have died between the entry and the page.
        notify(run, rolling_back(run.plan, run.state, ""))
    except (ConnectionFault, Superseded) as fault:
        _log.error("the rollback of %s is not announced yet: %s", run.rollout, fault)
    keep = _keeper(run)
    keep()
    proof = measure_proof(run.connections, run.plan, back.zero_at or utc_now(), keep, stopped_by(run.state))
    if proof.moved_late and run.plan.rollback.full:
        _record(run, proof)
        full_rollback(run, by="tidegate", again=False)
        proof = measure_proof(run.connections, run.plan, utc_now(), keep, stopped_by(run.state))
    return _record(run, _against_promise(run, proof, back.ordered_at))


def stopped_by(state: RolloutState) -> str:
    """The rollback step that has stopped the new service, as the plan has it; or empty."""
    stops = (s for s in state.recovery.steps.values() if s.step == "stop_service" and s.outcome == "done")
    return next((s.text for s in stops), "")


def _zero_beside_the_full_rollback(run: OpenRollout) -> bool:
    """Go on trying to write zero while the full rollback takes its steps; whether the flag got there in the end."""
    back = run.state.rollback
    if back is None:
        return False
    beside = ZeroBeside(run.connections, run.flag, run.rollout, back.ordered_at)
    beside.start()
    full_rollback(run, by="tidegate", again=False)
    zeroed = beside.wait(ZERO_PATIENCE)
    if zeroed is None:
        return False
    run.claim = zeroed.claim
    record_rollback(run, zeroed, reason=back.reason, criterion=back.criterion, by=back.by)
    return True


def _keeper(run: OpenRollout) -> Callable[[], None]:
    """What is done between the looks of a proof: the claim is kept, and at each guard zero is seen to have lasted."""
    looked_at: datetime | None = None

    def keep() -> None:
        nonlocal looked_at
        now = utc_now()
        try:
            run.keep_claim()
            if looked_at is None or now - looked_at >= run.timing.guard:
                looked_at = now
                _must_last(run)
        except ConnectionFault as fault:
            _log.info("the claim is not ours while the rollback is proven: %s", fault)
            run.claim = None

    return keep


def _must_last(run: OpenRollout) -> None:
    """A writer that began before zero may have come after it: an order to roll back stands until it is proven."""
    try:
        seen = run.connections.flags.read(run.flag)
    except ConnectionFault as fault:
        _log.warning("whether %s stayed at zero is not known: %s", run.flag, fault)
        return
    if seen.exposure != ZERO:
        _log.error("%s was at zero and is %s: zero is written again", run.flag, seen.description)
        run.claim = zero_flag(run.connections, run.flag, run.rollout, utc_now()).claim


def prove_again(run: OpenRollout, zeroed: Zeroed, *, by: str) -> RollbackProof:
    """The proof of an order after the rollback, as when its flag served somebody again: measured anew, and reported."""
    if zeroed.zero_at is None:
        proof = RollbackProof(False, None, None, None, "Not proven: the flag could not be set to zero.")
    else:
        proof = measure_proof(run.connections, run.plan, zeroed.zero_at, stopped=stopped_by(run.state))
        proof = _against_promise(run, proof, zeroed.ordered_at)
    paged = "raised" in open_pages(run.state)
    notice = zeroed_again(run.plan, run.state, zeroed.ordered_at, by, proof.sentence, proven=proof.proven, paged=paged)
    notify(run, notice)
    return proof


def prove_unrecorded(run: OpenRollout, zero_at: datetime) -> RollbackProof:
    """Measure the proof of a zero that the journal would not take; both wait in the file for it."""
    proof = measure_proof(run.connections, run.plan, zero_at, stopped=stopped_by(run.state))
    write_fallback(run.rollout, run.flag, _proof_body(proof))
    return proof


def _proof_body(proof: RollbackProof) -> RollbackProven:
    return RollbackProven(proof.proven, proof.counter, proof.last_request_at, proof.proven_at, proof.sentence)


def _against_promise(run: OpenRollout, proof: RollbackProof, ordered_at: datetime) -> RollbackProof:
    """The proof, with a word about it where it came later than the plan promises."""
    if not proof.proven or proof.proven_at is None:
        return proof
    late = late_proof(run.plan, proof.proven_at - ordered_at)
    return replace(proof, sentence=f"{proof.sentence} {late}".rstrip())


def _record(run: OpenRollout, proof: RollbackProof) -> RollbackProof:
    def known(state: RolloutState) -> bool:
        back = state.rollback
        # Reported once for each reason: a Prometheus that stays away pages once, however often it is asked.
        return back is None or bool(back.proven) or (back.proven is False and back.sentence == proof.sentence)

    if run.append(_proof_body(proof), unless=known) is not None:
        notify(run, rolled_back(run.plan, run.state) if proof.proven else proof_missing(run.plan, run.state))
        if proof.proven and (task := post_mortem_task(run.plan, run.state)) is not None:
            notify(run, task)
    return proof
