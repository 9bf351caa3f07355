"""The full rollback with its real parts: nginx, Redis, commands, a legacy that answers, and a counter that moves."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from blocks import Cache, Commands, FlagdFile, HaproxySplit, Journal, NginxSplit, OpenConnections, Prometheus, Web
from console.commands.plan_commands import plan_from
from engine.rollback.full_rollback import full_rollback
from engine.rollback.rollback import prove, roll_back
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from tests.blocks.conftest import LocalServer, local_server
from tests.blocks.servers import running_haproxy, running_nginx, running_redis
from tests.blocks.split_flags import paths
from tests.conftest import PrometheusServer
from tests.permits import put
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO

WHO = "release-engineer@company.com"
__all__ = ["local_server"]


def writes(path: Path, text: str = "{snapshot}") -> tuple[str, ...]:
    """A command that appends a line to a file and says so."""
    return (
        sys.executable,
        "-c",
        "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n'); print('did', sys.argv[2])",
        str(path),
        text,
    )


@dataclass
class Parts:
    via: OpenConnections
    legacy: LocalServer
    folder: Path
    redis_port: int

    def notified(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def parts(
    tmp_path: Path, prometheus_server: PrometheusServer, local_server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Parts]:
    monkeypatch.setenv("TIDEGATE_KIT", str(tmp_path / "kit.yaml"))
    local_server.answer = lambda _: (200, {}, b'{"status": "ok"}')
    (tmp_path / "nginx").mkdir()
    with running_nginx(tmp_path / "nginx") as (_, argv), running_redis(tmp_path) as redis_port:
        with Redis(port=redis_port) as client:
            client.set("patch:1", 1)
        with Redis(port=redis_port, db=1) as client:
            client.set("session:1", 1)
        split = NginxSplit(path=str(tmp_path / "nginx/split.conf"), test=(*argv, "-t"), reload=(*argv, "-s", "reload"))
        split.split(100)
        commands = {
            "stop-new-service": writes(tmp_path / "stopped", "{flag}"),
            "restore-snapshot": writes(tmp_path / "restored"),
            "print-snapshot": (sys.executable, "-c", "print('2026-01-01T10:00:00+00:00')"),
        }
        via = OpenConnections(
            Journal(url=f"sqlite:///{tmp_path / 'journal.db'}", timeout_seconds=0.5),
            FlagdFile(path=str(tmp_path / "flags.json")),
            Prometheus(url=prometheus_server.url),
            commands=Commands(commands=commands, timeout_seconds=600),
            web=Web(sources={"legacy-health": local_server.url}),
            load_balancer=split,
            cache=Cache(url=f"redis://127.0.0.1:{redis_port}/0"),
        )
        yield Parts(via, local_server, tmp_path, redis_port)
        via.close()


def changed(counter: str = "", **steps: dict[str, Any]) -> Plan:
    """The reference plan at a second's scrape, with fields of its steps changed."""
    body: dict[str, Any] = {**plan_from("batch-patches-v1.yaml").to_json(), "scrape_interval": "1s"}
    body["rollback"]["proof"] = {"counter": counter or f'sum(never_{uuid4().hex}{{path="new"}})', "quiet": "1s"}
    for step in body["rollback"]["full"]:
        step.update(steps.get(step["step"], {}))
    return Plan.model_validate(body)


def opened(parts: Parts, plan: Plan, snapshot: str | None = "2026-01-01T10:00:00+00:00") -> OpenRollout:
    name = f"r-{uuid4().hex[:6]}"
    run = open_rollout(parts.via, plan, name, started_by=WHO, pace=None, auto_approve=False, connection_set="default")
    body: dict[str, Any] = {"verdict": "PASS", "findings": []}
    if snapshot:
        body["snapshot"] = {"argument": snapshot, "at": utc_now().isoformat()}
    run.append(body_from_json(Kind.PREFLIGHT, body))
    claim = run.keep_claim()
    exposure = plan.exposure_at(1)
    revision = put(parts.via.flags, run.flag, exposure, claim.epoch)
    run.append(
        body_from_json(
            Kind.RAISED, {"wave": 1, "exposure": exposure.to_json(), "epoch": claim.epoch, "revision": revision}
        )
    )
    return run


def outcomes(run: OpenRollout) -> dict[str, str]:
    return {record.step: record.outcome for record in run.refresh().recovery.steps.values()}


ALL_DONE = dict.fromkeys(("load_balancer", "stop_service", "flush_cache", "restore", "verify_legacy"), "done")
ASKED = {**ALL_DONE, "flush_cache": "asked", "restore": "asked"}


