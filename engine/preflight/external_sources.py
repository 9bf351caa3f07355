"""What preflight looks at outside of Prometheus: each figure, known request and command that a plan names."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from blocks.calls.bounded import bounded
from blocks.connections import OpenConnections
from blocks.errors import Refused
from blocks.web import Web
from engine.measuring.figures import LONGEST
from engine.rollout.session import utc_now
from tidegate.criteria.external.figures import figure_in
from tidegate.criteria.external.known_requests import Probe
from tidegate.criteria.external.synthetic import known_requests
from tidegate.criteria.findings import no_data_words
from tidegate.criteria.requests import AlarmSent, Figure, Instant, KnownRequests, Request
from tidegate.plan.in_force import steps
from tidegate.plan.model import Plan
from tidegate.values.samples import NoData
from tidegate.values.verdict import Finding, Verdict

Look = tuple[str, str, Callable[[], Finding]]


def outside_looks(connections: OpenConnections, plan: Plan) -> Iterator[Look]:
    """A name, a text and the look itself for each thing that is named; nothing is sent but questions.

    What is not answered, or not with a number, is an ERROR: the next look may find it.
    """
    found: dict[str, Look] = {}
    for request in (r for step in steps(plan) for c in step.criteria for r in c.preflight_requests(plan)):
        for name, text, look in _looks(connections, request):
            found[name] = (name, text, partial(look, name, text))
    yield from found.values()


def _looks(connections: OpenConnections, request: Request[Any]) -> Iterator[tuple[str, str, Callable[..., Finding]]]:
    match request:
        case Figure(source=source, pointer=pointer):
            text = f"{source} tells {pointer or 'a figure'}"
            yield f"figure.{source}{pointer}", text, partial(_figure, connections, source=source, pointer=pointer)
        case KnownRequests(asked=asked):
            text = f"{asked.source} lists its known requests"
            yield f"known.{asked.source}", text, partial(_known, connections, probe=asked)
        case AlarmSent(rules=rules):
            text = f"The command {rules} is known"
            yield f"command.{rules}", text, partial(_command, connections, rules=rules)
        case Instant(queries=queries):
            for item, query in queries:
                text = f"Prometheus tells how many {item} there are"
                yield f"amount.{item}", text, partial(_amount, connections, query=query)


def _web(connections: OpenConnections) -> Web:
    if connections.web is None:
        raise Refused("there are no web sources: add a part `web` to the kit")
    return connections.web


def _figure(connections: OpenConnections, name: str, text: str, source: str, pointer: str) -> Finding:
    web, patience = _web(connections), LONGEST.total_seconds()
    answer = bounded(lambda: web.ask(source, timeout=patience), patience, source)
    reading = figure_in(answer.status, answer.body, pointer, utc_now())
    if isinstance(reading, NoData):
        return Finding(name, text, Verdict.ERROR, f"No figure: {no_data_words(reading)}.")
    return Finding(name, text, Verdict.PASS, f"It answers {reading.value:g}.", reading.value)


def _amount(connections: OpenConnections, name: str, text: str, query: str) -> Finding:
    reading = connections.prometheus.instant({name: query}, utc_now())[name]
    if isinstance(reading, NoData):
        return Finding(name, text, Verdict.ERROR, f"No amount: {no_data_words(reading)}.", query=query)
    return Finding(name, text, Verdict.PASS, f"It answers {reading.value:g}.", reading.value, query=query)


def _known(connections: OpenConnections, name: str, text: str, probe: Probe) -> Finding:
    web, patience = _web(connections), probe.patience.total_seconds()
    answer = bounded(lambda: web.ask(probe.source, path=probe.known, timeout=patience), patience, probe.source)
    try:
        known = known_requests(answer.status, answer.body)
    except ValueError as error:
        return Finding(name, text, Verdict.ERROR, f"{error}.")
    return Finding(name, text, Verdict.PASS, f"{len(known)} known requests with their answers.")


def _command(connections: OpenConnections, name: str, text: str, rules: str) -> Finding:
    commands = connections.commands
    if commands is None or rules not in commands.commands:
        sentence = f"Add {rules!r} to the part `commands` of the kit."
        return Finding(name, text, Verdict.FAIL, sentence)
    return Finding(name, text, Verdict.PASS, "It is run at the gate, and its outcome recorded.")
