"""Whether users arrive on each side in the planned shares, however often one looks.

A multinomial against a Dirichlet(1000 p) mixture, on first exposures of unique users (Lindon and Malek 2022,
"Anytime-valid inference for multinomial count data"): what a load balancer that sends 5 % where 10 % was asked shows.
"""

import math
from collections.abc import Sequence

CONCENTRATION = 1000.0


def log_sample_ratio(found: Sequence[float], planned: Sequence[float]) -> float:
    """The log e-value against the planned shares; it may be watched at every tick."""
    whole = math.fsum(planned)
    shares = [share / whole for share in planned]
    if len(found) != len(shares) or min(shares) <= 0:
        raise ValueError(f"found {len(found)} counts and shares {list(planned)}, allowed is one count a positive share")
    total = math.fsum(found)
    gain = math.lgamma(CONCENTRATION) - math.lgamma(CONCENTRATION + total)
    for count, share in zip(found, shares, strict=True):
        prior = CONCENTRATION * share
        gain += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return gain
