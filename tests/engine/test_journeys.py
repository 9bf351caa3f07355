"""How many files a metric, an answer and an order pass through: who makes a journey longer says so here."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import PrometheusServer
from tests.engine.journeys import ROOT

MOST_FILES = {
    "a metric from query to verdict": 68,
    "an answer to the raise": 78,
    "an order to its proof": 50,
}


def test_no_journey_grows_unnoticed(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    argv = [sys.executable, "-m", "tests.engine.journeys", prometheus_server.url, str(tmp_path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    for name, journey in found.items():
        print(f"{name}: {len(journey['files'])} files, {journey['functions']} functions, {journey['calls']} calls")
        for file, functions in journey["files"].items():
            print(f"    {file}: {', '.join(functions)}")
    assert {
        name: len(journey["files"]) for name, journey in found.items() if len(journey["files"]) > MOST_FILES[name]
    } == {}
