"""The rollout's own run, carried out by real processes without Prefect's server, each stopping itself at one step.

One step lies before every entry of the journal, and one right before every flag file is moved into place. Asked on
standard input for step N, or for the first step of a name, it makes a process that walks the whole runbook in a folder
of its own and sends itself SIGSTOP there; continued, it goes on as if nothing had happened, and is resumed once more at
its end.
"""

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import engine.rollout.connections
import engine.rollout.start_or_resume
import flows.gate
import flows.rollout
import flows.waves
import tasks.monitor_wave
import tasks.prove_rollback
from blocks import FlagdFile, Journal, OpenConnections, Prometheus
from blocks.errors import Fenced
from blocks.flags.flagd import flagd_writer
from engine.rollout.evaluation import evaluate, review_due
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, await_winner, utc_now
from flows.rollout import rollout
from tests.tidegate.builders import ANN, STARTER, plan_of
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan

NAME = "walk-1"
_SHORT = {"soak": "1s", "interval": "1s"}


def plan() -> Plan:
    """The small plan in a few seconds, in three waves."""
    human = {"kind": "human", "when": "enter", "role": "lead", "text": "The team is there"}
    during = {"kind": "threshold", "when": "during", "metric": "errors", "below": "2%", "text": "Few errors"}
    fires = {"kind": "threshold", "when": "trigger", "metric": "errors", "above": "10%", "text": "Too many errors"}
    wave = {**_SHORT, "starts": "day 1", "gate": {"approvers": ["lead"]}, "criteria": [human, during, fires]}
    shares = (("10%", "staff"), ("25%", "all"), ("100%", "all"))
    waves = [
        {**wave, "name": f"w{number}", "title": f"Wave {number}", "percent": percent, "audience": audience}
        for number, (percent, audience) in enumerate(shares, start=1)
    ]
    afterwards = {**_SHORT, "criteria": [during]}
    proof = {"counter": 'sum(routed_total{path="new"})', "quiet": "1s"}
    return plan_of(
        {
            "guard": "1s",
            "scrape_interval": "1s",
            "waves": waves,
            "post_rollout": afterwards,
            "rollback": {"proof": proof},
            "no_data_budget": "10m",
        }
    )


def connections_of(folder: Path, prometheus: str) -> OpenConnections:
    """A journal and a flag file of this folder."""
    rehearsal: dict[str, Any] = {"environment": "rehearsal"}
    return OpenConnections(
        Journal(url=f"sqlite:///{folder / 'journal.db'}", **rehearsal),
        FlagdFile(path=str(folder / "flags.json"), **rehearsal),
        Prometheus(url=prometheus, **rehearsal),
    )


class Steps:
    """Counts the steps of this process, and stops it at the one it was asked for, by its number or by its name."""

    def __init__(self, folder: Path, stop_at: str) -> None:
        self.folder, self.stop_at, self.passed = folder, stop_at, 0

    def step(self, name: str) -> None:
        self.passed += 1
        if self.stop_at in (str(self.passed), name):
            tell(self.folder / "stopped", f"{os.getpid()} {name}")
            os.kill(os.getpid(), signal.SIGSTOP)


def tell(path: Path, text: str) -> None:
    """Write the file at once, so that nobody reads half of it."""
    staged = path.with_suffix(".part")
    staged.write_text(text)
    staged.replace(path)


def _watched(steps: Steps) -> None:
    append, move = Journal.append, flagd_writer.move

    def appended(self: Journal, name: str, kind: Kind, *rest: Any, **more: Any) -> Any:
        steps.step(f"entry {kind.value}")
        return append(self, name, kind, *rest, **more)

    def moved(*what: Any) -> bytes | None:
        steps.step("flag write")
        return move(*what)

    Journal.append, flagd_writer.move = appended, moved  # type: ignore[method-assign]


_TASKS: dict[Any, tuple[str, ...]] = {
    flows.waves: ("verify_entry_criteria", "scale_flag", "monitor_wave", "go_no_go", "notify_wave"),
    flows.gate: ("decide_gate_answer",),
    tasks.monitor_wave: ("review_wave",),
    tasks.prove_rollback: ("prove_rollback",),
}


def _plain_wave(number: int) -> Callable[..., Any]:
    def wave(rollout: str, _name: str, connections: str, **_: Any) -> Any:
        return flows.waves._steps(rollout, number, connections)

    return wave


def _without_prefect(via: OpenConnections) -> None:
    """The runbook's Prefect calls that need a server, as plain ones."""
    log = logging.getLogger("walk")
    quiet = SimpleNamespace(update=lambda *_: None, flush=lambda: None, hand_over=lambda _: None)
    for module, names in _TASKS.items():
        for name in names:
            setattr(module, name, getattr(module, name).fn)
    tasks.monitor_wave._Progress = lambda _: quiet  # type: ignore[assignment, misc]
    flows.waves.wave_flow = _plain_wave  # type: ignore[assignment]
    flows.waves.get_run_logger = lambda: log  # type: ignore[assignment, return-value]
    flows.rollout.reporter_for = flows.waves.reporter_for = lambda _: quiet  # type: ignore[assignment, return-value]
    for module in (engine.rollout.start_or_resume, flows.waves):
        module.connected = lambda _: via  # type: ignore[attr-defined]
    flows.waves.open_run = lambda _, name: OpenRollout(via, name)


def walk(folder: Path, prometheus: str, stop_at: str) -> None:
    """From the opening to the end, and once more from the top, as a run that was started again."""
    via = connections_of(folder, prometheus)
    _without_prefect(via)
    run = open_rollout(via, plan(), NAME, started_by=STARTER, pace=None, auto_approve=True, connection_set="default")
    steps = Steps(folder, stop_at)
    _watched(steps)
    run.wait_for_claim()
    run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}), unless=lambda s: s.goes_no_further)
    ended = [rollout.fn("small", ANN, resume=NAME).name for _ in range(2)]
    guarded = OpenRollout(via, NAME)
    if guarded.state.phase.is_open:
        guarded.wait_for_claim()
    # What the watch does with it afterwards.
    while guarded.refresh().phase.is_open and guarded.state.rollback is None:
        now = utc_now()
        try:
            evaluate(guarded, now, review=review_due(guarded, now))
        except Fenced:
            await_winner(guarded)
        threading.Event().wait(0.2)
    guarded.release_claim()
    steps.step("the end")
    tell(folder / "ended", " ".join(map(str, ended)))


def main() -> None:
    """Make one process for each number that is read, and wait for all of them."""
    root, prometheus = Path(sys.argv[1]), sys.argv[2]
    for line in sys.stdin:
        folder = root / line.strip()
        folder.mkdir()
        if os.fork() == 0:
            code = 0
            try:
                walk(folder, prometheus, line.strip())
            except BaseException:
                tell(folder / "ended", traceback.format_exc())
                code = 1
            os._exit(code)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
