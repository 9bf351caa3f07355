"""Evidence of harm or of safety that may be looked at at every tick: rate ratios of two paths at the same moment.

Per tick the canary has n_c requests of which K are bad, the control n_t of which E - K are bad; s = n_c / (n_c + n_t).
Given E, K is binomial with probability s rho / (1 + s (rho - 1)) for a rate ratio rho (Przyborowski and Wilenski
1940), so that `l(rho) = [K ln rho - E ln(1 + s (rho - 1))] / phi`, with the quasi-likelihood's phi >= 1 for errors that
come in clusters (Wedderburn 1974; McCullagh and Nelder 1989, 9.2). The evidence is a mixture of likelihood ratios,
hence a test martingale: the chance that it ever reaches 1/alpha on a healthy release is at most alpha (Ville 1939;
Robbins 1970; Ramdas et al. 2023). A cohort's own ratio theta, known from the time before only roughly, is integrated
out, above and below the line apart (the ratio of two marginal likelihoods, a martingale again; Kass and Raftery 1995).
Harm that sets in late is met by later starts (see starts): a start's alternative is "healthy until then, harm since",
so what was seen before a start still tells about theta. With `clusters`, phi at each look is the larger of what was
known before the wave and of what the wave so far shows.
"""

import math
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from tidegate.statistics.clusters import Dispersion, OldPath, paths_so_far, summed_up_to, used_of_wave
from tidegate.statistics.cohorts import UNKNOWN_NOTHING, Cohorts, Nodes, fineness, nodes_of
from tidegate.statistics.starts import AT_ONCE, HALVES, StartClock, Starts

HARM_RATIOS = (1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0)
SAFE_RATIOS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35)
NO_COUNT = 1e30  # whoever exports as many requests a tick exports something else


class Counts(NamedTuple):
    """One tick's raw counts on both sides; `end` in seconds. A tick that was not measured is no row, never zeros."""

    end: float
    bad_canary: float
    n_canary: float
    bad_control: float
    n_control: float

    @property
    def has_both(self) -> bool:
        """Whether there is anything to compare: requests on both sides, and not more than anybody could count."""
        return 0 < self.n_canary < NO_COUNT and 0 < self.n_control < NO_COUNT


@dataclass(frozen=True, slots=True)
class Question:
    """Which alternatives, how likely each, are held against which null ratio, and when harm may set in."""

    ratios: tuple[float, ...] = HARM_RATIOS
    null: float = 1.0
    starts: Starts = HALVES
    weights: tuple[float, ...] = ()  # of the ratios; none: all alike
    clusters: bool = False  # whether the wave's own rows tell how errors cluster, too

    @property
    def log_weights(self) -> tuple[float, ...]:
        """Of the ratios; together 1."""
        total = math.fsum(self.weights)
        if total:
            return tuple(math.log(weight / total) for weight in self.weights)
        return (-math.log(len(self.ratios)),) * len(self.ratios)


HARM = Question()


def harm_weights(ratios: Sequence[float] = HARM_RATIOS, middle: float = 2.2, spread: float = 0.65) -> tuple[float, ...]:
    """How likely harm of each size is: log-normal about 2.2, by the stretch of ln m that each ratio stands for."""
    logs = [math.log(ratio) for ratio in ratios]
    ends = [2 * logs[0] - logs[1], *logs, 2 * logs[-1] - logs[-2]]
    stretches = [(after - before) / 2 for before, after in zip(ends, ends[2:], strict=False)]
    return tuple(
        stretch * math.exp(-((x - math.log(middle)) ** 2) / (2 * spread**2))
        for stretch, x in zip(stretches, logs, strict=True)
    )


def harm_question(starts: Starts) -> Question:
    """As comparisons ask it: harm of likely sizes, set in when a plan makes it likely, errors in clusters or not."""
    return Question(starts=starts, weights=harm_weights(), clusters=True)


