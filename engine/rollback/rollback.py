"""The rollback: zero for everybody first, then the proof by measurement."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from engine.notices.delivery import notify, page_now
from engine.rollback.full_rollback import full_rollback
from engine.rollback.journal_fallback import merge_quietly, spill
from engine.rollback.proof_points import moved_since, no_new_points
from engine.rollback.zero import ZeroBeside, Zeroed, zero_flag
from engine.rollout.session import OpenRollout, Superseded, utc_now
from tidegate.journal.exposure_bodies import RollbackProven, RolledBackToZero
from tidegate.journal.state import Phase, RolloutState
from tidegate.notices.incidents import open_pages
from tidegate.notices.reminder_texts import zeroed_again
from tidegate.notices.rollback_texts import late_proof
from tidegate.notices.texts import post_mortem_task, proof_missing, rolled_back, rolling_back
from tidegate.pages.plan_check import QUERY_DELAY, did_not_take_deadline
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO
from tidegate.values.promql_template import render, selector
from tidegate.values.samples import NoData, NoDataReason

ZERO_PATIENCE = timedelta(minutes=5)
_log = logging.getLogger("tidegate.rollback")


def roll_back(run: OpenRollout, *, reason: str, criterion: str, by: str) -> Zeroed:
    """Zero first, then the entry and the page; repeated, it converges. Proof is `prove`'s."""
    ordered_at = utc_now()
    zeroed = zero_flag(run.connections, run.flag, run.rollout, ordered_at)
    run.claim = zeroed.claim
    record_rollback(run, zeroed, reason=reason, criterion=criterion, by=by)
    return zeroed


def record_rollback(run: OpenRollout, zeroed: Zeroed, *, reason: str, criterion: str, by: str) -> None:
    """Write what was done and queue the page; what the journal does not take waits in a file and is merged later."""
    body = rollback_body(zeroed, reason=reason, criterion=criterion, by=by)
    try:
        run.refresh()
        if run.append(body, unless=already_at_zero) is not None:
            notify(run, rolling_back(run.plan, run.state, zeroed.problem))
    except (ConnectionFault, Superseded) as fault:
        # The flag is at zero; the file is merged, or the next look finds the flag so.
        spill(run.rollout, run.flag, body)
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


@dataclass(frozen=True, slots=True)
class RollbackProof:
    """What the counter of routing decisions to the new path showed after the order."""

    proven: bool
    counter: float | None
    last_request_at: datetime | None
    proven_at: datetime | None
    sentence: str
    moved_late: bool = False  # the counter was seen to rise after the change had all its time to travel


def measure_proof(
    connections: OpenConnections,
    plan: Plan,
    zero_at: datetime,
    beat: Callable[[], None] = lambda: None,
    stopped: str = "",
) -> RollbackProof:
    """Watch the counter until new points show that it stands still, or the deadline passes; `beat` at each look.

    One that gives no points any more proves nothing, also where a rollback step (`stopped`) has stopped its target.
    """
    path = plan.variants.canary
    proof = plan.rollback.proof
    query = render(proof.counter, selector=selector(path), path=path, window=proof.quiet)
    quiet = proof.quiet + plan.scrape_interval
    # Movement may be measured until here without being a failure: the change has to travel, and be scraped.
    taken = zero_at + did_not_take_deadline(plan, connections.flags.propagation)
    # Asked again much later, as when Prometheus was away, there is always time for one quiet stretch.
    deadline = max(taken, utc_now() + QUERY_DELAY + 2 * plan.scrape_interval) + quiet
    reached = zero_at + connections.flags.propagation
    seen: float | None = None
    moved_at, first_at, read_at = zero_at, None, zero_at
    moved_late = False
    problem, silent = "its counter was never seen", False
    while True:
        now = utc_now()
        reading = connections.prometheus.instant({"counter": query}, now)["counter"]
        if isinstance(reading, NoData):
            gone = reading.reason is NoDataReason.NO_SERIES
            problem, silent = f"its counter cannot be read ({reading.reason.value})", gone
            first_at = None
        else:
            # Both looks after the deadline: what lies between them cannot have moved before it.
            moved_late = moved_late or (seen is not None and reading.value > seen and read_at > taken)
            if seen is None or reading.value != seen:
                moved_at, seen = now, reading.value
            read_at = now
            first_at = first_at or now
            still_since = max(moved_at, first_at)
            problem, silent = f"its counter still moved at {moved_at:%H:%M:%S}", False
            if now - still_since >= quiet:
                moved = moved_since(connections, query, reached, now)
                problem = no_new_points(connections, plan, query, max(moved_at, reached) if moved else reached, now)
                if not problem:
                    return RollbackProof(True, seen, moved_at, now, "The new path is chosen no more.")
                silent = True
        if now > deadline:
            last = moved_at if seen is not None else None
            if silent and stopped:
                problem = f"stopped, target down: {problem} after the step {stopped!r}"
            return RollbackProof(False, seen, last, None, f"Not proven: {problem}.", moved_late)
        beat()
        threading.Event().wait(min(0.5, plan.scrape_interval.total_seconds()))


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
    stops = (s for s in state.steps.values() if s.step == "stop_service" and s.outcome == "done")
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
    """The proof of an order after the rollback, as when its flag served somebody again: measured anew, and told."""
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
    spill(run.rollout, run.flag, _proof_body(proof))
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
        # Told once for each reason: a Prometheus that stays away pages once, however often it is asked.
        return back is None or bool(back.proven) or (back.proven is False and back.sentence == proof.sentence)

    if run.append(_proof_body(proof), unless=known) is not None:
        notify(run, rolled_back(run.plan, run.state) if proof.proven else proof_missing(run.plan, run.state))
        if proof.proven and (task := post_mortem_task(run.plan, run.state)) is not None:
            notify(run, task)
    return proof
