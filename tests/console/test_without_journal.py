"""While the journal does not answer, nothing is raised or credited, and a trigger still takes the flag to zero."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.journal.tables import dispose
from blocks.prometheus.block import Prometheus
from console.commands.plan_commands import plan_from
from engine.rollback.journal_fallback import fallback_path
from engine.rollout.evaluation import evaluate
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from engine.watch.orphans import Orphans
from engine.watch.supervisor import Carriers, _guard
from engine.watch.unguarded import Unguarded
from tests.conftest import PrometheusServer
from tests.e2e.waiting import wait_for
from tests.engine.inbox import open_inbox
from tests.permits import put
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.rollout.decision import Continue, RollBack
from tidegate.values.exposure import ZERO

WHO = "release-engineer@company.com"


def opened(
    tmp_path: Path, prometheus: PrometheusServer, name: str = "batch-patches-v1.yaml", journal: Journal | None = None
) -> OpenRollout:
    """A rollout of the reference plan (or of another), just opened, on a journal and a flag file of its own."""
    via = OpenConnections(
        journal or Journal(url=f"sqlite:///{tmp_path / 'journal.db'}", timeout_seconds=0.5),
        FlagdFile(path=str(tmp_path / "flags.json")),
        Prometheus(url=prometheus.url),
    )
    plan = plan_from(name)
    rollout = f"r-{uuid4().hex[:6]}"
    return open_rollout(via, plan, rollout, started_by=WHO, pace=None, auto_approve=False, connection_set="default")


def in_wave_one(tmp_path: Path, prometheus: PrometheusServer, journal: Journal | None = None) -> OpenRollout:
    """The same with wave 1 raised."""
    run = opened(tmp_path, prometheus, journal=journal)
    via, plan = run.connections, run.plan
    claim = run.keep_claim()
    exposure = plan.exposure_at(1)
    revision = put(via.flags, run.flag, exposure, claim.epoch)
    gate = {"wave": 1, "attempt": 1}
    run.append(
        body_from_json(Kind.GATE_OPENED, {**gate, "verdict": "PASS", "findings": [], "refusal": "", "flow_run": ""})
    )
    run.append(
        body_from_json(
            Kind.GATE_DECIDED,
            {**gate, "outcome": "go", "reason": "", "by": "commander@company.com", "extension_seconds": 0},
        ),
    )
    body = {"wave": 1, "exposure": exposure.to_json(), "epoch": claim.epoch}
    run.append(body_from_json(Kind.RAISING, body))
    run.append(body_from_json(Kind.RAISED, {**body, "revision": revision}), datetime.now(UTC) - timedelta(hours=1))
    assert run.state.phase is Phase.WAVE
    return run


def alert(prometheus: PrometheusServer, firing: bool) -> None:
    now = time.time()
    labels = {
        "__name__": "ALERTS",
        "alertname": "Gone",
        "alertstate": "firing",
        "severity": "critical",
        "service": "batch-patches",
    }
    if firing:
        prometheus.write([(labels, [(now - 1, 1.0), (now, 1.0)])])


def lock(path: Path) -> sqlite3.Connection:
    """Nobody writes any more; what is there can still be read."""
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    return held


def shut(path: Path) -> sqlite3.Connection:
    """Nobody even reads any more."""
    dispose(f"sqlite:///{path}")
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("PRAGMA locking_mode = EXCLUSIVE")
    held.execute("BEGIN EXCLUSIVE")
    held.execute("UPDATE claims SET epoch = epoch")
    return held


def damage(path: Path) -> None:
    """Asking again will not help."""
    dispose(f"sqlite:///{path}")
    path.write_bytes(b"not a database " * 1000)


def test_a_locked_journal_stops_neither_the_guard_nor_the_way_back(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = in_wave_one(tmp_path, prometheus_server)
    held = lock(tmp_path / "journal.db")
    calm = evaluate(run, datetime.now(UTC), review=True)
    assert isinstance(calm.decision, Continue)
    assert "nothing can be recorded" in calm.decision.reason
    assert run.connections.flags.read(run.flag).exposure == run.plan.exposure_at(1)
    alert(prometheus_server, firing=True)
    turned = evaluate(run, datetime.now(UTC), review=True)
    assert isinstance(turned.decision, RollBack)
    assert run.connections.flags.read(run.flag).exposure == ZERO
    held.execute("ROLLBACK")
    held.close()
    # The journal answers again: the next look finds the flag at zero and writes down what happened.
    evaluate(run, datetime.now(UTC), review=True)
    assert run.refresh().phase is Phase.ROLLING_BACK
    assert run.state.rollback is not None


@pytest.mark.parametrize("broken", [lock, shut, damage])
def test_the_watch_obeys_a_trigger_by_what_it_knew_while_the_journal_is_away(
    tmp_path: Path,
    prometheus_server: PrometheusServer,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Path], sqlite3.Connection | None],
) -> None:
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    run, orphans = in_wave_one(tmp_path, prometheus_server), Orphans()
    run.release_claim()
    held = broken(tmp_path / "journal.db")
    alert(prometheus_server, firing=True)
    for _ in range(3):
        assert _guard(run, datetime.now(UTC), Carriers(orphans), Unguarded(run.connections))
        assert run.connections.flags.read(run.flag).exposure == ZERO
    [_] = fallback_path().read_text(encoding="utf-8").splitlines()  # once, however long the journal is away
    if held is not None:
        held.close()
        _guard(run, datetime.now(UTC), Carriers(orphans), Unguarded(run.connections))
        assert run.refresh().phase is Phase.ROLLING_BACK
        assert run.state.rollback is not None
        assert run.state.rollback.criterion != "drift"


def test_a_rollout_whose_newest_entry_cannot_be_read_is_left_to_whoever_can(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = in_wave_one(tmp_path, prometheus_server)
    run.release_claim()
    OpenRollout(run.connections, run.rollout).append(body_from_json(Kind.CARRIED, {"flow_run": "of-a-newer-release"}))
    with sqlite3.connect(tmp_path / "journal.db") as base:
        base.execute("UPDATE entries SET kind = 'unheard_of' WHERE sequence = (SELECT max(sequence) FROM entries)")
    assert _guard(run, datetime.now(UTC), Carriers(), Unguarded(run.connections))
    assert run.connections.journal.claim(run.flag, run.rollout, "host:2:x", timedelta(seconds=30)).epoch


def test_what_must_not_be_rolled_back_and_cannot_be_recorded_is_paged_once(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = in_wave_one(tmp_path, prometheus_server)
    run.state.recovery.legacy_ready, run.state.recovery.legacy_seen = False, "it answered 503"
    with open_inbox() as inbox:
        run.connections = replace(run.connections, pagerduty=inbox.pagerduty)
        held = lock(tmp_path / "journal.db")
        alert(prometheus_server, firing=True)
        for _ in range(3):
            evaluate(run, datetime.now(UTC), review=True)
        assert run.connections.flags.read(run.flag).exposure == run.plan.exposure_at(1)
        wait_for(lambda: inbox.store.all("pagerduty"), 10, "a page")
        [page] = inbox.store.all("pagerduty")
        assert "is held (legacy)" in str(page["summary"])
        held.close()
