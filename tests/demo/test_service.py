"""The service routes by the flag file, keeps users in, counts, and shows each fault in Prometheus."""

import json
import os
import signal
import threading
import urllib.error
from pathlib import Path

import pytest

from demo.batch_patches.patches import KNOWN_REQUESTS
from tests.demo.conftest import Stack, eventually

NEW = 'sum(batch_patches_total{path="new"})'


def test_everybody_takes_the_legacy_path_at_first(healthy: Stack) -> None:
    assert set(healthy.paths(50).values()) == {"legacy"}
    assert healthy.value(NEW) == 0
    assert healthy.firing() == set()


def test_a_replaced_flag_file_moves_its_share_and_nobody_leaves_while_it_grows(healthy: Stack) -> None:
    healthy.set_percent(25)
    eventually(lambda: healthy.value(NEW) > 0, 60, "routing to the new path")
    quarter = healthy.paths()
    share = 'sum(increase(batch_patches_total{path="new"}[4s])) / sum(increase(batch_patches_total[4s]))'
    eventually(lambda: 0.2 < healthy.value(share) < 0.3, 60, "a quarter of the routing decisions")
    healthy.set_percent(50)
    eventually(lambda: healthy.paths() != quarter, 60, "more users")
    half = healthy.paths()
    assert {u for u, p in quarter.items() if p == "new"} < {u for u, p in half.items() if p == "new"}
    healthy.set_percent(0)
    eventually(lambda: healthy.value(f"delta({NEW}[3s:1s])") == 0, 60, "standstill")


def test_the_service_survives_a_broken_or_missing_flag_file(healthy: Stack) -> None:
    healthy.set_percent(100)
    eventually(lambda: set(healthy.paths(5).values()) == {"new"}, 60, "everybody on new")
    path = Path(healthy.parts.flag_file)
    good = path.read_text(encoding="utf-8")
    path.unlink()
    assert set(healthy.paths(5).values()) == {"new"}
    path.write_text(good, encoding="utf-8")
    healthy.set_percent(0)
    eventually(lambda: set(healthy.paths(5).values()) == {"legacy"}, 60, "everybody on legacy")


@pytest.mark.parametrize("percent", [0, 100])
def test_known_requests_get_their_known_answers_on_both_paths(healthy: Stack, percent: int) -> None:
    healthy.set_percent(percent)
    path = "new" if percent else "legacy"
    eventually(lambda: set(healthy.paths(5).values()) == {path}, 60, "the path in force")
    known = healthy.call("GET", f"{healthy.parts.service_url}/synthetic")
    assert [item["id"] for item in known] == [k.id for k in KNOWN_REQUESTS]
    for item in known:
        headers = {"x-user-id": "u0001", "x-user-group": "internal", "x-synthetic": item["id"]}
        answer = healthy.call("POST", f"{healthy.parts.service_url}/batch-patches", item["body"], headers)
        assert answer == item["answer"]


def test_a_service_short_of_processor_time_does_not_look_slow(healthy: Stack) -> None:
    healthy.set_percent(100)
    pid = next(process.pid for process in healthy.parts.processes if process.name == "service")
    pause = threading.Event()
    for _ in range(40):
        os.kill(pid, signal.SIGSTOP)
        pause.wait(0.1)
        os.kill(pid, signal.SIGCONT)
        pause.wait(0.03)
    p95 = 'histogram_quantile(0.95, sum by (le) (rate(batch_patches_duration_seconds_bucket{path="new"}[5s])))'
    # A machine short of processor time may scrape late; what it scraped must not look slow.
    eventually(lambda: healthy.value(p95) > 0, 60, "requests on the new path")
    assert healthy.value(p95) < 0.075


def test_an_unknown_fault_is_refused_with_the_ones_there_are(stack: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        stack.fault("gremlins")
    assert refusal.value.code == 422
    assert "corruption" in json.load(refusal.value)["kinds"]


def test_each_fault_shows_in_its_metric_and_fires_its_alert(healthy: Stack) -> None:
    errors = 'sum(rate(batch_patches_requests_total{path="new",outcome="error"}[4s]))'
    rate = f'{errors} / sum(rate(batch_patches_requests_total{{path="new"}}[4s]))'
    p95 = 'histogram_quantile(0.95, sum by (le) (rate(batch_patches_duration_seconds_bucket{path="new"}[4s])))'
    healthy.set_percent(50)
    eventually(lambda: healthy.value(p95) < 0.1, 60, "healthy latency")
    assert healthy.firing() == set()

    healthy.fault("alert")
    healthy.fault("corruption")
    healthy.fault("leak")
    eventually(
        lambda: {"BatchPatchesFault", "BatchPatchesInvariantViolations", "BatchPatchesMemoryLeak"} <= healthy.firing(),
        60,
        "critical alerts",
    )
    assert healthy.value("sum(batch_patches_invariant_violations_total)") > 0
    assert healthy.value('sum(batch_patches_invariant_violations_total{path="legacy"})') == 0
    eventually(lambda: healthy.value('sum(load_synthetic_total{result="wrong"})') > 0, 60, "a wrong known answer")
    assert healthy.value('sum(load_synthetic_total{result="wrong",path="legacy"})') == 0
    eventually(lambda: healthy.value('batch_patches_memory_bytes{path="new"}') > 150e6, 60, "leaked memory")

    healthy.fault(None)
    healthy.fault("errors")
    healthy.fault("latency")
    eventually(lambda: healthy.value(rate) > 0.2, 60, "errors")
    eventually(lambda: healthy.value(p95) > 1, 60, "latency")
    eventually(lambda: "BatchPatchesHighErrorRate" in healthy.firing(), 60, "the warning")
    assert healthy.value('sum(increase(batch_patches_requests_total{path="legacy",outcome="error"}[4s]))') < 5


def test_in_an_outage_decisions_go_on_and_nothing_completes(healthy: Stack) -> None:
    completed = 'sum(increase(batch_patches_requests_total{path="new"}[3s]))'
    healthy.set_percent(25)
    eventually(lambda: healthy.value(completed) > 0, 60, "completions")
    unanswered = healthy.value('sum(load_synthetic_total{result="no_answer"})')
    healthy.fault("outage")
    eventually(lambda: healthy.value(completed) == 0, 60, "no completions")
    assert healthy.value('sum(increase(batch_patches_total{path="new"}[3s]))') > 10
    assert healthy.value('sum(increase(batch_patches_requests_total{path="legacy"}[3s]))') > 50
    eventually(
        lambda: healthy.value('sum(load_synthetic_total{result="no_answer",path="new"})') > unanswered, 60, "silence"
    )
    healthy.fault(None)
    eventually(lambda: healthy.value(completed) > 0, 60, "completions again")
