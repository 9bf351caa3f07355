"""Three journeys through the code, profiled: which files and functions each passes through.

`python -m tests.engine.journeys PROMETHEUS_URL FOLDER` prints them as JSON; FOLDER is an empty one for journal and flag
file. In a process of its own, so that every thread of it is seen; what only imports is no part of a journey.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from engine.exposure.raise_exposure import raise_exposure
from engine.gates.gate import decide_gate, give_answer, open_gate
from engine.rollback.rollback import prove, roll_back
from engine.rollout.evaluation import evaluate
from tests.conftest import PrometheusServer
from tests.engine.world import World, healthy, no_alerts
from tests.tidegate.builders import BOB, MINUTE
from tidegate.gates.approval import Answer, Choice

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("tidegate", "blocks", "engine", "tasks", "flows", "console")
NO_STEPS = ("<module>", "<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>", "<lambda>")
CHANGES: dict[str, Any] = {
    "waves.0.soak": "10m",
    "waves.0.interval": "5m",
    "waves.1.starts": "day 1",
    "waves.1.criteria": [
        {"kind": "threshold", "when": "enter", "metric": "errors", "below": "2%", "text": "Still few errors"},
        {"kind": "earlier_waves", "when": "during", "waves": [1], "text": "As before"},
    ],
    "waves.1.gate": {"approvers": ["lead"]},
}


@dataclass
class Journey:
    """What one journey passed through."""

    functions: set[tuple[str, str]] = field(default_factory=set)
    calls: int = 0

    def to_json(self) -> dict[str, Any]:
        """The files, with the functions of each, and how often any was called."""
        files: dict[str, list[str]] = {}
        for file, function in sorted(self.functions):
            files.setdefault(file, []).append(function)
        return {"files": files, "functions": len(self.functions), "calls": self.calls}


_under_way: Journey | None = None


def _seen(frame: FrameType, event: str, _: object) -> None:
    journey, code = _under_way, frame.f_code
    if journey is None or event != "call" or code.co_name in NO_STEPS:
        return
    file = Path(code.co_filename)
    if file.is_relative_to(ROOT) and (place := file.relative_to(ROOT)).parts[0] in PRODUCT:
        journey.functions.add((str(place), code.co_qualname))
        journey.calls += 1


@contextmanager
def travelling() -> Iterator[Journey]:
    """Everything that is called inside, in whatever thread."""
    global _under_way  # noqa: PLW0603 - the profiler's hook is of the whole process
    _under_way = journey = Journey()
    try:
        yield journey
    finally:
        _under_way = None


def journeys(server: PrometheusServer, folder: Path) -> dict[str, Journey]:
    """A metric from query to verdict, a gate's answer to the raise, an order to roll back to its proof."""
    world = World(folder, server, no_alerts(CHANGES), ago=15 * MINUTE)
    run = world.run
    world.pass_time(7 * MINUTE, healthy, guard=MINUTE / 2)
    world.scrape(world.now + 4 * MINUTE, healthy)
    with travelling() as metric:
        looked = evaluate(run, world.now + MINUTE / 2, review=True)
    assert looked.seen.judged.during, "nothing was judged"
    world.now += MINUTE / 2
    world.pass_time(6 * MINUTE, healthy, guard=MINUTE / 2)
    assert run.state.phase.value == "soaked", run.state.phase
    world.scrape(datetime.now(UTC), healthy)
    run.keep_claim()
    gate = open_gate(run, 2, "the-run")
    given = Answer(Choice.GO, BOB, "", None, frozenset())
    with travelling() as answer:
        assert give_answer(run, 2, gate.attempt, given, "test")
        decided = decide_gate(run, 2, gate.attempt, given)
        raised = raise_exposure(run, 2)
    assert raised, decided
    with travelling() as order:
        roll_back(run, reason="the order", criterion="by hand", by="test")
        # The counter of the new path, whose points after zero are the proof.
        _let_stand_still(world)
        proof = prove(run)
    assert proof is not None
    assert proof.proven, proof.sentence
    return {"a metric from query to verdict": metric, "an answer to the raise": answer, "an order to its proof": order}


def _let_stand_still(world: World) -> None:
    def scrape() -> None:
        while not ended.wait(1):
            labels = {"__name__": f"{world.prefix}_routed_total", "path": "new"}
            world.server.write([(labels, [(datetime.now(UTC).timestamp(), 7.0)])])

    ended = threading.Event()
    threading.Thread(target=scrape, daemon=True).start()


def main(url: str, folder: str) -> None:
    """Profile and print."""
    threading.setprofile(_seen)
    sys.setprofile(_seen)
    try:
        found = journeys(PrometheusServer(url, Path(folder)), Path(folder))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    json.dump({name: journey.to_json() for name, journey in found.items()}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
