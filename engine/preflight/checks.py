"""Preflight: everything that can be looked at before wave 1, side by side, without any effect."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from blocks.connections import OpenConnections
from blocks.flags.backend import Evaluating, as_planned
from engine.measuring.clocks import clocks_ahead
from engine.preflight.channels import CHANNELS, CHANNELS_TEXT, paged_reachable
from engine.preflight.checklist import ChecklistSources, line_looks
from engine.preflight.external_sources import outside_looks
from engine.preflight.flag_questions import TEXT, flag_source
from engine.preflight.queries import query_looks
from engine.preflight.served_as_planned import SERVED, SERVED_TEXT, served_as_planned
from engine.preflight.served_now import SERVED_NOW, SERVED_NOW_TEXT, served_now
from engine.rollout.flag_in_use import last_rollout, why_in_use
from tidegate.criteria.alerting.alerts import no_healthy_rule
from tidegate.criteria.context import Context
from tidegate.criteria.metrics.queries import metric_queries, traffic_queries
from tidegate.criteria.requests import AlertsNow
from tidegate.gates.approval import unsatisfiable
from tidegate.journal.state import FLAG_QUESTION
from tidegate.plan.in_force import steps
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.values.clock_skew import MOST, skew_sentence
from tidegate.values.promql_template import render_query, selector
from tidegate.values.samples import NoData, NoDataReason, Reading
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding, Verdict

_CLOCKS = "The clocks of Prometheus and of the journal's database agree with this machine's"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at: its name, what it says, and the look itself (a sentence, or ConnectionFault)."""

    name: str
    text: str
    look: Callable[[], Finding]
    fails_for_want: bool = False  # of data, and of nothing else: a FAIL may be a PASS at the next scrape


_wanting = partial(Check, fails_for_want=True)


def preflight_checks(
    connections: OpenConnections, plan: Plan, timing: Timing, *, started_by: str, now: datetime
) -> tuple[Check, ...]:
    """The checks of a plan against these connections; each can be run by itself, in any order."""
    checks = [_connection(name, block) for name, block in connections.present()]
    checks.append(Check("flag", f"{plan.flag.key} is at zero", lambda: _flag_at_zero(connections, plan)))
    checks.append(Check(FLAG_QUESTION, TEXT, lambda: flag_source(connections, plan, timing, now)))
    if isinstance(connections.flags, Evaluating):
        checks.append(Check(SERVED, SERVED_TEXT, lambda: served_as_planned(connections, plan)))
    if connections.ofrep is not None:
        checks.append(Check(SERVED_NOW, SERVED_NOW_TEXT, lambda: served_now(connections, plan)))
    checks.append(Check("gates", "Every gate can be passed by somebody", lambda: _gates(plan, started_by)))
    checks.append(Check(CHANNELS, CHANNELS_TEXT, lambda: paged_reachable(connections, plan)))
    checks.append(Check("clocks", _CLOCKS, lambda: _clocks(connections)))
    checks.extend(_metric(connections, plan, timing, name, now) for name in plan.metrics)
    checks.append(
        _wanting("traffic", "Requests of each audience are counted", lambda: _traffic(connections, plan, timing, now))
    )
    checks.append(
        _wanting("proof", "The counter that proves a rollback is there", lambda: _counter(connections, plan, now))
    )
    if plan.version is not None:
        checks.append(
            Check("version", "The service says which version it runs", lambda: _version(connections, plan, now))
        )
    checks.extend(Check(*each) for each in query_looks(connections, plan, timing, now))
    at = Context("preflight", plan, timing, 1, now)
    asking = [c for step in steps(plan) for c in step.criteria if c.critical_alerts == "firing"]
    asked = {r.known_by: r for c in asking for r in c.requests(at) if isinstance(r, AlertsNow)}
    checks.extend(_alerts(connections, request, now) for request in asked.values())
    scene = ChecklistSources(connections, plan, timing, now)
    checks.extend(Check(line.id, line.text, look) for line, look in line_looks(scene))
    checks.extend(Check(*each) for each in outside_looks(connections, plan))
    return tuple(checks)


def run_check(check: Check) -> Finding:
    """What this check finds; one that breaks has found nothing good."""
    try:
        return check.look()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is an ERROR and no pass
        return Finding(check.name, check.text, Verdict.ERROR, f"{type(error).__name__}: {error}")


def run_checks(checks: tuple[Check, ...], done: Callable[[Finding], None] = lambda _: None) -> tuple[Finding, ...]:
    """Every check's finding, in the order given; `done` is called with each as it is known."""

    def one(check: Check) -> Finding:
        finding = run_check(check)
        done(finding)
        return finding

    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="preflight") as pool:
        return tuple(pool.map(one, checks))


def _connection(name: str, block: object) -> Check:
    def look() -> Finding:
        return Finding(name, f"Connection: {name}", Verdict.PASS, block.check())  # type: ignore[attr-defined]

    return Check(name, f"Connection: {name}", look)


