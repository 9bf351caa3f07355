"""Harm that was seen although the answer is not whole: what is missing could only add to it."""

import math
import re
from functools import lru_cache

from tidegate.values.metrics import Metric
from tidegate.values.samples import NoData

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_PLACE = re.compile(r"\{\{[^{}]*\}\}")
_MATCHERS = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
_CALLED = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:by\s*\([^()]*\)|without\s*\([^()]*\))?\s*\(")
_ADDS = frozenset({"sum", "count", "max", "rate", "irate", "increase", "count_over_time", "sum_over_time", "vector"})
_WORDS = re.compile(r"\b(?:unless|and|or|on|ignoring|offset|by|without)\b")
_PLAIN = re.compile(r"[\w:\s(),+.>]*")


@lru_cache(maxsize=1024)
def only_adds(query: str) -> bool:
    """Whether more of the answer could only make the value higher: sums, counts and maxima of what is never negative.

    Ratios, averages, quantiles, differences and comparisons are not; what is not understood is not either.
    """
    bare = _MATCHERS.sub(" ", _PLACE.sub(" ", _STRING.sub(" ", query))).strip()
    outermost = _CALLED.match(bare)
    if outermost is None or outermost[1] not in {"sum", "count", "max"} or _PLAIN.fullmatch(bare) is None:
        return False
    if _WORDS.search(re.sub(r"\b(?:by|without)\s*\([^()]*\)", " ", bare)):
        return False
    return all(name in _ADDS for name in _CALLED.findall(bare))


def harm_seen(metric: Metric, reading: NoData, limit: float, *, upper: bool, flowing: bool) -> str:
    """How the value is beyond its bound all the same, in words for a sentence; empty where that was not seen.

    Infinity (errors per good answer, no good answers) is beyond every bound once there are events enough; where
    nothing counts them, only while requests flow: an idle night divides by zero, too.
    """
    seen = reading.seen
    if seen is None:
        return ""
    if math.isinf(seen):
        counted = reading.n is not None if metric.count is not None or metric.part is not None else flowing
        return "infinite" if counted and (seen > 0) == upper else ""
    if upper and seen > limit and metric.query is not None and only_adds(metric.query):
        return f"at least {metric.unit.format(seen)}, of an answer that is not whole"
    return ""
