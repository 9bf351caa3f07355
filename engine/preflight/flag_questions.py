"""Whether a rollout can raise its flag at all, and what only people know of it."""

from datetime import datetime

from blocks.connections import OpenConnections
from blocks.flags.backend import Questioned
from tidegate.criteria.metrics.queries import traffic_queries
from tidegate.journal.state import FLAG_QUESTION
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.values.samples import NoData
from tidegate.values.verdict import Finding, Verdict

TEXT = "The flag is one that can be raised, where its evaluators read it"


def flag_source(connections: OpenConnections, plan: Plan, timing: Timing, now: datetime) -> Finding:
    """A flag that is not where it is looked for is a question to people; without any traffic it is a failure."""
    if not isinstance(connections.flags, Questioned):
        return Finding(FLAG_QUESTION, TEXT, Verdict.PASS, "The flag system is asked by its own commands.")
    question = connections.flags.question(plan.flag.key, plan.exposure_at(len(plan.waves)))
    if not question:
        return Finding(FLAG_QUESTION, TEXT, Verdict.PASS, "It can be raised.")
    if _is_asked(connections, plan, timing, now):
        return Finding(FLAG_QUESTION, TEXT, Verdict.NOT_APPLICABLE, f"{question} Asked at the first gate.")
    sentence = f"{question} No request is seen on either path, so nothing shows that anybody reads it."
    return Finding(FLAG_QUESTION, TEXT, Verdict.FAIL, sentence)


def _is_asked(connections: OpenConnections, plan: Plan, timing: Timing, now: datetime) -> bool:
    """Whether any request is seen, on whichever path, of whichever audience."""
    window = timing.window(plan.traffic.window)
    queries = {
        f"{name}_{number}": query
        for number in range(1, len(plan.waves) + 1)
        for name, query in traffic_queries(plan, number, window).items()
    }
    readings = connections.prometheus.instant(queries, now).values()
    return any(not isinstance(reading, NoData) and reading.value > 0 for reading in readings)