def _flag_at_zero(connections: OpenConnections, plan: Plan) -> Finding:
    text = f"{plan.flag.key} is at zero"
    seen = as_planned(connections.flags.read(plan.flag.key), plan.flag.variants)
    why = why_in_use(plan.flag.key, seen, last_rollout(connections, plan.flag.key))
    if not why:
        return Finding("flag", text, Verdict.PASS, f"Nobody is exposed: {seen.description}.")
    return Finding("flag", text, Verdict.FAIL, f"{why[0].upper()}{why[1:]}.")


def _clocks(connections: OpenConnections) -> Finding:
    connections.prometheus.check()  # its answer is what tells its clock
    ahead = clocks_ahead(connections)
    if apart := skew_sentence(ahead):
        return Finding("clocks", _CLOCKS, Verdict.FAIL, apart)
    if unknown := [name for name, skew in ahead.items() if skew is None]:
        return Finding("clocks", _CLOCKS, Verdict.ERROR, f"Nothing tells the clock of {' and '.join(unknown)}.")
    return Finding("clocks", _CLOCKS, Verdict.PASS, f"{' and '.join(ahead)}: within {format_duration(MOST)} of ours.")


def _gates(plan: Plan, started_by: str) -> Finding:
    why = unsatisfiable(plan, started_by)
    text = "Every gate can be passed by somebody"
    return Finding("gates", text, Verdict.FAIL if why else Verdict.PASS, why or f"{len(plan.waves)} gates.")


def _judged(
    id_: str, text: str, answers: dict[str, Reading], queries: dict[str, str], *, may_be_absent: bool = False
) -> Finding:
    """A query must be understood and find its series; too little traffic is no fault before wave 1."""
    tolerated = [NoDataReason.TOO_FEW, NoDataReason.NAN, *([NoDataReason.NO_SERIES] if may_be_absent else ())]
    for name, reading in answers.items():
        if isinstance(reading, NoData) and reading.reason not in tolerated:
            sentence = f"{reading.reason.value.replace('_', ' ')}: {reading.detail} Query: {queries[name]}"
            return Finding(id_, text, Verdict.FAIL, sentence)
    return Finding(id_, text, Verdict.PASS, f"{len(answers)} of {len(answers)} queries answered.")


def _metric(connections: OpenConnections, plan: Plan, timing: Timing, name: str, now: datetime) -> Check:
    text = f"Metric: {plan.metrics[name].title}"

    def look() -> Finding:
        queries = metric_queries(plan, name, 1, timing.window(plan.metrics[name].window))
        answers = connections.prometheus.instant(queries, now)
        return _judged(f"metric.{name}", text, answers, queries, may_be_absent=bool(plan.metrics[name].may_be_absent))

    return _wanting(f"metric.{name}", text, look)


def _traffic(connections: OpenConnections, plan: Plan, timing: Timing, now: datetime) -> Finding:
    queries: dict[str, str] = {}
    for number, wave in enumerate(plan.waves, start=1):
        asked = traffic_queries(plan, number, timing.window(plan.traffic.window))
        queries |= {f"{name}_{wave.audience.replace('-', '_')}": query for name, query in asked.items()}
    return _judged(
        "traffic", "Requests of each audience are counted", connections.prometheus.instant(queries, now), queries
    )


def _counter(connections: OpenConnections, plan: Plan, now: datetime) -> Finding:
    path, proof = plan.variants.canary, plan.rollback.proof
    queries = {"counter": render_query(proof.counter, selector=selector(path), path=path, window=proof.quiet)}
    return _judged(
        "proof", "The counter that proves a rollback is there", connections.prometheus.instant(queries, now), queries
    )


def _version(connections: OpenConnections, plan: Plan, now: datetime) -> Finding:
    text = "The service says which version it runs"
    if plan.version is None:
        return Finding("version", text, Verdict.NOT_APPLICABLE, "The plan does not ask.")
    seen = connections.prometheus.label_values(plan.version.query, plan.version.label, now)
    if isinstance(seen, NoData):
        return Finding("version", text, Verdict.ERROR, f"{seen.reason.value}: {seen.detail}", query=plan.version.query)
    return Finding("version", text, Verdict.PASS, f"{', '.join(sorted(seen))}.", query=plan.version.query)


def _alerts(connections: OpenConnections, asked: AlertsNow, now: datetime) -> Check:
    words = ", ".join(f"{name}={value}" for name, value in sorted(asked.labels))
    text = f"Alert rules with {words} are healthy"

    def look() -> Finding:
        reading = connections.prometheus.alerts(dict(asked.labels), now, asked.rules)
        if reading.firing:
            return Finding("alerts", text, Verdict.FAIL, f"Firing now: {', '.join(reading.firing)}.")
        if reading.problem is not None:
            return Finding("alerts", text, Verdict.ERROR, f"{reading.problem.reason.value}: {reading.problem.detail}")
        if reading.healthy_rules < 1:
            return Finding("alerts", text, Verdict.FAIL, no_healthy_rule(words, asked.rules, reading))
        return Finding("alerts", text, Verdict.PASS, f"{reading.healthy_rules} rules, none firing.")

    return Check("alerts", text, look)
