"""What the time before a wave tells about its cohorts: their own ratio, how sure that is, and how errors cluster.

The ratio of the two cohorts' rates without any change, theta, is log-normal: `lr = ln(rate ratio)` and
`sd^2 = phi (1/A + 1/B) + tau^2` from that time's A and B bad requests (the delta method; Woolf 1955), tau = 0.05 for
what drifts from day to day. Errors that come in clusters spread the counts by phi (see clusters). A time with
hardly any bad request tells next to nothing: taken for what it says, theta could be anything and no harm would ever
show. There the cohorts are assumed to be alike.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tidegate.statistics.clusters import LEAST_TICKS, Tick, between_neighbours, between_paths

DRIFT = 0.05
MAX_FINENESS = 256
TELLS_LITTLE = 0.6  # a spread of ln theta that leaves a threefold difference open

# Gauss-Hermite, nine points, for the weight exp(-x^2) (Abramowitz and Stegun 1964, table 25.10).
_POINTS = (
    (0.0, 7.202352156060510e-1),
    (0.7235510187528376, 4.326515590025558e-1),
    (1.468553289216668, 8.847452739437657e-2),
    (2.266580584531843, 4.943624275536947e-3),
    (3.190993201781528, 3.960697726326438e-5),
)


@dataclass(frozen=True, slots=True)
class Cohorts:
    """What is known of a wave's cohorts before it: `ln theta ~ Normal(lr, sd^2)`, and the dispersion the test uses."""

    lr: float
    sd: float
    phi: float
    measured: bool = True  # whether that is what the time before tells, and not assumed
    labelled: bool = True  # whether anything was known of who is who then

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lr) and 0 <= self.sd < math.inf and 1 <= self.phi < math.inf):
            raise ValueError(f"cohorts of ratio {self.lr}, spread {self.sd}, dispersion {self.phi} cannot be compared")


UNKNOWN_NOTHING = Cohorts(0.0, 0.0, 1.0)
# Where nobody labelled the cohorts before the flag was on, or hardly anything went wrong then: alike within some 10 %,
# errors in small clusters.
ASSUMED = Cohorts(0.0, 0.1, 2.0, measured=False, labelled=False)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Where theta is looked at, and with which weights (as logs)."""

    ratios: tuple[float, ...]
    log_weights: tuple[float, ...]
    fineness: int


def cohorts_of(before: Iterable[Tick], drift: float = DRIFT) -> Cohorts | None:
    """What the ticks of the time before tell; None when they hold nothing to compare."""
    rows = [row for row in before if row.has_both]
    n_c, n_t = sum(r.n_canary for r in rows), sum(r.n_control for r in rows)
    if len(rows) < 2:
        return None
    # One request more, shared out as the requests are, keeps a side without any error finite (after Haldane 1956) and
    # tells nothing by itself.
    share, rest = n_c / (n_c + n_t), n_t / (n_c + n_t)
    a, b = sum(r.bad_canary for r in rows) + share, sum(r.bad_control for r in rows) + rest
    lr = math.log(a / n_c) - math.log(b / n_t)
    spread = between_paths(rows, math.exp(lr))
    sd = math.sqrt(spread.phi * (1 / a + 1 / b) + drift**2)
    return Cohorts(lr, sd, spread.used) if sd <= TELLS_LITTLE else _assumed(lr, sd, spread.used)


def cohorts_before(time: Iterable[Tick]) -> Cohorts:
    """What the time before a wave tells; without labels how errors cluster on the old path, from tick to tick."""
    rows = list(time)
    if found := cohorts_of(rows):
        return found
    seen = between_neighbours(rows)
    enough = seen.ticks >= LEAST_TICKS - 1
    return replace(ASSUMED, phi=seen.used) if enough else ASSUMED


def _assumed(lr: float, sd: float, phi: float) -> Cohorts:
    """The assumption, with the little that was seen beside it by its precision; clusters that showed are kept."""
    little, assumed = sd**-2, ASSUMED.sd**-2
    whole = little + assumed
    return Cohorts(lr * little / whole, whole**-0.5, max(ASSUMED.phi, phi), measured=False)


def fineness(cohorts: Cohorts, bad_canary: float, bad_control: float, phi: float | None = None) -> int:
    """How many times finer than the prior the nodes must lie, as a power of two; 1: nine points are enough.

    When the counts know theta far better than the time before did, the truth lies between fixed nodes, and the
    alternatives' nodes may fit it better than the null's: evidence out of nothing.
    """
    bad = bad_canary + bad_control
    if bad <= 0 or cohorts.sd == 0:
        return 1
    known = cohorts.sd * math.sqrt(bad_canary * (bad_control / bad) / (phi or cohorts.phi))
    return 1 if known <= 1 else min(MAX_FINENESS, 2 ** math.ceil(math.log2(known)))


def nodes_of(cohorts: Cohorts, fine: int) -> Nodes:
    """Nine Gauss-Hermite points; or, where finer ones are needed, the trapezoidal rule over five deviations."""
    if cohorts.sd == 0:
        return Nodes((math.exp(cohorts.lr),), (0.0,), fine)
    if fine == 1:
        signed = [(sign * x, w) for x, w in _POINTS for sign in ((1, -1) if x else (1,))]
        places = [(math.sqrt(2) * x, math.log(w / math.sqrt(math.pi))) for x, w in signed]
    else:
        steps = [k / fine for k in range(-5 * fine, 5 * fine + 1)]
        places = [(z, -z * z / 2 - math.log(fine * math.sqrt(2 * math.pi))) for z in steps]
    return Nodes(tuple(math.exp(cohorts.lr + cohorts.sd * z) for z, _ in places), tuple(w for _, w in places), fine)
