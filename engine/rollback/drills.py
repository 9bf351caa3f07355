"""Drills: the rollback taken on purpose, with the real key and counter, for synthetic users only."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread
from time import monotonic
from uuid import uuid4

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from blocks.flags.backend import as_planned
from blocks.journal.freezes import why_frozen
from engine.exposure.permits import MayNotRaise, permit_to_drill
from engine.rollback.full_rollback import full_rollback
from engine.rollback.proof import RollbackProof, measure_proof
from engine.rollback.zero import Zeroed, zero_flag
from engine.rollout.flag_in_use import why_in_use
from engine.rollout.open import NotAllowed
from engine.rollout.resolve_rollout import drill_prefix
from engine.rollout.session import OpenRollout, utc_now
from tidegate.journal.bodies.exposure_bodies import Drilled
from tidegate.journal.bodies.lifecycle_bodies import Closed, Opened
from tidegate.journal.fold import fold
from tidegate.plan.fields.rollback import Drill
from tidegate.plan.model import Plan
from tidegate.plan.pace import did_not_take_deadline
from tidegate.values.exposure import ZERO, Exposure
from tidegate.values.promql_template import render_query, selector
from tidegate.values.samples import NoData

_INTERVAL_SECONDS = 0.5
_log = logging.getLogger("tidegate.drill")


def is_drill(run: OpenRollout) -> bool:
    """Whether this journal is a drill's and no rollout's."""
    return run.rollout.startswith(f"{drill_prefix(run.flag)}-")


def abandon_drill(run: OpenRollout) -> None:
    """End a drill whose process was lost: flag to zero, journal closed. The caller holds the claim."""
    if not _is_zero(run.connections, run.flag):
        run.claim = zero_flag(run.connections, run.flag, run.rollout, utc_now()).claim
    reason = "The drill's process was lost; the flag is at zero."
    run.append(Closed(reason, "tidegate"), unless=lambda state: not state.phase.is_open)


def last_drill(connections: OpenConnections, flag: str) -> tuple[datetime, float] | None:
    """When the rollback of this flag was last proven in a drill, and the seconds from the order to the proof."""
    for row in connections.journal.rollouts(flag):
        if row.rollout.startswith(f"{drill_prefix(flag)}-"):
            drilled = fold(connections.journal.entries(row.rollout)).recovery.drilled
            if drilled is None or not drilled.proven:
                continue
            if drilled.proven_at is not None and drilled.seconds is not None:
                return drilled.proven_at, drilled.seconds
    return None


def refuse_drill(connections: OpenConnections, plan: Plan) -> str:
    """Why this plan may not be drilled now, or empty."""
    drill = plan.rollback.drill
    if drill is None:
        return f"plan {plan.name} names no drill: rollback.drill is missing"
    real = {group for audience in plan.audiences.values() for group in audience.groups or ()}
    if drill.group in real | set(plan.flag.always_on) | set(plan.flag.always_off):
        return f"rollback.drill.group: found {drill.group!r}, which the plan uses for real users"
    if connections.web is None or drill.source not in connections.web.sources:
        return f"there is no web source {drill.source} among the connections"
    if rows := connections.journal.rollouts(plan.flag.key, open_only=True):
        return f"flag {plan.flag.key} belongs to the open rollout {rows[0].rollout}; a drill waits until it has ended"
    if freeze := why_frozen(connections.journal):
        return freeze
    return why_in_use(plan.flag.key, as_planned(connections.flags.read(plan.flag.key), plan.flag.variants))


def drill(connections: OpenConnections, plan: Plan, *, by: str, full: bool = False) -> OpenRollout:
    """Expose the drill's group, send it traffic, take the rollback, prove and record it; raises NotAllowed.

    Whatever happens in between, the flag ends at zero. `full` takes the full rollback's steps, in rehearsals only.
    """
    if why := refuse_drill(connections, plan):
        raise NotAllowed(why)
    if full and not connections.is_rehearsal:
        raise NotAllowed("--full: a drill takes the full rollback only where every connection says rehearsal")
    config, key = plan.rollback.drill, plan.flag.key
    if config is None:
        raise NotAllowed(f"plan {plan.name} names no drill")
    name = f"{drill_prefix(key)}-{uuid4().hex[:6]}"
    # The drill owns the flag like a rollout, so that none is started meanwhile.
    opening = Opened(
        plan=plan.to_json(),
        plan_hash=plan.hash,
        started_by=by,
        pace_seconds=None,
        connections="",
        approve="ask",
        environment="rehearsal" if connections.is_rehearsal else "production",
    )
    connections.journal.open_rollout(name, key, opening.to_json(), utc_now())
    run = OpenRollout(connections, name)
    reason = "The drill did not come to its end."
    try:
        reason = _practise(run, config, by, full)
    except (ConnectionFault, MayNotRaise) as fault:
        reason = f"The drill broke off: {type(fault).__name__}: {fault}"
    finally:
        if not _is_zero(connections, key):
            run.claim = zero_flag(connections, key, name, utc_now()).claim
        run.append(Closed(reason, by))
        run.release_claim()
    return run


def _is_zero(connections: OpenConnections, flag: str) -> bool:
    try:
        return connections.flags.read(flag).exposure == ZERO
    except ConnectionFault:
        return False


def _keep(run: OpenRollout) -> None:
    run.keep_claim()


def _practise(run: OpenRollout, config: Drill, by: str, full: bool) -> str:
    via, plan = run.connections, run.plan
    patience = did_not_take_deadline(plan, via.flags.propagation)
    with _traffic(run, config) as sent:
        before = _counter(run)
        claim = run.wait_for_claim()
        only = Exposure(attribute=plan.flag.attribute, always_on=(config.group,), variants=plan.flag.variants)
        via.flags.write(run.flag, only, claim.epoch, permit_to_drill(run, only))
        moved = _moves(run, before, patience)
        ordered_at = utc_now()
        zeroed = zero_flag(via, run.flag, run.rollout, ordered_at)
        run.claim = zeroed.claim
        if full:
            full_rollback(run, by=by)
        # The drill's users go on asking: a counter that stands still without requests would prove nothing.
        asked = len(sent)
        proof = measure_proof(via, plan, zeroed.zero_at or ordered_at, lambda: _keep(run))
        asked = len(sent) - asked
    drilled = _result(run, by, zeroed, proof, moved=moved, asked=asked, requests=len(sent))
    run.append(drilled)
    return drilled.sentence


def _result(
    run: OpenRollout, by: str, zeroed: Zeroed, proof: RollbackProof, *, moved: bool, asked: int, requests: int
) -> Drilled:
    seconds = None if proof.proven_at is None else (proof.proven_at - zeroed.ordered_at).total_seconds()
    if not moved:
        sentence = f"Not proven: the counter never moved for the drill's {requests} requests."
    elif asked == 0:
        sentence = "Not proven: nobody asked while the counter stood still."
    elif zeroed.zero_at is None:
        sentence = f"Not proven: the flag could not be set to zero: {zeroed.problem}"
    elif not proof.proven:
        sentence = proof.sentence
    else:
        took = (zeroed.zero_at - zeroed.ordered_at).total_seconds()
        sentence = f"{took:.1f} s to zero, {seconds:.1f} s to the proof, {requests} requests of synthetic users."
    proven = moved and asked > 0 and zeroed.zero_at is not None and proof.proven
    return Drilled(
        flag=run.flag,
        by=by,
        ordered_at=zeroed.ordered_at,
        zero_at=zeroed.zero_at,
        proven=proven,
        proven_at=proof.proven_at if proven else None,
        seconds=seconds if proven else None,
        requests=requests,
        sentence=sentence,
    )


def _counter(run: OpenRollout) -> float | None:
    path, proof = run.plan.variants.canary, run.plan.rollback.proof
    query = render_query(proof.counter, selector=selector(path), path=path, window=proof.quiet)
    reading = run.connections.prometheus.instant({"counter": query}, utc_now())["counter"]
    return None if isinstance(reading, NoData) else reading.value


def _moves(run: OpenRollout, before: float | None, patience: timedelta) -> bool:
    """Whether the counter rises while the drill's users are exposed."""
    until = monotonic() + patience.total_seconds()
    while monotonic() < until:
        now = _counter(run)
        if now is not None and (before is None or now > before):
            # A first sight is only a beginning: it may be older than the drill.
            if before is not None:
                return True
            before = now
        run.keep_claim()
        Event().wait(_INTERVAL_SECONDS)
    return False


@contextmanager
def _traffic(run: OpenRollout, config: Drill) -> Iterator[list[int]]:
    """Requests of synthetic users, one after the other, until the drill has ended; the list holds what was answered."""
    web, ended, sent = run.connections.web, Event(), list[int]()
    body = json.loads(config.body)

    def send() -> None:
        number = 0
        while web is not None and not ended.is_set():
            number += 1
            headers = {config.user_header: f"drill-{number}", config.group_header: config.group}
            try:
                answer = web.ask(config.source, method="POST", body=body, headers=headers)
            except ConnectionFault as fault:
                _log.warning("a request of the drill was not answered: %s", fault)
            else:
                sent.append(answer.status)
            ended.wait(config.interval.total_seconds())

    sender = Thread(target=send, name=f"drill {run.flag}", daemon=True)
    sender.start()
    try:
        yield sent
    finally:
        ended.set()
        sender.join(timeout=10)
