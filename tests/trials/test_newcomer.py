"""docs/first-plan.md from its first block to its last: what a newcomer types, from an installed wheel in a bare folder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from blocks.kit import read_kit
from demo.processes import Process, free_ports, start_process, stop_processes, wait_ready
from demo.prometheus import prometheus_argv, query, wait_for_samples
from demo.provision import HAPROXY, PROMETHEUS, part_environment, provide
from engine.rollout.session import OpenRollout
from tests.e2e.conftest import reach
from tests.e2e.waiting import wait_for
from tests.installed import FOREIGN, ROOT, InstalledTool, installed
from tests.trials.test_dashboard_clicked import page
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

__all__ = ["page"]

PAGE = (ROOT / "docs" / "first-plan.md").read_text().partition("\n## A plan by hand\n")[0]
_PART = re.compile(r"^(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)^```|^## ([^\n]+)$", re.DOTALL | re.MULTILINE)
INSTALL = ("uv build --wheel", "uv tool install dist/*.whl")  # done by tests/installed.py, with the locked versions
LEAD = "lead@example.com"
NAME = "new-cart"
_PROMETHEUS = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
scrape_configs:
  - {{job_name: shop, static_configs: [{{targets: ["127.0.0.1:{haproxy}", "127.0.0.1:{metrics}"]}}]}}
"""
_HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend shop
  bind 127.0.0.1:{front}
  default_backend shop
backend shop
  server one 127.0.0.1:{service}
frontend metrics
  bind 127.0.0.1:{haproxy}
  http-request use-service prometheus-exporter if {{ path /metrics }}
"""


@dataclass(frozen=True)
class Block:
    """A block of the page: a file to save, or lines to type."""

    file: str
    text: str

    @property
    def commands(self) -> list[str]:
        return [line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ ")]


def sections() -> dict[str, list[Block]]:
    """The page's blocks under their headings, in order."""
    found: dict[str, list[Block]] = {}
    heading = ""
    for part in _PART.finditer(PAGE):
        if part[4]:
            heading = part[4]
            found[heading] = []
        else:
            found[heading].append(Block(part[1] or "", part[3]))
    return found


