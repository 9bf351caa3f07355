"""The engine's own metrics for Prometheus, read from the journal when asked."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from blocks.errors import ConnectionFault
from blocks.journal.guard_checks import guard_check_ages
from console.live.rollout_cache import Board, CachedRollout
from engine.rollout.session import utc_now
from engine.watch.watch_places import WatchPlaces, watch_places
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.values.exposure import ZERO

CONTENT_TYPE = CONTENT_TYPE_LATEST
_ENDED_FOR = timedelta(days=1)  # a rollout that ended is shown this long
_MOST_ENDED = 50


def own_metrics(board: Board) -> bytes:
    """The exposition text."""
    registry = CollectorRegistry()
    registry.register(_Rollouts(board))
    return generate_latest(registry)


class _Rollouts(Collector):
    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Every family, from one look at the board."""
        now, seen = utc_now(), self._board.newest(_MOST_ENDED)
        shown = [s for s in seen if s.view.is_open or now - (s.run.state.updated_at or now) < _ENDED_FOR]
        answers = self._board.stale_since is None and all(s.stale_since is None for s in seen)
        yield _one("tidegate_journal_up", "1 while the journal answers the dashboard.", float(answers))
        yield _one("tidegate_rollouts_open", "Rollouts that own their flag.", float(sum(s.view.is_open for s in seen)))
        unreadable = float(len(self._board.unreadable))
        yield _one("tidegate_rollouts_unreadable", "Rollouts that this release cannot read.", unreadable)
        if (places := self._places()) is not None:
            hosts = (
                "Machines on which a watch runs or stands by: with one, its loss leaves nobody who guards for 100 s."
            )
            yield _one("tidegate_watch_hosts", hosts, float(places.hosts))
        per = _Families()
        for row in self._board.unreadable_open():
            per.unreadable.add_metric([row.rollout, row.flag], 1.0)
        ages = self._ages()
        for each in shown:
            per.add(each, now, ages.get(each.view.rollout))
        yield from per.families

    def _places(self) -> WatchPlaces | None:
        try:
            return watch_places(self._board.connections.journal)
        except ConnectionFault:
            return None

    def _ages(self) -> Mapping[str, float]:
        """By rollout: since its last guard. Where the journal cannot tell there is no age, which is an alarm, too."""
        try:
            return guard_check_ages(self._board.connections.journal)
        except ConnectionFault:
            return {}


class _Families:
    """One family for each question, with a line for each rollout."""

    def __init__(self) -> None:
        def family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"tidegate_{name}", text, labels=["rollout", "flag", *labels])

        self.open = family("rollout_open", "1 while the rollout owns its flag.")
        self.wave = family("rollout_wave", "Wave under way; 0 before the first.")
        self.percent = family("exposure_percent", "Share of the newest wave's audience that is exposed.")
        self.as_planned = family("exposure_as_planned", "1 while the exposure is the wave's.")
        self.review_age = family("review_age_seconds", "Since the last review; absent before the first raise.")
        self.interval = family("review_interval_seconds", "How often a review is due now.")
        self.entry_age = family("entry_age_seconds", "Since the last entry of the journal.")
        self.waiting = family("gate_waiting_seconds", "How long the gate waits for people.", "wave")
        self.unsent = family("notices_unsent", "Notices and channels that have not had them.")
        self.hold = family("hold", "1 while held for this cause.", "cause")
        self.unreadable = family("rollout_unreadable", "1 for an open rollout that cannot be read: it is not guarded.")
        self.exposed = family("rollout_exposed", "1 while the open rollout exposes anybody.")
        self.guard_age = family(
            "guard_check_age_seconds", "Since the last guard of an exposed rollout; absent where nobody knows."
        )
        self.rollback = family("rollback_seconds", "From the order to zero, and to the proof.", "until")
        self.families = tuple(vars(self).values())

    def add(self, seen: CachedRollout, now: datetime, guard_age: float | None = None) -> None:
        """The lines of one rollout."""
        view, state = seen.view, seen.run.state
        key = [view.rollout, view.flag]
        self.open.add_metric(key, float(view.is_open))
        self.wave.add_metric(key, view.wave)
        self.percent.add_metric(key, view.percent)
        self.as_planned.add_metric(key, float(view.as_planned))
        self.unsent.add_metric(key, seen.unsent)
        exposed = view.is_open and state.exposure != ZERO
        self.exposed.add_metric(key, float(exposed))
        if exposed and guard_age is not None:
            self.guard_age.add_metric(key, guard_age)
        if state.updated_at is not None:
            self.entry_age.add_metric(key, (now - state.updated_at).total_seconds())
        if state.record is not None and view.is_open and state.rollback is None:
            self.review_age.add_metric(key, (now - state.record.last_review).total_seconds())
            self.interval.add_metric(key, seen.run.timing.interval(state.wave).total_seconds())
        if view.gate is not None:
            self.waiting.add_metric([*key, str(view.gate.wave)], view.gate.waiting_seconds)
        for cause in HoldCause:
            self.hold.add_metric([*key, cause.value], float(cause in state.holds and view.is_open))
        back = state.rollback
        if back is not None:
            for until, at in (("zero", back.zero_at), ("proof", back.proven_at)):
                # Until it is there the time goes on, so that an alert can tell.
                self.rollback.add_metric([*key, until], ((at or now) - back.ordered_at).total_seconds())


def _one(name: str, text: str, value: float) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family
