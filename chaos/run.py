"""One seeded run: rollouts one after another, faults meanwhile, then peace, then the verdict."""

import contextlib
import random
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chaos.faults import Faults
from chaos.judge import timeline, violations
from chaos.observer import Observer
from chaos.world import World, on

SHARES = {1: 0.1, 2: 0.5, 3: 1.0}  # as the plan's waves have them
FLAG = "batch-patches-v1"
_BOUND = 300.0  # seconds in which the last rollout has to end once the faults are over
_ENDS = ("after 1", "after 2", "after 3", "later", "errors")
Say = Callable[[str], None]


@dataclass
class Result:
    """What became of a run."""

    seed: int
    faults: list[str]
    rollouts: int
    seconds: float
    violations: list[str]

    def to_json(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "seed": self.seed,
            "faults": len(self.faults),
            "by kind": {
                kind: sum(kind in f for f in self.faults) for kind in sorted({f.split(" for ")[0] for f in self.faults})
            },
            "rollouts": self.rollouts,
            "seconds": round(self.seconds),
            "violations": self.violations,
        }


class People:
    """Whoever starts rollouts, says go and orders zero, and starts again what has died; in a thread of its own."""

    def __init__(self, world: World, seen: Observer, seed: int, say: Say) -> None:
        self._world, self._seen, self._say = world, seen, say
        self._random = random.Random(seed + 1)
        self._lock = threading.Lock()
        self._actors: dict[str, int] = {}
        self._hosts: dict[str, str] = {}  # by actor, where it was started last
        self._stopping, self.idle = threading.Event(), threading.Event()
        self.rollouts = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Start no rollout any more; the one under way is seen to its end."""
        self._stopping.set()

    def alive(self) -> dict[str, int]:
        """The actors that live now."""
        with self._lock:
            return {
                name + on(self._hosts[name]): process
                for name, process in self._actors.items()
                if self._world.ended(process) is None
            }

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._rollout()
            except Exception as error:
                self._say(f"the harness broke: {type(error).__name__}: {error}")
                raise
        self.idle.set()

    def tend(self, rollout: str) -> None:
        """Start again what has died, a while later, as Prefect's schedule and workers do."""
        hosts = self._world.hosts
        watches = ((f"watch {n + 1}", hosts[n % len(hosts)]) for n in range(2))
        wanted: dict[str, tuple[tuple[str, ...], str]] = {name: (("watch",), host) for name, host in watches}
        up = [host for host in hosts if time.monotonic() >= self._world.away.get(host, 0.0)]
        if rollout and up:
            wanted[f"run of {rollout}"] = (("carry", rollout), up[self.rollouts % len(up)])
        for name, (actor, host) in wanted.items():
            process = self._actors.get(name)
            code = None if process is None else self._world.ended(process)
            if host in up and (process is None or (code is not None and not (actor[0] == "carry" and code == 0))):
                made = self._world.make(*actor, host=host)
                with self._lock:
                    self._actors[name], self._hosts[name] = made, host

    def _rollout(self) -> None:
        self.rollouts += 1
        name, end = f"chaos-{self.rollouts}", self._random.choice(_ENDS)
        self._seen.known.begun[name] = time.time()
        self._say(f"{name} begins, to be rolled back {end}")
        while not self._world.do("begin", name):
            time.sleep(1)
        waited = self._random.uniform(0.0, 6.0)
        due: float | None = None
        while not self._is_over(name):
            self.tend(name)
            kinds = [(kind, body) for who, _, _, kind, body, *_ in self._seen.entries() if who == name]
            wave = max((body["wave"] for kind, body in kinds if kind == "raised"), default=0)
            rolling = any(kind == "rolling_back" for kind, _ in kinds)
            self._answer(name, kinds)
            there = f"after {wave}" == end or (wave == 3 and any(k == "soaked" and b["wave"] == 3 for k, b in kinds))
            if (there or (end == "errors" and wave >= 1)) and due is None:
                due = time.time() + waited
            if due is not None and time.time() >= due and not rolling:
                if end == "errors" and time.time() < due + 60:
                    self._fault(errors=True)
                else:
                    self._zero(name)
            time.sleep(0.3)
        self._fault(errors=False)
        self._actors.pop(f"run of {name}", None)
        # What the new path still answers from before must be over, or the next rollout would be judged by it.
        time.sleep(4)

    def _answer(self, name: str, kinds: list[tuple[str, dict[str, object]]]) -> None:
        last = next(((k, b) for k, b in reversed(kinds) if k in ("gate_opened", "answered", "rolling_back")), None)
        if last is None or last[0] != "gate_opened":
            return
        wave = int(str(last[1]["wave"]))
        self._seen.known.approved.append((time.time(), name, SHARES[wave]))
        self._world.do("go", name, str(wave))

    def _zero(self, name: str) -> None:
        self._seen.known.ordered.setdefault(name, time.time())
        if self._world.do("back", name):
            self._seen.known.zeroed.setdefault(name, time.time())

    def _fault(self, *, errors: bool) -> None:
        url, method = f"{self._world.parts.service_url}/faults", "PUT" if errors else "DELETE"
        asked = urllib.request.Request(url, data=b'{"kind": "errors"}' if errors else None, method=method)
        with contextlib.suppress(OSError), urllib.request.urlopen(asked, timeout=5):
            pass

    def _is_over(self, name: str) -> bool:
        query = "SELECT 1 FROM entries WHERE rollout = ? AND kind = 'proven' AND body LIKE '%\"proven\":true%'"
        return bool(self._seen.rows(query, name))


def run(
    home: Path, faults: int, seed: int, sabotage: str, say: Say, *, database: str = "sqlite", hosts: int = 1
) -> Result:
    """Carry it out and judge it; a violation comes with its timeline."""
    began = time.monotonic()
    world = World(home, sabotage, database, hosts)
    done: list[str] = []
    if world.lacks:
        say(world.lacks)
    try:
        if not world.do("verify"):
            raise RuntimeError("the journal cannot be made")
        world.journal.keep_notes()
        seen = Observer(world.disk / "flags.json", FLAG, world.parts.service_url, world.journal)
        seen.start()
        people, drawn = People(world, seen, seed, say), Faults(world, seed)
        people.tend("")
        people.start()
        while len(done) < faults:
            time.sleep(drawn.pause())
            if not (actors := people.alive()):
                continue
            done.append(drawn.one(actors))
            say(f"{len(done)}/{faults} {done[-1]}")
        people.stop()
        found = [] if people.idle.wait(_BOUND) else [f"the last rollout has not ended within {_BOUND:.0f} s of peace"]
        found += _judged(world, seen)
        if not world.do("verify"):
            found.append("the journal is not whole, by its own judgement")
        seen.end()
        for violation in found:
            say(f"VIOLATION {violation}")
        if found:
            at = next((s.at for s in seen.shares if s.share), time.time())
            (home / "timeline.txt").write_text("\n".join(timeline(seen, at, 1e9)) + "\n")
            say(f"the timeline stands in {home / 'timeline.txt'}")
        return Result(seed, done, people.rollouts, time.monotonic() - began, found)
    finally:
        world.end()


def _judged(world: World, seen: Observer) -> list[str]:
    """The verdict, once what is queued has had its time to arrive."""
    until, inbox = time.monotonic() + 90, world.home / "inbox.jsonl"
    found = violations(seen, inbox)
    while any("never arrived" in violation for violation in found) and time.monotonic() < until:
        time.sleep(2)
        found = violations(seen, inbox)
    return found
