"""Each kind that compares or looks back, asked of a real Prometheus: what is sick is seen, what is well is not."""

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.measuring.measure import measure_rollout
from engine.measuring.references import measure_baseline, measure_wave
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.permits import put
from tests.tidegate.builders import STARTER, plan_of
from tidegate.criteria.metrics.metric_levels import Level
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan
from tidegate.values.verdict import Finding, Verdict

P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741
NOW = datetime.fromtimestamp(int(time.time()) // 60 * 60 - 7200, UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# Wave 1 was raised ten hours ago and wave 2 six hours ago.
FIRST, SECOND = NOW - 10 * HOUR, NOW - 6 * HOUR
_NAMES = count(1)
Course = Callable[[float], float | None]  # hours before now (negative) -> a value, or no point


class Shop:
    """A service whose series have names of their own, and a rollout of the small plan in its second wave."""

    def __init__(self, server: PrometheusServer, tmp_path: Path, criterion: dict[str, Any], **plan: Any) -> None:
        self.server, self.name = server, f"shop{next(_NAMES)}x{int(time.time() * 1000) % 100000}"
        changes: dict[str, Any] = {"baseline": {"window": "2h"}} | plan
        body = plan_of(changes).to_json()
        body["waves"][1]["criteria"].append({"id": "asked", "text": "Asked"} | criterion)  # type: ignore[index]
        text = json.dumps(body)
        for metric in ("requests_total", "memory_bytes", "latency{"):
            text = text.replace(metric, f"{self.name}_{metric}")
        text = text.replace('"severity": "critical"', f'"severity": "critical", "service": "{self.name}"')
        self.plan = Plan.model_validate_json(text)
        self.via = OpenConnections(
            Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"),
            FlagdFile(path=str(tmp_path / "flags.json")),
            Prometheus(url=server.url),
        )

    def gauge(self, name: str, course: Course, hours: float = 12, step: float = 60, **labels: str) -> None:
        """A series that takes this course."""
        self._write(name, [(s, course(s / 3600)) for s in _seconds(hours, step)], labels)

    def counter(self, name: str, rate: Course, hours: float = 12, step: float = 60, **labels: str) -> None:
        """A counter that counts at this rate per second."""
        total, points = 0.0, []
        for s in _seconds(hours, step):
            total += (rate(s / 3600) or 0.0) * step
            points.append((s, float(math.floor(total))))
        self._write(name, points, labels)

    def _write(self, name: str, points: list[tuple[float, float | None]], labels: dict[str, str]) -> None:
        found = [(NOW.timestamp() + s, v) for s, v in points if v is not None]
        self.server.write([({"__name__": f"{self.name}_{name}", **labels}, found)])

    def requests(self, path: str, errors: Course, rate: float = 5.0) -> None:
        """Requests of a path, of which `errors` percent fail; an error counter exists only where any do."""
        about = {"path": path, "cohort": "staff"}
        self.counter("requests_total", lambda h: rate * (1 - (errors(h) or 0) / 100), outcome="ok", **about)
        if any(errors(s / 3600) for s in _seconds(12, 600)):
            self.counter("requests_total", lambda h: rate * (errors(h) or 0) / 100, outcome="error", **about)

    def rollout(self) -> OpenRollout:
        """In wave 2 since six hours, with its references measured."""
        run = open_rollout(
            self.via,
            self.plan,
            self.name,
            started_by=STARTER,
            pace=None,
            auto_approve=False,
            connection_set="default",
        )
        epoch = run.keep_claim().epoch
        measure_baseline(run, FIRST)
        for wave, at in ((1, FIRST), (2, SECOND)):
            if wave == 2:
                measure_wave(run, 1, SECOND)
                run.append(body_from_json(Kind.SOAKED, {"wave": 1}), SECOND)
            exposure = run.plan.exposure_at(wave)
            body = {"wave": wave, "exposure": exposure.to_json(), "epoch": epoch}
            run.append(
                body_from_json(
                    Kind.RAISED, {**body, "revision": put(run.connections.flags, run.flag, exposure, epoch)}
                ),
                at,
            )
        return run

    def asked(self, name: str = "asked") -> Finding:
        """What is found of the criterion now."""
        judged = measure_rollout(self.rollout(), NOW).judged
        return next(f for f in (*judged.during, *judged.triggers) if f.criterion == name)


def _seconds(hours: float, step: float) -> list[float]:
    return [n * step for n in range(-int(hours * 3600 / step), 1)]


def always(value: float) -> Course:
    return lambda _: value


def since(hours: float, value: float, before: float) -> Course:
    return lambda h: value if h > -hours else before


CONTROL = {"kind": "change", "when": "trigger", "metric": "errors", "to": "control", "how": "relative", "above": "50%"}


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (always(3.0), always(1.0), F),
        (always(1.2), always(1.0), P),
        (always(1.0), always(3.0), P),
        (always(3.0), always(0.0), F),  # the old path's error counter never counted, so that there is no such series
        (since(0.07, 5.0, 1.0), always(1.0), I),  # not yet for two windows
        (since(0.5, 5.0, 1.0), always(1.0), F),
    ],
)
def test_the_new_path_against_the_old_one_now(
    prometheus_server: PrometheusServer, tmp_path: Path, new: Course, old: Course, expected: Verdict
) -> None:
    shop = Shop(prometheus_server, tmp_path, CONTROL)
    shop.requests("new", new)
    shop.requests("old", old)
    found = shop.asked()
    assert found.verdict is expected, found.sentence
    assert ("beyond +50% from control" in found.sentence) == (expected is not P)


