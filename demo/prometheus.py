"""The demo's Prometheus: its configuration, its alert rules, and how it is started."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from demo.processes import PartFailed

RULE_TESTS = "alerts-test.yml"


def rule_test_argv(prometheus: Path, folder: Path) -> list[str]:
    """Return the command that runs the alert rules' own tests; promtool comes with Prometheus."""
    return [str(prometheus.with_name("promtool")), "test", "rules", str(folder / RULE_TESTS)]


def write_config(folder: Path, targets: Mapping[str, str]) -> Path:
    """Write configuration and alert rules for the targets (job name to host:port) and return the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    templates = files("demo") / "templates"
    jobs = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()]
    # JSON is YAML, and quotes whatever a name may hold.
    scrapes = "".join(f"  - {json.dumps(job)}\n" for job in jobs)
    config = folder / "prometheus.yml"
    config.write_text((templates / "prometheus.yml").read_text(encoding="utf-8") + scrapes, encoding="utf-8")
    for name in ("alerts.yml", RULE_TESTS):
        (folder / name).write_text((templates / name).read_text(encoding="utf-8"), encoding="utf-8")
    return config


def prometheus_argv(binary: Path, folder: Path, port: int) -> list[str]:
    """Return the command that runs Prometheus on a folder holding its configuration."""
    argv = [
        str(binary),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
        # Otherwise alerts link to the machine's host name.
        f"--web.external-url=http://127.0.0.1:{port}/",
        "--web.enable-lifecycle",
        "--web.enable-remote-write-receiver",
        "--log.level=warn",
    ]
    # Debian's build looks for its web page at a fixed place, where it is not when only unpacked.
    assets = binary.parent.parent / "share/prometheus/web"
    return [*argv, f"--web.local-assets={assets}"] if assets.is_dir() else argv


def query(url: str, expression: str) -> list[dict[str, Any]]:
    """Return the series of an instant query."""
    address = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    with urllib.request.urlopen(address, timeout=5) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return result


def wait_for_samples(url: str, expression: str = 'up{job="batch-patches"} == 1', deadline: float = 20.0) -> None:
    """Return once a query has an answer; Prometheus takes its first sample five to six seconds after its start."""
    end = time.monotonic() + deadline
    while not query(url, expression):
        if time.monotonic() >= end:
            raise PartFailed(f"no sample for {expression} after {deadline:g} s")
        # Prometheus announces no sample.
        time.sleep(0.1)
