"""One wave of the past, and when a breach in it would have lasted long enough to fire."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tidegate.backtest.replay.backtest_data import BacktestData, Harm
from tidegate.backtest.replay.replay_result import FAIL
from tidegate.criteria.metrics.queries import Breach, sustained
from tidegate.values.samples import Reading, Sample


@dataclass(frozen=True, slots=True)
class ReplayWindow:
    """From the raise at place `raised` of the grid to its last look."""

    raised: int
    last: int

    @property
    def first(self) -> int:
        """The place of the first look."""
        return self.raised + 1

    @property
    def looks(self) -> slice:
        """The places of all looks."""
        return slice(self.first, self.last + 1)


def factor_at(scene: BacktestData, harm: Harm | None, metric: str | None, span: ReplayWindow, place: int) -> float:
    """How many times as large the metric is there: a window that reaches back before the raise dilutes harm."""
    if harm is None or metric is None or harm.metric != metric:
        return 1.0
    window = scene.timing.window(scene.plan.metrics[metric].window)
    return 1 + (harm.factor - 1) * min(1.0, scene.grid.step * (place - span.raised) / window)


def first_lasting(
    scene: BacktestData, codes: bytes, reading: Callable[[int], Reading], breach: Callable[[int], Breach | None]
) -> int | None:
    """The first look whose FAIL had lasted by then, as an evaluation asks; looks are counted from 0."""
    place = codes.find(FAIL)
    while place >= 0:
        must_last = breach(place)
        if must_last is None or must_last.lasting == timedelta(0):
            return place
        back = 2 * scene.grid.places(max(must_last.lasting, must_last.window))
        points = [reading(number) for number in range(max(0, place - back), place + 1)]
        if sustained(must_last, [point for point in points if isinstance(point, Sample)])[0]:
            return place
        place = codes.find(FAIL, place + 1)
    return None