def test_where_the_old_path_is_gone_altogether_nothing_goes_back_to_it(
    prometheus_server: PrometheusServer, tmp_path: Path
) -> None:
    shop = Shop(prometheus_server, tmp_path, CONTROL)
    shop.requests("new", always(3.0))
    found = shop.asked()
    assert found.verdict is I
    assert "no requests at all" in found.sentence


@pytest.mark.parametrize(("substitute", "expected"), [("baseline", F), ("previous_wave", P)])
def test_at_a_hundred_percent_the_substitute_stands_in(
    prometheus_server: PrometheusServer, tmp_path: Path, substitute: str, expected: Verdict
) -> None:
    # The new path has always had 3 % of errors, the old one 1 %.
    item = CONTROL | {"substitute": substitute}
    shop = Shop(prometheus_server, tmp_path, item, **{"waves.1.percent": "100%"})
    shop.requests("new", always(3.0))
    shop.requests("old", always(1.0))
    found = shop.asked()
    assert found.verdict is expected, found.sentence


@pytest.mark.parametrize(
    ("to", "how", "bound", "expected"),
    [
        ("baseline", "points", "5%", F),
        ("wave 1", "points", "5%", F),
        ("wave 1", "points", "8%", P),
        ("previous_wave", "relative", "250%", F),
        ("previous_wave", "relative", "350%", P),
    ],
)
def test_more_errors_than_in_the_wave_before(
    prometheus_server: PrometheusServer, tmp_path: Path, to: str, how: str, bound: str, expected: Verdict
) -> None:
    item = {"kind": "change", "when": "trigger", "metric": "errors", "to": to, "how": how, "above": bound}
    shop = Shop(prometheus_server, tmp_path, item)
    shop.requests("new", since(1, 8.0, 2.0))
    shop.requests("old", always(1.0))
    found = shop.asked()
    assert found.verdict is expected, found.sentence


def test_a_reference_of_too_few_requests_is_none(prometheus_server: PrometheusServer, tmp_path: Path) -> None:
    item = {"kind": "change", "when": "trigger", "metric": "errors", "to": "baseline", "how": "points", "above": "1%"}
    shop = Shop(prometheus_server, tmp_path, item)
    shop.requests("new", always(8.0))
    shop.requests("old", always(0.0), rate=0.001)
    found = shop.asked()
    assert found.verdict is I
    assert "too few" in found.sentence


def test_memory_beyond_its_critical_change_counts_as_a_critical_alert(
    prometheus_server: PrometheusServer, tmp_path: Path
) -> None:
    limits = {"warning": {"change": "+50%"}, "critical": {"change": "+100%"}, "target": {"change": "+10%"}}
    shop = Shop(prometheus_server, tmp_path, CONTROL, **{f"metrics.memory.{k}": v for k, v in limits.items()})
    shop.gauge("memory_bytes", always(100e6), path="old")
    shop.gauge("memory_bytes", since(1, 210e6, 100e6), path="new")
    run = shop.rollout()
    seen = measure_rollout(run, NOW)
    (line,) = (line for line in seen.metrics if line.name == "memory")
    assert (line.level, line.shown) == (Level.CRITICAL, "210 MB (+110% from the baseline)")
    found = next(f for f in seen.judged.triggers if f.criterion == "critical.memory")
    assert found.verdict is F, found.sentence
    (earlier,) = (line for line in measure_rollout(run, NOW - 2 * HOUR).metrics if line.name == "memory")
    assert earlier.level is Level.ON_TARGET


TREND = {"kind": "trend", "when": "during", "metrics": {"errors": "1%"}}


@pytest.mark.parametrize(
    ("errors", "rate", "expected"),
    [
        (lambda h: 3 + max(h + 6, 0), 5.0, F),
        (always(3.0), 5.0, P),
        (lambda h: 9 - max(h + 6, 0), 5.0, P),
        (always(1.0), 5.0, P),
        # A night with a request every two minutes: too few for any window, enough for a level over six hours.
        (always(3.0), 0.0085, P),
    ],
)
def test_errors_over_the_wave(
    prometheus_server: PrometheusServer, tmp_path: Path, errors: Course, rate: float, expected: Verdict
) -> None:
    shop = Shop(prometheus_server, tmp_path, TREND)
    shop.requests("new", errors, rate)
    found = shop.asked()
    assert found.verdict is expected, found.sentence


