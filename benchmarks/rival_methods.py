"""What else looks at a canary's errors at each tick, each from its definition; `looks(row)` says whether it fires."""

import math
from bisect import insort
from collections.abc import Callable
from statistics import NormalDist

from tidegate.statistics.cohorts import Cohorts
from tidegate.statistics.sequential import HARM, Counts, Evidence, Question, bound

Looks = Callable[[Counts], bool]
ALPHA = 0.01


def absolute_threshold() -> Looks:
    """The plan's "Error rate > 10% for > 5min": two ticks in a row."""
    before = False

    def looks(row: Counts) -> bool:
        nonlocal before
        beyond = row.n_canary > 0 and row.bad_canary / row.n_canary > 0.10
        before, fires = beyond, beyond and before
        return fires

    return looks


def relative_threshold(share_before: float) -> Looks:
    """The plan's "Error rate increases > 5% from Wave 1" read as relative, over the last hour."""
    hour: list[Counts] = []

    def looks(row: Counts) -> bool:
        hour.append(row)
        del hour[:-12]
        n = sum(r.n_canary for r in hour)
        return len(hour) == 12 and n > 0 and sum(r.bad_canary for r in hour) / n > 1.05 * share_before

    return looks


def z_test() -> Looks:
    """The one-sided two-proportion z-test on all counts so far, repeated at each tick."""
    critical = NormalDist().inv_cdf(1 - ALPHA)
    total = [0.0, 0.0, 0.0, 0.0]

    def looks(row: Counts) -> bool:
        total[:] = [t + x for t, x in zip(total, row[1:], strict=True)]
        bad_c, n_c, bad_t, n_t = total
        pooled = (bad_c + bad_t) / (n_c + n_t)
        spread = math.sqrt(pooled * (1 - pooled) * (1 / n_c + 1 / n_t))
        return spread > 0 and (bad_c / n_c - bad_t / n_t) / spread > critical

    return looks


def mann_whitney() -> Looks:
    """Kayenta's judge: Mann-Whitney at a confidence of 98 %, tolerance 0.25 of the shift; hourly, over four hours.

    High when the interval's lower end for the Hodges-Lehmann shift of the ticks' error rates is beyond the tolerance.
    """
    z = NormalDist().inv_cdf(0.99)
    rows: list[Counts] = []
    seen = 0

    def looks(row: Counts) -> bool:
        nonlocal seen
        seen += 1
        if row.n_canary > 0 and row.n_control > 0:
            rows.append(row)
        del rows[:-48]
        if seen % 12 or len(rows) < 12:
            return False
        new = [r.bad_canary / r.n_canary for r in rows]
        old = [r.bad_control / r.n_control for r in rows]
        shifts = sorted(a - b for a in new for b in old)
        size = len(rows)
        place = math.floor(size * size / 2 - z * math.sqrt(size * size * (2 * size + 1) / 12))
        return shifts[max(place, 0)] > 0.25 * abs(shifts[len(shifts) // 2])

    return looks


def sequential_interval(tuning: float = 5000.0) -> Looks:
    """GrowthBook's one-sided sequential interval for the difference of two shares, tuned to 5,000 users.

    The asymptotic confidence sequence of Waudby-Smith et al. (2021), one-sided; rho from the tuning parameter as there.
    """
    rho2 = (-2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA) + 1)) / tuning
    total = [0.0, 0.0, 0.0, 0.0]

    def looks(row: Counts) -> bool:
        total[:] = [t + x for t, x in zip(total, row[1:], strict=True)]
        bad_c, n_c, bad_t, n_t = total
        p_c, p_t, n = bad_c / n_c, bad_t / n_t, n_c + n_t
        variance = n * (p_c * (1 - p_c) / n_c + p_t * (1 - p_t) / n_t)
        wide = n * rho2 + 1
        half = math.sqrt(variance * 2 * wide / (n * n * rho2) * math.log1p(math.sqrt(wide) / (2 * ALPHA)))
        return p_c - p_t > half > 0

    return looks


def tidegate(cohorts: Cohorts, question: Question = HARM) -> Looks:
    """Ours, with what the day before told of the cohorts."""
    evidence, limit = Evidence(question), bound(ALPHA)
    evidence.begin_wave(cohorts)
    return lambda row: evidence.add(row) >= limit


def median(values: list[float]) -> float:
    """The median where what never happened counts as infinite."""
    ordered: list[float] = []
    for value in values:
        insort(ordered, value)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