def test_what_loses_something_waits_for_a_confirmation_and_the_rest_is_done(parts: Parts) -> None:
    run = opened(parts, changed())
    roll_back(run, reason="smoke", criterion="by hand", by=WHO)
    full_rollback(run, by=WHO)
    assert outcomes(run) == ASKED
    assert parts.via.load_balancer is not None
    assert parts.via.load_balancer.read().percent == 0
    assert parts.notified("stopped") == ["batch-patches-v1"]
    assert parts.notified("restored") == []
    with Redis(port=parts.redis_port) as client:
        assert client.keys() == [b"patch:1"]
    restore = run.state.recovery.steps[4]
    assert "Snapshot 2026-01-01T10:00:00+00:00, " in restore.output
    assert "Patches recorded since the snapshot are lost." in restore.output
    assert "database 0 of the cache would be dropped" in run.state.recovery.steps[3].output
    [report] = [n for n in run.state.notices.queued.values() if n["event"].startswith("full-rollback")]
    assert report["title"].endswith("3 of 5 steps done")
    assert "--full --confirm-step flush_cache --confirm-step restore" in report["body"]
    assert report["loudness"] == "page"

    full_rollback(run, by=WHO, confirmed=("flush_cache", "restore"))
    assert outcomes(run) == ALL_DONE
    assert parts.notified("restored") == ["2026-01-01T10:00:00+00:00"]
    with Redis(port=parts.redis_port) as client, Redis(port=parts.redis_port, db=1) as other:
        assert client.keys() == []
        assert other.keys() == [b"session:1"]
    assert run.state.recovery.steps[3].output == "1 keys of database 0 dropped."


def test_haproxy_takes_everybody_to_legacy_as_the_first_step(parts: Parts) -> None:
    (folder := parts.folder / "haproxy").mkdir()
    with running_haproxy(folder, "new") as port:
        balancer = HaproxySplit(path=f"{folder}/split.map", socket=f"{folder}/admin.sock")
        balancer.split(100)
        assert set(paths(port, ["ada", "bob"]).values()) == {"new"}
        parts.via = replace(parts.via, load_balancer=balancer)
        run = opened(parts, changed())
        full_rollback(run, by=WHO)
        assert outcomes(run)["load_balancer"] == "done"
        assert "everybody goes to legacy" in run.state.recovery.steps[1].output
        assert set(paths(port, ["ada", "bob"]).values()) == {"legacy"}


def test_users_are_not_taken_to_a_legacy_that_is_ill_unless_somebody_says_so(parts: Parts) -> None:
    parts.legacy.answer = lambda _: (503, {}, b"")
    run = opened(parts, changed())
    full_rollback(run, by=WHO)
    assert outcomes(run) == {**ASKED, "load_balancer": "asked", "stop_service": "asked", "verify_legacy": "failed"}
    assert "Legacy is not healthy: legacy-health answered 503, healthy is 200." in run.state.recovery.steps[1].output
    assert parts.via.load_balancer is not None
    assert parts.via.load_balancer.read().percent == 100
    assert parts.notified("stopped") == []
    full_rollback(run, by=WHO, confirmed=("load_balancer",))
    assert parts.via.load_balancer.read().percent == 0
    assert parts.notified("stopped") == []


@pytest.mark.parametrize(
    ("body", "well"),
    [
        (b'{"status": "ok"}', True),
        (b'{"status": "ill"}', False),
        (b"{}", False),
        (b"no json", False),
        (b'["ok"]', False),
    ],
)
def test_health_is_what_stands_where_the_plan_says(parts: Parts, body: bytes, well: bool) -> None:
    parts.legacy.answer = lambda _: (200, {}, body)
    run = opened(parts, changed(verify_legacy={"pointer": "/status", "equals": "ok"}))
    full_rollback(run, by=WHO)
    assert outcomes(run)["verify_legacy"] == ("done" if well else "failed")
    assert outcomes(run)["load_balancer"] == ("done" if well else "asked")


