"""The whole reference plan at its real durations: a healthy service passes, and what only looks bad is no verdict."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.measuring.measure import entry_findings, measure_rollout
from engine.measuring.references import measure_baseline, measure_wave
from engine.rollout.evaluation import evaluate
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.measurable import measurable
from tests.permits import put
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Plan
from tidegate.rollout.decision import Continue
from tidegate.rollout.next_step import MeasureBaseline, next_step
from tidegate.values.verdict import Finding, Verdict

WHO = "release-engineer@company.com"
FINE = (Verdict.PASS, Verdict.NOT_APPLICABLE)
# Seconds from scrape to scrape: what a comparison counts by the minute needs two of them in each.
STEP = 30
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Waves begin on days 1, 3, 5 and 7, the post-rollout time on day 9 and lasts for 14.
BEGINS = [timedelta(days=d) for d in (0, 2, 4, 6, 8)]
LASTS = [timedelta(hours=h) for h in (24, 48, 48, 48)]
SHARE_INTERNAL = (0.1, 0.25, 0.5, 1.0, 1.0)
SHARE_GENERAL = (0.0, 0.25, 0.5, 1.0, 1.0)
# In wave 2: the service restarts, is not scraped for half an hour, and shows NaN for a while.
RESTART, GAP, NAN = (BEGINS[1] + HOUR * h for h in (10, 20, 30))
BUCKETS = {"0.05": 0.6, "0.1": 0.85, "0.2": 0.96, "0.3": 0.995, "0.5": 0.999, "1": 1.0, "+Inf": 1.0}
CPU = {"new": 0.0027, "legacy": 0.003}


def _plan(tmp_path: Path) -> Plan:
    """The reference plan on series of its own."""
    text = (Path(__file__).parents[2] / "plans" / "batch-patches-v1.yaml").read_text()
    path = tmp_path / "whole.yaml"
    path.write_text(text.replace("batch_patches", "whole_patches").replace("batch-patches", "whole-patches"))
    return measurable(load_plan(path, Path.read_bytes))


def _instants(start: datetime) -> Iterator[tuple[float, timedelta]]:
    """Scrapes from a day before the first raise to the end, the gap left out."""
    for number in range(-2 * 86_400 // STEP, 22 * 86_400 // STEP + 1):
        after = timedelta(seconds=number * STEP)
        if not GAP <= after < GAP + HOUR / 2:
            yield (start + after).timestamp(), after


def _wave(after: timedelta) -> int:
    return sum(after >= begins for begins in BEGINS) - 1


def _rate(after: timedelta) -> float:
    """Requests per second of each group: a day's rhythm with a quiet night."""
    return 2 + 18 * (0.5 + 0.5 * math.sin(2 * math.pi * after / DAY)) ** 2


def _write(server: PrometheusServer, start: datetime) -> None:
    """Everything the plan asks for, of a service with half a percent of errors on either path."""
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    totals: dict[tuple[tuple[str, str], ...], float] = {}

    def put(at: float, value: float, name: str, **labels: str) -> None:
        key = tuple(sorted({"__name__": f"whole_patches_{name}", **labels}.items()))
        series.setdefault(key, []).append((at, value))

    def count(at: float, by: float, name: str, **labels: str) -> None:
        key = tuple(sorted({"name": name, **labels}.items()))
        totals[key] = totals.get(key, 0.0) + by
        put(at, math.floor(totals[key]), name, **labels)

    before: timedelta | None = None
    for at, after in _instants(start):
        wave = _wave(after)
        seconds = STEP if before is None else (after - before).total_seconds()
        if before is not None and before < RESTART <= after:
            totals = dict.fromkeys(totals, 0.0)
        before = after
        for path in ("new", "legacy"):
            requests_of_path = 0.0
            for group, shares in (("internal", SHARE_INTERNAL), ("general", SHARE_GENERAL)):
                share = shares[wave] if wave >= 0 else 0.0
                requests = _rate(after) * seconds * (share if path == "new" else 1 - share)
                requests_of_path += requests
                about = {"path": path, "group": group}
                count(at, requests * 0.995, "requests_total", outcome="ok", **about)
                count(at, requests * 0.005, "requests_total", outcome="error", **about)
                for le, part in BUCKETS.items():
                    count(at, requests * part, "duration_seconds_bucket", le=le, **about)
                count(at, requests, "duration_seconds_count", **about)
            count(at, requests_of_path, "total", path=path)
            count(at, requests_of_path, "batches_total", path=path)
            key = (("name", "cpu_seconds_total"), ("path", path))
            totals[key] = totals.get(key, 0.0) + requests_of_path * CPU[path]
            put(at, totals[key], "cpu_seconds_total", path=path)
            put(at, 0.0, "invariant_violations_total", path=path)
            put(at, 1.0, "build_info", path=path, version="1.0")
            nan = path == "new" and NAN <= after < NAN + HOUR / 6
            grown = 20 * (wave + 1) if path == "new" else 60
            memory = 1e6 * (100 + grown / 4 + 10 * math.sin(2 * math.pi * after / DAY))
            put(at, math.nan if nan else memory, "memory_bytes", path=path)
    written = list(series.items())
    for number in range(0, len(written), 8):
        server.write([(dict(key), points) for key, points in written[number : number + 8]])


