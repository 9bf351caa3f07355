"""What is done to the stack: one fault after the other, each drawn from the seed."""

import contextlib
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from chaos.clocks import STEP, set_clock
from chaos.journals import PostgresqlServer
from chaos.world import World, on, signal_to

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
        if isinstance(world.journal, PostgresqlServer):
            self._kinds += [(3, self._cut_off_journal), (1, self._kill_postgresql), (1, self._fail_over)]
        if world.clocks:
            self._kinds.append((2, self._step_clock))
        if len(world.hosts) > 1:
            self._kinds.append((2, self._lose_machine))
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
        with self._world.journal.locked():
            time.sleep(seconds)
        return f"the journal locked for {seconds} s"

    def _cut_off_journal(self, _: Actors) -> str:
        """Between one host and the database: the other one goes on."""
        how, seconds = self._random.choice(("refuses", "is silent to", "holds up")), self._random.choice((2, 8, 40))
        host = self._random.choice(self._world.hosts)
        wire = self._world.journal.wires[host]
        wire.hold() if how == "holds up" else wire.cut(swallow=how == "is silent to")
        time.sleep(seconds)
        wire.mend()
        return f"PostgreSQL {how} host {host} for {seconds} s"

    def _kill_postgresql(self, _: Actors) -> str:
        self._postgresql.kill()
        time.sleep(2)
        self._postgresql.start()
        return "SIGKILL to PostgreSQL, started again after 2 s"

    def _fail_over(self, _: Actors) -> str:
        """Whatever was committed while the standby followed is there afterwards."""
        self._postgresql.follow()
        time.sleep(self._random.uniform(0.5, 5.0))
        self._postgresql.fail_over()
        return "PostgreSQL failed over to its standby"

    @property
    def _postgresql(self) -> PostgresqlServer:
        if not isinstance(self._world.journal, PostgresqlServer):
            raise TypeError("only a server can be killed")
        return self._world.journal

    def _lose_machine(self, actors: Actors) -> str:
        """Everything on it at once, and nothing starts there for a while."""
        host, seconds = self._random.choice(self._world.hosts), self._random.choice((10, 45))
        self._world.away[host] = time.monotonic() + seconds
        there = [name for name in actors if name.endswith(on(host))]
        for name in there:
            signal_to(actors[name], signal.SIGKILL)
        return f"host {host} lost for {seconds} s"

    def _step_clock(self, _: Actors) -> str:
        """As where somebody sets it by hand; what counts seconds on that host goes on as before."""
        host, hours = self._random.choice(self._world.hosts), self._random.choice((1, -1))
        seconds = self._random.choice((2, 8, 40))
        set_clock(self._world.home / host, hours * STEP)
        time.sleep(seconds)
        set_clock(self._world.home / host)
        return f"the clock of host {host} stepped by {hours:+} h for {seconds} s"

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
