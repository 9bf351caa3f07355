"""The journal: appends per second on each database, and how long 10,000 entries take to read and fold."""

import contextlib
import importlib
import itertools
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from figures import Figure
from pydantic import SecretStr

from blocks.journal.block import Journal
from tidegate.journal.entries import GENESIS, Entry, make_entry
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.plan.loading.loader import load_plan
from tidegate.values.exposure import ZERO

PLANS = Path(__file__).resolve().parent.parent / "plans"
BEGAN = datetime(2026, 3, 2, 8, tzinfo=UTC)
ENTRIES = 10_000
_LEASE = timedelta(minutes=10)
Bodies = Sequence[Mapping[str, Any]]


def appends(name: str, url: str, bodies: Bodies, count: int = 1000, batch: int = 100) -> Figure:
    """Fenced appends of reviews by one writer, each its own transaction; one value a batch."""
    journal = Journal(url=SecretStr(url))
    rollout = "benchmark"
    last = journal.open_rollout(rollout, "benchmark-flag", {"plan": {}}, BEGAN)
    claim = journal.claim("benchmark-flag", rollout, "benchmark", _LEASE)
    rates: list[float] = []
    for _ in range(count // batch):
        began = time.perf_counter()
        for body in itertools.islice(itertools.cycle(bodies), batch):
            last = journal.append(rollout, Kind.REVIEWED, body, BEGAN, last.sequence + 1, last.hash, claim)
        rates.append(batch / (time.perf_counter() - began))
    journal.close()
    return Figure(f"journal appends, {name}", "per second", tuple(rates), "", f"fenced, {batch} a batch")


@contextlib.contextmanager
def postgresql() -> Iterator[str | None]:
    """The address of a PostgreSQL server of our own with its usual settings, or None where pgserver is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pgserver: Any = importlib.import_module("pgserver")
        except ImportError:
            yield None
            return
        # Short, since a socket's path may not be long.
        with tempfile.TemporaryDirectory(prefix="tg-pg-") as folder:
            server = pgserver.get_server(folder, cleanup_mode="stop")
            try:
                yield server.get_uri()
            finally:
                server.cleanup()


def chain(bodies: Bodies, count: int = ENTRIES) -> list[Entry]:
    """A rollout of `count` entries: opened, raised to wave 1, and reviews from there on."""
    plan = load_plan(PLANS / "batch-patches-v1.yaml", Path.read_bytes)
    opening: dict[str, Any] = {
        "plan": plan.to_json(),
        "plan_hash": plan.hash,
        "started_by": "benchmark@company.com",
        "pace_seconds": None,
        "connections": "benchmark",
        "approve": "ask",
        "environment": "rehearsal",
        "flag": plan.flag.key,
    }
    raised: dict[str, Any] = {"wave": 1, "exposure": plan.exposure_at(1).to_json(), "revision": "1", "epoch": 1}
    first: tuple[tuple[Kind, Mapping[str, Any]], ...] = ((Kind.OPENED, opening), (Kind.RAISED, raised))
    reviews = ((Kind.REVIEWED, body) for body in itertools.cycle(bodies))
    entries: list[Entry] = []
    previous = GENESIS
    for number, (kind, body) in enumerate(itertools.islice(itertools.chain(first, reviews), count), start=1):
        entries.append(make_entry("benchmark", number, BEGAN + timedelta(minutes=number), kind, body, previous))
        previous = entries[-1].hash
    return entries


def folding(bodies: Bodies, folder: Path, times: int = 20) -> list[Figure]:
    """Folding a long rollout, folding one entry more, and what a new process pays: reading it all and folding."""
    entries = chain(bodies)
    folds, steps, reads = [], [], []
    for _ in range(times):
        began = time.perf_counter()
        state = fold(entries[:-1])
        folds.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        fold(entries[-1:], state)
        steps.append((time.perf_counter() - began) * 1e6)
    if state.sequence != len(entries) or state.exposure == ZERO:
        raise RuntimeError("the fold missed entries")
    journal = Journal(url=SecretStr(f"sqlite:///{folder / 'long.db'}"))
    last = journal.open_rollout("benchmark", "benchmark-flag", entries[0].json, BEGAN)
    claim = journal.claim("benchmark-flag", "benchmark", "benchmark", _LEASE)
    for entry in entries[1:]:
        last = journal.append("benchmark", entry.kind, entry.json, entry.at, last.sequence + 1, last.hash, claim)
    for _ in range(max(3, times // 4)):
        began = time.perf_counter()
        fold(journal.entries("benchmark"))
        reads.append((time.perf_counter() - began) * 1000)
    journal.close()
    count = f"{ENTRIES:,} entries"
    return [
        Figure(f"fold of {count}", "ms", tuple(folds), "< 100", "already read"),
        Figure("fold of one more entry", "µs", tuple(steps), "", "what each tick pays"),
        Figure(f"reading and folding {count}", "ms", tuple(reads), "", "SQLite; once in a process"),
    ]


def measure(bodies: Bodies) -> list[Figure]:
    """Every figure of the journal."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as name:
        folder = Path(name)
        figures.append(appends("SQLite", f"sqlite:///{folder / 'journal.db'}", bodies))
        with postgresql() as url:
            if url is not None:
                figures.append(appends("PostgreSQL", url, bodies))
        figures += folding(bodies, folder)
    return figures
