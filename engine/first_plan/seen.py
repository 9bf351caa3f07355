"""What a Prometheus knows of a service: its counters, histograms, scrapes, traffic and alert rules."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from blocks.errors import Refused, Unreachable
from blocks.prometheus.alert_rules import alert_rules
from blocks.prometheus.block import Prometheus
from engine.first_plan.answers import InitAnswers
from tidegate.values.samples import NoData

OUTCOMES = (
    "outcome", "result", "status", "code", "status_code", "http_status", "http_status_code",
    "http_response_status_code", "response_code", "grpc_code", "grpc_status",
)  # fmt: skip
_BAD_WORDS = frozenset(
    {"error", "errors", "err", "fail", "failed", "failure", "failures", "exception", "timeout", "5xx"}
)
_NOT_REQUESTS = ("bytes", "size", "retries", "open_connections")
_SERIES = 200
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of requests: its labels with their values, the label of its outcome, and which of these are bad."""

    name: str
    labels: Mapping[str, frozenset[str]]
    outcome: str
    bad: str  # a matcher
    a_day: float
    seen_seconds: float = _DAY  # of the last day: a service may be younger, and so may its Prometheus

    @property
    def per_second(self) -> float:
        """Its mean rate over the last day, or as much of it as was seen."""
        return self.a_day / self.seen_seconds

    @property
    def seen_words(self) -> str:
        """Of which time it is."""
        if self.seen_seconds >= _DAY:
            return "the last day"
        minutes = max(1, round(self.seen_seconds / 60))
        return f"the last {minutes} min" if minutes < 120 else f"the last {minutes // 60} h"

    def knows(self, label: str, value: str) -> bool:
        """Whether it has this label with this value: `path` often is that of an address."""
        return value in self.labels.get(label, ())


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """What was found, and a sentence for each thing that was not."""

    counter: Counter | None = None
    errors: float | None = None  # the share of bad requests of the last day
    histogram: str = ""  # the name before _bucket
    in_seconds: bool = True
    p95_ms: float | None = None
    scrape_seconds: float | None = None
    rules: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default=())

    @property
    def seen_words(self) -> str:
        """Of which time its numbers are."""
        return self.counter.seen_words if self.counter else "the last day"


def look(prometheus: Prometheus, answers: InitAnswers, now: datetime) -> ServiceSeen:
    """Everything that is to be found of the service now; raises Unreachable or Refused where nobody answers."""
    prometheus.check()
    of = answers.matchers
    missing: list[str] = []
    names = _names(prometheus, of, now)
    if not names:
        missing.append(f"no series at all has {of}: look at the targets' page, or at the service's name")
    scrape_seconds = _scrape_seconds(prometheus, of, now)
    counter = _counter(prometheus, of, names, now, _seen_seconds(prometheus, of, now, scrape_seconds))
    if names and counter is None:
        missing.append(f"no counter with a label of its outcome ({', '.join(OUTCOMES[:4])} ...)")
    if counter and answers.path_label not in counter.labels:
        missing.append(f"{counter.name} has no label {answers.path_label}: the snippet counts by path")
    elif counter and not counter.knows(answers.path_label, answers.old):
        values = ", ".join(sorted(counter.labels[answers.path_label])[:3])
        missing.append(
            f"{counter.name} has no {answers.path_label}={answers.old} (but {values}): the snippet counts by path"
        )
    if counter and answers.group_label not in counter.labels:
        missing.append(f"{counter.name} has no label {answers.group_label}: the snippet counts by group")
    errors = _value(prometheus, _share(counter, of), now) if counter else None
    histogram = _histogram(names)
    in_seconds = "milli" not in histogram and not histogram.endswith("_ms")
    p95 = (
        _value(prometheus, f"histogram_quantile(0.95, sum by (le) (rate({histogram}_bucket{{{of}}}[1d])))", now)
        if histogram
        else None
    )
    if names and not histogram:
        missing.append("no histogram of durations")
    if scrape_seconds is None:
        missing.append("how often it is scraped (no series `up` with its labels); 15 s is taken")
    rules, severities = _rules(prometheus, answers, now)
    if not rules:
        missing.append("no alert rule that names the service")
    return ServiceSeen(
        counter=counter, errors=errors, histogram=histogram, in_seconds=in_seconds,
        p95_ms=None if p95 is None else p95 * (1000 if in_seconds else 1),
        scrape_seconds=scrape_seconds, rules=rules, severities=severities, missing=tuple(missing),
    )  # fmt: skip


