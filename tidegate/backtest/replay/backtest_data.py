"""What all replays of one back-test share: the plan, the instants, the answers, and each metric as it stood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tidegate.backtest.replay.past import Asked, Column, Grid, Past, reading_in, times
from tidegate.criteria.metrics.queries import metric_queries, metric_reading
from tidegate.criteria.metrics.references import zero_where_absent
from tidegate.criteria.plan_facts import PlanFacts, TimingFacts
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing
from tidegate.statistics.sequential import Counts
from tidegate.values.samples import NoData, NoDataReason, Reading

_MOST_HARM = 1e6
Columns = Sequence[tuple[str, Column | NoData]]


@dataclass(frozen=True, slots=True)
class Harm:
    """A regression that is put in: this metric is so many times as large on the new path from the raise on."""

    metric: str
    factor: float


def parse_harm(text: str) -> Harm:
    """`error_rate=2`; raises ValueError for anything else."""
    metric, _, factor = text.partition("=")
    try:
        size = float(factor)
    except ValueError:
        size = 0.0
    if not 0 < size < _MOST_HARM:
        raise ValueError(f"--inject: found {text!r}, allowed is METRIC=FACTOR, such as error_rate=2")
    return Harm(metric, size)


@dataclass(frozen=True, slots=True)
class Watched:
    """A metric on its stand-in: its queries at each look, and over the longer time where events are too few."""

    name: str
    near: tuple[tuple[str, Asked], ...]
    wide: tuple[tuple[str, Asked], ...] = ()

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return tuple(question for _, question in (*self.near, *self.wide))


def watched_series(
    plan: PlanFacts, timing: TimingFacts, name: str, wave: int, matchers: str, step: timedelta
) -> Watched:
    """How a metric is asked for on these series."""
    metric = plan.metrics[name]
    window, span = timing.window(metric.window), timing.lookback(metric)

    def asked(over: timedelta) -> tuple[tuple[str, Asked], ...]:
        found = metric_queries(plan, name, wave, over, matchers)
        return tuple((key, Asked(query, step)) for key, query in found.items())

    counted = metric.part is not None or metric.count is not None
    return Watched(name, asked(window), asked(span) if counted and span > window else ())


@dataclass(slots=True)
class BacktestData:
    """The past on its grid, and what was worked out of it so far."""

    plan: Plan
    timing: Timing
    grid: Grid
    past: Past
    healthy_rules: Mapping[frozenset[tuple[str, str]], int] = field(default_factory=dict)
    known: dict[object, list[Reading]] = field(default_factory=dict)
    codes: dict[object, bytes] = field(default_factory=dict)
    counts: dict[object, list[Counts] | NoData] = field(default_factory=dict)
    _first_ms: int = field(init=False)
    _step_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self._first_ms = round(self.grid.start.timestamp() * 1000)
        self._step_ms = round(self.grid.step.total_seconds() * 1000)

    def reading(self, what: Watched, place: int, factor: float = 1.0) -> Reading:
        """The metric at one instant, its events so many times as many."""
        if (known := self.known.get((what, factor))) is not None:
            return known[place]
        return self._read(what.name, *self._columns(what), place, factor)

    def readings(self, what: Watched, factor: float = 1.0) -> list[Reading]:
        """The metric at every instant."""
        key = (what, factor)
        if key not in self.known:
            near, wide = self._columns(what)
            self.known[key] = [self._read(what.name, near, wide, place, factor) for place in range(self.grid.count)]
        return self.known[key]

    def _columns(self, what: Watched) -> tuple[Columns, Columns]:
        # Looked up once and not at each instant, of which there are many.
        near, wide = ([(key, self.past.columns[asked]) for key, asked in each] for each in (what.near, what.wide))
        return near, wide

    def _read(self, name: str, near: Columns, wide: Columns, place: int, factor: float) -> Reading:
        found = self._once(name, near, place, factor)
        if wide and isinstance(found, NoData) and found.reason is NoDataReason.TOO_FEW:
            return self._once(name, wide, place, factor)
        return found

    def _once(self, name: str, columns: Columns, place: int, factor: float) -> Reading:
        at, ms = self.grid.at(place), self._first_ms + self._step_ms * place
        answers = {key: reading_in(column, ms, at) for key, column in columns}
        part, whole, value = f"{name}_part", f"{name}_whole", f"{name}_query"
        if part in answers:
            answers[part] = times(zero_where_absent(answers[part], answers[whole]), factor, answers[whole])
        else:
            answers[value] = times(answers[value], factor)
        return metric_reading(self.plan, name, answers)
