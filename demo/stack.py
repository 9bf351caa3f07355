"""The demo's parts, started side by side on free loopback ports: service, load, Prometheus and inbox."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demo.evidence import write_evidence
from demo.flag import FLAG, write_initial_flag
from demo.processes import PartFailed, Process, free_ports, start_process, stop_processes, wait_ready
from demo.prometheus import prometheus_argv, rule_test_argv, write_config
from demo.provision import find_prometheus

READY_SECONDS = 30.0


@dataclass(frozen=True)
class Parts:
    """What runs and where it answers; JSON-serialisable, so that another process can end it."""

    processes: tuple[Process, ...]
    flag_file: str
    service_url: str
    load_url: str
    prometheus_url: str
    inbox_url: str
    slack_url: str
    pagerduty_url: str
    smtp_host: str
    smtp_port: int
    evidence: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the parts as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Parts":
        """Return the parts from plain data."""
        return cls(**{**data, "processes": tuple(Process(**process) for process in data["processes"])})


def start_parts(
    home: Path,
    flag_file: Path,
    *,
    prometheus: Path,
    day_seconds: float,
    rate: float = 160.0,
    service_options: Sequence[object] = (),
    load_options: Sequence[object] = (),
) -> Parts:
    """Start the parts and return when all are ready; if one fails, end the others and raise PartFailed."""
    home.mkdir(parents=True, exist_ok=True)
    write_initial_flag(flag_file)
    evidence = home.absolute() / "evidence"
    write_evidence(evidence, flag_file)
    service, load, metrics, inbox, smtp = free_ports(5)
    local = "http://127.0.0.1"
    folder = home / "prometheus"
    write_config(folder, {"batch-patches": f"127.0.0.1:{service}", "load": f"127.0.0.1:{load}"})
    commands: dict[str, tuple[Sequence[str], str]] = {
        "service": (
            _module("service", "--port", service, "--flags", flag_file.absolute(), *service_options),
            f"{local}:{service}/health",
        ),
        "load": (
            _module(
                *("load", "--target", f"{local}:{service}", "--port", load),
                *("--rate", rate, "--day-seconds", day_seconds, *load_options),
            ),
            f"{local}:{load}/metrics",
        ),
        "prometheus": (prometheus_argv(prometheus, folder.absolute(), metrics), f"{local}:{metrics}/-/ready"),
        "inbox": (
            _module("inbox", "--port", inbox, "--smtp-port", smtp, "--store", home.absolute() / "inbox.jsonl"),
            f"{local}:{inbox}/health",
        ),
    }
    processes: list[Process] = []
    try:
        for name, (argv, _) in commands.items():
            processes.append(start_process(name, argv, None, home / "logs" / f"{name}.log"))
        for process in processes:
            wait_ready(commands[process.name][1], READY_SECONDS, process)
    except BaseException:
        stop_processes(processes)
        raise
    return Parts(
        processes=tuple(processes),
        flag_file=str(flag_file.absolute()),
        service_url=f"{local}:{service}",
        load_url=f"{local}:{load}",
        prometheus_url=f"{local}:{metrics}",
        inbox_url=f"{local}:{inbox}",
        slack_url=f"{local}:{inbox}/slack/api/",
        pagerduty_url=f"{local}:{inbox}/pagerduty",
        smtp_host="127.0.0.1",
        smtp_port=smtp,
        evidence=str(evidence),
    )


def named_commands(parts: Parts) -> dict[str, list[str]]:
    """The commands that the rehearsal names; they run in the folder the parts were started in."""
    return {
        "alert-rule-tests": rule_test_argv(find_prometheus(), Path("prometheus")),
        "security-audit": _module("audit", "security"),
        "check-split": _module("audit", "split", parts.flag_file, FLAG),
        # The service has both paths in one process: there is nothing to stop or restore but a note of it.
        "stop-new-service": ["echo", "stopped {service} (rehearsed)"],
        "print-snapshot": ["date", "-u", "+%Y-%m-%dT%H:%M:%S+00:00"],
        "restore-snapshot": ["echo", "restored {snapshot} (rehearsed)"],
    }


def named_sources(parts: Parts) -> dict[str, str]:
    """The web sources that the rehearsal names."""
    return {
        "batch-patches": parts.service_url,
        "batch-patches-requests": f"{parts.service_url}/batch-patches",
        "legacy-health": f"{parts.service_url}/health",
        "support-desk": f"{parts.inbox_url}/desk/support",
        "cost-report": f"{parts.inbox_url}/desk/cost",
        "grafana": f"{parts.inbox_url}/grafana",
        "logs": f"{parts.inbox_url}/logs",
    }


def stop_parts(parts: Parts) -> None:
    """End exactly these processes and what they started."""
    stop_processes(parts.processes)


def _module(name: object, *arguments: object) -> list[str]:
    # -P: a folder named demo where the user stands must not be taken for this package.
    return [sys.executable, "-P", "-m", f"demo.{name}", *map(str, arguments)]


__all__ = ["PartFailed", "Parts", "named_commands", "named_sources", "start_parts", "stop_parts"]
