"""A rollout on a clock of the test's own: a real journal, flag file and Prometheus, whose past the test writes."""

import math
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from blocks.connection import Environment
from blocks.connections import OpenConnections
from blocks.flags.backend import FlagBackend
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.rollout.evaluation import Evaluation, evaluate, review_due
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.permits import put
from tests.tidegate.builders import ANN, plan_of
from tidegate.explain.decision import Explanation, explain_entry
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan

SCRAPE = timedelta(seconds=15)
DEAD = Prometheus(url="http://127.0.0.1:9", timeout_seconds=0.5)
# What stands on the two paths at each scrape: requests and errors since the scrape before, and a latency in seconds.
Traffic = Callable[[datetime], Mapping[str, float | None]]


def no_alerts(changes: Mapping[str, Any] | None = None) -> Plan:
    """The small plan with thresholds alone, on metric names that no other test has."""
    prefix = f"m{uuid4().hex[:8]}"
    plan = plan_of(changes)
    text = plan.model_dump_json(by_alias=True, exclude_none=True)
    for name in ("requests_total", "latency", "memory_bytes", "routed_total"):
        text = text.replace(f"({name}", f"({prefix}_{name}").replace(f"0.95, {name}", f"0.95, {prefix}_{name}")
    return Plan.model_validate_json(text)


def unreadable(world: "World", tmp_path: Path) -> None:
    """Two open rollouts that this release cannot read: one by its plan, the other by the kind of its opening."""
    opening = world.via.journal.entries(world.run.rollout)[0].json
    journal, at = world.via.journal, datetime.now(UTC)
    journal.open_rollout("later-plan", "later-plan", {**opening, "plan": {"name": "later"}}, at)
    journal.open_rollout("later-kind", "later-kind", opening, at)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as database, database:
        database.execute("update entries set kind = 'of_a_newer_release' where rollout = 'later-kind' and sequence = 1")


class World:
    """Wave 1 of the small plan, raised at `began`; `pass_time` scrapes what the test says and looks at every guard."""

    def __init__(
        self,
        tmp_path: Path,
        server: PrometheusServer,
        plan: Plan,
        *,
        auto: bool = False,
        flags: FlagBackend | None = None,
        ago: timedelta = timedelta(days=3),
    ) -> None:
        self.server, self.plan = server, plan
        of: Environment = "rehearsal" if auto else "production"
        self.via = OpenConnections(
            Journal(url=f"sqlite:///{tmp_path / 'journal.db'}", environment=of),
            flags or FlagdFile(path=str(tmp_path / "flags.json"), environment=of),  # type: ignore[arg-type]
            Prometheus(url=server.url, environment=of),
        )
        name = f"w-{uuid4().hex[:6]}"
        self.run: OpenRollout = open_rollout(
            self.via, plan, name, started_by=ANN, pace=None, auto_approve=auto, connection_set="default"
        )
        self.began = datetime.now(UTC).replace(second=0, microsecond=0) - ago
        self.now = self.began
        self.prefix = plan.traffic.query.split("(")[2].split("_")[0]
        self._totals: dict[tuple[str, str], float] = {}
        self._scraped = self.began
        self._raise()

    def _raise(self) -> None:
        run, claim = self.run, self.run.keep_claim()
        exposure = self.plan.exposure_at(1)
        decided = {"wave": 1, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
        run.append(body_from_json(Kind.GATE_DECIDED, decided), self.now)
        body = {"wave": 1, "exposure": exposure.to_json(), "epoch": claim.epoch}
        run.append(body_from_json(Kind.RAISING, body), self.now)
        revision = put(self.via.flags, run.flag, exposure, claim.epoch)
        run.append(body_from_json(Kind.RAISED, {**body, "revision": revision}), self.now)

    def scrape(self, until: datetime, traffic: Traffic) -> None:
        """Write what Prometheus would have scraped up to `until`; None for a value leaves its series out."""
        series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}

        def point(name: str, value: float, **labels: str) -> None:
            key = tuple(sorted({"__name__": f"{self.prefix}_{name}", "cohort": "staff", **labels}.items()))
            series.setdefault(key, []).append((self._scraped.timestamp(), value))

        while self._scraped + SCRAPE <= until:
            self._scraped += SCRAPE
            seen = traffic(self._scraped)
            if not seen:
                continue
            if seen.get("restarted"):
                self._totals.clear()
            for path in ("new", "old"):
                requests, errors = seen.get(path), seen.get(f"{path}_errors", 0.0)
                if requests is None:
                    continue
                for outcome, more in (("ok", requests - (errors or 0.0)), ("error", errors or 0.0)):
                    total = self._totals[path, outcome] = self._totals.get((path, outcome), 0.0) + more
                    point("requests_total", total, path=path, outcome=outcome)
                if (latency := seen.get(f"{path}_latency", seen.get("latency", 0.1))) is not None:
                    point("latency", latency, path=path)
        self.server.write([(dict(key), points) for key, points in series.items()])

    def pass_time(self, span: timedelta, traffic: Traffic, *, guard: timedelta | None = None) -> list[Evaluation]:
        """Let time pass, looking at every guard (or as often as said), with a review whenever one is due."""
        beat, end, looks = guard or self.run.timing.guard, self.now + span, []
        self.scrape(end, traffic)
        while self.now < end and self.run.state.phase.is_open:
            self.now += beat
            looks.append(evaluate(self.run, self.now, review=review_due(self.run, self.now)))
            if self.run.state.rollback is not None:
                break
        return looks

    def without_prometheus(self) -> None:
        """From now on Prometheus does not answer."""
        self.run.connections = self._with(DEAD)

    def with_prometheus(self) -> None:
        """It answers again."""
        self.run.connections = self.via

    def _with(self, prometheus: Prometheus) -> OpenConnections:
        return OpenConnections(self.via.journal, self.via.flags, prometheus)

    def explained(self) -> Explanation:
        """Its rollback, judged again from the journal."""
        return explain_entry(self.via.journal.entries(self.run.rollout), self.plan, self.run.timing)

    @property
    def soaked(self) -> timedelta:
        """The soak collected so far."""
        record = self.run.state.waves[1]
        return record.soaked(self.run.timing.soak(1), 0)[0]

    def notified(self, word: str) -> int:
        """How many notices were queued whose title has this word."""
        return sum(word in notice["title"] for notice in self.run.state.notices.queued.values())


def healthy(_: datetime) -> dict[str, float | None]:
    """Plenty of requests on both paths, one error in two hundred."""
    return {"new": 200.0, "new_errors": 1.0, "old": 1800.0, "old_errors": 9.0}


def silent(_: datetime) -> dict[str, float | None]:
    """Both paths are there and nobody asks: counters stand still, and a quantile of nothing is NaN."""
    return {"new": 0.0, "old": 0.0, "latency": math.nan}


def absent(_: datetime) -> dict[str, float | None]:
    """No series at all."""
    return {}
