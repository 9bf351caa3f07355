"""Preflight of the rollback: every step of the full rollback has what it needs, and the snapshot is named."""

from collections.abc import Iterable
from shutil import which

from blocks.connections import OpenConnections
from engine.preflight.checks import Check
from engine.rollback.stable_health import look_at_legacy
from engine.rollout.session import utc_now
from tidegate.criteria.findings import no_data_words
from tidegate.plan.fields.rollback import (
    ByHand,
    Capacity,
    FlushCache,
    LoadBalancer,
    MachineStep,
    Restore,
    StopService,
    VerifyLegacy,
)
from tidegate.plan.model import Plan
from tidegate.values.samples import NoData
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding, Verdict

SNAPSHOT = "snapshot"
CAPACITY = "capacity"
_CAPACITY_TEXT = "The old path could carry everybody"
_SNAPSHOT_TEXT = "The snapshot for a restore is named"


def rollback_step_checks(connections: OpenConnections, plan: Plan) -> tuple[Check, ...]:
    """A check for each step a machine does, for the snapshot that a restore takes, and for the old path's capacity."""
    checks = [
        _step(connections, number, step)
        for number, step in enumerate(plan.rollback.full, start=1)
        if not isinstance(step, ByHand)
    ]
    if (wanted := plan.rollback.capacity) is not None:
        checks.append(Check(CAPACITY, _CAPACITY_TEXT, lambda: _capacity(connections, wanted)))
    if plan.rollback.snapshot is not None:
        name = plan.rollback.snapshot
        checks.append(Check(SNAPSHOT, _SNAPSHOT_TEXT, lambda: _snapshot(connections, name)))
    return tuple(checks)


def snapshot_json(findings: Iterable[Finding]) -> dict[str, str] | None:
    """The part of the preflight's entry that a restore later reads: what the command printed, and when."""
    seen = next((f for f in findings if f.criterion == SNAPSHOT and f.verdict is Verdict.PASS), None)
    return None if seen is None else {"argument": seen.bound, "at": utc_now().isoformat()}


def _step(connections: OpenConnections, number: int, step: MachineStep) -> Check:
    name, text = f"rollback_step.{number}", f"Full rollback can: {step.text}"

    def look() -> Finding:
        missing = _missing(connections, step)
        if missing is not None:
            return _without(connections, name, text, missing)
        if isinstance(step, VerifyLegacy):
            well, seen = look_at_legacy(connections, step)
            return Finding(name, text, Verdict.PASS if well else Verdict.FAIL, f"{seen}.")
        return Finding(name, text, Verdict.PASS, f"It has what it needs ({step.mode.value}).")

    return Check(name, text, look)


def _without(connections: OpenConnections, name: str, text: str, missing: str) -> Finding:
    if connections.is_rehearsal:
        return Finding(name, text, Verdict.NOT_APPLICABLE, f"{missing} A rehearsal goes without.")
    return Finding(name, text, Verdict.FAIL, missing)


def _missing(connections: OpenConnections, step: MachineStep) -> str | None:
    match step:
        case LoadBalancer():
            return None if connections.load_balancer else "There is no load balancer among the connections."
        case FlushCache():
            return None if connections.cache else "There is no cache among the connections."
        case VerifyLegacy(source=source):
            known = connections.web.sources if connections.web else {}
            return None if source in known else f"There is no web source {source} among the connections."
        case StopService(command=command) | Restore(command=command):
            return _missing_command(connections, command, step)


def _missing_command(connections: OpenConnections, command: str, step: MachineStep) -> str | None:
    commands = connections.commands
    if commands is None or command not in commands.commands:
        return f"There is no command {command} among the connections."
    program = commands.commands[command][0]
    if which(program) is None:
        return f"Command {command}: there is no program {program}."
    if step.timeout.total_seconds() > commands.timeout_seconds:
        allowed = f"{commands.timeout_seconds:g} s"
        return f"Command {command} may take {format_duration(step.timeout)}, its connection allows {allowed}."
    return None


def _capacity(connections: OpenConnections, wanted: Capacity) -> Finding:
    found = connections.prometheus.instant({CAPACITY: wanted.query}, utc_now())[CAPACITY]
    if isinstance(found, NoData):
        sentence = f"No data ({no_data_words(found)})."
        return Finding(CAPACITY, _CAPACITY_TEXT, Verdict.ERROR, sentence, query=wanted.query)
    enough = found.value >= wanted.at_least  # a NaN is not
    sentence = f"There are {found.value:g}, needed for everybody are {wanted.at_least:g}."
    verdict = Verdict.PASS if enough else Verdict.FAIL
    return Finding(CAPACITY, _CAPACITY_TEXT, verdict, sentence, found.value, query=wanted.query)


def _snapshot(connections: OpenConnections, name: str) -> Finding:
    commands = connections.commands
    if commands is None or name not in commands.commands:
        missing = f"There is no command {name} among the connections."
        return _without(connections, SNAPSHOT, _SNAPSHOT_TEXT, missing)
    result = commands.run(name)
    lines = result.output.splitlines()
    if result.code != 0 or len(lines) != 1 or not lines[0].strip() or len(lines[0]) > 500:
        sentence = f"{name} ended with {result.code} and printed {len(lines)} lines; one line is wanted."
        return Finding(SNAPSHOT, _SNAPSHOT_TEXT, Verdict.FAIL, sentence)
    argument = lines[0].strip()
    return Finding(SNAPSHOT, _SNAPSHOT_TEXT, Verdict.PASS, f"{argument}.", bound=argument)
