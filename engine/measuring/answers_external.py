"""How counts and costs are measured: one bounded question to a named web source, or a query and a price."""

from datetime import timedelta

from blocks.calls.bounded import bounded
from blocks.errors import ConnectionFault, Refused
from blocks.web import Web
from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.cost_amounts import cost_queries
from tidegate.criteria.external import figure_in, judge_cost, judge_count, model_cost, priced
from tidegate.criteria.external_kinds import Cost, Count
from tidegate.criteria.queries import Breach
from tidegate.plan.in_force import InForce
from tidegate.values.samples import NoData, NoDataReason, Reading
from tidegate.values.verdict import Finding

LONGEST = timedelta(seconds=3)


def measure_count(seen: MetricSnapshot, item: InForce, criterion: Count) -> tuple[Finding, Breach | None]:
    """The number that the source counts now."""
    return judge_count(item.id, criterion, _figure(seen, criterion.source, criterion.pointer)), None


def measure_cost(seen: MetricSnapshot, item: InForce, criterion: Cost) -> tuple[Finding, Breach | None]:
    """The monthly cost by the plan's model, or by a source, or by one query and its price."""
    if criterion.source is not None:
        reading = _figure(seen, criterion.source, criterion.pointer or "")
    elif criterion.query is None and (costs := seen.run.plan.costs) is not None:
        queries = cost_queries(costs)
        reading = model_cost(costs, seen.instant(queries) if queries else {}, seen.now)
    else:
        reading = priced(seen.instant({"cost": criterion.query or ""})["cost"], criterion.price or "")
    return judge_cost(item.id, criterion, reading), None


def web_of(seen: MetricSnapshot, source: str) -> Web:
    """The web sources of the connections; raises Refused saying what to add."""
    web = seen.run.connections.web
    if web is None:
        raise Refused(f"there are no web sources: add a part `web` with the source {source!r} to the kit")
    if source not in web.sources:
        raise Refused(f"the web sources do not name {source!r}: add it to the part `web` of the kit")
    return web


def _figure(seen: MetricSnapshot, source: str, pointer: str) -> Reading:
    """Given up well before the guard's next beat, whatever the source hangs on."""
    patience = LONGEST.total_seconds()
    try:
        web = web_of(seen, source)
        answer = seen.once(
            ("web", source), lambda: bounded(lambda: web.ask(source, timeout=patience), patience, source)
        )
    except ConnectionFault as fault:
        reason = NoDataReason.REFUSED if isinstance(fault, Refused) else NoDataReason.UNREACHABLE
        return NoData(reason, seen.now, str(fault))
    return figure_in(answer.status, answer.body, pointer, seen.now)
