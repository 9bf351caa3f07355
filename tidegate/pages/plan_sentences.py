"""The sentences that a plan's fields make, for documents, gates and notices."""

import re
from datetime import timedelta

from tidegate.checklist.items import (
    BacktestProof,
    BackupProof,
    BaseProof,
    BenchmarkProof,
    CommandProof,
    DnsProof,
    DrillProof,
    FilesProof,
    HttpProof,
    HumanProof,
    JunitProof,
    LoadBalancerProof,
    PagerDutyAsks,
    PagerDutyProof,
    PrometheusProof,
    ReviewsProof,
    RolesProof,
    SlackProof,
)
from tidegate.plan.model import Criterion, Gate, Limit, Metric, Plan, Wave
from tidegate.values.names import on_one_line
from tidegate.values.units import format_duration, format_percent, quantity_in

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_DAY = timedelta(days=1)


def criterion_sentence(criterion: Criterion, plan: Plan) -> str:
    """What is asked, from the criterion's fields: `Error Rate below 5%`."""
    sentence = criterion.sentence(plan)
    return f"{sentence} (dry run)" if criterion.dry_run else sentence


def limit_words(limit: Limit | None, metric: Metric) -> str:
    """`< 2%`, `> 10%`; a pending limit's own text; nothing where there is none."""
    if limit is None:
        return ""
    if limit.pending is not None:
        return f"{limit.text} (pending: {limit.pending})"
    if limit.change is not None:
        return f"{limit.text or 'Baseline'} {limit.change:+g}%"
    sign, bound = (">", limit.above) if limit.below is None else ("<", limit.below)
    return f"{sign} {metric.unit.format(quantity_in(bound or '', metric.unit))}"


def proof_words(item: BaseProof) -> str:
    """How a checklist's line is proven: `junit reports/junit.xml`, `stated by a person`."""
    if item.not_applicable is not None:
        return f"does not apply: {item.not_applicable}"
    match item:
        case HumanProof(pending=None):
            return "stated by a person"
        case HumanProof():
            return f"stated by a person, pending: {item.pending}"
        case JunitProof():
            return f"at least {item.at_least} tests passed, {format_percent(item.passed)} of those run"
        case ReviewsProof():
            return f"at least {item.at_least} approvals in {_place(item)}"
        case CommandProof() | LoadBalancerProof():
            return f"command {item.command}"
        case BenchmarkProof():
            side, bound = ("above", item.above) if item.below is None else ("below", item.below)
            return f"measured {side} {item.unit.format(quantity_in(bound or '', item.unit))} in {_place(item)}"
        case FilesProof():
            return f"files {', '.join(item.paths)}"
        case HttpProof():
            return f"web source {item.source}{item.path} answers {item.status}"
        case PrometheusProof():
            side, bound = ("above", item.above) if item.below is None else ("below", item.below)
            return f"{item.query} {side} {item.unit.format(quantity_in(bound or '', item.unit))}"
        case PagerDutyProof():
            word = "takes events for" if item.asks is PagerDutyAsks.INTEGRATION else "has people on call for"
            return f"PagerDuty {word} {item.service}"
        case SlackProof():
            return f"Slack has {', '.join(item.channels) or 'the critical and warnings channels'}"
        case BackupProof():
            return f"newest backup younger than {format_duration(item.fresh)} in {_place(item)}"
        case DnsProof():
            return f"{', '.join(item.names)} resolve"
        case DrillProof():
            return f"a rollback drill in the last {format_duration(item.fresh)}"
        case BacktestProof():
            return f"a back-test in the last {format_duration(item.fresh)}, over {format_duration(item.covers)} or more"
        case RolesProof():
            where = " as approver of every gate" if item.each_wave else ""
            return f"somebody is named for {', '.join(item.roles)}{where}"
    raise TypeError(f"{type(item).__name__} has no words yet")


def _place(item: ReviewsProof | BenchmarkProof | BackupProof) -> str:
    folder = getattr(item, "folder", None)
    given = {"file": item.file, "command": item.command, "source": item.source, "folder": folder}
    return next(f"{name} {value}" for name, value in given.items() if value is not None)


def gate_words(gate: Gate, plan: Plan) -> str:
    """`one of incident-commander (a@b.c), engineering-lead (d@e.f)`."""
    who = ", ".join(f"{role} ({', '.join(plan.roles[role])})" for role in gate.approvers)
    return f"{'one' if gate.quorum == 1 else gate.quorum} of {who}"


def exposure_words(wave: Wave) -> str:
    """`10% of internal`."""
    return f"{format_percent(wave.percent)} of {wave.audience}"


def soak_days(soak: timedelta) -> int:
    """How many days a soak takes, begun ones counted whole."""
    return max(1, -(-soak // _DAY))


def days_words(day: int, soak: timedelta) -> str:
    """`Day 1`, `Day 3-4`: the days a soak that begins on `day` takes at least."""
    last = day + soak_days(soak) - 1
    return f"Day {day}" if last == day else f"Day {day}-{last}"


def markdown_text(text: str) -> str:
    """The text in one line that cannot become HTML, a link or a picture."""
    return _TAG.sub("&lt;", on_one_line(text)).replace("](", "]\\(")


def markdown_row(*cells: str) -> str:
    """A table row that its cells cannot break."""
    return "| " + " | ".join(markdown_text(cell).replace("|", "\\|") for cell in cells) + " |"
