"""Whether a series rises: the Mann-Kendall test, and Sen's slope.

Mann, H. B. (1945), Nonparametric tests against trend, Econometrica 13, 245-259. Kendall, M. G. (1975), Rank
Correlation Methods, 4th ed.: S is the number of pairs that rise minus those that fall; without a trend its variance
is (n(n-1)(2n+5) - sum over ties t(t-1)(2t+5)) / 18, and (S -+ 1) / sqrt(variance) is about normal. Sen, P. K. (1968),
Estimates of the regression coefficient based on Kendall's tau, JASA 63, 1379-1389: the median of all pairs' slopes.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist, median

SIGNIFICANT = 0.01


def p_rising(values: Sequence[float]) -> float:
    """How likely the series would rise at least this much by chance; 1 where it does not rise, or is constant."""
    n = len(values)
    s = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = sum(t * (t - 1) * (2 * t + 5) for t in Counter(values).values())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    if s <= 0 or variance <= 0:
        return 1.0
    return 1 - NormalDist().cdf((s - 1) / math.sqrt(variance))


def sen_slope(values: Sequence[float], at: Sequence[float]) -> float:
    """The median slope between any two points, in value per unit of `at`; 0 for fewer than two."""
    points = list(zip(at, values, strict=True))
    slopes = [(v2 - v1) / (t2 - t1) for (t1, v1), (t2, v2) in combinations(points, 2) if t2 > t1]
    return median(slopes) if slopes else 0.0
