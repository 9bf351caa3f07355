"""Evidence of harm or of safety that may be looked at at every tick: rate ratios of two paths at the same moment.

Per tick the canary has n_c requests of which K are bad, the control n_t of which E - K are bad; s = n_c / (n_c + n_t).
Given E, K is binomial with probability s rho / (1 + s (rho - 1)) for a rate ratio rho (Przyborowski and Wilenski
1940), so that `l(rho) = [K ln rho - E ln(1 + s (rho - 1))] / phi`, with the quasi-likelihood's phi >= 1 for errors that
come in clusters (Wedderburn 1974; McCullagh and Nelder 1989, 9.2). The evidence is a mixture of likelihood ratios,
hence a test martingale: the chance that it ever reaches 1/alpha on a healthy release is at most alpha (Ville 1939;
Robbins 1970; Ramdas et al. 2023). A cohort's own ratio theta, known from the day before only roughly, is integrated
out, above and below the line apart (the ratio of two marginal likelihoods, a martingale again; Kass and Raftery 1995).
Harm that sets in late is met by starts at each hour (Shin, Ramdas and Rinaldo 2023): a start's alternative is "healthy
until then, harm since", so what was seen before a start still tells about theta.
"""

import math
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from tidegate.statistics.cohorts import UNKNOWN_NOTHING, Cohorts, Nodes, fineness, nodes_of

HARM_RATIOS = (1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0)
SAFE_RATIOS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35)
HOUR = 3600.0


class Counts(NamedTuple):
    """One tick's raw counts on both sides; `end` in seconds. A tick that was not measured is no row, never zeros."""

    end: float
    bad_canary: float
    n_canary: float
    bad_control: float
    n_control: float

    @property
    def has_both(self) -> bool:
        """Whether there is anything to compare."""
        return self.n_canary > 0 and self.n_control > 0


@dataclass(frozen=True, slots=True)
class Question:
    """Which alternatives are held against which null ratio, and whether harm may set in at a later hour."""

    ratios: tuple[float, ...] = HARM_RATIOS
    null: float = 1.0
    restarts: bool = True


HARM = Question()


def go_question(worst: float) -> Question:
    """Whether the new path is shown to be better than `worst` times as bad; one good hour is not enough."""
    return Question(SAFE_RATIOS, worst, restarts=False)


def log_likelihood(rho: float, row: Counts, phi: float = 1.0) -> float:
    """`[K ln rho - E ln(1 + s (rho - 1))] / phi`, up to what does not depend on rho."""
    bad = row.bad_canary + row.bad_control
    share = row.n_canary / (row.n_canary + row.n_control)
    return (row.bad_canary * math.log(rho) - bad * math.log1p(share * (rho - 1))) / phi


def log_sum(terms: Sequence[float]) -> float:
    """The log of the sum of exponentials, without leaving the range of numbers."""
    top = max(terms)
    if top == -math.inf:
        return top
    return top + math.log(sum(math.exp(term - top) for term in terms))


