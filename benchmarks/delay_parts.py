"""What each safeguard costs in delay, on the streams of inference.py: `python benchmarks/delay_parts.py`, minutes."""

import argparse
import math
import random
import statistics

from rival_methods import ALPHA
from streams import DAY_TICKS, TICK, service

from tidegate.statistics.cohorts import CAUTION, Cohorts, cohorts_of
from tidegate.statistics.sequential import Counts, Evidence, Question, bound

WAVE = 120  # ticks: what takes longer counts as never


def parts(day: list[Counts], theta: float, ratio: float) -> dict[str, tuple[Cohorts, Question]]:
    """From the test that is told everything to ours, one unknown after the other."""
    told, known = Cohorts(math.log(theta), 0.0, 1.0), cohorts_of(day)
    assert known is not None
    measured = max(1.0, known.phi / CAUTION)
    return {
        "told everything": (told, Question((ratio,), restarts=False)),
        "the ratio unknown: the mixture": (told, Question(restarts=False)),
        "and the onset: hourly starts": (told, Question()),
        "and the dispersion: phi of the day before": (Cohorts(told.lr, 0.0, measured), Question()),
        "and 1.25 phi": (Cohorts(told.lr, 0.0, known.phi), Question()),
        "and the cohorts' ratio: ours": (known, Question()),
        "ours, without the 1.25": (Cohorts(known.lr, known.sd, measured), Question()),
    }


def information(ratio: float, base: float = 0.005, canary: float = 200, control: float = 1800) -> float:
    """What one tick tells on average of this ratio, in nats: Kullback and Leibler's divergence from its being 1."""
    share, bad = canary / (canary + control), base * canary * ratio
    return bad * math.log(ratio) - (bad + base * control) * math.log1p(share * (ratio - 1))


def main() -> None:
    """Print the table, and the bound below which no test of this alpha comes."""
    parser = argparse.ArgumentParser(prog="python benchmarks/delay_parts.py", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    print("| errors | known | median, min | mean, min |\n| --- | --- | --: | --: |")
    for ratio in (2.0, 5.0):
        found: dict[str, list[float]] = {}
        for seed in range(options.runs):
            chance = random.Random(f"study{ratio:g}/{seed}")
            made = service(chance)
            day = list(made.ticks(chance, 0, DAY_TICKS, 10, 1.0))
            wave = list(made.ticks(chance, DAY_TICKS, WAVE, 10, ratio))
            for name, (cohorts, question) in parts(day, made.theta, ratio).items():
                evidence = Evidence(question)
                evidence.begin_wave(cohorts)
                fired = next((n for n, row in enumerate(wave, 1) if evidence.add(row) >= bound(ALPHA)), WAVE)
                found.setdefault(name, []).append(fired * TICK / 60)
        for name, late in found.items():
            print(f"| x {ratio:g} | {name} | {statistics.median(late):.0f} | {statistics.mean(late):.0f} |", flush=True)
        nats = information(ratio)
        least = bound(ALPHA) / nats * TICK / 60
        print(f"| x {ratio:g} | **no test at all**: ln(1/alpha) / {nats:.2f} nats a tick | | {least:.0f} |", flush=True)


if __name__ == "__main__":
    main()