@dataclass
class Newcomer:
    """Somebody with a folder, a shell and a Prometheus; what the page names differs only in addresses and one path."""

    tool: InstalledTool
    folder: Path
    ports: dict[str, int]
    processes: list[Process] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        paths = {"PATH": f"{self.tool.commands}:{kept['PATH']}", "HOME": str(self.folder.parent)}
        return {**kept, **paths, **self.variables}

    def mine(self, text: str) -> str:
        """The page's text with this machine's addresses."""
        for theirs, ours in (
            ("http://localhost:9090", f"http://127.0.0.1:{self.ports['prometheus']}"),
            ("http://127.0.0.1:4200/", f"http://127.0.0.1:{self.ports['prefect']}/"),
            ("/srv/flags/", f"{self.folder.parent}/flags/"),
            ("tidegate server", f"tidegate server --port {self.ports['prefect']}"),
            ("tidegate dashboard", f"tidegate dashboard --port {self.ports['dashboard']}"),
        ):
            text = text.replace(theirs, ours)
        return text

    def save(self, block: Block) -> None:
        (self.folder / block.file).write_text(self.mine(block.text))

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Type it; what ends with & goes on beside the others, and what is exported counts from then on."""
        command = self.mine(line)
        if command.startswith("export "):
            shown = self._shell(f"{command}; env -0")
            new = dict(one.split("=", 1) for one in shown.stdout.rstrip("\0").split("\0"))
            self.variables |= {k: new[k] for k in shlex.split(command.replace("=", " "))[1:] if k in new}
            return shown
        if command.endswith(" &"):
            name = "-".join(word for word in command.split() if word.isalpha() or "tidegate-" in word)
            argv = [
                "env",
                "-i",
                *(f"{k}={v}" for k, v in self.environment.items()),
                "bash",
                "-c",
                f"exec {command[:-2]}",
            ]
            self.processes.append(start_process(name, argv, None, self.log(name), self.folder))
            return subprocess.CompletedProcess(command, 0, "", "")
        return self._shell(command)

    def _shell(self, command: str) -> subprocess.CompletedProcess[str]:
        argv = ["bash", "-c", command]
        return subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=1500, check=False
        )

    def done(self, line: str) -> str:
        """Type it; it has to go well."""
        typed = self.type(line)
        assert typed.returncode == 0, f"{line}\n{typed.stdout}{typed.stderr}\n{self.logs()}"
        return typed.stdout

    def log(self, name: str) -> Path:
        return self.folder.parent / "logs" / f"{name}.log"

    def logs(self) -> str:
        """The last lines of whatever runs beside."""
        files = sorted((self.folder.parent / "logs").glob("*.log"))
        return "\n".join(f"{file.name}: " + "\n".join(file.read_text().splitlines()[-12:]) for file in files)

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.ports['dashboard']}"

    @property
    def run(self) -> OpenRollout:
        """The newest rollout, in the journal that the kit names."""
        via = read_kit(self.folder / "kit.yaml")
        return OpenRollout(via, via.journal.rollouts()[0].rollout)

    def requests(self, group: str, path: str) -> float:
        """What Prometheus has counted by the snippet."""
        address = f"http://127.0.0.1:{self.ports['prometheus']}"
        found = query(address, f'sum({NAME.replace("-", "_")}_requests_total{{group="{group}",path="{path}"}})')
        return float(found[0]["value"][1]) if found else 0.0


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledTool]:
    place = tmp_path_factory.mktemp("installed")
    yield installed(place)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def newcomer(tool: InstalledTool, tmp_path: Path) -> Iterator[Newcomer]:
    """With a shop that has been there for a while: HAProxy in front of it, Prometheus beside it, nothing of Tidegate."""
    names = ("prometheus", "prefect", "dashboard", "front", "service", "haproxy", "metrics")
    for name in ("bare", "flags", "prometheus"):
        (tmp_path / name).mkdir()
    someone = Newcomer(tool, tmp_path / "bare", dict(zip(names, free_ports(len(names)), strict=True)))
    ports = someone.ports
    (tmp_path / "haproxy.cfg").write_text(_HAPROXY.format(**ports))
    (tmp_path / "prometheus" / "prometheus.yml").write_text(_PROMETHEUS.format(**ports))
    haproxy = [str(provide(HAPROXY)), "-db", "-f", str(tmp_path / "haproxy.cfg")]
    prometheus = prometheus_argv(Path(provide(PROMETHEUS)), tmp_path / "prometheus", ports["prometheus"])
    try:
        someone.processes += [
            start_process("haproxy", haproxy, part_environment(HAPROXY), someone.log("haproxy")),
            start_process("prometheus", prometheus, None, someone.log("prometheus")),
        ]
        yield someone
    finally:
        stop_processes(reversed(someone.processes), 20)


def shop(of: Newcomer) -> Process:
    """The shop's process, with whatever stands in the folder."""
    argv = [sys.executable, str(ROOT / "tests/trials/newcomer_service.py"), str(of.folder)]
    argv += [str(of.ports[name]) for name in ("service", "metrics", "front")]
    process = start_process("shop", argv, None, of.log("shop"))
    of.processes.append(process)
    wait_ready(f"http://127.0.0.1:{of.ports['metrics']}/metrics", 120, process)
    return process


def says_go(page: Page, of: Newcomer, wave: int) -> OpenRollout:
    """The lead answers the gate on the rollout's page, again where the evidence of that moment did not do."""
    run = of.run
    told: list[str] = []

    def waiting() -> int:
        state = run.refresh()
        assert state.phase.is_open, f"{run.rollout} ended as {state.phase}: {state.end_reason} {state.rollback}"
        return state.gate.attempt if state.gate and state.gate.wave == wave and state.gate.waits else 0

    for _ in range(4):
        attempt = wait_for(waiting, 120, f"the gate before wave {wave} waits")
        page.goto(f"{of.dashboard}/rollouts/{run.rollout}")
        gate = page.locator("#order-answer")
        if gate.get_attribute("open") is None:
            gate.locator("summary").first.click()
        gate.get_by_label("Go: begin this wave").check()
        for box in gate.locator("input[type=checkbox]").all():
            box.check()
        gate.locator("input[name=name]").fill(LEAD)
        gate.get_by_role("button", name="Answer the gate").click()
        expect(page.locator("#outcome")).to_be_visible()
        told.append(page.locator("#outcome").inner_text())

        def has_moved(asked: int = attempt) -> bool:
            now = run.refresh().gate
            return run.state.wave == wave or (now is not None and now.attempt > asked)

        wait_for(has_moved, 120, f"wave {wave} is raised, or asked about anew: {told}")
        if run.refresh().wave == wave:
            return run
    raise AssertionError(f"wave {wave} was not raised: {told}")


def until(of: Newcomer, line: str, well: Callable[[str], bool], seconds: float) -> None:
    """Type it again until it ends well, as somebody does who reads what is missing."""
    typed: list[subprocess.CompletedProcess[str]] = []

    def tried() -> bool:
        typed.append(of.type(line))
        return typed[-1].returncode == 0 and well(typed[-1].stdout)

    assert not line.endswith("&"), f"{line} would be started again and again"
    try:
        wait_for(tried, seconds, line)
    except AssertionError:
        raise AssertionError(f"{line}\n{typed[-1].stdout}{typed[-1].stderr}\n{of.logs()}") from None


