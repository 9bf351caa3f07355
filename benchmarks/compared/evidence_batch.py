"""Tidegate's evidence for many runs at once, tick by tick; the formulas are those of tidegate.statistics.

A run's log-likelihoods are kept as differences to the healthy ones, in single precision: what decides is near zero.
`tests/tidegate/test_evidence_batch.py` holds it against the product's own, run by run.
"""

import math
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from compared.dispersion import phi_course, residuals, used
from compared.streams import Array, Ticks

from tidegate.criteria.comparisons.evidence_levels import WITHOUT_BEST, without_best_two
from tidegate.statistics.clusters import LEAST_TICKS, OVERLAP
from tidegate.statistics.cohorts import ASSUMED, DRIFT, TELLS_LITTLE
from tidegate.statistics.sequential import Question
from tidegate.statistics.starts import StartClock

FINE = 2  # nodes a standard deviation
STEPS = np.arange(-5 * FINE, 5 * FINE + 1) / FINE
SHORT = np.float32  # where seven digits are enough
Shorts = npt.NDArray[np.float32]


class Known:
    """What the time before a wave tells, by run."""

    def __init__(self, lr: Array, sd: Array, phi: Array) -> None:
        self.lr, self.sd, self.phi = lr, sd, phi


def known_of(day: Ticks) -> Known:
    """See cohorts.cohorts_of."""
    n_c, n_t = day.n_canary.sum(0), day.n_control.sum(0)
    share = n_c / (n_c + n_t)
    a, b = day.bad_canary.sum(0) + share, day.bad_control.sum(0) + 1 - share
    lr = np.log(a / n_c) - np.log(b / n_t)
    squares, some = residuals(day.bad_canary, day.n_canary * np.exp(lr), day.bad_control, day.n_control)
    total, count = squares.sum(0), some.sum(0)
    raw = np.maximum(1.0, total / np.maximum(count - 1, 1))
    sd, phi = np.sqrt(raw * (1 / a + 1 / b) + DRIFT**2), used(total, count, 1)
    little = sd > TELLS_LITTLE
    weights = sd**-2, ASSUMED.sd**-2
    whole = weights[0] + weights[1]
    return Known(
        np.where(little, lr * weights[0] / whole, lr),
        np.where(little, whole**-0.5, sd),
        np.where(little, np.maximum(ASSUMED.phi, phi), phi),
    )


def unlabelled(day: Ticks) -> Known:
    """Without labels: alike within some 10 %, errors as clustered as on the old path from tick to tick."""
    runs = day.n_control.shape[1]
    bad, n = day.bad_control, day.n_control
    squares, some = residuals(bad[:-1], n[:-1], bad[1:], n[1:])
    count = some.sum(0)
    phi = used(squares.sum(0), count, 0, OVERLAP)
    return Known(np.zeros(runs), np.full(runs, ASSUMED.sd), np.where(count >= LEAST_TICKS - 1, phi, ASSUMED.phi))


def log_sum(values: Array, axis: int) -> Array:
    """The log of the sum of exponentials."""
    top = values.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.squeeze(top, axis) + np.log(np.exp(values - top).sum(axis=axis))


