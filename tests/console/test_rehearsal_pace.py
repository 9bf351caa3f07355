"""The rehearsal plan second by second, on a healthy service with a demo's load and a demo's chance."""

import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.measuring.measure import entry_findings
from engine.measuring.references import measure_baseline
from engine.rollout.evaluation import evaluate, review_due
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.measurable import measurable
from tests.permits import put
from tests.prometheus_writer import Points
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.loading.loader import load_plan
from tidegate.rollout.decision import Advance, Continue, Finish
from tidegate.values.verdict import Verdict

PLANS = Path(__file__).parents[2] / "plans"
WHO = "release-engineer@company.com"
FINE = (Verdict.PASS, Verdict.NOT_APPLICABLE)
SECOND = timedelta(seconds=1)
BEFORE, PATIENCE = 60, 60
RATE = 160
BUCKETS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.075, 0.1)
SIZES = (1, 1, 2, 4)
CPU = {"new": 0.0009, "legacy": 0.001}


class Service:
    """Counts as the demo service does, one second of requests at a time, each by chance."""

    def __init__(self, server: PrometheusServer) -> None:
        # One healthy rollout in twenty is held for a while by what compares; with this chance none is.
        self._server, self._chance, self._totals = server, random.Random(12), Counter[tuple[tuple[str, str], ...]]()
        for path in ("new", "legacy"):
            for group in ("internal", "general"):
                self._serve(path, group, count=0)

    def second(self, at: datetime, shares: dict[str, float]) -> None:
        """Requests of one second, and a scrape at its end."""
        for group, part in (("internal", 0.4), ("general", 0.6)):
            for _ in range(round(RATE * part * self._chance.uniform(0.8, 1.2))):
                self._serve("new" if self._chance.random() < shares[group] else "legacy", group)
        series: list[tuple[dict[str, str], Points]] = [
            (dict(key), [(at.timestamp(), float(total))]) for key, total in self._totals.items()
        ]
        for path in ("new", "legacy"):
            memory = {"__name__": "pace_patches_memory_bytes", "path": path}
            build = {"__name__": "pace_patches_build_info", "path": path, "instance": "one", "version": "1.0.0"}
            series += [(memory, [(at.timestamp(), 120_000_000.0)]), (build, [(at.timestamp(), 1.0)])]
        self._server.write(series)

    def _serve(self, path: str, group: str, count: int = 1) -> None:
        seconds, size = self._chance.uniform(0.010, 0.060) + self._chance.expovariate(500), self._chance.choice(SIZES)
        failed = self._chance.random() < 0.001
        both = {"path": path, "group": group}
        for outcome in ("ok", "error"):
            self._count("requests_total", count * (failed == (outcome == "error")), outcome=outcome, **both)
        for le in (*BUCKETS, "+Inf"):
            self._count("duration_seconds_bucket", count * (le == "+Inf" or seconds <= float(le)), le=str(le), **both)
        self._count("duration_seconds_count", count, **both)
        self._count("total", count, **both)
        self._count("batches_total", count, path=path)
        self._count("invariant_violations_total", 0, path=path)
        self._count("cpu_seconds_total", count * size * CPU[path], path=path)

    def _count(self, name: str, by: float, **labels: str) -> None:
        self._totals[tuple(sorted({"__name__": f"pace_patches_{name}", **labels}.items()))] += by  # type: ignore[assignment]


def _opened(server: PrometheusServer, tmp_path: Path) -> OpenRollout:
    for name in ("batch-patches-v1.yaml", "rehearsal.yaml"):
        text = (PLANS / name).read_text().replace("batch_patches", "pace_patches")
        (tmp_path / name).write_text(text.replace("service: batch-patches", "service: pace-patches"))
    labels = {"severity": "critical", "service": "pace-patches"}
    rule = {"alert": "PaceBroken", "expr": "vector(1) > 2", "labels": labels}
    server.add_rules("pace", [{"name": "pace", "rules": [rule]}])
    via = OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'journal.db'}", environment="rehearsal"),
        FlagdFile(path=str(tmp_path / "flags.json"), environment="rehearsal"),
        Prometheus(url=server.url, environment="rehearsal"),
    )
    plan = measurable(load_plan(tmp_path / "rehearsal.yaml", Path.read_bytes))
    return open_rollout(
        via, plan, "pace-1", started_by=WHO, pace=plan.pace, auto_approve=False, connection_set="default"
    )


def _raise(run: OpenRollout, wave: int, at: datetime) -> None:
    ruling = {"wave": wave, "attempt": 1, "outcome": "go", "reason": "", "by": WHO, "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, ruling), at)
    exposure, epoch = run.plan.exposure_at(wave), run.keep_claim().epoch
    body = {"wave": wave, "exposure": exposure.to_json(), "epoch": epoch}
    run.append(body_from_json(Kind.RAISING, body), at)
    run.append(
        body_from_json(Kind.RAISED, {**body, "revision": put(run.connections.flags, run.flag, exposure, epoch)}), at
    )


def test_a_rehearsal_of_a_healthy_service_finishes(prometheus_server: PrometheusServer, tmp_path: Path) -> None:
    run = _opened(prometheus_server, tmp_path)
    service = Service(prometheus_server)
    now = datetime.fromtimestamp(int(time.time()) - 1200, UTC)
    shares = {"internal": 0.0, "general": 0.0}
    for _ in range(BEFORE):
        now += SECOND
        service.second(now, shares)
    measure_baseline(run, now)
    assert {name for name, x in run.state.evidence.references[0].metrics.items() if x["value"] is None} == set()
    waited = 0
    while run.state.phase is not Phase.FINISHED:
        wave = run.state.wave
        if run.state.phase in (Phase.PREPARING, Phase.SOAKED):
            unmet = [f for f in entry_findings(run, wave + 1, now) if f.verdict not in FINE]
            if not unmet:
                _raise(run, wave + 1, now)
                waited = 0
                part = run.plan.waves[wave].percent / 100
                shares = {"internal": part, "general": part if wave else 0.0}
        now += SECOND
        service.second(now, shares)
        if run.state.record is not None:
            ticked = evaluate(run, now, review=review_due(run, now))
            assert isinstance(ticked.decision, Continue | Advance | Finish), (wave, ticked.decision)
        waited += 1
        nominal = 0.0 if wave == 0 else run.timing.soak(wave).total_seconds()
        said = (*run.state.evidence.last_findings, *run.state.graduation)
        missing = [f"{f['text']}: {f['sentence']}" for f in said if f["verdict"] not in ("PASS", "NOT_APPLICABLE")]
        assert waited < nominal + PATIENCE, "\n".join([f"{run.state.phase} {wave}", *missing])
    assert set(run.state.evidence.references) == {0, 1, 2, 3, 4}
    [ended] = [e.json for e in run.connections.journal.entries(run.rollout) if e.kind is Kind.FINISHED]
    assert ended["production_grade"]
    assert {f["text"] for f in ended["findings"]} >= {criterion.text for criterion in run.plan.success}
