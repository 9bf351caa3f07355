"""The demo's parts, started side by side on free loopback ports: service, load, Prometheus and inbox."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from demo.batch_patches.flag import FLAG, UNLEASH_TOKEN, write_initial_flag
from demo.evidence import write_evidence
from demo.processes import PartFailed, Process, free_ports, start_process, stop_processes, wait_ready
from demo.prometheus import prometheus_argv, rule_test_argv, write_config
from demo.provision import find_prometheus
from demo.unleash.server import ENVIRONMENT, UnleashPart, start_unleash
from demo.unleash.split import served_flag

READY_SECONDS = 30.0
FlagSystem: TypeAlias = Literal["flagd", "unleash"]
FLAG_SYSTEMS: tuple[FlagSystem, ...] = get_args(FlagSystem)


@dataclass(frozen=True)
class Parts:
    """What runs and where it answers; JSON-serialisable, so that another process can end it."""

    processes: tuple[Process, ...]
    flag_file: str  # empty where the flag is in Unleash
    service_url: str
    load_url: str
    prometheus_url: str
    inbox_url: str
    slack_url: str
    pagerduty_url: str
    smtp_host: str
    smtp_port: int
    evidence: str = ""
    unleash: UnleashPart | None = None

    @property
    def flag_system(self) -> FlagSystem:
        """Which system has the flag."""
        return "unleash" if self.unleash else "flagd"

    def to_json(self) -> dict[str, Any]:
        """Return the parts as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Parts":
        """Return the parts from plain data."""
        unleash = data.get("unleash")
        own = {
            "processes": tuple(Process(**process) for process in data["processes"]),
            "unleash": UnleashPart(**unleash) if unleash else None,
        }
        return cls(**{**data, **own})


def start_parts(
    home: Path,
    flag_file: Path,
    *,
    prometheus: Path,
    day_seconds: float,
    rate: float = 160.0,
    service_options: Sequence[object] = (),
    load_options: Sequence[object] = (),
    flag_system: FlagSystem = "flagd",
) -> Parts:
    """Start the parts and return when all are ready; if one fails, end the others and raise PartFailed.

    With Unleash, no flag file is written or read.
    """
    home.mkdir(parents=True, exist_ok=True)
    if flag_system == "flagd":
        write_initial_flag(flag_file)
        evaluated = _Evaluated(("--flags", flag_file.absolute()), {}, flag_file.read_bytes())
        found = _start_parts(home, evaluated, prometheus, (day_seconds, rate), service_options, load_options)
        return replace(found, flag_file=str(flag_file.absolute()))
    unleash, processes = start_unleash(home)
    try:
        token = unleash.sdk_token
        options = ("--unleash", unleash.url, "--environment", ENVIRONMENT)
        backup = json.dumps(served_flag(unleash.url, token, FLAG)).encode()
        evaluated = _Evaluated(options, {UNLEASH_TOKEN: token}, backup)
        found = _start_parts(home, evaluated, prometheus, (day_seconds, rate), service_options, load_options)
    except BaseException:
        stop_processes(processes)
        raise
    # The server before its database, and both after whoever asks them.
    return replace(found, unleash=unleash, processes=(*found.processes, *reversed(processes)))


@dataclass(frozen=True)
class _Evaluated:
    """How the service is told where its flag is, and what is backed up of it."""

    arguments: tuple[object, ...]
    env: Mapping[str, str]
    backup: bytes


def _start_parts(
    home: Path,
    flag: _Evaluated,
    prometheus: Path,
    load_curve: tuple[float, float],
    service_options: Sequence[object],
    load_options: Sequence[object],
) -> Parts:
    day_seconds, rate = load_curve
    evidence = home.absolute() / "evidence"
    write_evidence(evidence, flag.backup)
    service, load, metrics, inbox, smtp = free_ports(5)
    local = "http://127.0.0.1"
    folder = home / "prometheus"
    write_config(folder, {"batch-patches": f"127.0.0.1:{service}", "load": f"127.0.0.1:{load}"})
    commands: dict[str, tuple[Sequence[str], str]] = {
        "service": (
            _module("service", "--port", service, *flag.arguments, *service_options),
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
            processes.append(
                start_process(name, argv, flag.env if name == "service" else None, home / "logs" / f"{name}.log")
            )
        for process in processes:
            wait_ready(commands[process.name][1], READY_SECONDS, process)
    except BaseException:
        stop_processes(processes)
        raise
    return Parts(
        processes=tuple(processes),
        flag_file="",
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
    unleash = parts.unleash
    split = ("audit", "split", parts.flag_file) if unleash is None else ("unleash.split", unleash.url, unleash.secrets)
    return {
        "alert-rule-tests": rule_test_argv(find_prometheus(), Path("prometheus")),
        "security-audit": _module("audit", "security"),
        "check-split": _module(*split, FLAG),
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


__all__ = [
    "FLAG_SYSTEMS",
    "FlagSystem",
    "PartFailed",
    "Parts",
    "named_commands",
    "named_sources",
    "start_parts",
    "stop_parts",
]
