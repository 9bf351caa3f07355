"""When each method first fires on the streams of one row, in minutes from the onset of harm."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from compared.evidence_batch import Batch, Gains, Known, known_of, unlabelled
from compared.rival_methods import absolute_threshold, mann_whitney, sequential_interval, z_test
from compared.scenarios import Scenario
from compared.streams import BOUNDS, Array, Ticks, slow_ticks, ticks

from tidegate.statistics.sequential import harm_question
from tidegate.statistics.starts import planned_starts

HOLD, ROLL_BACK = 20, 100
HOLDS, ROLLS_BACK = f"Tidegate, e >= {HOLD}", f"Tidegate, e >= {ROLL_BACK}"
PLAN = harm_question(planned_starts((23, 47, 47)))  # three compared waves, of 24, 48 and 48 hours
WEEK, PAST = 7 * 86_400, 900  # what is known before the rollout, and the ticks of that
RIVALS: dict[str, Callable[[Ticks], Array]] = {
    "GrowthBook .05": lambda wave: sequential_interval(wave, 0.05),
    "GrowthBook .01": lambda wave: sequential_interval(wave, 0.01),
    "z-test each tick": z_test,
    "Kayenta": mann_whitney,
    "plan: > 10 %, 5 min": absolute_threshold,
}
AT_FIVE_MINUTES = ("Kayenta", "plan: > 10 %, 5 min")  # their windows are made of such ticks
METHODS = (HOLDS, ROLLS_BACK, *RIVALS)


def first_fires(scenario: Scenario, seed: int, runs: int) -> dict[str, Array]:
    """Minutes from the onset until each method fired, by run; infinite for never, not above 0 for before."""
    chance = np.random.default_rng([seed, *scenario.name.encode()])
    if scenario.slower is not None:
        return _latency_fires(scenario, scenario.slower, chance, runs)
    service, day_service = scenario.service, scenario.day or scenario.service
    week, wave_ticks = replace(day_service, tick=PAST), scenario.hours * 3600 // service.tick
    onset = ((scenario.wave - 1) * scenario.hours + scenario.onset) * 3600 // service.tick
    theta = np.exp(chance.normal(0, service.unequal, runs))
    waves, known = [], []
    for number, percent in enumerate(scenario.ramp):
        before = ticks(chance, week, 0, np.ones((WEEK // PAST, runs)), percent, theta)
        known.append(known_of(before) if scenario.labelled else unlabelled(before))
        now = theta * np.exp(chance.normal(0, scenario.drift, runs)) if scenario.drift else theta
        harm = np.ones((wave_ticks, runs))
        if scenario.harm is not None:
            late = np.arange(wave_ticks) + number * wave_ticks >= onset
            harm[late] = scenario.harm(chance, int(late.sum()), runs)
        waves.append(ticks(chance, service, number * wave_ticks, harm, percent, now))
    found = _ours(known, waves, scenario)
    if not scenario.labelled:
        del found[ROLLS_BACK]  # it never does
    if scenario.needs == 1:
        whole = Ticks(*(np.concatenate([w[k] for w in waves]) for k in range(5)))
        for name, fires in RIVALS.items():
            if service.tick == 300 or name not in AT_FIVE_MINUTES:
                found[name] = fires(whole)
    return {name: (tick + 1 - onset) * service.tick / 60 for name, tick in found.items()}


def _ours(known: list[Known], waves: list[Ticks], scenario: Scenario) -> dict[str, Array]:
    """The first tick at which the evidence reaches either level, by run."""
    runs = waves[0].n_canary.shape[1]
    batch, gains = Batch(PLAN, runs), Gains(runs, scenario.service.tick)
    levels = _Levels(runs, scenario.needs)
    left, tick = np.arange(runs), 0
    for before, wave in zip(known, waves, strict=True):
        here = Ticks(wave.end, *(column[:, left] for column in wave[1:]))
        batch.begin_wave(Known(before.lr[left], before.sd[left], before.phi[left]), here)
        for _ in wave.end:
            log_e = batch.add()
            levels.see(log_e, gains.broad(log_e, left), left, tick)
            tick += 1
            going = np.isinf(levels.rolled_back[left])
            if going.mean() < 0.7:
                batch.keep(going)
                left = left[going]
            if not len(left):
                return levels.found
    return levels.found


class _Levels:
    """The tick at which each run was first held, and rolled back."""

    def __init__(self, runs: int, needs: float = 1.0) -> None:
        self.limits = math.log(HOLD * needs), math.log(ROLL_BACK * needs)
        self.held, self.rolled_back = np.full(runs, math.inf), np.full(runs, math.inf)

    def see(self, log_e: Array, broad: Array, runs: Array, tick: int) -> None:
        hold, back = self.limits
        self.held[runs[(log_e >= hold) & np.isinf(self.held[runs])]] = tick
        self.rolled_back[runs[(log_e >= back) & broad & np.isinf(self.rolled_back[runs])]] = tick

    @property
    def found(self) -> dict[str, Array]:
        return {HOLDS: self.held, ROLLS_BACK: self.rolled_back}


def _latency_fires(scenario: Scenario, factor: float, chance: np.random.Generator, runs: int) -> dict[str, Array]:
    """By the averaged evidence of a histogram's buckets, all canary durations times `factor`."""
    tick = scenario.service.tick
    count = scenario.hours * 3600 // tick
    weeks = slow_ticks(chance, 0, WEEK // PAST, runs, 1.0, PAST)
    waves = slow_ticks(chance, 0, count, runs, factor, tick)
    shares = [week.bad_control.sum() / week.n_control.sum() for week in weeks]
    chosen = [place for place in range(len(BOUNDS)) if 0.002 <= shares[place] <= 0.30][-8:]
    batches = []
    for place in chosen:
        batch = Batch(PLAN, runs)
        batch.begin_wave(known_of(weeks[place]), waves[place])
        batches.append(batch)
    levels, gains, every = _Levels(runs), Gains(runs, tick), np.arange(runs)
    for k in range(count):
        log_e = np.logaddexp.reduce([batch.add() for batch in batches]) - math.log(len(chosen))
        levels.see(log_e, gains.broad(log_e, every), every, k)
        if np.isfinite(levels.rolled_back).all():
            break
    return {name: (found + 1) * tick / 60 for name, found in levels.found.items()}
