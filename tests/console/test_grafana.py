"""The Grafana dashboard of the engine: as the schema library builds and reads it, with questions a Prometheus answers."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from console.dashboard.own_metrics import _Families
from tests.conftest import PrometheusServer

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "demo" / "templates" / "tidegate-grafana.json").read_text()
BOARD = json.loads(TEXT)
QUESTIONS = [(panel["title"], target["expr"]) for panel in BOARD["panels"] for target in panel["targets"]]
ALONE = {"tidegate_journal_up", "tidegate_rollouts_open", "tidegate_rollouts_unreadable"}
LABELS = {"rollout": "r", "flag": "f", "wave": "1", "cause": "drift", "until": "zero"}


def exported() -> set[str]:
    return {family.name for family in _Families().families} | ALONE


def test_the_file_is_what_the_schema_library_builds() -> None:
    built = subprocess.run([sys.executable, "scripts/grafana.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert built.stdout == TEXT, "run `make grafana`"


def plain(board: dict[str, object]) -> dict[str, object]:
    """Without what the library adds when it reads: empty options of a panel."""
    for panel in board["panels"]:  # type: ignore[attr-defined]
        if panel["fieldConfig"]["defaults"].get("custom") == {}:
            del panel["fieldConfig"]["defaults"]["custom"]
    return board


def test_the_library_reads_every_key_of_it() -> None:
    plugins.register_default_plugins()
    assert plain(json.loads(JSONEncoder().encode(Dashboard.from_json(BOARD)))) == BOARD
    # What it does not know it drops, so that a misspelt key would show.
    panels = [{**panel, "titel": "x"} for panel in BOARD["panels"]]
    read = Dashboard.from_json({**BOARD, "panels": panels})
    assert plain(json.loads(JSONEncoder().encode(read))) != {**BOARD, "panels": panels}


def test_every_metric_that_is_asked_for_is_exported_and_every_panel_stands_alone() -> None:
    asked = {name for _, question in QUESTIONS for name in re.findall(r"tidegate_[a-z_]+", question)}
    assert asked <= exported()
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in BOARD["panels"]]
    taken = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize(("title", "question"), QUESTIONS, ids=[title for title, _ in QUESTIONS])
def test_prometheus_answers_each_question(prometheus_server: PrometheusServer, title: str, question: str) -> None:
    now = time.time()
    prometheus_server.write([({"__name__": name, **LABELS}, [(now, 1.0)]) for name in sorted(exported())])
    asked = {"query": question, "time": str(now)}
    answer = httpx.get(f"{prometheus_server.url}/api/v1/query", params=asked, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["result"], title
