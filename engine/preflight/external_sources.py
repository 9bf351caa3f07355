"""What preflight looks at outside of Prometheus: each figure, known request and command that a plan names."""

from collections.abc import Callable, Iterator
from functools import partial

from blocks.calls.bounded import bounded
from blocks.connections import OpenConnections
from blocks.errors import Refused
from blocks.web import Web
from engine.measuring.answers_external import LONGEST
from engine.rollout.session import utc_now
from tidegate.criteria.cost_amounts import cost_queries
from tidegate.criteria.external import figure_in, known_requests
from tidegate.criteria.external_kinds import AlarmTest, Cost, Count, Synthetic
from tidegate.criteria.threshold import no_data_words
from tidegate.plan.in_force import steps
from tidegate.plan.model import Plan
from tidegate.values.samples import NoData
from tidegate.values.verdict import Finding, Verdict

Look = tuple[str, str, Callable[[], Finding]]


def outside_looks(connections: OpenConnections, plan: Plan) -> Iterator[Look]:
    """A name, a text and the look itself for each thing that is named; nothing is sent but questions."""
    found: dict[str, Look] = {}
    for criterion in (c for step in steps(plan) for c in step.criteria):
        match criterion:
            case Count(source=source, pointer=pointer) | Cost(source=str(source), pointer=str(pointer)):
                name, text = f"figure.{source}{pointer}", f"{source} tells {pointer or 'a figure'}"
                found[name] = (name, text, partial(_figure, connections, name, text, source, pointer))
            case Synthetic():
                name, text = f"known.{criterion.source}", f"{criterion.source} lists its known requests"
                found[name] = (name, text, partial(_known, connections, name, text, criterion))
            case AlarmTest():
                name, text = f"command.{criterion.rules}", f"The command {criterion.rules} is known"
                found[name] = (name, text, partial(_command, connections, name, text, criterion))
            case Cost() if criterion.is_of_the_plan and plan.costs is not None:
                for item, query in cost_queries(plan.costs).items():
                    name, text = f"amount.{item}", f"Prometheus tells how many {item} there are"
                    found[name] = (name, text, partial(_amount, connections, name, text, query))
            case _:
                pass
    yield from found.values()


def _web(connections: OpenConnections) -> Web:
    if connections.web is None:
        raise Refused("there are no web sources: add a part `web` to the kit")
    return connections.web


def _figure(connections: OpenConnections, name: str, text: str, source: str, pointer: str) -> Finding:
    web, patience = _web(connections), LONGEST.total_seconds()
    answer = bounded(lambda: web.ask(source, timeout=patience), patience, source)
    reading = figure_in(answer.status, answer.body, pointer, utc_now())
    if isinstance(reading, NoData):
        return Finding(name, text, Verdict.FAIL, f"No figure: {no_data_words(reading)}.")
    return Finding(name, text, Verdict.PASS, f"It answers {reading.value:g}.", reading.value)


def _amount(connections: OpenConnections, name: str, text: str, query: str) -> Finding:
    reading = connections.prometheus.instant({name: query}, utc_now())[name]
    if isinstance(reading, NoData):
        return Finding(name, text, Verdict.FAIL, f"No amount: {no_data_words(reading)}.", query=query)
    return Finding(name, text, Verdict.PASS, f"It answers {reading.value:g}.", reading.value, query=query)


def _known(connections: OpenConnections, name: str, text: str, criterion: Synthetic) -> Finding:
    web, patience = _web(connections), criterion.patience.total_seconds()
    answer = bounded(
        lambda: web.ask(criterion.source, path=criterion.known, timeout=patience), patience, criterion.source
    )
    try:
        known = known_requests(answer.status, answer.body)
    except ValueError as error:
        return Finding(name, text, Verdict.FAIL, f"{error}.")
    return Finding(name, text, Verdict.PASS, f"{len(known)} known requests with their answers.")


def _command(connections: OpenConnections, name: str, text: str, criterion: AlarmTest) -> Finding:
    commands = connections.commands
    if commands is None or criterion.rules not in commands.commands:
        sentence = f"Add {criterion.rules!r} to the part `commands` of the kit."
        return Finding(name, text, Verdict.FAIL, sentence)
    return Finding(name, text, Verdict.PASS, "It is run at the gate, and its outcome recorded.")