@pytest.fixture(scope="module")
def healthy(
    prometheus_server: PrometheusServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[OpenRollout, datetime]:
    """A rollout of the reference plan, just opened, and the past instant at which it raises wave 1."""
    tmp_path = tmp_path_factory.mktemp("whole")
    start = datetime.fromtimestamp(int(time.time()) // 3600 * 3600, UTC) - timedelta(days=22, hours=12)
    _write(prometheus_server, start)
    labels = {"severity": "critical", "service": "whole-patches"}
    rule = {"alert": "WholeBroken", "expr": "vector(1) > 2", "labels": labels}
    prometheus_server.add_rules("whole", [{"name": "whole", "rules": [rule]}])
    via = OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'journal.db'}", timeout_seconds=5),
        FlagdFile(path=str(tmp_path / "flags.json")),
        Prometheus(url=prometheus_server.url, timeout_seconds=120),
    )
    run = open_rollout(
        via, _plan(tmp_path), "whole-1", started_by=WHO, pace=None, auto_approve=False, connection_set="default"
    )
    return run, start


def _raise(run: OpenRollout, wave: int, at: datetime) -> None:
    run.append(
        body_from_json(
            Kind.GATE_DECIDED,
            {"wave": wave, "attempt": 1, "outcome": "go", "reason": "", "by": WHO, "extension_seconds": 0},
        ),
        at,
    )
    exposure = run.plan.exposure_at(wave)
    epoch = run.keep_claim().epoch
    body = {"wave": wave, "exposure": exposure.to_json(), "epoch": epoch}
    run.append(body_from_json(Kind.RAISING, body), at)
    run.append(
        body_from_json(Kind.RAISED, {**body, "revision": put(run.connections.flags, run.flag, exposure, epoch)}), at
    )


