"""The number that a named web source tells: one bounded question, asked once in an evaluation."""

from datetime import timedelta

from blocks.calls.bounded import bounded
from blocks.errors import ConnectionFault, Refused
from blocks.web import Web
from engine.measuring.sources import MetricSnapshot
from tidegate.criteria.external.figures import figure_in
from tidegate.values.samples import NoData, NoDataReason, Reading

LONGEST = timedelta(seconds=3)


def web_of(seen: MetricSnapshot, source: str) -> Web:
    """The web sources of the connections; raises Refused saying what to add."""
    web = seen.run.connections.web
    if web is None:
        raise Refused(f"there are no web sources: add a part `web` with the source {source!r} to the kit")
    if source not in web.sources:
        raise Refused(f"the web sources do not name {source!r}: add it to the part `web` of the kit")
    return web


def figure(seen: MetricSnapshot, source: str, pointer: str) -> Reading:
    """Given up well before the next guard check, whatever the source hangs on."""
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