@dataclass(slots=True)
class Evidence:
    """The log e-value of one question, tick by tick; `add` in order of time, `begin_wave` before a wave's first tick.

    Of the sum over all starts only one number per alternative and node is kept: since a start's alternative agrees
    with the null before it, each start differs from the first by a factor that no later tick changes.
    """

    question: Question = HARM
    log_e: float = 0.0
    peak: float = 0.0
    _carried: list[float] = field(default_factory=list)  # per ratio: all starts so far, as the wave began
    _rows: list[Counts] = field(default_factory=list)  # of the wave, for a finer grid when counts grow
    _bad_canary: float = 0.0
    _bad_control: float = 0.0
    _cohorts: Cohorts = UNKNOWN_NOTHING
    _nodes: Nodes = field(init=False)
    # Per null and ratio, and node: ln(rho) and rho - 1, which no tick changes.
    _rates: list[list[tuple[float, float]]] = field(default_factory=list)
    _null: list[float] = field(default_factory=list)  # per node
    _alternative: list[list[float]] = field(default_factory=list)  # per ratio and node
    _starts: list[list[float]] = field(default_factory=list)  # per ratio and node: weights of the starts, as logs
    _starts_before_wave: int = 0
    _count: int = 0
    _origin: float = math.nan  # the end of the first tick

    def __post_init__(self) -> None:
        first = 0.5 if self.question.restarts else 1.0
        self._carried = [math.log(first)] * len(self.question.ratios)
        self._lay(1)

    def begin_wave(self, cohorts: Cohorts) -> None:
        """Keep the evidence; from here on the cohorts are others, with a ratio and a dispersion of their own."""
        self._carried = self._per_ratio()
        self._rows, self._bad_canary, self._bad_control = [], 0.0, 0.0
        self._cohorts, self._starts_before_wave = cohorts, self._count
        self._lay(1)

    def branch(self) -> "Evidence":
        """The same evidence, to go on from; this one stays as it is."""
        other = copy(self)
        other._detach()  # noqa: SLF001 - one of ours
        return other

    def _detach(self) -> None:
        self._rows, self._null = list(self._rows), list(self._null)
        self._alternative = [list(sums) for sums in self._alternative]
        self._starts = [list(starts) for starts in self._starts]

    def add(self, row: Counts) -> float:
        """One more tick; the log e-value now. What cannot be compared changes nothing."""
        if not row.has_both:
            return self.log_e
        if math.isnan(self._origin):
            self._origin = row.end
        self._rows.append(row)
        self._bad_canary += row.bad_canary
        self._bad_control += row.bad_control
        fine = fineness(self._cohorts, self._bad_canary, self._bad_control)
        if fine > self._nodes.fineness:
            self._lay(fine)
            for earlier in self._rows[:-1]:
                self._take(earlier)
        self._take(row)
        terms = [x - math.log(len(self.question.ratios)) for x in self._per_ratio()]
        if self.question.restarts:
            terms.append(-math.log(2 * (self._count + 1)))  # the starts to come, which still count as 1
        self.log_e = log_sum(terms)
        self.peak = max(self.peak, self.log_e)
        return self.log_e

    def _lay(self, fine: int) -> None:
        self._nodes = nodes_of(self._cohorts, fine)
        size = len(self._nodes.ratios)
        self._count = self._starts_before_wave
        scales = [ratio * self.question.null for ratio in (1.0, *self.question.ratios)]
        rhos = [[scale * theta for theta in self._nodes.ratios] for scale in scales]
        self._rates = [[(math.log(rho), rho - 1) for rho in row] for row in rhos]
        self._null = [0.0] * size
        self._alternative = [[0.0] * size for _ in self.question.ratios]
        self._starts = [[carried] * size for carried in self._carried]

    def _take(self, row: Counts) -> None:
        if self.question.restarts:
            for number in range(self._count + 1, int((row.end - self._origin) // HOUR) + 1):
                self._start(number)
        bad = row.bad_canary + row.bad_control
        if bad == 0:
            return
        share = row.n_canary / (row.n_canary + row.n_control)
        phi = self._cohorts.phi
        canary, log1p = row.bad_canary, math.log1p
        for rates, sums in zip(self._rates, (self._null, *self._alternative), strict=True):
            for j, (log_rho, excess) in enumerate(rates):
                sums[j] += (canary * log_rho - bad * log1p(share * excess)) / phi

    def _start(self, number: int) -> None:
        weight = -math.log(2 * number * (number + 1))
        for starts, sums in zip(self._starts, self._alternative, strict=True):
            for j, null in enumerate(self._null):
                starts[j] = log_sum((starts[j], weight + null - sums[j]))
        self._count = number

    def _per_ratio(self) -> list[float]:
        weights = self._nodes.log_weights
        below = log_sum([w + x for w, x in zip(weights, self._null, strict=True)])
        return [
            log_sum([w + x + a for w, x, a in zip(weights, sums, starts, strict=True)]) - below
            for sums, starts in zip(self._alternative, self._starts, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class WaveCounts:
    """All rows of one wave, and what was known about its cohorts before it."""

    cohorts: Cohorts
    rows: tuple[Counts, ...]


def evidence_curve(waves: Iterable[WaveCounts], question: Question = HARM) -> list[tuple[float, float]]:
    """(end, log e-value) at each tick, from the raw counts alone; the order in which rows are given is irrelevant."""
    evidence, curve = Evidence(question), []
    for wave in waves:
        evidence.begin_wave(wave.cohorts)
        curve += [(row.end, evidence.add(row)) for row in sorted(wave.rows) if row.has_both]
    return curve


def averaged(curves: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """The mean of several e-values of the same ticks is an e-value (Vovk and Wang 2021); 1 before its first tick."""
    ends = sorted({end for curve in curves for end, _ in curve})
    found = [dict(curve) for curve in curves]
    latest, mean = [0.0] * len(curves), []
    for end in ends:
        latest = [values.get(end, before) for values, before in zip(found, latest, strict=True)]
        mean.append((end, log_sum(latest) - math.log(len(latest))))
    return mean


def log_mixture(rows: Iterable[Counts], question: Question = HARM) -> float:
    """The log of the mean over the ratios from the very first tick, for cohorts that are known to be alike."""
    found = [row for row in rows if row.has_both]
    gains = [
        math.fsum(log_likelihood(m * question.null, row) - log_likelihood(question.null, row) for row in found)
        for m in question.ratios
    ]
    return log_sum(gains) - math.log(len(gains))


def bound(alpha: float) -> float:
    """`ln(1 / alpha)`: what the log e-value must reach."""
    return -math.log(alpha)
