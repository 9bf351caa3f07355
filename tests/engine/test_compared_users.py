"""Comparisons on a real Prometheus whose users differ from wave to wave, and whose replicas come and go."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import PrometheusServer
from tests.engine.test_inference import LABELLED, LABELS, MINUTE, a_day_before, enter, found_of, with_criteria
from tests.engine.world import SCRAPE, World, absent
from tidegate.statistics.sequential import Counts
from tidegate.values.verdict import Verdict


def test_harm_in_waves_whose_users_differ_is_rolled_back_though_all_counts_together_look_better(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    """Simpson's case: 3 % of internal users' requests fail and 0.4 % of the customers', 1.6 times as many if new."""
    both = {**LABELLED, "cohorts": dict.fromkeys(("first", "second"), LABELS["first"]), "dry_run": False}
    world = World(tmp_path, prometheus_server, with_criteria(both))
    a_day_before(world)
    internal = {"new": 10.0, "new_errors": 10 * 0.03 * 1.6, "old": 600.0, "old_errors": 600 * 0.03}
    world.pass_time(10 * MINUTE, lambda _: internal, guard=MINUTE)
    assert world.run.state.rollback is None, "ten minutes of few requests show nothing"
    enter(world, 2)
    customers = {"new": 400.0, "new_errors": 400 * 0.004 * 1.6, "old": 400.0, "old_errors": 400 * 0.004}
    world.pass_time(45 * MINUTE, lambda _: customers, guard=MINUTE)
    rows = [row for wave in world.run.state.evidence.counts["errors/1m/labelled"].values() for row in wave.values()]
    bad_canary, n_canary, bad_control, n_control = (sum(column) for column in list(zip(*rows, strict=True))[1:])
    assert bad_canary / n_canary < 0.6 * bad_control / n_control, "all waves' counts together say the opposite"
    back = world.run.state.rollback
    assert back is not None
    assert back.reason.startswith("Worse: On the new path 1.6 times as many errors as on the old one"), back.reason
    assert "Fewer than 1 of 100" in back.reason


def test_counts_of_replicas_that_come_and_go_stay_within_a_scrape_of_each(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    """Every seven minutes one of four replicas is replaced by one that counts from zero, as when pods are rolled."""
    world = World(tmp_path, prometheus_server, with_criteria({**LABELLED, "dry_run": False}))
    a_day_before(world)
    scrapes, offset = 4 * 75, timedelta(seconds=4)
    a_scrape = {"new": 50.0, "old": 450.0}  # requests of one replica, of which one in two hundred fails
    series, changed = [], set()
    for slot in range(4):
        begins = [0, *range(4 * 3 + 9 * slot, scrapes, 4 * 7), scrapes]
        for life, (first, end) in enumerate(pairwise(begins)):
            at = [(world.began + SCRAPE * n - offset).timestamp() for n in range(first, end)]
            changed |= {n for n in (first, end) if 0 < n < scrapes}
            for path, requests in a_scrape.items():
                labels = {"__name__": f"{world.prefix}_requests_total", "cohort": "staff", "path": path}
                for outcome, share in (("ok", 0.995), ("error", 0.005)):
                    points = [(when, requests * share * (k + 1)) for k, when in enumerate(at)]
                    series.append(({**labels, "outcome": outcome, "instance": f"pod-{slot}-{life}"}, points))
    prometheus_server.write(series)
    world.pass_time(70 * MINUTE, absent, guard=MINUTE)
    rows: dict[int, Counts] = {
        round((row.end - world.began.timestamp()) / 60): row
        for row in world.run.state.evidence.counts["errors/1m/labelled"][1].values()
    }
    assert sorted(rows) == list(range(1, 70))
    for minute, row in rows.items():
        # One scrape of each replica that came in this minute, and one of each that went.
        late = sum(2 for n in changed if 4 * (minute - 1) <= n <= 4 * minute)
        for n, bad, requests in ((row.n_canary, row.bad_canary, 50.0), (row.n_control, row.bad_control, 450.0)):
            assert abs(n - 16 * requests) <= (late + (4 if minute == 1 else 0)) * requests + 1e-6, (minute, n)
            assert bad == pytest.approx(0.005 * n), "what is lost of the whole is lost of the part"
    steady = [row for minute, row in rows.items() if not any(4 * (minute - 1) <= n <= 4 * minute for n in changed)]
    assert len(steady) > 10
    assert sum(row.n_canary for row in rows.values()) == pytest.approx(16 * 50 * len(rows), rel=0.03)
    finding = found_of(world, "Worse")
    assert finding.verdict is Verdict.PASS, finding.sentence
    assert (world.run.state.rollback, world.notified("on hold")) == (None, 0)
    assert world.soaked > timedelta(minutes=30)
