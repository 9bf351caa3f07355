"""What is done to the stack: one fault after the other, each drawn from the seed."""

import contextlib
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from chaos.world import World, signal_to

Actors = Mapping[str, int]  # the processes that live now, by what they do


class Faults:
    """Draws a fault and carries it out; returns once it is over, with a sentence on what was done."""

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._random = world, random.Random(seed)
        self._kinds: list[tuple[int, Callable[[Actors], str]]] = [
            (6, self._kill),
            (2, self._terminate),
            (4, self._stop),
            (2, self._cut_prometheus),
            (2, self._cut_inbox),
            (1, self._kill_prometheus),
            (2, self._lock_journal),
        ]
        if world.is_small_disk:
            self._kinds.append((1, self._fill_disk))

    def pause(self) -> float:
        """How long nothing is done before the next fault, in seconds."""
        return self._random.uniform(0.5, 7.0)

    def one(self, actors: Actors) -> str:
        """Do one of them."""
        weights = [weight for weight, _ in self._kinds]
        _, fault = self._random.choices(self._kinds, weights)[0]
        return fault(actors)

    def _whom(self, actors: Actors) -> tuple[str, int]:
        return self._random.choice(sorted(actors.items()))

    def _kill(self, actors: Actors) -> str:
        name, process = self._whom(actors)
        signal_to(process, signal.SIGKILL)
        return f"SIGKILL to {name}"

    def _terminate(self, actors: Actors) -> str:
        name, process = self._whom(actors)
        signal_to(process, signal.SIGTERM)
        return f"SIGTERM to {name}"

    def _stop(self, actors: Actors) -> str:
        name, process = self._whom(actors)
        # Sometimes longer than a lease: whoever continues has lost it, and does not know.
        seconds = self._random.choice((1, 3, 3, 8, 8, 33))
        signal_to(process, signal.SIGSTOP)
        time.sleep(seconds)
        signal_to(process, signal.SIGCONT)
        return f"SIGSTOP of {name} for {seconds} s"

    def _cut_prometheus(self, _: Actors) -> str:
        swallow, seconds = self._random.random() < 0.5, self._random.choice((2, 5, 12))
        self._world.prometheus.cut(swallow=swallow)
        time.sleep(seconds)
        self._world.prometheus.mend()
        return f"Prometheus {'silent' if swallow else 'refused'} for {seconds} s"

    def _cut_inbox(self, _: Actors) -> str:
        swallow, seconds = self._random.random() < 0.5, self._random.choice((2, 5, 12))
        self._world.inbox.cut(swallow=swallow)
        time.sleep(seconds)
        self._world.inbox.mend()
        return f"Slack and PagerDuty {'silent' if swallow else 'refused'} for {seconds} s"

    def _kill_prometheus(self, _: Actors) -> str:
        self._world.kill_prometheus()
        time.sleep(2)
        self._world.start_prometheus()
        return "SIGKILL to Prometheus, started again after 2 s"

    def _lock_journal(self, _: Actors) -> str:
        seconds = self._random.choice((2, 4, 9))
        with contextlib.closing(sqlite3.connect(self._world.journal, timeout=20, isolation_level=None)) as base:
            base.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            base.execute("ROLLBACK")
        return f"the journal locked for {seconds} s"

    def _fill_disk(self, _: Actors) -> str:
        seconds = self._random.choice((2, 6))
        filling: Path = self._world.disk / "filling"
        try:
            with filling.open("ab", buffering=0) as file:
                for size in (65_536, 4_096, 1):
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(b"x" * size)
            time.sleep(seconds)
        finally:
            filling.unlink(missing_ok=True)
        return f"the disk of journal and flag full for {seconds} s"