def _said(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{f.criterion} {f.verdict.value} {f.text}: {f.sentence}" for f in findings]


def test_a_healthy_service_passes_every_wave(healthy: tuple[OpenRollout, datetime]) -> None:
    run, start = healthy
    run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}), start - HOUR)
    assert next_step(run.state) == MeasureBaseline()
    measure_baseline(run, start)
    baseline = run.state.evidence.references[0]
    assert {name for name, found in baseline.metrics.items() if found["value"] is None} == set()
    assert baseline.metrics["error_rate"]["value"] == pytest.approx(0.5, abs=0.01)
    assert baseline.metrics["error_rate"]["raw"]["whole"] > 1_000_000
    assert baseline.metrics["cpu_usage"]["value"] == pytest.approx(3, rel=0.01)
    assert baseline.metrics["memory"]["value"] == pytest.approx(115, rel=0.01)

    for wave, (begins, lasts) in enumerate(zip(BEGINS, [*LASTS, 13.9 * DAY], strict=True), start=1):
        raised = start + begins
        if wave <= 4:
            _raise(run, wave, raised)
        assert run.state.wave == wave
        looks = [0.25 * HOUR, HOUR, 4 * HOUR, 11 * HOUR, 17 * HOUR, lasts / 2, lasts]
        for after in sorted(looks):
            ticked = evaluate(run, raised + after, review=True)
            judged = ticked.seen.judged
            assert isinstance(ticked.decision, Continue), (wave, after, ticked.decision)
            wrong = tuple(f for f in judged.triggers if f.verdict in (Verdict.FAIL, Verdict.ERROR))
            assert wrong == (), (wave, after / HOUR, _said(wrong))
        stuck = tuple(f for f in (*judged.during, *judged.triggers) if f.verdict not in FINE)
        assert stuck == (), _said(stuck)
        if wave <= 4:
            measure_wave(run, wave, raised + lasts)
            run.append(body_from_json(Kind.SOAKED, {"wave": wave}), raised + lasts)
            summary = run.state.evidence.references[wave]
            assert summary.metrics["error_rate"]["value"] == pytest.approx(0.5, abs=0.05)
        if wave < 4:
            entered = entry_findings(run, wave + 1, start + BEGINS[wave])
            bad = tuple(f for f in entered if f.verdict not in FINE)
            assert bad == (), _said(bad)


@pytest.mark.parametrize(
    "after",
    [
        *(RESTART + timedelta(minutes=m) for m in (0, 2, 5, 9, 60)),
        *(GAP + timedelta(minutes=m) for m in (0, 3, 10, 29, 31, 36, 60)),
        *(NAN + timedelta(minutes=m) for m in (0, 5, 9, 12, 60)),
    ],
    ids=str,
)
def test_a_restart_a_gap_and_a_nan_roll_nothing_back(
    healthy: tuple[OpenRollout, datetime], tmp_path: Path, after: timedelta
) -> None:
    whole, start = healthy
    via = whole.connections
    own = OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'j.db'}"), FlagdFile(path=str(tmp_path / "f.json")), via.prometheus
    )
    run = open_rollout(
        own, whole.plan, "whole-2", started_by=WHO, pace=None, auto_approve=False, connection_set="default"
    )
    measure_baseline(run, start)
    for wave in (1, 2):
        _raise(run, wave, start + BEGINS[wave - 1])
        if wave == 1:
            measure_wave(run, wave, start + LASTS[0])
            run.append(body_from_json(Kind.SOAKED, {"wave": 1}), start + LASTS[0])
    seen = measure_rollout(run, start + after).judged
    assert [f for f in (*seen.triggers, *seen.during) if f.verdict is Verdict.FAIL] == []
    # What has no value says so; it never passes for want of it.
    memory = whole.plan.metrics["memory"].title
    if NAN + timedelta(minutes=2) < after < NAN + HOUR / 6:
        assert any(f.verdict is Verdict.ERROR and f.sentence.startswith(memory) for f in seen.triggers)


def test_an_unreachable_prometheus_makes_a_reference_without_values(
    healthy: tuple[OpenRollout, datetime], tmp_path: Path
) -> None:
    whole, start = healthy
    gone = Prometheus(url="http://127.0.0.1:9", timeout_seconds=0.5)
    own = OpenConnections(Journal(url=f"sqlite:///{tmp_path / 'j.db'}"), FlagdFile(path=str(tmp_path / "f.json")), gone)
    run = open_rollout(
        own, whole.plan, "whole-3", started_by=WHO, pace=None, auto_approve=False, connection_set="default"
    )
    measure_baseline(run, start)
    assert {found["reason"] for found in run.state.evidence.references[0].metrics.values()} == {"unreachable"}
    sequence = run.state.sequence
    measure_baseline(run, start)
    assert run.refresh().sequence == sequence
    _raise(run, 1, start)
    during = measure_rollout(run, start + HOUR).judged
    assert not any(
        f.verdict is Verdict.PASS for f in (*during.during, *during.triggers) if f.criterion != "no_canary_traffic"
    )