def _asked(prometheus: Prometheus, query: str, now: datetime) -> list[dict[str, Any]]:
    answer = prometheus.get_client().query(query, now)
    if answer.problem is not None:
        kind = Refused if answer.problem.reason.name == "REFUSED" else Unreachable
        raise kind(f"Prometheus: {answer.problem.detail}; asked was {query}")
    return answer.result if isinstance(answer.result, list) else []


def _value(prometheus: Prometheus, query: str, now: datetime) -> float | None:
    reading = prometheus.instant({"value": query}, now)["value"]
    return None if isinstance(reading, NoData) else reading.value


def _scrape_seconds(prometheus: Prometheus, of: str, now: datetime) -> float | None:
    """What usually lies between two points of its targets, the slowest one; None where no two are seen."""
    found = []
    for series in _asked(prometheus, f"up{{{of}}}[10m]", now):
        instants = [float(at) for at, _ in series["values"]]
        if len(instants) > 1:
            found.append(median(b - a for a, b in pairwise(instants)))
    return max(found, default=None)


def _names(prometheus: Prometheus, of: str, now: datetime) -> list[str]:
    return sorted(
        str(one["metric"].get("__name__", "")) for one in _asked(prometheus, f"group by (__name__) ({{{of}}})", now)
    )


def _seen_seconds(prometheus: Prometheus, of: str, now: datetime, scrape_seconds: float | None) -> float:
    """Of how much of the last day its targets have points."""
    points = _value(prometheus, f"max(count_over_time(up{{{of}}}[1d]))", now)
    if scrape_seconds is None or not points:
        return _DAY
    return min(_DAY, points * scrape_seconds)


def _counter(prometheus: Prometheus, of: str, names: list[str], now: datetime, seen: float) -> Counter | None:
    """The busiest counter of requests whose outcome is in a label."""
    found = [replace(counter, seen_seconds=seen) for name in names for counter in _candidate(prometheus, of, name, now)]
    likely = [one for one in found if "request" in one.name or "rpc" in one.name] or found
    return max(likely, key=lambda one: one.a_day, default=None)


def _candidate(prometheus: Prometheus, of: str, name: str, now: datetime) -> Iterator[Counter]:
    if not name.endswith(("_total", "_count")) or name.startswith(("go_", "process_", "python_", "promhttp_")):
        return
    if any(word in name for word in _NOT_REQUESTS):
        return
    series = _asked(prometheus, f"topk({_SERIES}, {name}{{{of}}})", now)
    labels: dict[str, set[str]] = {}
    for one in series:
        for label, value in one["metric"].items():
            labels.setdefault(label, set()).add(value)
    for outcome in OUTCOMES:
        if outcome in labels:
            a_day = _value(prometheus, f"sum(increase({name}{{{of}}}[1d]))", now) or 0.0
            kept = {label: frozenset(values) for label, values in labels.items()}
            yield Counter(name, kept, outcome, _bad(outcome, kept[outcome]), a_day)
            return


def _bad(label: str, values: frozenset[str]) -> str:
    if any(value.isdigit() and len(value) == 3 for value in values):
        return f'{label}=~"5.."'
    if bad := sorted(value for value in values if value.lower() in _BAD_WORDS):
        return f'{label}=~"{"|".join(bad)}"'
    return f'{label}=~"error|failed|5xx"'


def _share(counter: Counter, of: str) -> str:
    part = f"sum(increase({counter.name}{{{of},{counter.bad}}}[1d]))"
    return f"100 * ({part} or vector(0)) / sum(increase({counter.name}{{{of}}}[1d]))"


def _histogram(names: list[str]) -> str:
    """The histogram of the requests' durations, or empty."""
    found = [name.removesuffix("_bucket") for name in names if name.endswith("_bucket")]
    timed = [name for name in found if any(word in name for word in ("duration", "latency", "seconds", "milliseconds"))]
    return next((name for name in timed if "request" in name), timed[0] if timed else "")


def _rules(prometheus: Prometheus, answers: InitAnswers, now: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    answer = prometheus.get_client().rules(now)
    if answer.problem is not None:
        return (), ()
    word = answers.service_name
    mine = [rule for rule in alert_rules(answer.result, now) if word in rule.query or word in rule.labels.values()]
    return tuple(rule.name for rule in mine), tuple(sorted({rule.labels.get("severity", "") for rule in mine} - {""}))