LEAK = {"kind": "leak", "when": "trigger", "metric": "memory", "above": "10MB"}


@pytest.mark.parametrize(
    ("memory", "hours", "expected"),
    [
        (lambda h: 100 + 20 * math.sin(h * math.pi / 12) + 2 * (h + 96), 96, F),
        (lambda h: 100 + 20 * math.sin(h * math.pi / 12), 96, P),
        (lambda h: 100 + 2 * (h + 20), 20, I),
    ],
)
def test_memory_over_days(
    prometheus_server: PrometheusServer, tmp_path: Path, memory: Callable[[float], float], hours: int, expected: Verdict
) -> None:
    shop = Shop(prometheus_server, tmp_path, LEAK)
    shop.gauge("memory_bytes", lambda h: 1e6 * memory(h), hours, 120, path="new")
    found = shop.asked()
    assert found.verdict is expected, found.sentence


SPIKE = {"kind": "resource_spike", "when": "trigger", "metrics": ["memory"], "above": "50%"}


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (since(0.5, 200e6, 100e6), F),
        (since(0.05, 200e6, 100e6), I),  # not yet for two windows
        (since(6, 200e6, 100e6), P),  # the step of the wave itself
        (always(100e6), P),
        (lambda h: 200e6 if -0.5 < h < -0.3 else 100e6, F),  # over by now; nobody looked while it lasted
    ],
)
def test_memory_against_its_own_hours(
    prometheus_server: PrometheusServer, tmp_path: Path, memory: Course, expected: Verdict
) -> None:
    shop = Shop(prometheus_server, tmp_path, SPIKE)
    shop.gauge("memory_bytes", memory, path="new")
    found = shop.asked()
    assert found.verdict is expected, found.sentence


SLO = {"kind": "slo", "when": "trigger", "metric": "errors", "part": "bad", "objective": "99%", "burn": 5.0}
FAST = {"kind": "slo", "when": "trigger", "metric": "latency", "below": "500ms", "objective": "99%", "burn": 10.0}


@pytest.mark.parametrize(
    ("item", "errors", "seconds", "expected"),
    [
        (SLO, always(6.0), always(0.1), F),
        (SLO, always(4.0), always(0.1), P),
        (SLO, since(0.1, 10.0, 1.0), always(0.1), P),  # not for an hour
        (SLO, lambda h: 1.0 if h > -0.15 else 30.0, always(0.1), P),  # no longer
        (FAST, always(1.0), always(0.6), F),
        (FAST, always(1.0), always(0.4), P),
        (FAST, always(1.0), since(0.05, 0.6, 0.4), P),
    ],
)
def test_the_budget_of_an_objective(
    prometheus_server: PrometheusServer,
    tmp_path: Path,
    item: dict[str, Any],
    errors: Course,
    seconds: Course,
    expected: Verdict,
) -> None:
    shop = Shop(prometheus_server, tmp_path, item)
    shop.requests("new", errors)
    shop.gauge("latency", seconds, path="new", cohort="staff")
    found = shop.asked()
    assert found.verdict is expected, found.sentence


NEW = {"kind": "new_alerts", "when": "during", "labels": {"severity": "critical"}}


@pytest.mark.parametrize(
    ("fires", "expected"),
    [
        (lambda _: None, P),
        (lambda h: 1.0 if h > -1 else None, F),
        (lambda h: 1.0 if -1 < h < -0.5 else None, F),
        (lambda _: 1.0, P),  # since before the wave
        (lambda h: 1.0 if -4 < h < -3 else None, P),  # longer ago than the soak of two hours
    ],
)
def test_alerts_that_began_in_the_wave(
    prometheus_server: PrometheusServer, tmp_path: Path, fires: Course, expected: Verdict
) -> None:
    shop = Shop(prometheus_server, tmp_path, NEW)
    labels = {"severity": "critical", "service": shop.name}
    rule = {"alert": "Broken", "expr": "vector(1) > 2", "labels": labels}
    prometheus_server.add_rules(shop.name, [{"name": shop.name, "rules": [rule]}])
    points = [(NOW.timestamp() + s, v) for s in _seconds(12, 60) if (v := fires(s / 3600)) is not None]
    alert = {"__name__": "ALERTS", "alertname": "Broken", "alertstate": "firing", **labels}
    prometheus_server.write([(alert, points)])
    found = shop.asked()
    assert found.verdict is expected, found.sentence


def test_without_a_rule_no_new_alert_could_have_fired(prometheus_server: PrometheusServer, tmp_path: Path) -> None:
    found = Shop(prometheus_server, tmp_path, NEW).asked()
    assert (found.verdict, "No healthy alert rule" in found.sentence) == (E, True)
