"""The reference plan tried on weeks of history that promtool wrote into the blocks of a real Prometheus."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prefect import get_client
from pydantic import SecretStr

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from console.cli import main
from console.commands.plan_commands import plan_from
from demo.processes import free_ports
from demo.provision import PROMETHEUS, provide
from engine.past.backtest import newest_backtest
from flows.backtest import backtest
from tests.e2e.waiting import wait_for

DAYS, PER_MINUTE = 8, 120
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
END = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = END - DAYS * DAY
BAD = (START + 3 * DAY + 9 * HOUR, START + 3 * DAY + 10 * HOUR)  # all on the old path, both cohorts alike
GAP = (START + 6 * DAY + 12 * HOUR, START + 6 * DAY + 16 * HOUR)
SHARES = {"0-10": 0.1, "10-25": 0.15, "25-50": 0.25, "50-100": 0.5}
BUCKETS = {
    "0.03": 0.3,
    "0.04": 0.6,
    "0.05": 0.8,
    "0.06": 0.9,
    "0.1": 0.97,
    "0.2": 0.99,
    "0.4": 0.998,
    "0.8": 1.0,
    "+Inf": 1.0,
}
RULES = """\
groups:
  - name: critical
    rules:
      - { alert: Broken, expr: vector(0) > 1, labels: { severity: critical, service: batch-patches } }