def go_question(worst: float) -> Question:
    """Whether the new path is shown to be better than `worst` times as bad; one good hour is not enough."""
    return Question(SAFE_RATIOS, worst, starts=AT_ONCE, clusters=True)


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
class EValue:
    """The log e-value of one question, tick by tick; `add` in order of time, `begin_wave` before a wave's first tick.

    Log-likelihoods are summed as if errors came one by one, and divided by phi at each look. Of a start only its
    weight is kept and by how much null and alternative differed then, which no later tick changes.
    """

    question: Question = HARM
    log_e: float = 0.0
    peak: float = 0.0
    phi: float = 1.0  # as used at the newest look
    _carried: list[float] = field(default_factory=list)  # per ratio: all starts so far, as the wave began
    _rows: list[Counts] = field(default_factory=list)  # of the wave, for a finer grid when counts grow
    _bad_canary: float = 0.0
    _bad_control: float = 0.0
    _old: OldPath = field(default_factory=OldPath)
    _paths: tuple[int, Dispersion] = (0, Dispersion())  # between the paths, of so many of the rows
    _cohorts: Cohorts = UNKNOWN_NOTHING
    _nodes: Nodes = field(init=False)
    # Per null and ratio, and node: ln(rho) and rho - 1, which no tick changes.
    _rates: list[list[tuple[float, float]]] = field(default_factory=list)
    _null: list[float] = field(default_factory=list)  # per node
    _alternative: list[list[float]] = field(default_factory=list)  # per ratio and node
    _begun: list[tuple[float, list[list[float]]]] = field(default_factory=list)  # the wave's starts
    _starts: list[list[float]] = field(default_factory=list)  # per ratio and node: their sum at this phi, as logs
    _clock: StartClock = field(init=False)
    _clock_before: StartClock = field(init=False)  # as the wave began

    def __post_init__(self) -> None:
        self._carried = [-math.inf] * len(self.question.ratios)
        self._clock = self._clock_before = StartClock(self.question.starts)
        self._lay(1)

    def begin_wave(self, cohorts: Cohorts) -> None:
        """Keep the evidence; from here on the cohorts are others, with a ratio and a dispersion of their own."""
        self._carried = self._per_ratio()
        self._rows, self._bad_canary, self._bad_control, self._old = [], 0.0, 0.0, OldPath()
        self._paths = (0, Dispersion())
        self._cohorts, self.phi = cohorts, cohorts.phi
        self._clock_before = self._clock = self._clock.new_stay()
        self._lay(1)

    def branch(self) -> "EValue":
        """The same evidence, to go on from; this one stays as it is."""
        other = copy(self)
        other._detach()  # noqa: SLF001 - one of ours
        return other

    def _detach(self) -> None:
        self._rows, self._null, self._begun = list(self._rows), list(self._null), list(self._begun)
        self._alternative = [list(sums) for sums in self._alternative]
        self._starts = [list(starts) for starts in self._starts]

    def add(self, row: Counts) -> float:
        """One more tick; the log e-value now. What cannot be compared changes nothing."""
        if not row.has_both:
            return self.log_e
        self._rows.append(row)
        self._bad_canary += row.bad_canary
        self._bad_control += row.bad_control
        self._spread(row)
        fine = fineness(self._cohorts, self._bad_canary, self._bad_control, self.phi)
        if fine > self._nodes.fineness:
            self._lay(fine)
            for earlier in self._rows[:-1]:
                self._take(earlier)
        self._take(row)
        terms = [x + w for x, w in zip(self._per_ratio(), self.question.log_weights, strict=True)]
        if self._clock.unspent > 1e-12:
            terms.append(math.log(self._clock.unspent))  # the starts to come, which still count as 1
        self.log_e = log_sum(terms)
        self.peak = max(self.peak, self.log_e)
        return self.log_e

    def _spread(self, row: Counts) -> None:
        """The dispersion at this look, and the starts as it weighs them."""
        if not self.question.clusters:
            return
        self._old = self._old.and_tick(row.bad_control, row.n_control)
        phi = max(self._cohorts.phi, used_of_wave(self._old.seen, self._between_paths))
        if phi != self.phi:
            self.phi = phi
            self._starts = [[carried] * len(self._null) for carried in self._carried]
            for weight, apart in self._begun:
                self._weigh(weight, apart)

    def _between_paths(self) -> Dispersion:
        ticks = summed_up_to(len(self._rows))
        if ticks != self._paths[0]:
            self._paths = (ticks, paths_so_far(self._rows[:ticks]))
        return self._paths[1]

    def _lay(self, fine: int) -> None:
        self._nodes = nodes_of(self._cohorts, fine)
        size = len(self._nodes.ratios)
        self._clock = self._clock_before
        scales = [ratio * self.question.null for ratio in (1.0, *self.question.ratios)]
        rhos = [[scale * theta for theta in self._nodes.ratios] for scale in scales]
        self._rates = [[(math.log(rho), rho - 1) for rho in row] for row in rhos]
        self._null = [0.0] * size
        self._alternative = [[0.0] * size for _ in self.question.ratios]
        self._begun = []
        self._starts = [[carried] * size for carried in self._carried]

    def _take(self, row: Counts) -> None:
        self._clock, due = self._clock.at(row.end)
        if due > 0:
            apart = [[null - a for null, a in zip(self._null, sums, strict=True)] for sums in self._alternative]
            self._begun.append((math.log(due), apart))
            self._weigh(*self._begun[-1])
        bad = row.bad_canary + row.bad_control
        if bad == 0:
            return
        share = row.n_canary / (row.n_canary + row.n_control)
        canary, log1p = row.bad_canary, math.log1p
        for rates, sums in zip(self._rates, (self._null, *self._alternative), strict=True):
            for j, (log_rho, excess) in enumerate(rates):
                sums[j] += canary * log_rho - bad * log1p(share * excess)

    def _weigh(self, weight: float, apart: list[list[float]]) -> None:
        for starts, row in zip(self._starts, apart, strict=True):
            for j, difference in enumerate(row):
                starts[j] = log_sum((starts[j], weight + difference / self.phi))

    def _per_ratio(self) -> list[float]:
        weights, phi = self._nodes.log_weights, self.phi
        below = log_sum([w + x / phi for w, x in zip(weights, self._null, strict=True)])
        return [
            log_sum([w + x / phi + a for w, x, a in zip(weights, sums, starts, strict=True)]) - below
            for sums, starts in zip(self._alternative, self._starts, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class WaveCounts:
    """All rows of one wave, and what was known about its cohorts before it."""

    cohorts: Cohorts
    rows: tuple[Counts, ...]


def evidence_curve(waves: Iterable[WaveCounts], question: Question = HARM) -> list[tuple[float, float]]:
    """(end, log e-value) at each tick, from the raw counts alone; the order in which rows are given is irrelevant."""
    evidence, curve = EValue(question), []
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
