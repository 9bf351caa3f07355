"""Prometheus: measured values at an instant, over a range, and alerts; trouble is a value, not an exception."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field, PrivateAttr

from blocks.calls.addresses import shown_address
from blocks.calls.http_access import HttpLogin
from blocks.connection import Connection
from blocks.errors import Refused, Unreachable
from blocks.prometheus.alert_rules import alert_rules, firing_alerts, healthy_rules
from blocks.prometheus.answers import (
    MetricAnswer,
    firing_names,
    listed_values,
    one_value,
    samples_of,
    split_by_label,
    values_of,
)
from blocks.prometheus.client import Asking
from tidegate.criteria.alerting.alert_rules import AlertRules
from tidegate.criteria.alerting.alerts import firing_alerts_query as firing_query
from tidegate.values.samples import AlertReading, NoData, NoDataReason, Reading, Sample

_ID_LABEL = "tidegate_query"
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Kept, since a thread costs more than a request; nothing that runs here asks a further question.
_BESIDE = ThreadPoolExecutor(8, thread_name_prefix="prometheus")
_POINTS_AT_ONCE = 10_000
_MAKING = threading.Lock()


class Prometheus(HttpLogin, Connection):
    """The Prometheus, or anything that speaks its HTTP API, that a rollout is measured with."""

    _block_type_name: ClassVar[str | None] = "Tidegate Prometheus"
    _block_type_slug: ClassVar[str | None] = "tidegate-prometheus"
    _description: ClassVar[str | None] = "The Prometheus that rollouts are measured with."

    url: str = Field(description="The address of the HTTP API, without /api/v1.", pattern=r"^https?://")
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for one answer.")

    _asking: Asking | None = PrivateAttr(default=None)

    def get_client(self) -> Asking:
        """The one HTTP client of this block, usable from several threads."""
        # Threads that start together must share one: what one's answers tell of the clock, the others go by.
        with _MAKING:
            if self._asking is None:
                self._asking = Asking(self.url.rstrip("/"), self.timeout_seconds, self)
            return self._asking

    def with_timeout(self, seconds: float) -> "Prometheus":
        """The same Prometheus, asked with another patience."""
        fields = {name: getattr(self, name) for name in HttpLogin.model_fields}
        return Prometheus(url=self.url, timeout_seconds=seconds, environment=self.environment, **fields)

    def instant(self, queries: Mapping[str, str], at: datetime) -> dict[str, Reading]:
        """The one value of each query for that instant; asked as `answers` does."""
        return {name: one_value(answer, at) for name, answer in self.answers(queries, at).items()}

    def answers(self, queries: Mapping[str, str], at: datetime) -> dict[str, MetricAnswer]:
        """What each query answers for that instant, asked in one round trip as long as nothing is wrong."""
        if len(queries) < 2:
            return self._one_by_one(queries, at)
        # A line break ends a comment that a query may end with.
        joined = " or ".join(
            f'label_replace(({query}\n), "{_ID_LABEL}", "q{number}", "", "")'
            for number, query in enumerate(queries.values())
        )
        answer = self.get_client().query(joined, at)
        if answer.problem is not None and answer.problem.reason not in (NoDataReason.REFUSED, NoDataReason.SLOW):
            return dict.fromkeys(queries, answer)
        if answer.problem is not None or answer.warnings:
            # Asked each for itself, only the one at fault suffers.
            return self._one_by_one(queries, at)
        series = split_by_label(answer.result, _ID_LABEL)
        if series is None:
            odd = NoData(NoDataReason.UNREACHABLE, at, "the answer has an unknown form")
            return dict.fromkeys(queries, MetricAnswer(problem=odd))
        return {name: MetricAnswer(result=series.get(f"q{number}", [])) for number, name in enumerate(queries)}

    def label_values(self, query: str, label: str, at: datetime) -> frozenset[str] | NoData:
        """The values of a label over the query's series, or why they cannot be determined."""
        return listed_values(self.get_client().query(query, at), label, at)

    def range(
        self, query: str, start: datetime, end: datetime, step: timedelta, *, infinite: bool = False
    ) -> list[Sample] | NoData:
        """The points of the query's one series; NaN is left out, and what is not finite unless asked for."""
        return samples_of(self.get_client().query_range(query, start, end, step), end, infinite=infinite)

    def history(self, query: str, start: datetime, end: datetime, step: timedelta) -> dict[int, float] | NoData:
        """The query's one series over any length of time, by Unix milliseconds, NaN included; none is an empty one.

        Asked in pieces, since Prometheus refuses more than 11,000 points at once.
        """
        found: dict[int, float] = {}
        while start <= end:
            last = min(end, start + step * (_POINTS_AT_ONCE - 1))
            piece = values_of(self.get_client().query_range(query, start, last, step), last)
            if isinstance(piece, NoData):
                return piece
            found |= piece
            start = last + step
        return found

    def alerts(self, labels: Mapping[str, str], at: datetime, named: AlertRules | None = None) -> AlertReading:
        """The firing alerts with these labels, and how many of their rules (or those named) are healthy by now.

        What fires counts also where the rest of the answers is missing, odd or partial.
        """
        wrong = [name for name in labels if _LABEL_NAME.fullmatch(name) is None]
        if wrong:
            detail = f"found the label name {wrong[0]!r}, allowed are letters, digits and _"
            return AlertReading(at, (), 0, NoData(NoDataReason.REFUSED, at, detail))
        asked = _beside(self.get_client().query, firing_query(labels), at)
        listed = self.get_client().rules(at)
        seen = asked.result()
        odd = NoData(NoDataReason.UNREACHABLE, at, "the answer has an unknown form")
        names = firing_names(seen.result) if seen.problem is None else ()
        problem = seen.problem or (odd if names is None else None) or listed.problem
        try:
            rules = alert_rules(listed.result, at + listed.shift) if listed.problem is None else ()
        except TypeError:
            rules, problem = (), problem or odd
        if warnings := "; ".join((*seen.warnings, *listed.warnings)):
            problem = problem or NoData(NoDataReason.PARTIAL, at, warnings)
        # Where the series of alerts cannot be read whole, those that the rules tell of fire all the same.
        firing = {*(names or ()), *(firing_alerts(rules, labels) if seen.problem or seen.warnings or not names else ())}
        healthy = 0 if problem else healthy_rules(rules, labels, named)
        return AlertReading(at, tuple(sorted(firing)), healthy, problem, sum(not rule.own for rule in rules))

    def skew(self) -> timedelta | None:
        """How far Prometheus' clock is ahead of ours, by its newest answers; None where it did not answer lately."""
        return self.get_client().skew()

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        started = time.monotonic()
        answer = self.get_client().query("vector(1)", None)
        milliseconds = (time.monotonic() - started) * 1000
        if answer.problem is not None:
            kind = Refused if answer.problem.reason is NoDataReason.REFUSED else Unreachable
            raise kind(f"Prometheus at {shown_address(self.url)}: {answer.problem.detail}")
        return f"Prometheus at {shown_address(self.url)} answered in {milliseconds:.0f} ms"

    def close(self) -> None:
        """Close the client's connections; the next use opens them again."""
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def _one_by_one(self, queries: Mapping[str, str], at: datetime) -> dict[str, MetricAnswer]:
        client = self.get_client()
        if len(queries) < 2:
            return {name: client.query(query, at) for name, query in queries.items()}
        asked = {name: _beside(client.query, query, at) for name, query in queries.items()}
        return {name: answer.result() for name, answer in asked.items()}


def _beside(ask: Callable[[str, datetime], MetricAnswer], query: str, at: datetime) -> Future[MetricAnswer]:
    """Ask in another thread, within the time that this one has left."""
    return _BESIDE.submit(copy_context().run, ask, query, at)
