"""Whole rollouts of the past, as comparisons see them: their evidence goes on from wave to wave.

Every start is a rollout: its waves follow each other without a gate between them, each compares its own two cohorts,
and all of them are known from the week before the first one, as in a real rollout.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from statistics import median
from typing import Any

from tidegate.backtest.compared_result import ComparedHarm, ComparedRollouts
from tidegate.backtest.rates import Rate
from tidegate.backtest.replay.backtest_data import BacktestData
from tidegate.backtest.replay.counted import CountsReplay
from tidegate.backtest.replay.past import Grid
from tidegate.backtest.replay.replay_window import ReplayWindow
from tidegate.backtest.replay.replayed_lines import Line
from tidegate.criteria.comparisons.counts import Counted, watched
from tidegate.statistics.sequential import WaveCounts
from tidegate.values.samples import NoData

Ends = tuple[float | None, float | None]  # when it held, and when it rolled back


def compared_rollouts(
    found: Sequence[Line], scene: BacktestData, waves: Sequence[int], every: timedelta, factors: Sequence[float]
) -> ComparedRollouts | None:
    """Of the waves that were tried, which must begin with the first one; None where no comparison could be replayed."""
    tried = _comparisons(found)
    if not tried or list(waves) != list(range(1, len(waves) + 1)):
        return None
    starts = list(_starts(scene.grid, every, [scene.timing.soak(wave) for wave in waves]))
    if not starts:
        return None
    texts = tuple(next(iter(each.values())).criterion.text for each in tried.values())
    quiet = [[_ends(each, scene, spans, 1.0) for each in tried.values()] for spans in starts]
    whole = [ReplayWindow(spans[0].raised, spans[-1].last) for spans in starts]
    held, back = ([any(one[k] is not None for one in ends) for ends in quiet] for k in (0, 1))
    by = {text: sum(ends[k][1] is not None for ends in quiet) for k, text in enumerate(texts)}
    harmed = tuple(_harmed(tried, scene, starts, quiet, factor) for factor in factors)
    count = _apart(whole)
    return ComparedRollouts(
        texts,
        Rate(sum(held), len(starts), count),
        Rate(sum(back), len(starts), count),
        harmed,
        {text: often for text, often in by.items() if often},
    )


def _comparisons(found: Sequence[Line]) -> dict[str, dict[int, CountsReplay]]:
    """What compares both paths and may roll back, by its name and wave."""
    tried: dict[str, dict[int, CountsReplay]] = {}
    for line in found:
        replay = line.replay
        if isinstance(replay, CountsReplay) and replay.stance.holds is not None:
            tried.setdefault(line.item.id, {})[line.wave] = replay
    return tried


def _starts(grid: Grid, every: timedelta, soaks: Sequence[timedelta]) -> Iterator[list[ReplayWindow]]:
    """The waves of a rollout at each multiple of `every` from which all of them fit into the past."""
    at = Grid.over(grid.start, grid.end, every)
    for number in range(at.count):
        raised, spans = grid.place(at.at(number)), []
        for soak in soaks:
            spans.append(ReplayWindow(raised, raised + grid.places(soak)))
            raised = spans[-1].last
        if raised < grid.count:
            yield spans


def _apart(found: Sequence[ReplayWindow]) -> int:
    count, until = 0, -1
    for span in found:
        if span.raised >= until:
            count, until = count + 1, span.last
    return count


def _ends(replays: dict[int, CountsReplay], scene: BacktestData, spans: Sequence[ReplayWindow], factor: float) -> Ends:
    """When one comparison would have held and rolled back."""
    first = replays[min(replays)]
    # More errors are no slower requests: those of histograms stay as they were.
    counted = _counted(replays, scene, spans, 1.0 if first.criterion.histograms_judged else factor)
    ends = sorted({row.end for one in counted for wave in one.waves for row in wave.rows})
    if not ends or first.stance.holds is None:
        return None, None
    return first.stance.holds(counted), first.fires(counted, ends)


def _counted(
    replays: dict[int, CountsReplay], scene: BacktestData, spans: Sequence[ReplayWindow], factor: float
) -> list[Counted]:
    """All waves' counts of each thing, known from the week before the first wave."""
    began = scene.grid.at(spans[0].raised).timestamp()
    waves: list[list[WaveCounts]] = []
    first: list[Counted] = []
    weeks: list[list[Any]] = []
    for number, span in enumerate(spans, start=1):
        if (replay := replays.get(number)) is None:
            continue
        found = replay.counted(scene, span, factor, known_at=began)
        if isinstance(found, NoData):
            return []
        if not waves:
            first, weeks = [one for one, _ in found], [week for _, week in found]
            waves = [[] for _ in found]
        for place, (one, _) in enumerate(found):
            waves[place] += [wave for wave in one.waves if wave.rows]
    whole = [
        Counted(one.what, tuple(each), None, one.noun, one.measured)
        for one, each in zip(first, waves, strict=True)
        if each
    ]
    if len(whole) < len(first):
        return []
    return watched(whole, weeks) if replays[min(replays)].stance.bounds_chosen else whole


def _harmed(
    tried: dict[str, dict[int, CountsReplay]],
    scene: BacktestData,
    starts: Sequence[Sequence[ReplayWindow]],
    quiet: Sequence[Sequence[Ends]],
    factor: float,
) -> ComparedHarm:
    """Of the rollouts that nothing would have stopped without it."""
    held: list[float] = []
    back: list[float] = []
    rollouts = 0
    for spans, before in zip(starts, quiet, strict=True):
        if any(one != (None, None) for one in before):
            continue
        rollouts += 1
        began = scene.grid.at(spans[0].raised).timestamp()
        found = [_ends(each, scene, spans, factor) for each in tried.values()]
        held += _first([one for one, _ in found], began)
        back += _first([one for _, one in found], began)
    return ComparedHarm(
        factor, rollouts, len(held), median(held) if held else None, len(back), median(back) if back else None
    )


def _first(ends: Sequence[float | None], began: float) -> list[float]:
    """Seconds until the first of them; nothing where there was none."""
    found = [end for end in ends if end is not None]
    return [min(found) - began] if found else []
