"""The way back: zero for everybody first, then the proof by measurement."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from blocks.journal import Claim
from tasks.notifications import tell
from tasks.open_rollout import HOLDER, LEASE, OpenRollout, Superseded, utc_now
from tidegate.entries import Kind
from tidegate.exposure import ZERO
from tidegate.history import Phase, RolloutState
from tidegate.plan import Plan
from tidegate.plan_report import did_not_take_deadline
from tidegate.query import render, selector
from tidegate.samples import NoData
from tidegate.wording import proof_missing, rolled_back, rolling_back

_WRITE_ATTEMPTS = 5
_log = logging.getLogger("tidegate.rollback")


@dataclass(frozen=True, slots=True)
class Zeroed:
    """The flag as it stands after the order: when it was at zero, its revision, or why the write failed."""

    ordered_at: datetime
    zero_at: datetime | None
    revision: str
    claim: Claim | None
    problem: str = ""


def zero_flag(connections: OpenConnections, flag: str, rollout: str, ordered_at: datetime) -> Zeroed:
    """Set the flag to zero for everybody, whoever holds the claim and whether or not the journal answers."""
    claim: Claim | None = None
    try:
        claim = connections.journal.seize(flag, rollout, HOLDER, LEASE)
    except Exception as fault:  # noqa: BLE001 - the way back never waits for the journal
        _log.warning("the claim of %s could not be taken: %s", flag, fault)
    epoch = None if claim is None else claim.epoch  # without one the backend takes the next epoch and wins
    problem = ""
    for _ in range(_WRITE_ATTEMPTS):
        try:
            if epoch is not None:
                connections.flags.fence(flag, epoch)
            revision = connections.flags.zero(flag, epoch)
            if connections.flags.read(flag).exposure == ZERO:
                return Zeroed(ordered_at, utc_now(), revision, claim)
            problem = "the flag was written but does not read as zero"
        except Exception as fault:  # noqa: BLE001 - whatever failed, zero is tried again
            problem, epoch = f"{type(fault).__name__}: {fault}", None
        threading.Event().wait(0.3)
    return Zeroed(ordered_at, None, "", claim, problem)


def roll_back(run: OpenRollout, *, reason: str, criterion: str, by: str) -> Zeroed:
    """Zero first, then the entry and the page; repeated, it converges. Proof is `prove`'s."""
    ordered_at = utc_now()
    zeroed = zero_flag(run.connections, run.flag, run.rollout, ordered_at)
    run.claim = zeroed.claim
    body = {
        "reason": reason,
        "criterion": criterion,
        "by": by,
        "ordered_at": ordered_at.isoformat(),
        "zero_at": zeroed.zero_at.isoformat() if zeroed.zero_at else None,
        "revision": zeroed.revision,
        "epoch": zeroed.claim.epoch if zeroed.claim else None,
        "problem": zeroed.problem,
    }
    try:
        run.refresh()
        if run.append(Kind.ROLLING_BACK, body, unless=_already_at_zero) is not None:
            tell(run, rolling_back(run.plan, run.state, zeroed.problem))
    except (ConnectionFault, Superseded) as fault:
        # The flag is at zero; the next look finds it so and writes the entry then.
        _log.error("the rollback of %s is not recorded yet: %s", run.rollout, fault)
    return zeroed


def _already_at_zero(state: RolloutState) -> bool:
    if state.phase is Phase.ROLLED_BACK or (state.phase is Phase.CLOSED and state.exposure == ZERO):
        return True
    return state.rollback is not None and state.rollback.zero_at is not None


@dataclass(frozen=True, slots=True)
class Proof:
    """What the counter of routing decisions to the new path showed after the order."""

    proven: bool
    counter: float | None
    last_request_at: datetime | None
    proven_at: datetime | None
    sentence: str


def measure_proof(
    connections: OpenConnections, plan: Plan, zero_at: datetime, beat: Callable[[], None] = lambda: None
) -> Proof:
    """Watch the counter until it has stood still for the quiet time, or the deadline passes; `beat` at each look."""
    path = plan.variants.canary
    proof = plan.rollback.proof
    query = render(proof.counter, selector=selector(path), path=path, window=proof.quiet)
    quiet = proof.quiet + plan.scrape_interval
    # Movement may be measured until here without being a failure: the change has to travel, and be scraped.
    deadline = zero_at + did_not_take_deadline(plan, connections.flags.propagation) + quiet
    seen: float | None = None
    moved_at, first_at = zero_at, None
    problem = "its counter was never seen"
    while True:
        now = utc_now()
        reading = connections.prometheus.instant({"counter": query}, now)["counter"]
        if isinstance(reading, NoData):
            problem = f"its counter cannot be read ({reading.reason.value})"
            first_at = None
        else:
            if seen is None or reading.value != seen:
                moved_at, seen = now, reading.value
            first_at = first_at or now
            still_since = max(moved_at, first_at)
            problem = f"its counter still moved at {moved_at:%H:%M:%S}"
            if now - still_since >= quiet:
                return Proof(True, seen, moved_at, now, "The new path is chosen no more.")
        if now > deadline:
            return Proof(False, seen, moved_at if seen is not None else None, None, f"Not proven: {problem}.")
        beat()
        threading.Event().wait(min(0.5, plan.scrape_interval.total_seconds()))


def prove(run: OpenRollout) -> Proof | None:
    """Measure that the new path is chosen no more and record it; None when that was recorded before.

    A flag that could not be written is written again first.
    """
    state = run.refresh()
    back = state.rollback
    if back is None or back.proven:
        return None
    if back.zero_at is None:
        roll_back(run, reason=back.reason, criterion=back.criterion, by=back.by)
        if back.zero_at is None:
            return _record(run, Proof(False, None, None, None, "Not proven: the flag could not be set to zero."))
    proof = measure_proof(run.connections, run.plan, back.zero_at or utc_now(), lambda: _keep(run))
    return _record(run, proof)


def _keep(run: OpenRollout) -> None:
    try:
        run.keep_claim()
    except ConnectionFault as fault:
        _log.info("the claim is not ours while the rollback is proven: %s", fault)
        run.claim = None


def _record(run: OpenRollout, proof: Proof) -> Proof:
    body = {
        "proven": proof.proven,
        "counter": proof.counter,
        "last_request_at": proof.last_request_at.isoformat() if proof.last_request_at else None,
        "proven_at": proof.proven_at.isoformat() if proof.proven_at else None,
        "sentence": proof.sentence,
    }
    run.append(Kind.PROVEN, body, unless=lambda state: state.rollback is None or bool(state.rollback.proven))
    tell(run, rolled_back(run.plan, run.state) if proof.proven else proof_missing(run.plan, run.state))
    return proof