class Batch:
    """The evidence of many runs; see sequential.EValue. `keep` drops runs that are done."""

    def __init__(self, question: Question, runs: int) -> None:
        self.question, self.clock = question, StartClock(question.starts)
        self.weights = np.array(question.log_weights)
        self.log_ratios = np.log(question.ratios).astype(SHORT)[None, :, None]
        self.carried: Array = np.full((runs, len(question.ratios)), -np.inf)
        self.begun: list[tuple[float, Shorts]] = []
        self.apart: Shorts | None = None

    def begin_wave(self, known: Known, wave: Ticks) -> None:
        """See EValue.begin_wave; of `wave` only what a tick could know of it is used at that tick."""
        if self.apart is not None:
            self.carried = self._per_ratio()
        self.clock, self.wave, self.tick = self.clock.new_stay(), wave, -1
        theta = np.exp(known.lr[:, None] + known.sd[:, None] * STEPS) * self.question.null
        ratios = np.array(self.question.ratios)
        self.excess = (ratios[None, :, None] * theta[:, None, :] - 1).astype(SHORT)
        self.null_excess, self.null_log = theta - 1, np.log(theta)
        self.null = np.zeros(theta.shape)
        self.apart = np.zeros(self.excess.shape, SHORT)  # how far each alternative is above the null
        self.spare = np.empty_like(self.apart)
        before = known.phi[None, :]
        self.phis = (
            np.maximum(before, phi_course(wave)) if self.question.clusters else np.repeat(before, len(wave.end), 0)
        )
        self.phi = known.phi
        self.begun = []
        self.starts = np.repeat(self.carried[:, :, None], len(STEPS), axis=2).astype(SHORT)

    def add(self) -> Array:
        """One more tick of all runs; the log e-values now."""
        self.tick += 1
        bad_c, n_c, bad_t, n_t = (column[self.tick] for column in self.wave[1:])
        self._weigh_anew(self.phis[self.tick])
        self.clock, due = self.clock.at(float(self.wave.end[self.tick]))
        if due > 0:
            self.begun.append((math.log(due), self.apart.copy()))
            self._begin(*self.begun[-1])
        share, bad = n_c / (n_c + n_t), bad_c + bad_t
        gone = np.log1p(share[:, None] * self.null_excess)
        self.null += bad_c[:, None] * self.null_log - bad[:, None] * gone
        more = np.multiply(self.excess, share.astype(SHORT)[:, None, None], out=self.spare)
        more += SHORT(1)
        np.log(more, out=more)
        more -= gone.astype(SHORT)[:, None, :]
        more *= -bad.astype(SHORT)[:, None, None]
        more += bad_c.astype(SHORT)[:, None, None] * self.log_ratios
        self.apart += more
        return self._log_e()

    def _log_e(self) -> Array:
        null = self.null / self.phi[:, None] - STEPS**2 / 2
        null -= null.max(axis=1, keepdims=True)
        terms = np.multiply(self.apart, (1 / self.phi).astype(SHORT)[:, None, None], out=self.spare)
        terms += self.starts
        terms += null.astype(SHORT)[:, None, :]
        terms += self.weights.astype(SHORT)[None, :, None]
        top = terms.max(axis=(1, 2))
        terms -= top[:, None, None]
        np.exp(terms, out=terms)
        log_e = top + np.log(terms.sum(axis=(1, 2), dtype=float)) - np.log(np.exp(null).sum(axis=1))
        return np.logaddexp(log_e, math.log(self.clock.unspent)) if self.clock.unspent > 1e-12 else log_e

    def _per_ratio(self) -> Array:
        null = self.null / self.phi[:, None] - STEPS**2 / 2
        above = self.apart.astype(float) / self.phi[:, None, None] + self.starts + null[:, None, :]
        return log_sum(above, 2) - log_sum(null, 1)[:, None]

    def _weigh_anew(self, phi: Array) -> None:
        changed = np.flatnonzero(phi != self.phi)
        self.phi = phi
        if not len(changed) or not self.begun:
            return
        by = (-1 / phi[changed]).astype(SHORT)[:, None, None]
        terms = np.stack([apart[changed] * by + SHORT(weight) for weight, apart in self.begun])
        top = terms.max(axis=0)
        terms -= top
        np.exp(terms, out=terms)
        with np.errstate(divide="ignore"):
            fresh = np.log(terms.sum(axis=0)) + top
        carried = self.carried[changed].astype(SHORT)[:, :, None]
        self.starts[changed] = np.logaddexp(fresh, carried) if np.isfinite(carried).any() else fresh

    def _begin(self, weight: float, apart: Shorts) -> None:
        self.starts = np.logaddexp(self.starts, SHORT(weight) - apart / self.phi.astype(SHORT)[:, None, None])

    def keep(self, left: Array) -> None:
        """Go on with these runs only."""
        for name in ("carried", "excess", "null_excess", "null_log", "null", "apart", "spare", "phi", "starts"):
            setattr(self, name, getattr(self, name)[left])
        self.phis = self.phis[:, left]
        self.begun = [(weight, apart[left]) for weight, apart in self.begun]
        self.wave = Ticks(self.wave.end, *(column[:, left] for column in self.wave[1:]))


class Gains:
    """The best two ticks of each run, without which a rollback must still stand (see evidence_levels.shown_from)."""

    def __init__(self, runs: int, tick: int) -> None:
        self.rest = without_best_two(timedelta(seconds=tick))
        self.newest, self.best, self.second = np.zeros(runs), np.zeros(runs), np.zeros(runs)

    def broad(self, log_e: Array, runs: Array) -> Array:
        """Whether the evidence of these runs rests on more than a tick or two; one more tick of each."""
        gain, self.newest[runs] = log_e - self.newest[runs], log_e
        best = self.best[runs]
        self.second[runs] = np.maximum(self.second[runs], np.minimum(best, gain))
        self.best[runs] = np.maximum(best, gain)
        rest = log_e - self.best[runs]
        return (rest >= WITHOUT_BEST) & (rest - self.second[runs] >= self.rest)
