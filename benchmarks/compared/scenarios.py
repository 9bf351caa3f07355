"""The rows of the table: what a service is like, and what harm a release does to it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from compared.streams import Array, Service

Harm = Callable[[np.random.Generator, int, int], Array]


def _steady(ratio: float, _: np.random.Generator, count: int, runs: int) -> Array:
    return np.full((count, runs), ratio)


def _in_bursts(ratio: float, chance: np.random.Generator, count: int, runs: int) -> Array:
    return np.where(chance.random((count, runs)) < 0.2, ratio, 1.0)


def steady(ratio: float) -> Harm:
    """So many times as many errors, from the onset on."""
    return partial(_steady, ratio)


def bursts(ratio: float) -> Harm:
    """So many times as many errors in one tick of five."""
    return partial(_in_bursts, ratio)


@dataclass(frozen=True)
class Scenario:
    """One row of the table; without `harm` and `slower` a healthy release."""

    what: str
    harm: Harm | None = None
    runs: int = 1000
    service: Service = field(default_factory=Service)
    day: Service | None = None  # what it was like before the wave, if otherwise
    onset: int = 0  # hours into the wave
    wave: int = 1  # in which harm begins
    ramp: tuple[float, ...] = (10,)
    labelled: bool = True
    drift: float = 0.0  # spread of ln theta from the week to the wave
    hours: int = 48
    needs: float = 1.0  # of several comparisons each has a part of alpha
    slower: float | None = None  # latency in place of errors: how many times as long it takes on the new path

    @property
    def name(self) -> str:
        """As `--rows` finds it."""
        return f"{self.what}, {self.service.tick // 60}-minute ticks"

    @property
    def healthy(self) -> bool:
        """Whether whoever stops it is wrong."""
        return self.harm is None and self.slower in (None, 1.0)


def each_minute(*rows: Scenario, **changes: int) -> tuple[Scenario, ...]:
    """The same at ticks of one minute."""
    return tuple(
        replace(
            row,
            service=replace(row.service, tick=60),
            day=row.day and replace(row.day, tick=60),
            **changes,  # type: ignore[arg-type]
        )
        for row in rows
    )


FIXED, GEOMETRIC, UNEQUAL = Service("fixed"), Service("geometric"), Service(unequal=0.3)
CLEAN = Scenario("healthy")
CLUSTERED = (
    Scenario("healthy, errors in clusters of 5", service=FIXED),
    Scenario("healthy, errors in geometric clusters", service=GEOMETRIC),
)
ONLY_IN_THE_WAVE = (
    Scenario("healthy, clusters of 5 only in the wave", service=FIXED, day=Service()),
    Scenario("healthy, geometric clusters only in the wave", service=GEOMETRIC, day=Service()),
)
DRIFTS = (
    Scenario("healthy, theta drifts by 5 %", drift=0.05),
    Scenario("healthy, theta drifts by 15 %", drift=0.15),
)
UNALIKE = Scenario("healthy, cohorts unequal by 30 %", service=UNEQUAL)
NO_LABELS = (
    Scenario("healthy, no labels", labelled=False),
    Scenario("healthy, no labels, unequal by 30 %", labelled=False, service=UNEQUAL),
    Scenario("healthy, no labels, geometric clusters", labelled=False, service=GEOMETRIC),
)
RAMPS = (
    Scenario("healthy, ramp 10/25/50", ramp=(10, 25, 50)),
    Scenario("healthy, ramp 10/25/50, geometric clusters", ramp=(10, 25, 50), service=GEOMETRIC),
)
X15, X2, X5 = (
    Scenario("x1.5", steady(1.5), 200),
    Scenario("x2", steady(2), 400),
    Scenario("x5", steady(5), 400, hours=6),
)
X5_IN_BURSTS = Scenario("x5 in one tick of five", bursts(5), 200)

HEALTHY = (
    CLEAN,
    *CLUSTERED,
    *ONLY_IN_THE_WAVE,
    UNALIKE,
    *DRIFTS,
    *NO_LABELS,
    *RAMPS,
    *each_minute(CLEAN, *CLUSTERED, *ONLY_IN_THE_WAVE),
    *each_minute(UNALIKE, *DRIFTS, *NO_LABELS, *RAMPS, hours=12),
    Scenario("healthy latency", slower=1.0),
    *each_minute(Scenario("healthy latency", slower=1.0), hours=12),
)
HARMED = (
    X15,
    X2,
    X5,
    replace(X2, what="x2, one of two comparisons", needs=2),
    replace(X5, what="x5, one of two comparisons", needs=2),
    Scenario("x2 begins at 24 h", steady(2), 400, onset=24),
    Scenario("x2 begins with wave 3", steady(2), 200, ramp=(10, 25, 50), wave=3),
    X5_IN_BURSTS,
    Scenario("x2 in clusters of 5", steady(2), 200, service=FIXED),
    Scenario("x2, clusters of 5 only in the wave", steady(2), 200, service=FIXED, day=Service()),
    Scenario("x2, no labels", steady(2), 200, labelled=False),
    *each_minute(replace(X15, runs=100)),
    *each_minute(X2, X5),
    *each_minute(X5_IN_BURSTS),
    Scenario("all latencies +10 %", slower=1.1, runs=250, hours=12),
    *each_minute(Scenario("all latencies +10 %", slower=1.1, runs=250, hours=12)),
)
ROWS = (*HEALTHY, *HARMED)
