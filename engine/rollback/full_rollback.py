"""The full rollback, for when the flag does not take: each step by itself, recorded, and never stopping the next."""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread

from blocks.calls.bounded import bounded
from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault, Fenced, Refused
from engine.notices.queueing import notify
from engine.rollback.journal_fallback import write_fallback
from engine.rollback.stable_health import look_at_legacy
from engine.rollout.session import LEASE, OpenRollout, Superseded, utc_now
from tidegate.journal.bodies.exposure_bodies import StepRecorded
from tidegate.journal.records import SnapshotRecord
from tidegate.notices.rollback_texts import full_rollback_report, question
from tidegate.plan.fields.rollback import (
    ByHand,
    FlushCache,
    LoadBalancer,
    MachineStep,
    Mode,
    Restore,
    RollbackStep,
    StopService,
    VerifyLegacy,
)

_SHOWN = 2_000
_TAKES_USERS_TO_LEGACY = (LoadBalancer, StopService)
_log = logging.getLogger("tidegate.rollback")


@dataclass(frozen=True, slots=True)
class StepDone:
    """How one step ended: done, failed, asked, not_done or by_hand, and what was seen."""

    number: int
    step: RollbackStep
    outcome: str
    output: str
    seconds: float = 0.0


Take = Callable[[], StepDone]
Shown = Callable[[int, RollbackStep, Take], StepDone]


def _taken(_number: int, _step: RollbackStep, take: Take) -> StepDone:
    return take()


def full_rollback(
    run: OpenRollout, *, by: str, confirmed: Collection[str] = (), again: bool = True, shown: Shown = _taken
) -> tuple[StepDone, ...]:
    """Do the plan's steps in order; those that are asked for only when their kind is among `confirmed`.

    Without `again` steps that stand in the journal already are left as they are, so that a restarted run goes on.
    `shown` takes each step, and shows that it does.
    The journal, Prefect and Prometheus may all be down: steps are done all the same.
    """
    steps: list[StepDone] = []
    with _keeping_claim(run):
        for number, step in enumerate(run.plan.rollback.full, start=1):
            if not again and number in run.state.recovery.steps:
                continue
            done = shown(number, step, partial(_one, run, number, step, confirmed))
            steps.append(done)
            _log.warning("full rollback of %s: %s: %s. %s", run.flag, step.text, done.outcome, done.output)
            _record(run, done, by)
    if steps:
        try:
            notify(run, full_rollback_report(run.plan, run.state))
        except (ConnectionFault, Superseded) as fault:
            _log.error("the report of the full rollback is not queued: %s", fault)
    return tuple(steps)


@contextmanager
def _keeping_claim(run: OpenRollout) -> Iterator[None]:
    """Renew the claim beside steps that take minutes, so that nobody takes the same steps meanwhile."""
    ended, claim = Event(), run.claim

    def renew() -> None:
        while claim is not None and not ended.wait(LEASE.total_seconds() / 3):
            try:
                run.connections.journal.renew(claim, LEASE)
            except Fenced:
                return
            except ConnectionFault as fault:
                _log.info("the claim of %s is not renewed: %s", run.flag, fault)

    Thread(target=renew, name=f"claim {run.flag}", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _one(run: OpenRollout, number: int, step: RollbackStep, confirmed: Collection[str]) -> StepDone:
    if isinstance(step, ByHand):
        return StepDone(number, step, "by_hand", "")
    started, now = time.monotonic(), utc_now()
    via, snapshot = run.connections, run.state.recovery.snapshot
    asked = step.mode is Mode.ASK
    why = ""
    if isinstance(step, _TAKES_USERS_TO_LEGACY) and (health := run.plan.rollback.health) is not None:
        # Users are not taken to a legacy that does not answer, unless somebody says so.
        well, seen = look_at_legacy(via, health)
        if not well:
            asked, why = True, f"Legacy is not healthy: {seen}."
    if asked and step.step not in confirmed:
        return StepDone(number, step, "asked", question(step, snapshot, now, why))
    try:
        act = _action(via, step, snapshot, run)
        seconds = step.timeout.total_seconds()
        # A little more than the step's own limit, which kills what it started.
        output = bounded(act, seconds + 1, f"the step {step.text!r}")
        return StepDone(number, step, "done", output[:_SHOWN], time.monotonic() - started)
    except _NotPossible as missing:
        return StepDone(number, step, "not_done", str(missing))
    except Exception as fault:  # noqa: BLE001 - whatever failed, the next step is done
        return StepDone(number, step, "failed", f"{type(fault).__name__}: {fault}"[:_SHOWN], time.monotonic() - started)


class _NotPossible(Exception):
    """A step has nothing to work with; the sentence says what is missing."""


def _action(
    via: OpenConnections, step: MachineStep, snapshot: SnapshotRecord | None, run: OpenRollout
) -> Callable[[], str]:
    limit = step.timeout.total_seconds()
    match step:
        case LoadBalancer():
            if (balancer := via.load_balancer) is None:
                raise _NotPossible("There is no load balancer among the connections.")
            return lambda: f"{balancer.all_to_legacy().description}."
        case StopService(command=command):
            return lambda: _run(via, command, {"flag": run.flag, "service": run.plan.service}, limit)
        case Restore(command=command):
            if snapshot is None:
                raise _NotPossible("No snapshot was recorded before wave 1.")
            return lambda: _run(via, command, {"snapshot": snapshot.argument}, limit)
        case FlushCache(database=database, prefix=prefix):
            if (cache := via.cache) is None:
                raise _NotPossible("There is no cache among the connections.")
            if database is not None:
                return lambda: f"{cache.flush_database(database)} keys of database {database} dropped."
            return lambda: f"{cache.flush_prefix(prefix or '', limit)} keys that begin with {prefix} dropped."
        case VerifyLegacy():
            return lambda: _verify(via, step)


def _run(via: OpenConnections, command: str, places: dict[str, str], limit: float) -> str:
    if via.commands is None:
        raise _NotPossible("There are no commands among the connections.")
    result = via.commands.run(command, places, limit)
    if result.code != 0:
        raise Refused(f"{command} ended with {result.code}. {result.output}")
    return result.output or f"{command} ended with 0."


def _verify(via: OpenConnections, step: VerifyLegacy) -> str:
    well, seen = look_at_legacy(via, step)
    if not well:
        raise Refused(seen)
    return f"{seen}."


def _record(run: OpenRollout, done: StepDone, by: str) -> None:
    body = StepRecorded(
        step=done.step.step,
        text=done.step.text,
        number=done.number,
        outcome=done.outcome,
        output=done.output,
        seconds=round(done.seconds, 3),
        by=by,
    )
    try:
        run.append(body)
    except (ConnectionFault, Superseded) as fault:
        write_fallback(run.rollout, run.flag, body)
        _log.error("a step of the full rollback is not recorded yet: %s", fault)
