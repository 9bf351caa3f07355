"""The rollback while the flag system's API answers errors for minutes: the load balancer takes everybody to legacy."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import yaml

from blocks.kit import read_kit, write_kit
from console.home import kit_path
from demo.batch_patches.flag import write_initial_flag
from demo.processes import free_ports, start_process, stop_processes, wait_ready
from demo.provision import find_prometheus
from demo.stack import start_parts
from engine.rollout.session import OpenRollout
from tests.blocks.servers import running_nginx
from tests.e2e.waiting import wait_for
from tests.trials.flag_api import FlagApi, flag_api
from tests.triggers.conftest import DAY, Bench, bench_of, rehearsal, with_only
from tidegate.journal.kinds import Kind
from tidegate.values.exposure import ZERO

MINUTE = 60.0


@pytest.fixture
def behind_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, FlagApi, str]]:
    """The parts with nginx between users and service, a second service that knows legacy alone, and a flag API."""
    home = tmp_path_factory.mktemp("balanced")
    front, port = free_ports(2)
    legacy_url = f"http://127.0.0.1:{port}"
    write_initial_flag(home / "off.json")
    argv = (sys.executable, "-P", "-m", "demo.service", "--port", str(port), "--flags", str(home / "off.json"))
    legacy = start_process("legacy", argv, None, home / "legacy.log")
    try:
        wait_ready(f"{legacy_url}/health", 30, legacy)
        parts = start_parts(
            home,
            home / "flags.json",
            prometheus=find_prometheus(),
            day_seconds=DAY.total_seconds(),
            load_options=("--target", f"http://127.0.0.1:{front}"),
        )
        (folder := home / "nginx").mkdir()
        new = int(parts.service_url.rpartition(":")[2])
        with (
            running_nginx(folder, front=front, paths=(new, port)) as (_, nginx),
            flag_api(parts.flag_file) as api,
            bench_of(home, parts) as bench,
        ):
            values = yaml.safe_load(kit_path().read_text())
            balancer = {"path": f"{folder}/split.conf", "test": [*nginx, "-t"], "reload": [*nginx, "-s", "reload"]}
            values |= {"flags": api.connection(), "load_balancer": {**balancer, "environment": "rehearsal"}}
            values["web"]["sources"]["legacy-health"] = f"{legacy_url}/health"
            write_kit(kit_path(), values)
            bench.via = read_kit(kit_path())
            assert bench.via.load_balancer is not None
            bench.via.load_balancer.split(100)
            yield bench, api, legacy_url
    finally:
        stop_processes([legacy])


def answered(service_url: str) -> float:
    """How many requests this service has answered."""
    lines = httpx.get(f"{service_url}/metrics", timeout=10).text.splitlines()
    return sum(float(x.rsplit(" ", 1)[1]) for x in lines if x.startswith("batch_patches_total{"))


@pytest.mark.timeout(400)
def test_the_load_balancer_takes_everybody_back_while_the_flag_api_answers_503(
    behind_nginx: tuple[Bench, FlagApi, str],
) -> None:
    bench, api, legacy_url = behind_nginx
    run = bench.in_wave(2, with_only(rehearsal(), 1, ""))
    run.release_claim()
    before = bench.routed()
    wait_for(lambda: bench.routed() > before + 20, 30, "the new path is taken")
    api.down.set()
    ordered = time.monotonic()
    argv = [sys.executable, "-m", "console", "rollback", "--flag", run.flag, "--reason", "the flag API is down"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            standing = stands_still(bench)
            took = standing - ordered
            at_legacy = answered(legacy_url)
            wait_for(lambda: answered(legacy_url) > at_legacy + 100, 30, "users are answered by legacy")
            # The flag is still up, and goes on being ordered to zero; the service is asked by nobody.
            count, refused = bench.routed(), api.refused
            threading.Event().wait(MINUTE)
            assert bench.routed() == count
            assert api.refused > refused, "zero is tried again and again"
            assert process.poll() is None, process.communicate()[0]
            assert api.values[run.flag]["exposure"] != ZERO.to_json()
            api.down.clear()
            said, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert took < 30, f"{took:.1f} s until nobody took the new path"
    assert bench.via.flags.read(run.flag).exposure == ZERO
    assert bench.routed() == count
    back = OpenRollout(bench.via, run.rollout)
    assert back.state.rollback is not None
    assert back.state.rollback.proven
    done = {e.json["step"]: e.json["outcome"] for e in bench.via.journal.entries(run.rollout) if e.kind is Kind.STEP}
    assert done == {
        "load_balancer": "done",
        "stop_service": "done",
        "flush_cache": "asked",
        "restore": "asked",
        "verify_legacy": "done",
    }
    assert "could NOT be set to zero" in said
    paged = [str(m["summary"]) for m in bench.messages("pagerduty") if run.rollout in str(m["dedup_key"])]
    assert paged, "people were paged"


def stands_still(bench: Bench) -> float:
    """The instant of the last request on the new path, once none was seen for five seconds."""
    count, since = bench.routed(), time.monotonic()
    while time.monotonic() - since < 5:
        threading.Event().wait(0.1)
        if (now := bench.routed()) != count:
            count, since = now, time.monotonic()
        assert time.monotonic() - since < 60
    return since
