"""A whole back-test: what to ask Prometheus for, and what follows from the answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.backtest.compared_result import TWICE
from tidegate.backtest.replay.backtest_data import BacktestData, Harm
from tidegate.backtest.replay.past import Asked, Grid, Past
from tidegate.backtest.replay.past_answers import Steps
from tidegate.backtest.replay.replayed_lines import Line, lines, unlisted
from tidegate.backtest.result import BacktestResult, criteria_hash
from tidegate.backtest.rollouts import compared_rollouts
from tidegate.backtest.waves import criterion_result, spans, tell, wave_result
from tidegate.criteria.requests import AlertsNow
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing

LOOK, START = timedelta(minutes=1), timedelta(hours=6)
Progress = Callable[[str, int, int], None]  # what, how many are done, of how many


@dataclass(frozen=True, slots=True)
class BacktestPlan:
    """What is tried: the plan's waves over a period, how densely, and which harm is put in."""

    plan: Plan
    timing: Timing
    grid: Grid
    steps: Steps
    waves: tuple[int, ...]
    harms: tuple[Harm, ...]
    lines: tuple[Line, ...]

    @property
    def questions(self) -> tuple[Asked, ...]:
        """Every range query, each once."""
        asked = (question for line in self.lines if line.replay is not None for question in line.replay.asked)
        return tuple(dict.fromkeys(asked))

    @property
    def alerts(self) -> tuple[AlertsNow, ...]:
        """The alerts whose rules must be known, each once."""
        found = [asked for line in self.lines if line.replay is not None for asked in line.replay.alerts]
        return tuple({asked.known_by: asked for asked in found}.values())


def course(
    plan: Plan,
    start: datetime,
    end: datetime,
    *,
    look: timedelta | None = None,
    every: timedelta | None = None,
    waves: Iterable[int] = (),
    harms: Iterable[Harm] = (),
) -> BacktestPlan:
    """What will be asked and judged; raises ValueError for a period, a wave or a harm that cannot be tried."""
    timing = Timing(plan, Pace.of(start, plan.pace))
    step = look or max(timing.pace.real(LOOK), timedelta(seconds=1))
    # Starts lie on looks, so that what is asked at a start is asked at a look, too.
    between = step * max(1, -(-(every or timing.pace.real(START)) // step))
    grid = Grid.over(start, end, step)
    chosen = tuple(waves) or tuple(range(1, len(plan.waves) + 1))
    for wave in chosen:
        if not 1 <= wave <= len(plan.waves):
            raise ValueError(f"--wave: found {wave}, allowed is 1 to {len(plan.waves)}")
        if not spans(grid, between, timing.soak(wave)):
            title, soak = plan.waves[wave - 1].title, timing.soak(wave)
            raise ValueError(f"--from and --to: found {end - start}, allowed is at least {soak} ({title}) and a start")
    for harm in harms:
        if harm.metric not in (known := _harmable(plan)):
            raise ValueError(f"--inject: found {harm.metric!r}, allowed are {', '.join(known)}")
    steps = Steps(step, between)
    asked = tuple(line for line in lines(plan, timing, steps) if line.wave in chosen)
    return BacktestPlan(plan, timing, grid, steps, chosen, tuple(harms), asked)


def _harmable(plan: Plan) -> list[str]:
    """Metrics, so many times as large; and compared histograms, whose durations are so many times as long."""
    histograms = (name for wave in plan.waves for one in wave.criteria for name in one.histograms_judged)
    return list(dict.fromkeys((*plan.metrics, *histograms)))


def judge(
    what: BacktestPlan, past: Past, rules: Mapping[frozenset[tuple[str, str]], int], progress: Progress
) -> BacktestResult:
    """Every wave judged at every start, by the plan's own judge."""
    scene = BacktestData(what.plan, what.timing, what.grid, past, rules)
    waves, criteria, done = [], [], 0
    for wave in what.waves:
        found = spans(what.grid, what.steps.start, what.timing.soak(wave))
        replayed = []
        for line in _of(what.lines, wave):
            progress("judged", done, len(what.lines))
            replayed.append(tell(line, scene, found, what.harms))
            done += 1
        criteria += [criterion_result(one, scene, found) for one in replayed]
        waves.append(wave_result(replayed, scene, wave, found))
    progress("judged", done, len(what.lines))
    factors = sorted({TWICE, *(harm.factor for harm in what.harms if harm.metric in what.plan.metrics)})
    compared = compared_rollouts(what.lines, scene, what.waves, what.steps.start, factors)
    return BacktestResult(
        what.plan.name,
        what.plan.hash,
        criteria_hash(what.plan),
        what.grid.start,
        what.grid.end,
        what.grid.step.total_seconds(),
        tuple(waves),
        tuple(criteria),
        tuple(unlisted(what.plan, what.timing)),
        compared,
    )


def _of(found: Sequence[Line], wave: int) -> list[Line]:
    return [line for line in found if line.wave == wave]