def without(part: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts.via = replace(parts.via, **{part: None})

    return change


def failing(name: str, *argv: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        assert parts.via.commands is not None
        commands = {**parts.via.commands.commands, name: argv}
        parts.via = replace(parts.via, commands=Commands(commands=commands, timeout_seconds=600))

    return change


@pytest.mark.parametrize(
    ("change", "step", "outcome", "words"),
    [
        (without("load_balancer"), "load_balancer", "not_done", "no load balancer among the connections"),
        (without("cache"), "flush_cache", "not_done", "no cache among the connections"),
        (without("commands"), "stop_service", "not_done", "no commands among the connections"),
        (failing("stop-new-service", "false"), "stop_service", "failed", "stop-new-service ended with 1"),
        (failing("stop-new-service", "/nowhere/stop"), "stop_service", "failed", "cannot be started"),
        (failing("stop-new-service", "sleep", "60"), "stop_service", "failed", "did not end within 1 s"),
        (failing("restore-snapshot", "sh", "-c", "echo disk full; exit 3"), "restore", "failed", "ended with 3. disk full"),
    ],
)  # fmt: skip
def test_a_step_that_fails_never_stops_the_next(
    parts: Parts, change: Callable[[Parts], None], step: str, outcome: str, words: str
) -> None:
    change(parts)
    run = opened(parts, changed(stop_service={"timeout": "1s"}))
    full_rollback(run, by=WHO, confirmed=("flush_cache", "restore"))
    found = outcomes(run)
    assert found.pop(step) == outcome
    [record] = [r for r in run.state.recovery.steps.values() if r.step == step]
    assert words in record.output
    assert set(found.values()) <= (
        {"done"} if step != "stop_service" or "commands" not in words else {"done", "not_done"}
    )


def test_nothing_is_restored_that_was_not_recorded_before_wave_1(parts: Parts) -> None:
    run = opened(parts, changed(), snapshot=None)
    full_rollback(run, by=WHO, confirmed=("restore",))
    assert outcomes(run)["restore"] == "not_done"
    assert parts.notified("restored") == []


def test_a_restarted_run_leaves_recorded_steps_alone(parts: Parts) -> None:
    run = opened(parts, changed())
    full_rollback(run, by="tidegate", again=False)
    assert parts.notified("stopped") == ["batch-patches-v1"]
    assert full_rollback(OpenRollout(parts.via, run.rollout), by="tidegate", again=False) == ()
    assert parts.notified("stopped") == ["batch-patches-v1"]


def test_a_counter_that_still_moves_after_the_deadline_takes_the_full_way_back(
    parts: Parts, prometheus_server: PrometheusServer
) -> None:
    series = f"routed_{uuid4().hex}"
    ended = threading.Event()

    def serve() -> None:
        value = 0.0
        while not ended.is_set():
            # The flag does not take: requests go on until the service is stopped.
            value += 0 if parts.notified("stopped") else 1
            prometheus_server.write([({"__name__": series, "path": "new"}, [(time.time(), value)])])
            ended.wait(0.3)

    run = opened(parts, changed(counter=f'sum({series}{{path="new"}})'))
    server = threading.Thread(target=serve)
    server.start()
    try:
        roll_back(run, reason="smoke", criterion="by hand", by=WHO)
        proof = prove(run)
    finally:
        ended.set()
        server.join()
    assert proof is not None
    assert proof.proven
    assert outcomes(run) == ASKED
    assert run.state.phase is Phase.ROLLED_BACK
    kinds = [
        e.kind for e in parts.via.journal.entries(run.rollout) if e.kind in (Kind.ROLLING_BACK, Kind.PROVEN, Kind.STEP)
    ]
    assert kinds == [Kind.ROLLING_BACK, Kind.PROVEN, *[Kind.STEP] * 5, Kind.PROVEN]


def test_a_proof_that_is_only_missing_is_paged_once_and_takes_no_further_step(parts: Parts) -> None:
    run = opened(parts, changed())
    roll_back(run, reason="smoke", criterion="by hand", by=WHO)
    for _ in range(2):
        proof = prove(run)
        assert proof is not None
        assert not proof.proven
    assert run.state.recovery.steps == {}
    pages = [n for n in run.state.notices.queued.values() if n["event"].startswith("proof-missing")]
    assert len(pages) == 1


def test_a_flag_that_cannot_be_written_takes_the_full_way_back_and_is_tried_on(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prometheus_server: PrometheusServer
) -> None:
    monkeypatch.setattr("engine.rollback.rollback.ZERO_PATIENCE", timedelta(seconds=30))
    series = f"routed_{uuid4().hex}"
    prometheus_server.write([({"__name__": series, "path": "new"}, [(time.time() - 1, 5.0)])])
    run = opened(parts, changed(counter=f'sum(last_over_time({series}{{path="new"}}[1h]))'))
    flags = tmp_path / "flags.json"
    kept = flags.read_bytes()
    flags.unlink()
    # Not even root replaces a folder by a file.
    (flags / "in-the-way").mkdir(parents=True)

    def mend() -> None:
        while not parts.notified("stopped"):
            time.sleep(0.05)
        (flags / "in-the-way").rmdir()
        flags.rmdir()
        flags.write_bytes(kept)

    zeroed = roll_back(run, reason="smoke", criterion="by hand", by=WHO)
    assert zeroed.zero_at is None
    assert any("FAILED TO WRITE" in n["title"] for n in run.state.notices.queued.values())
    mender = threading.Thread(target=mend)
    mender.start()
    proof = prove(run)
    mender.join()
    assert outcomes(run) == ASKED
    assert parts.via.flags.read(run.flag).exposure == ZERO
    assert proof is not None
    # The value that Prometheus repeats of a target that was stopped is no proof.
    assert not proof.proven
    assert "stopped, target down" in proof.sentence
