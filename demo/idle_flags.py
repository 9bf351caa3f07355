"""Flags that do nothing: whom they expose is counted, so that a healthy rollout can be rehearsed many times at once."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from demo.batch_patches.cohorts import BY_NAME, NAMES, FirstSeen
from demo.batch_patches.flag import ServiceFlag

LABELS = ("flag", "path", "group", "cohort")
BOUNDS = (0.04, 0.05, 0.06, 0.1)
# Fewer than the service's own: customers inside and outside the house.
GROUPS = {"internal": "internal", "staging": "internal", "beta": "general", "general": "general"}


def idle_flags(count: int) -> tuple[str, ...]:
    """The names of the first flags that do nothing."""
    return tuple(f"idle-{number}" for number in range(1, count + 1))


class Tally:
    """Plain numbers of one flag, path, group and cohort: ten locks a request would cost more than the request."""

    __slots__ = ("error", "ok", "seconds", "slower", "users")

    def __init__(self) -> None:
        self.ok = self.error = self.users = 0
        self.seconds = 0.0
        self.slower = [0] * (len(BOUNDS) + 1)


class IdleFlags(Collector):
    """Counts each request once for each flag, under the path that this flag would have chosen."""

    def __init__(self, flag: ServiceFlag, keys: Sequence[str], registry: CollectorRegistry) -> None:
        self._flag = flag
        self._first = {key: FirstSeen() for key in keys}
        groups = sorted(set(GROUPS.values()))
        self._tallies = {(k, p, g, c): Tally() for k in keys for p in ("new", "legacy") for g in groups for c in NAMES}
        self._known: dict[str, list[Tally]] = {}
        # Nor are ten evaluations a request: a change of any flag makes all be asked anew.
        flag.on_change(self._forget)
        registry.register(self)

    def _forget(self) -> None:
        self._known = {}

    def count(self, user: str, group: str, seconds: float, *, failed: bool) -> None:
        """Count a completed request of a user; known requests are nobody's."""
        if group in BY_NAME:
            return
        # Whoever forgets meanwhile puts another one in its place, so that nothing stale is kept.
        known = self._known
        tallies = known.get(user)
        if tallies is None:
            tallies = known[user] = [self._of(key, user, group) for key in self._first]
        place = bisect_left(BOUNDS, seconds)
        for tally in tallies:
            tally.slower[place] += 1
            tally.seconds += seconds
            if failed:
                tally.error += 1
            else:
                tally.ok += 1

    def _of(self, key: str, user: str, group: str) -> Tally:
        assigned = self._flag.assign(user, group, key)
        path = "new" if assigned.on else "legacy"
        tally = self._tallies[key, path, GROUPS[group], self._flag.cohort(user, group, key)]
        tally.users += self._first[key].is_first(user, assigned.exposure)
        return tally

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is shown."""
        requests = CounterMetricFamily("idle_flag_requests", "Completed requests.", labels=[*LABELS, "outcome"])
        users = CounterMetricFamily("idle_flag_users", "Users first seen since the exposure changed.", labels=LABELS)
        duration = HistogramMetricFamily("idle_flag_duration_seconds", "Duration of requests.", labels=LABELS)
        for labels, tally in self._tallies.items():
            requests.add_metric([*labels, "ok"], tally.ok)
            requests.add_metric([*labels, "error"], tally.error)
            users.add_metric(labels, tally.users)
            total, buckets = 0, []
            for bound, more in zip((*map(str, BOUNDS), "+Inf"), tally.slower, strict=True):
                total += more
                buckets.append((bound, float(total)))
            duration.add_metric(labels, buckets, sum_value=tally.seconds)
        return iter((requests, users, duration))
