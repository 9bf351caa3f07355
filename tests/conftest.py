"""What the tests of several folders share: one real Prometheus for the whole session."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from blocks.journal import tables
from demo.processes import free_port
from demo.provision import PROMETHEUS, provide
from tests.longest_first import rank
from tests.prefect_database import prefect_on_empty_database
from tests.prometheus_writer import Points, remote_write

# How long an example takes says something of the machine, and nothing of the law. Set here, before any test is
# imported, since a law keeps what was in force when it was read.
settings.register_profile("tidegate", deadline=None)
# Where tests run some thousand times over: the same few examples each time.
settings.register_profile("few", deadline=None, max_examples=15, derandomize=True, database=None)
settings.load_profile("tidegate")

_CONFIG = """\
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
storage: {tsdb: {out_of_order_time_window: 30d}}
rule_files: ["rules-*.yml"]
"""


E2E = Path(__file__).parent / "e2e"
WHOLE_PARTS = {"prefect_server", "chromium"}  # what asks for one of these is an end-to-end test


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take files in the order of the collection (`--no-loadscope-reorder`)."""
    items.sort(key=lambda item: rank(item.path))
    for item in items:
        if WHOLE_PARTS & set(getattr(item, "fixturenames", ())) or E2E in item.path.parents:
            item.add_marker("e2e")


@pytest.fixture(autouse=True)
def journals_closed() -> Iterator[None]:
    """A process has few journals, and keeps them open; the tests have thousands, and would run out of files."""
    yield
    for address in {key[0] for key in tables._engines}:
        tables.dispose(address)


@dataclass(frozen=True)
class PrometheusServer:
    """A real Prometheus that scrapes nothing: what it knows was written by the tests."""

    url: str
    folder: Path

    def write(self, series: Iterable[tuple[Mapping[str, str], Points]]) -> None:
        """Write the series (labels with __name__, points of unix seconds and value); visible at once."""
        remote_write(self.url, series)

    def add_rules(self, name: str, groups: list[dict[str, object]]) -> None:
        """Add rule groups, and return once each of their rules was evaluated."""
        # JSON is YAML.
        (self.folder / f"rules-{name}.yml").write_text(json.dumps({"groups": groups}))
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/-/reload", method="POST"), timeout=5).close()
        wanted = {group["name"] for group in groups}
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with urllib.request.urlopen(f"{self.url}/api/v1/rules", timeout=5) as answer:
                found = json.load(answer)["data"]["groups"]
            rules = [rule for group in found if group["name"] in wanted for rule in group["rules"]]
            if rules and all(rule["health"] != "unknown" for rule in rules):
                return
            # Prometheus announces no evaluation.
            time.sleep(0.05)
        raise AssertionError(f"rules {name} were not evaluated within 10 s")


@pytest.fixture(scope="session")
def prometheus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A real Prometheus for the whole session; tests keep apart by the names of their metrics."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(_CONFIG)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [
        str(provide(PROMETHEUS)),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.external-url={url}/",
        "--storage.tsdb.retention.time=10y",
        "--web.enable-lifecycle",
        "--web.enable-remote-write-receiver",
        "--log.level=warn",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(url, process, folder / "log")
            yield PrometheusServer(url, folder)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    """A real Prefect server with an empty database; its settings must not outlive the module that asks for it."""
    with prefect_on_empty_database():
        yield


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/-/ready", timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"Prometheus did not become ready: {log.read_text()[-2000:]}")
