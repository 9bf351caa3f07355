"""What else looks at a canary's errors at each tick, each from its definition: the first tick that fires, by run."""

import math
from statistics import NormalDist

import numpy as np
from compared.streams import Array, Ticks

NEVER = math.inf


def first(fires: Array) -> Array:
    """The number of the first tick that fires, from 0 on; infinite for never."""
    return np.where(fires.any(0), fires.argmax(0).astype(float), NEVER)


def sums(wave: Ticks) -> tuple[Array, Array, Array, Array]:
    """All counts so far."""
    return (
        wave.bad_canary.cumsum(0),
        np.maximum(wave.n_canary.cumsum(0), 1),
        wave.bad_control.cumsum(0),
        np.maximum(wave.n_control.cumsum(0), 1),
    )


def absolute_threshold(wave: Ticks) -> Array:
    """The plan's "Error rate > 10% for > 5min": two ticks in a row."""
    beyond = wave.bad_canary > 0.10 * np.maximum(wave.n_canary, 1)
    fires = beyond.copy()
    fires[1:] &= beyond[:-1]
    fires[0] = False
    return first(fires)


def z_test(wave: Ticks, alpha: float = 0.01) -> Array:
    """The one-sided two-proportion z-test on all counts so far, repeated at each tick."""
    bad_c, n_c, bad_t, n_t = sums(wave)
    pooled = (bad_c + bad_t) / (n_c + n_t)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / n_c + 1 / n_t), 1e-30))
    return first(((bad_c / n_c - bad_t / n_t) / spread > NormalDist().inv_cdf(1 - alpha)) & (pooled > 0))


def sequential_interval(wave: Ticks, alpha: float, tuning: float = 5000.0) -> Array:
    """GrowthBook's one-sided sequential interval for the difference of two shares, tuned to 5,000 users.

    The asymptotic confidence sequence of Waudby-Smith et al. (2021), one-sided; rho from the tuning parameter as there.
    """
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuning
    bad_c, n_c, bad_t, n_t = sums(wave)
    p_c, p_t, n = bad_c / n_c, bad_t / n_t, n_c + n_t
    variance = n * (p_c * (1 - p_c) / n_c + p_t * (1 - p_t) / n_t)
    wide = n * rho2 + 1
    half = np.sqrt(variance * 2 * wide / (n * n * rho2) * np.log1p(np.sqrt(wide) / (2 * alpha)))
    return first((p_c - p_t > half) & (half > 0))


def mann_whitney(wave: Ticks) -> Array:
    """Kayenta's judge: Mann-Whitney at a confidence of 98 %, tolerance 0.25 of the shift; hourly, over four hours.

    High when the interval's lower end for the Hodges-Lehmann shift of the ticks' error rates is beyond the tolerance.
    """
    z, found = NormalDist().inv_cdf(0.99), np.full(wave.n_canary.shape[1], NEVER)
    new = wave.bad_canary / np.maximum(wave.n_canary, 1)
    old = wave.bad_control / np.maximum(wave.n_control, 1)
    for seen in range(12, len(wave.end) + 1, 12):
        rows = slice(max(0, seen - 48), seen)
        size = seen - rows.start
        left = np.flatnonzero(np.isinf(found))
        a, b = new[rows, :][:, left], old[rows, :][:, left]
        place = max(math.floor(size * size / 2 - z * math.sqrt(size * size * (2 * size + 1) / 12)), 0)
        # Beyond no tolerance is what has more shifts downwards than the interval's lower end leaves out.
        some = _not_above(a, b) <= place
        left, a, b = left[some], a[:, some], b[:, some]
        shifts = (a[:, None, :] - b[None, :, :]).reshape(size * size, -1)
        ordered = np.partition(shifts, (place, size * size // 2), axis=0)
        high = ordered[place] > 0.25 * np.abs(ordered[size * size // 2])
        found[left[high]] = seen - 1
    return found


def _not_above(a: Array, b: Array) -> Array:
    """How many pairs of ticks, one of each side, have no larger rate on the first."""
    return np.sum([np.count_nonzero(one <= b, axis=0) for one in a], axis=0)