"""


def history() -> Iterator[str]:
    """What the demo's service would have exported of its old path, as OpenMetrics."""
    counted: dict[str, float] = {}
    minutes = [START - DAY + MINUTE * n for n in range((DAYS + 1) * 24 * 60 + 1)]
    lines: dict[str, list[str]] = {}

    def at(name: str, labels: str, value: float, moment: datetime) -> None:
        lines.setdefault(name, []).append(f"{name}{{{labels}}} {value:g} {moment.timestamp():.0f}")

    for moment in minutes:
        share = 0.15 if BAD[0] <= moment < BAD[1] else 0.005
        seen = not GAP[0] <= moment < GAP[1]
        counted["requests"] = counted.get("requests", 0.0) + PER_MINUTE
        for cohort, part in SHARES.items():
            labels = f'path="legacy",group="internal",cohort="{cohort}"'
            requests = PER_MINUTE * part
            for outcome, more in (("error", requests * share), ("ok", requests * (1 - share))):
                key = f'{labels},outcome="{outcome}"'
                counted[key] = counted.get(key, 0.0) + more
                if seen:
                    at("batch_patches_requests_total", key, counted[key], moment)
            done = counted[f"{labels}/done"] = counted.get(f"{labels}/done", 0.0) + requests
            if seen:
                for bound, below in BUCKETS.items():
                    at("batch_patches_duration_seconds_bucket", f'{labels},le="{bound}"', done * below, moment)
                at("batch_patches_duration_seconds_count", labels, done, moment)
        if seen:
            at("batch_patches_memory_bytes", 'path="legacy"', 150e6, moment)
            at("batch_patches_cpu_seconds_total", 'path="legacy"', 0.005 * counted["requests"], moment)
            at("batch_patches_invariant_violations_total", 'path="legacy"', 0, moment)
            at("up", 'job="batch-patches"', 1, moment)
    for name, found in lines.items():
        kind = "histogram" if name.startswith("batch_patches_duration") else "unknown"
        if kind == "unknown":
            yield f"# TYPE {name} unknown"
        yield from found
    yield "# EOF"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("past")
    (folder / "history").write_text("\n".join(history()) + "\n")
    program = provide(PROMETHEUS)
    made = [str(program.with_name("promtool")), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    subprocess.run([*made, str(folder / "history"), str(folder / "data")], check=True, timeout=300)
    (folder / "rules.yml").write_text(RULES)
    (folder / "prometheus.yml").write_text("global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n")
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    argv = [str(program), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=1y", "--log.level=warn"]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: _ready(url), 30, "Prometheus is ready, and its rule was evaluated")
            yield url
        finally:
            process.terminate()


def _ready(url: str) -> bool:
    try:
        groups = httpx.get(f"{url}/api/v1/rules", timeout=2).json()["data"]["groups"]
    except (httpx.HTTPError, ValueError):
        return False
    return bool(groups) and all(rule["health"] == "ok" for group in groups for rule in group["rules"])


def test_the_reference_plan_on_history_from_blocks(
    prometheus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_KIT", str(tmp_path / "no-kit.yaml"))
    picture = tmp_path / "backtest.svg"
    argv = ["tidegate", "backtest", "batch-patches-v1.yaml", "--from", f"{START:%Y-%m-%d}", "--to", f"{END:%Y-%m-%d}",
            "--wave", "1", "--every", "24h", "--inject", "error_rate=5", "--inject", "p95_latency=20",
            "--prometheus", prometheus, "--picture", str(picture), "--json"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code in (0, None), said.err
    assert "not recorded: there is no kit file" in said.err
    result = json.loads(said.out)
    rows = {(row["text"], row["when"]): row for row in result["criteria"]}

    # One bad hour on one of eight days, put in; the criterion for it fires in that wave and in no other.
    errors = rows["Error rate > 10% for > 5min", "trigger"]
    assert (errors["fired"]["happened"], errors["fired"]["waves"]) == (1, DAYS)
    assert errors["fired_at"][0].startswith(f"{BAD[0]:%Y-%m-%dT%H:}")
    # Both cohorts were hit alike, so what compares them says nothing.
    beside = rows["More errors on the new path than beside it", "trigger"]
    assert (beside["dry_run"], beside["fired"]["happened"]) == (False, 0)
    slow = rows["More slow requests on the new path than beside it", "trigger"]
    assert slow["fired"]["happened"] == 0
    # Four of 192 hours without a scrape.
    for row in (errors, beside, rows["ANY CRITICAL alert", "trigger"]):
        assert row["no_data"] == pytest.approx(100 * 4 / (24 * DAYS), abs=0.25), row["text"]
    # Five times 0.5 % is invisible to 10 %, and soon found beside.
    assert errors["found"][0]["found"] == 0
    assert beside["found"][0]["found"] == beside["found"][0]["waves"] == DAYS
    assert 0 < beside["found"][0]["median_seconds"] <= 3600 * 3
    for text in ("All ALARM tests pass", "Run synthetic tests (generate load with known patches)"):
        row = next(r for r in result["criteria"] if r["text"] == text)
        assert row["fired"] is None
        assert row["reason"]
    assert "Customer data corruption detected" in picture.read_text()
    # The bad hour rolls one wave back; the four hours without data, far beyond no_data_budget, hold another.
    assert (result["waves"][0]["rolled_back"]["happened"], result["waves"][0]["held_without_data"]) == (1, 1)


@pytest.mark.usefixtures("prefect_server")
def test_the_deployment_records_it_and_leaves_a_table(
    prometheus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    via = OpenConnections(
        Journal(url=SecretStr(f"sqlite:///{tmp_path}/journal.db")),
        FlagdFile(path=str(tmp_path / "flags.json")),
        Prometheus(url=prometheus),
    )
    monkeypatch.setattr("flows.backtest.connected", lambda _: via)
    name = backtest("batch-patches-v1.yaml", "ann@company.com", END - timedelta(hours=60), END, ["error_rate=5"])
    plan = plan_from("batch-patches-v1.yaml")
    kept = newest_backtest(via.journal, plan, END - DAY)
    assert kept is not None
    assert name.startswith("backtest-batch-patches-v1-")
    assert [wave["wave"] for wave in kept[1].waves] == [1, 2, 3, 4]
    with get_client(sync_client=True) as client:
        found = client.read_artifacts()
    [page] = [one for one in found if one.key == "backtest-batch-patches-v1"]
    assert "## Wave 4: Full Production" in str(page.data)
