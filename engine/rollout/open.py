"""Opening a rollout: everything that must be refused is refused here, before any effect."""

import re
from datetime import timedelta
from pathlib import Path

from blocks.connections import OpenConnections
from blocks.errors import FlagBusy
from blocks.flags.backend import Leasing, as_planned
from engine.rollout.flag_in_use import last_rollout, why_in_use
from engine.rollout.not_allowed import NotAllowed, NotAuthorized
from engine.rollout.session import OpenRollout, utc_now
from tidegate.gates.approval import unsatisfiable
from tidegate.journal.bodies.lifecycle_bodies import Closed, Opened
from tidegate.journal.kinds import Kind
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Approvals, Plan
from tidegate.rollout.lease import SHORTEST_IN_PRODUCTION
from tidegate.values.names import slug
from tidegate.values.units import format_duration

_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")


def plan_below(folder: Path, name: str) -> Plan:
    """The plan file of this name below the plans folder; raises NotAllowed outside it, PlanError for a bad one."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise NotAllowed(f"plan: found {name!r}, allowed are files below the plans folder")
    if not path.is_file():
        known = ", ".join(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.yaml")))
        raise NotAllowed(f"plan: found {name!r}, which is no file; allowed are {known}")
    return load_plan(path, Path.read_bytes)


def new_rollout_name(plan: Plan, token: str) -> str:
    """A name people can say: the flag, and the last six characters of a unique token."""
    return f"{slug(plan.flag.key)}-{token[-6:].lower()}"


def refusal(
    connections: OpenConnections, plan: Plan, *, started_by: str, pace: timedelta | None, auto_approve: bool
) -> str:
    """Why this rollout may not start so, or empty."""
    if _EMAIL.fullmatch(started_by) is None:
        return f"--as: found {started_by!r}, allowed is an e-mail address"
    if not connections.is_rehearsal:
        if pace is not None:
            return "pace: a rehearsal pace is allowed only where every connection says environment: rehearsal"
        lease = plan.flag.lease
        if lease is not None and lease.lasts < SHORTEST_IN_PRODUCTION:
            shortest, found = format_duration(SHORTEST_IN_PRODUCTION), format_duration(lease.lasts)
            return f"flag.lease.lasts: found {found}, allowed is {shortest} or longer outside rehearsals"
        if auto_approve:
            return "approve: auto is allowed only where every connection says environment: rehearsal"
    if plan.flag.lease is not None and not isinstance(connections.flags, Leasing):
        return (
            f"flag.lease: found with {type(connections.flags).__name__}, allowed is a flagd file, which knows the time"
        )
    if auto_approve and plan.approvals is not Approvals.OPEN:
        return f"approve: auto is allowed only where approvals are open; in this plan they are {plan.approvals.value}"
    return unsatisfiable(plan, started_by)


def owner_of_service(connections: OpenConnections, plan: Plan, name: str) -> str:
    """Why an open rollout of the same service stands in the way of this one, or empty; both plans must allow it."""
    for row in connections.journal.rollouts(open_only=True):
        if row.rollout == name:
            continue
        opening = connections.journal.newest(row.rollout, Kind.OPENED)
        if opening is None:
            return f"the open rollout {row.rollout} has no opening entry, so its service is not known"
        if not isinstance(opening.body, Opened):
            return f"the opening entry of the open rollout {row.rollout} cannot be read, so its service is not known"
        theirs = opening.body.plan
        if theirs["service"] != plan.service:
            continue
        if not (plan.allow_others_of_service and theirs.get("allow_others_of_service", False)):
            return (
                f"service {plan.service} has the open rollout {row.rollout} of flag {row.flag}, started by "
                f"{row.started_by}; a second one needs allow_others_of_service in both plans"
            )
    return ""


def must_be_free(connections: OpenConnections, plan: Plan, name: str) -> None:
    """Raises NotAllowed where the flag is not at zero, and FlagBusy or NotAllowed where another rollout has it."""
    seen = as_planned(connections.flags.read(plan.flag.key), plan.flag.variants)
    owner = next(iter(connections.journal.rollouts(plan.flag.key, open_only=True)), None)
    if owner is not None:
        raise FlagBusy(plan.flag.key, owner.rollout, owner.started_by)
    if used := why_in_use(plan.flag.key, seen, last_rollout(connections, plan.flag.key)):
        raise NotAllowed(used)
    if busy := owner_of_service(connections, plan, name):
        raise NotAllowed(busy)


def opening_body(
    plan: Plan,
    *,
    started_by: str,
    pace: timedelta | None,
    auto_approve: bool,
    connection_set: str,
    is_rehearsal: bool,
) -> Opened:
    """What a rollout's first entry says."""
    return Opened(
        plan=plan.to_json(),
        plan_hash=plan.hash,
        started_by=started_by.lower(),
        pace_seconds=None if pace is None else pace.total_seconds(),
        connections=connection_set,
        approve="auto" if auto_approve else "ask",
        environment="rehearsal" if is_rehearsal else "production",
    )


def open_rollout(
    connections: OpenConnections,
    plan: Plan,
    name: str,
    *,
    started_by: str,
    pace: timedelta | None,
    auto_approve: bool,
    connection_set: str,
) -> OpenRollout:
    """Write the opening entry with the whole resolved plan; opening the same name again continues it.

    Raises NotAllowed before any effect, and FlagBusy when another rollout owns the flag. Of two rollouts of one
    service that are opened at the same moment, at most one is left.
    """
    if why := refusal(connections, plan, started_by=started_by, pace=pace, auto_approve=auto_approve):
        raise NotAllowed(why)
    is_new = not any(row.rollout == name for row in connections.journal.rollouts(plan.flag.key))
    if is_new:
        must_be_free(connections, plan, name)
    body = opening_body(
        plan,
        started_by=started_by,
        pace=pace,
        auto_approve=auto_approve,
        connection_set=connection_set,
        is_rehearsal=connections.is_rehearsal,
    )
    connections.journal.open_rollout(name, plan.flag.key, body.to_json(), utc_now())
    run = OpenRollout(connections, name)
    # Asked again, since nothing locks a service: each of two that opened at once sees the other.
    if is_new and (busy := owner_of_service(connections, plan, name)):
        run.append(Closed(busy, "tidegate"), unless=lambda s: not s.phase.is_open)
        raise NotAllowed(busy)
    return run


__all__ = [
    "NotAllowed",
    "NotAuthorized",
    "must_be_free",
    "new_rollout_name",
    "open_rollout",
    "opening_body",
    "owner_of_service",
    "plan_below",
    "refusal",
]
