"""What evidence is to be expected from so much traffic: how soon harm shows, and how much evidence there can ever be.

At steady traffic the expected log-likelihoods grow in proportion to time, so that one row with the counts of all hours
gives the evidence at their end. However long one counts, the cohorts' own ratio stays known only by its spread sd: what
looks like harm of ratio r may be cohorts that always differed, whose log-likelihood is (ln r)^2 / (2 sd^2) below the
likeliest. That is where evidence ends.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.statistics.clusters import Tick
from tidegate.statistics.cohorts import Cohorts
from tidegate.statistics.sequential import Counts, EValue, Question, log_sum
from tidegate.statistics.starts import HOUR, Starts

LONGEST = 1e4  # hours
_STEPS = 24  # of a bisection


@dataclass(frozen=True, slots=True)
class ExpectedTraffic:
    """Requests an hour on either side, how many of the control's are bad, and what is known of the cohorts."""

    canary: float
    control: float
    bad_share: float
    cohorts: Cohorts


def traffic_of(rows: Sequence[Tick], seconds: float, percent: float, cohorts: Cohorts) -> ExpectedTraffic | None:
    """As those ticks of so many seconds had it; where only the old path was counted, split as a wave splits it.

    None where they tell of no request at all.
    """
    hours = len(rows) * seconds / HOUR
    canary, control = sum(row.n_canary for row in rows), sum(row.n_control for row in rows)
    bad = sum(row.bad_control for row in rows)
    if hours <= 0 or control <= 0:
        return None
    # Half a bad request more: a week without any does not say that there never will be one.
    share = min(1.0, (bad + 0.5) / (control + 1))
    if canary <= 0:
        canary, control = control * percent / 100, control * (100 - percent) / 100
    if canary <= 0 or control <= 0:
        return None
    return ExpectedTraffic(canary / hours, control / hours, share, cohorts)


def first_start(question: Question, compared: int) -> Question:
    """As a wave's harm is met that is there from its first tick on; compared waves are counted from 0."""
    firsts = question.starts.first_ticks
    return replace(question, starts=Starts((firsts[min(compared, len(firsts) - 1)],)))


def expected_log_e(question: Question, each: Sequence[ExpectedTraffic], ratio: float, hours: float) -> float:
    """After so many hours of a new path that is `ratio` times as bad; the mean of the e-values of several counts."""
    found = [_after(question, one, ratio, hours) for one in each]
    return log_sum(found) - math.log(len(found))


def _after(question: Question, one: ExpectedTraffic, ratio: float, hours: float) -> float:
    n_c, n_t = one.canary * hours, one.control * hours
    bad = min(n_c, n_c * one.bad_share * math.exp(one.cohorts.lr) * ratio)
    evidence = EValue(replace(question, clusters=False))
    evidence.begin_wave(one.cohorts)
    return evidence.add(Counts(0.0, bad, n_c, n_t * one.bad_share, n_t))


def hours_until(
    question: Question, each: Sequence[ExpectedTraffic], ratio: float, needed: float, longest: float = LONGEST
) -> float | None:
    """After how many hours the evidence is expected to be enough; None for not within the longest."""
    if expected_log_e(question, each, ratio, longest) < needed:
        return None
    low, high = math.log(1e-3), math.log(longest)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if expected_log_e(question, each, ratio, math.exp(middle)) < needed:
            low = middle
        else:
            high = middle
    return math.exp(high)


def smallest_found(
    question: Question, each: Sequence[ExpectedTraffic], needed: float, hours: float, most: float = 20.0
) -> float | None:
    """The smallest ratio that is expected to be found within so many hours; None where even the largest is not."""
    if expected_log_e(question, each, most, hours) < needed:
        return None
    low, high = 0.0, math.log(most)
    for _ in range(_STEPS // 2):
        middle = (low + high) / 2
        if expected_log_e(question, each, math.exp(middle), hours) < needed:
            low = middle
        else:
            high = middle
    return math.exp(high)


def most_log_e(question: Question, sd: float, ratio: float) -> float:
    """Where evidence ends, however long one counts, for a new path that is `ratio` times as bad."""
    if sd <= 0:
        return math.inf

    def below(apart: float) -> float:
        return apart * apart / (2 * sd * sd)

    terms = [
        weight - below(math.log(ratio / (m * question.null)))
        for m, weight in zip(question.ratios, question.log_weights, strict=True)
    ]
    return log_sum(terms) + below(math.log(ratio / question.null))
