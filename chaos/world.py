"""The stack under test: service, load, Prometheus and inbox of the demo, wires that can be cut, and the actors."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks.kit import write_kit
from chaos.clocks import faked, set_clock
from chaos.cuts import Wire
from chaos.journals import Database, PostgresqlServer, SqliteFile
from demo.processes import start_process, stop_processes, wait_ready
from demo.prometheus import prometheus_argv, wait_for_samples
from demo.provision import PartMissing, find_faketime, find_prometheus
from demo.stack import Parts, start_parts, stop_parts

ROOT = Path(__file__).resolve().parent.parent
HOSTS = ("one", "two")
PEOPLE = "people"  # whoever types is on neither
_RATE = 40.0  # requests a second


class World:
    """Everything that is started, in a folder of its own; `end` ends exactly that."""

    def __init__(self, home: Path, sabotage: str, database: str = "sqlite", hosts: int = 1) -> None:
        self.home, self.disk = home, home / "disk"
        self.is_small_disk = _small_disk(self.disk)
        self.parts: Parts = start_parts(
            home, self.disk / "flags.json", prometheus=find_prometheus(), day_seconds=86_400, rate=_RATE
        )
        wait_for_samples(self.parts.prometheus_url)
        self.prometheus = Wire(_port(self.parts.prometheus_url))
        self.inbox = Wire(_port(self.parts.inbox_url))
        self.hosts = HOSTS[:hosts]
        self.away: dict[str, float] = {}  # by host: until when nothing starts there, by the monotonic clock
        self._ended = home / "ended"
        self._ended.mkdir()
        self.journal: Database = (
            SqliteFile(self.disk / "journal.db")
            if database == "sqlite"
            else PostgresqlServer(home / "postgresql", self.hosts)
        )
        self.clocks: Mapping[str, str] = {}  # what gives each host a clock of its own
        self.lacks = ""
        # A file has no clock but that of whoever writes to it: what is judged by it would be stepped as well.
        if database == "postgresql":
            try:
                self.clocks = faked(find_faketime(), home / PEOPLE)
            except PartMissing as missing:
                self.lacks = f"no clock is stepped: {missing}"
        rehearsal = {"environment": "rehearsal"}
        inbox = f"http://127.0.0.1:{self.inbox.port}"
        patience = {"timeout_seconds": 2, **rehearsal}
        values: dict[str, Mapping[str, Any]] = {
            "flags": {"path": str(self.disk / "flags.json"), **rehearsal},
            "prometheus": {"url": f"http://127.0.0.1:{self.prometheus.port}", **patience},
            "slack": {"token": "xoxb-demo", "base_url": f"{inbox}/slack/api/", **patience},
            "pagerduty": {"routing_key": "0" * 32, "url": f"{inbox}/pagerduty", **patience},
        }
        for host in (*self.hosts, PEOPLE):
            (home / host).mkdir()
            set_clock(home / host)
            write_kit(home / host / "kit.yaml", {**values, "journal": {"url": self.journal.url(host), **rehearsal}})
        # No server of Prefect's: what it does, starting again what has died, is done here.
        alone = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}
        own = {**os.environ, **alone, **self.clocks, "CHAOS_SABOTAGE": sabotage}
        with (home / "logs" / "actors.log").open("ab") as log:
            self._maker = subprocess.Popen(
                [sys.executable, "-m", "chaos.actors", str(home), str(self._ended)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env=own,
            )
        self._line()
        self._made: list[int] = []

    def make(self, *actor: str, host: str = PEOPLE) -> int:
        """Start an actor on a host; the number of its process."""
        if self._maker.stdin is None:
            raise RuntimeError("actors cannot be asked for")
        self._maker.stdin.write(" ".join((host, *actor)) + "\n")
        self._maker.stdin.flush()
        self._made.append(int(self._line()))
        return self._made[-1]

    def ended(self, actor: int) -> int | None:
        """The code it ended with, or None while it lives."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self._ended / str(actor)).read_text())
        return None

    def do(self, *actor: str, seconds: float = 60.0) -> bool:
        """What a person does, to its end; whether it went well."""
        made, until = self.make(*actor), time.monotonic() + seconds
        while (code := self.ended(made)) is None and time.monotonic() < until:
            time.sleep(0.05)
        if code is None:
            signal_to(made, signal.SIGKILL)
        return code == 0

    def kill_prometheus(self) -> None:
        """Kill the metrics' server."""
        for part in self.parts.processes:
            if part.name == "prometheus":
                signal_to(part.pid, signal.SIGKILL)

    def start_prometheus(self) -> None:
        """Start it again where it was, with what it had stored."""
        folder, port = self.home / "prometheus", _port(self.parts.prometheus_url)
        argv = prometheus_argv(find_prometheus(), folder.absolute(), port)
        started = start_process("prometheus", argv, None, self.home / "logs" / "prometheus.log")
        others = tuple(part for part in self.parts.processes if part.name != "prometheus")
        self.parts = Parts(**{**vars(self.parts), "processes": (*others, started)})
        wait_ready(f"{self.parts.prometheus_url}/-/ready", 60, started)

    def end(self) -> None:
        """End everything that was started here."""
        for made in self._made:
            if self.ended(made) is None:
                signal_to(made, signal.SIGCONT)
                signal_to(made, signal.SIGKILL)
        self._end_maker()
        for wire in (self.prometheus, self.inbox):
            wire.end()
        self.journal.end()
        stop_parts(self.parts)
        stop_processes(self.parts.processes)
        if self.is_small_disk:
            subprocess.run(["umount", "--lazy", str(self.disk)], check=False, timeout=30)

    def _end_maker(self) -> None:
        # Killed, it would leave in shared memory what libfaketime keeps there.
        if self._maker.stdin is not None:
            self._maker.stdin.close()
        try:
            self._maker.wait(10)
        except subprocess.TimeoutExpired:
            self._maker.kill()
            self._maker.wait(10)

    def _line(self) -> str:
        if self._maker.stdout is None or not (line := self._maker.stdout.readline()):
            raise RuntimeError(f"the actors' process ended; see {self.home / 'logs' / 'actors.log'}")
        return line.strip()


def on(host: str) -> str:
    """How the name of what runs on a host ends."""
    return f" on {host}"


def signal_to(process: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _small_disk(folder: Path) -> bool:
    """A disk that can be filled, where the system lets us mount one."""
    folder.mkdir(parents=True)
    argv: Sequence[str] = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    try:
        return subprocess.run(argv, check=False, capture_output=True, timeout=30).returncode == 0
    except OSError:
        return False
