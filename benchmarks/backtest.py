"""How long a back-test judges once the data has arrived: `python benchmarks/backtest.py`. Thirty days, ten metrics.

The answers are made up here and no Prometheus is asked: 30 days at one-minute steps, a wave of 24 hours every 6 hours.
"""

import argparse
import os
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from figures import peak_megabytes

from tidegate.backtest.replay.backtest_data import Harm
from tidegate.backtest.replay.past import Asked, Grid, Past
from tidegate.backtest.run import BacktestPlan, course, judge
from tidegate.plan.model import Plan

METRICS = 10
END = datetime(2026, 3, 1, tzinfo=UTC)


def plan_of(kinds: str) -> Plan:
    """Ten metrics, each with a trigger that must last and a bound on its change; the last three are latencies."""
    metrics: dict[str, Any] = {}
    criteria: list[dict[str, Any]] = []
    for number in range(METRICS):
        name, whole = f"metric_{number}", f"sum(increase(requests_{number}{{ {{{{ selector }}}} }}[{{{{ window }}}}]))"
        if number < METRICS - 3:
            part = whole.replace("{ {{", '{outcome="error", {{')
            metrics[name] = {"title": name, "unit": "percent", "part": part, "whole": whole}
        else:
            query = f"quantile(0.95, latency_{number}{{ {{{{ selector }}}} }})"
            metrics[name] = {"title": name, "unit": "ms", "query": query, "count": whole}
        bound = "10%" if number < METRICS - 3 else "900ms"
        trigger = {"when": "trigger", "metric": name, "text": name}
        criteria.append({"kind": "threshold", "above": bound, "for": "5m", **trigger})
        if kinds == "all":
            criteria.append({"kind": "change", "to": "baseline", "how": "relative", "above": "400%", **trigger})
    if kinds == "all":
        cohorts = {"one": {"canary": 'c="in"', "control": 'c="out"'}}
        versus = {"kind": "versus_control", "when": "trigger", "metric": "metric_0", "text": "beside"}
        criteria.append({**versus, "cohorts": cohorts})
    during = {"kind": "threshold", "when": "during", "metric": "metric_0", "below": "2%", "text": "during"}
    wave = {
        "name": "one", "title": "One", "percent": "10%", "audience": "all", "starts": "day 1", "soak": "24h",
        "interval": "15m", "gate": {"approvers": ["lead"]}, "criteria": [during, *criteria],
    }  # fmt: skip
    return Plan.model_validate({
        "tidegate": 1, "name": "ten", "title": "Ten metrics", "service": "shop", "flag": {"key": "ten"},
        "timezone": "UTC", "approvals": "open", "roles": {"lead": ["ann@example.com"]},
        "audiences": {"all": {"everyone": True}}, "variants": {"canary": 'path="new"', "control": 'path="old"'},
        "traffic": {"query": "sum(increase(requests_0{ {{ selector }} }[{{ window }}]))"},
        "baseline": {"window": "24h"},
        "metrics": metrics, "waves": [wave],
        "post_rollout": {"soak": "1d", "interval": "1h", "criteria": [during]},
        "rollback": {"proof": {"counter": 'sum(routed_total{path="new"})'}},
    })  # fmt: skip


def answers(what: BacktestPlan, chance: random.Random) -> Past:
    """Every question answered at every instant: half a per cent of errors, 300 ms."""

    def column(asked: Asked) -> dict[int, float]:
        grid = Grid.over(what.grid.start - asked.earlier, what.grid.end, asked.step)
        first, step = round(grid.start.timestamp() * 1000), round(grid.step.total_seconds() * 1000)
        usual = 300.0 if "quantile" in asked.query else 5.0 if "error" in asked.query else 1000.0
        return {first + step * n: usual * (0.9 + 0.2 * chance.random()) for n in range(grid.count)}

    return Past({asked: column(asked) for asked in what.questions})


def main() -> None:
    """Print how long each sort took."""
    parser = argparse.ArgumentParser(prog="python benchmarks/backtest.py", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("| criteria | questions | points | judged in, s (wall) | of one core, s | memory, MB |")
    print("| --- | --: | --: | --: | --: | --: |")
    for kinds, harms in (("thresholds", ()), ("all", ()), ("all, harm put in", (Harm("metric_0", 2.0),))):
        what = course(plan_of(kinds.split(",")[0]), END - timedelta(days=options.days), END, harms=harms)
        past = answers(what, random.Random(7))
        walls, cores = [], []
        for _ in range(options.runs):
            began, busy = time.perf_counter(), time.process_time()
            judge(what, past, {}, lambda *_: None)
            walls.append(time.perf_counter() - began)
            cores.append(time.process_time() - busy)
        points = sum(len(column) for column in past.columns.values() if isinstance(column, dict))
        memory = peak_megabytes()
        print(
            f"| {kinds} | {len(what.questions)} | {points:,} | {sorted(walls)[options.runs // 2]:.1f} | "
            f"{sorted(cores)[options.runs // 2]:.1f} | {memory:.0f} |",
            flush=True,
        )
    print(
        f"\n{options.days} days, a look each minute; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end."
    )


if __name__ == "__main__":
    main()
