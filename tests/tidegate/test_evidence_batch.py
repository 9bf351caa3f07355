"""The benchmark's evidence for many runs at once is the product's own, run by run."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidegate.criteria.comparisons.evidence_levels import shown_from
from tidegate.statistics.cohorts import Cohorts, cohorts_of
from tidegate.statistics.sequential import Counts, WaveCounts, evidence_curve

RUNS = 4


@pytest.fixture(scope="module")
def compared() -> Any:
    """The benchmark's parts, which are no package of the product."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    from compared import evidence_batch, first_fires, scenarios, streams

    yield type("Parts", (), {"batch": evidence_batch, "fires": first_fires, "rows": scenarios, "streams": streams})
    sys.path.remove(folder)


def rows_of(ticks: Any, run: int) -> tuple[Counts, ...]:
    return tuple(
        Counts(float(end), *(float(column[k, run]) for column in ticks[1:])) for k, end in enumerate(ticks.end)
    )


@pytest.mark.parametrize(
    ("cluster", "before", "harm", "tick"),
    [("single", "single", 1.0, 300), ("single", "single", 2.0, 300), ("fixed", "single", 1.0, 300), ("geometric", "geometric", 1.5, 60)],
)  # fmt: skip
def test_every_run_has_the_evidence_of_the_product(
    compared: Any, cluster: str, before: str, harm: float, tick: int
) -> None:
    chance = np.random.default_rng(3)
    service = compared.streams.Service(cluster, tick=tick)
    past = replace(service, cluster=before, tick=900)
    theta = np.exp(chance.normal(0, 0.05, RUNS))
    batch = compared.batch.Batch(compared.fires.PLAN, RUNS)
    gains = compared.batch.Gains(RUNS, tick)
    waves: list[list[WaveCounts]] = [[] for _ in range(RUNS)]
    log_es, broad = [], []
    for number, percent in enumerate((10, 25)):
        week = compared.streams.ticks(chance, past, 0, np.ones((672, RUNS)), percent, theta)
        wave = compared.streams.ticks(chance, service, 100 * number, np.full((70, RUNS), harm), percent, theta)
        batch.begin_wave(compared.batch.known_of(week), wave)
        for _ in wave.end:
            log_es.append(batch.add())
            broad.append(gains.broad(log_es[-1], np.arange(RUNS)))
        for run in range(RUNS):
            cohorts = cohorts_of(rows_of(week, run))
            assert isinstance(cohorts, Cohorts)
            waves[run].append(WaveCounts(cohorts, rows_of(wave, run)))
    for run in range(RUNS):
        curve = evidence_curve(waves[run], compared.fires.PLAN)
        assert [found[run] for found in log_es] == pytest.approx([log_e for _, log_e in curve], abs=0.01, rel=0.005)
        shown = shown_from(curve, 0.5, timedelta(seconds=tick))
        ends = [
            end for (end, _), found, wide in zip(curve, log_es, broad, strict=True) if found[run] >= 0.5 and wide[run]
        ]
        assert shown == (ends[0] if ends else None)
