"""A drill against the real demo service: only synthetic users are moved, and its proof has traffic behind it."""

import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any
from uuid import uuid4

import pytest

from blocks import Commands, FlagdFile, Journal, OpenConnections, Prometheus, Web
from console.commands.plan_commands import plan_from
from demo.batch_patches.flag import write_initial_flag
from engine.rollback.drills import drill, last_drill, refuse_drill
from engine.rollout.open import NotAllowed, open_rollout
from engine.rollout.resolve_rollout import drill_prefix
from engine.rollout.session import LEASE, OpenRollout
from engine.watch.orphans import Orphans
from engine.watch.supervisor import Carriers, _guard
from engine.watch.unguarded import Unguarded
from tests.blocks.servers import free_ports, wait_for_port
from tests.conftest import PrometheusServer
from tests.permits import put
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO, Exposure, Layer

WHO = "release-engineer@company.com"


@dataclass
class Stage:
    via: OpenConnections
    plan: Plan
    url: str

    def counts(self) -> dict[str, float]:
        """Routing decisions by path and group."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found = (line.rsplit(" ", 1) for line in lines if line.startswith("batch_patches_total{"))
        return {name: float(value) for name, value in found}


@pytest.fixture
def stage(tmp_path: Path, prometheus_server: PrometheusServer) -> Iterator[Stage]:
    flags, [port] = tmp_path / "flags.json", free_ports(1)
    write_initial_flag(flags)
    argv = [sys.executable, "-m", "demo.service", "--port", str(port), "--flags", str(flags)]
    series, ended = f"routed_{uuid4().hex}", threading.Event()
    body: dict[str, Any] = {**plan_from("batch-patches-v1.yaml").to_json(), "scrape_interval": "1s"}
    body["rollback"]["proof"] = {"counter": f'sum({series}{{path="new"}})', "quiet": "1s"}
    body["rollback"]["drill"]["interval"] = "1s"
    url = f"http://127.0.0.1:{port}"
    via = OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"),
        FlagdFile(path=str(flags)),
        Prometheus(url=prometheus_server.url),
        commands=Commands(commands={"stop-new-service": ("true",)}),
        web=Web(sources={"batch-patches-requests": f"{url}/batch-patches", "legacy-health": f"{url}/health"}),
    )
    stage = Stage(via, Plan.model_validate(body), url)

    def scrape() -> None:
        while not ended.is_set():
            value = sum(v for name, v in stage.counts().items() if 'path="new"' in name)
            prometheus_server.write([({"__name__": series, "path": "new"}, [(time(), value)])])
            ended.wait(0.3)

    with subprocess.Popen(argv, env={**os.environ}) as process:
        scraper = threading.Thread(target=scrape)
        try:
            wait_for_port(port, process, tmp_path / "none")
            scraper.start()
            yield stage
        finally:
            ended.set()
            if scraper.ident:
                scraper.join()
            process.terminate()
            via.close()


def test_a_drill_moves_synthetic_users_only_and_is_recorded(stage: Stage) -> None:
    started = datetime.now(UTC)
    assert last_drill(stage.via, stage.plan.flag.key) is None
    run = drill(stage.via, stage.plan, by=WHO)
    assert run.state.phase is Phase.CLOSED
    drilled = run.state.recovery.drilled
    assert drilled is not None
    assert drilled.proven, drilled.sentence
    new = {name for name, value in stage.counts().items() if 'path="new"' in name and value}
    assert new == {'batch_patches_total{group="drill",path="new"}'}
    # Its users went on asking while the counter stood still.
    assert stage.counts()['batch_patches_total{group="drill",path="legacy"}'] > 0
    assert stage.via.flags.read(stage.plan.flag.key).exposure == ZERO
    last = last_drill(stage.via, stage.plan.flag.key)
    assert last is not None
    assert started < last[0] < datetime.now(UTC)
    assert 0 < last[1] < 30
    assert stage.via.journal.rollouts(open_only=True) == []
    kinds = [entry.kind for entry in stage.via.journal.entries(run.rollout)]
    assert kinds == [Kind.OPENED, Kind.DRILLED, Kind.CLOSED]


def test_a_drill_that_moves_no_counter_proves_nothing(stage: Stage) -> None:
    dead = replace(stage.via, web=Web(sources={"batch-patches-requests": "http://127.0.0.1:9/batch-patches"}))
    run = drill(dead, stage.plan, by=WHO)
    assert run.state.recovery.drilled is not None
    assert run.state.recovery.drilled.proven is False
    assert "never moved" in run.state.recovery.drilled.sentence
    assert last_drill(stage.via, stage.plan.flag.key) is None
    assert stage.via.flags.read(stage.plan.flag.key).exposure == ZERO


def test_a_drill_is_refused_while_a_rollout_of_the_flag_is_open(stage: Stage) -> None:
    open_rollout(stage.via, stage.plan, "r-1", started_by=WHO, pace=None, auto_approve=False, connection_set="default")
    with pytest.raises(NotAllowed, match="belongs to the open rollout r-1"):
        drill(stage.via, stage.plan, by=WHO)
    assert stage.via.flags.read(stage.plan.flag.key).exposure == ZERO


def changed(plan: Plan, **fields: Any) -> Plan:
    body: dict[str, Any] = plan.to_json()
    body["rollback"]["drill"].update(fields)
    return Plan.model_validate(body)


def test_a_drill_never_touches_anybody_real(stage: Stage) -> None:
    assert "uses for real users" in refuse_drill(stage.via, changed(stage.plan, group="internal"))
    assert "no web source nowhere" in refuse_drill(stage.via, changed(stage.plan, source="nowhere"))
    stage.via.flags.fence(stage.plan.flag.key, 1)
    put(stage.via.flags, stage.plan.flag.key, Exposure((Layer("everyone", None, 10.0),)), 1)
    assert "serves 10% of everyone" in refuse_drill(stage.via, stage.plan)
    with pytest.raises(NotAllowed):
        drill(stage.via, stage.plan, by=WHO)


def test_a_plan_without_a_drill_and_a_full_drill_in_production_are_refused(stage: Stage) -> None:
    body: dict[str, Any] = stage.plan.to_json()
    del body["rollback"]["drill"], body["upkeep"]
    assert "names no drill" in refuse_drill(stage.via, Plan.model_validate(body))
    with pytest.raises(NotAllowed, match="only where every connection says rehearsal"):
        drill(stage.via, stage.plan, by=WHO, full=True)
    assert stage.via.journal.rollouts() == []


def test_a_drill_whose_process_was_lost_is_ended_by_the_watch_and_never_becomes_a_rollout(stage: Stage) -> None:
    via, plan, name = stage.via, stage.plan, f"{drill_prefix(stage.plan.flag.key)}-lost"
    body = {"plan": plan.to_json(), "plan_hash": plan.hash, "started_by": WHO, "pace_seconds": None}
    body |= {"connections": "", "approve": "ask", "environment": "production"}
    via.journal.open_rollout(name, plan.flag.key, body, datetime.now(UTC) - 2 * LEASE)
    run = OpenRollout(via, name)
    epoch = run.keep_claim().epoch
    put(via.flags, run.flag, Exposure(attribute=plan.flag.attribute, always_on=("drill",)), epoch)
    run.release_claim()
    started: list[object] = []
    orphans = Orphans(lambda _: "GONE", lambda *given: started.append(given))
    for minutes in (0, 5, 10):
        _guard(
            OpenRollout(via, name), datetime.now(UTC) + timedelta(minutes=minutes), Carriers(orphans), Unguarded(via)
        )
    orphans.wait(10)
    assert started == []
    assert via.flags.read(run.flag).exposure == ZERO
    assert run.refresh().phase is Phase.CLOSED
    assert "process was lost" in run.state.end_reason