class Clock:
    """Says how long each step took, where it is printed."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def passed(self, what: str) -> None:
        print(f"{timedelta(seconds=round(time.monotonic() - self._began))}  {what}")


def prepares(of: Newcomer, answers: list[Block], service: list[Block]) -> None:
    """From a shop that knows nothing of it to one that counts by path."""
    before = shop(of)
    prometheus = f"http://127.0.0.1:{of.ports['prometheus']}"
    wait_for_samples(prometheus, 'rate(haproxy_backend_http_responses_total{code="2xx"}[10s]) > 0', 240)
    of.save(answers[0])
    [init] = answers[1].commands
    said = of.done(init)
    assert re.search(r"found: haproxy_\w+_http_responses_total, [\d,]+ in the last \d min", said), said
    assert "has no label path: the snippet counts by path" in said
    assert {path.name for path in of.folder.iterdir()} == {"answers.yaml", "kit.yaml", f"{NAME}.yaml", "rollout.py"}
    of.save(service[0])
    stop_processes([before])
    shop(of)
    wait_for(lambda: of.requests("staff", "old") > 0, 120, "the snippet counts")


def is_ready(of: Newcomer, server: list[Block], look: list[Block]) -> None:
    """A server and its workers, and nothing that stands in the way."""
    for line in server[0].commands:
        if line.endswith("&"):
            of.done(line)
        else:
            until(of, line, lambda _: True, 180)
    wait_for(lambda: answers_there(of.dashboard), 60, f"the dashboard answers; {of.logs()}")
    doctor, check = look[0].commands
    until(of, doctor, lambda told: "nothing here would stop a rollout" in told, 60)
    of.done(check)
    for line in look[1].commands:
        assert of.done(line)


def answers_there(address: str) -> bool:
    try:
        return httpx.get(address, timeout=30).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.timeout(2400)
def test_the_page_is_followed_from_a_bare_folder_to_a_rollout_rolled_back_and_one_finished(
    newcomer: Newcomer, page: Page
) -> None:
    clock = Clock()
    install, answers, service, server, look, back, through, real = sections().values()
    assert (tuple(install[0].commands), real) == (INSTALL, [])
    prepares(newcomer, answers, service)
    clock.passed("a plan, a kit, and the service counts")
    is_ready(newcomer, server, look)
    clock.passed("server, workers, dashboard; nothing stands in the way")

    start, rollback, status = (*back[0].commands, *back[1].commands)
    newcomer.done(start)
    run = says_go(page, newcomer, 1)
    reach(run, Phase.WAVE, Phase.SOAKED, Phase.GATE)
    wait_for(lambda: newcomer.requests("staff", "new") > 0, 60, "the shop's own people are on the new path")
    assert newcomer.requests("everyone", "new") == 0
    clock.passed("wave 1")
    told = newcomer.done(rollback)
    reach(run, Phase.ROLLED_BACK)
    assert run.state.rollback is not None
    assert run.state.rollback.proven, told
    assert run.connections.flags.read(NAME).exposure == ZERO
    assert run.rollout in newcomer.done(status)
    clock.passed("rolled back")

    [again], (status, verify) = through[0].commands, through[1].commands
    newcomer.done(again)
    for wave in (1, 2):
        run = says_go(page, newcomer, wave)
        clock.passed(f"wave {wave}")
    wait_for(lambda: newcomer.requests("everyone", "new") > 0, 60, "everybody is on the new path")
    reach(run, Phase.FINISHED, seconds=240)
    clock.passed("finished")
    assert "finished" in newcomer.done(status).lower()
    newcomer.done(verify)
    assert run.connections.journal.rollouts(open_only=True) == []
    page.goto(f"{newcomer.dashboard}/rollouts/{run.rollout}")
    expect(page.locator("#live .status").first).to_contain_text("FINISHED")


@pytest.mark.timeout(900)
def test_the_local_stack_comes_up_from_the_wheel(tool: InstalledTool, tmp_path: Path) -> None:
    someone = Newcomer(tool, tmp_path, {"prometheus": 0, "prefect": 0, "dashboard": 0})
    # What was fetched for other tests lies below the real home.
    someone.variables = {"HOME": os.environ["HOME"], "TIDEGATE_HOME": str(tmp_path / "stack")}
    someone.done("tidegate plan check rehearsal.yaml")
    try:
        someone.done("tidegate up")
        until(someone, "tidegate doctor", lambda told: "nothing here would stop a rollout" in told, 60)
        someone.done("tidegate start rehearsal.yaml --as you@example.com --approve auto --pace 8s")
        assert "batch-patches" in someone.done("tidegate status")
        someone.done('tidegate rollback --as you@example.com --reason "seen enough"')
    finally:
        assert "stopped" in someone.done("tidegate down")
