"""The waves of the past: sliding starts, each judged by every criterion, and decided as an evaluation would."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from tidegate.backtest.rates import Rate
from tidegate.backtest.replay.backtest_data import BacktestData, Harm
from tidegate.backtest.replay.past import Grid
from tidegate.backtest.replay.replay_result import ReplayResult
from tidegate.backtest.replay.replay_window import ReplayWindow
from tidegate.backtest.replay.replayed_lines import Line
from tidegate.backtest.result import CriterionResult, HarmFound, WaveResult
from tidegate.journal.state import Phase, RolloutState, WaveRecord
from tidegate.plan.model import When
from tidegate.rollout.decision import Hold, Judged, RollBack, StepDown, decide
from tidegate.values.verdict import Finding, Verdict

PARTS = 240  # of the period, in a picture
_EXAMPLES = 5


def spans(grid: Grid, every: timedelta, soak: timedelta) -> list[ReplayWindow]:
    """Every start at a multiple of `every` from which a whole wave fits into the past."""
    starts = Grid.over(grid.start, grid.end, every)
    found = (
        ReplayWindow(grid.place(starts.at(n)), grid.place(starts.at(n)) + grid.places(soak))
        for n in range(starts.count)
    )
    return [span for span in found if span.last < grid.count]


def count_apart(found: Sequence[ReplayWindow]) -> int:
    """How many of them there are that do not overlap."""
    count, until = 0, -1
    for span in found:
        if span.raised >= until:
            count, until = count + 1, span.last
    return count


@dataclass(frozen=True, slots=True)
class CriterionReplay:
    """One criterion over all waves of the past, healthy and harmed."""

    line: Line
    healthy: tuple[ReplayResult, ...]
    harmed: Mapping[Harm, tuple[ReplayResult, ...]]


def tell(line: Line, scene: BacktestData, found: Sequence[ReplayWindow], harms: Sequence[Harm]) -> CriterionReplay:
    """What a criterion would have said in each wave; harm is put in where the criterion could see it."""
    replay = line.replay
    if replay is None:
        return CriterionReplay(line, (), {})
    metrics = (*line.item.criterion.metrics_judged, *line.item.criterion.histograms_judged)
    return CriterionReplay(
        line,
        tuple(replay.over(scene, span, None) for span in found),
        {h: tuple(replay.over(scene, span, h) for span in found) for h in harms if h.metric in metrics},
    )


def criterion_result(replayed: CriterionReplay, scene: BacktestData, found: Sequence[ReplayWindow]) -> CriterionResult:
    """Its figures."""
    line, criterion = replayed.line, replayed.line.item.criterion
    named = (line.wave, line.item.id, criterion.text, criterion.kind, line.when.value, criterion.dry_run)
    if line.replay is None:
        return CriterionResult(*named, reason=line.reason)
    fired = [seen for seen in replayed.healthy if seen.fired_at is not None]
    looked = sum(seen.looked for seen in replayed.healthy) or 1
    return CriterionResult(
        *named,
        fired=Rate(len(fired), len(found), count_apart(found)),
        no_data=100 * sum(seen.no_data for seen in replayed.healthy) / looked,
        unsure=100 * sum(seen.unsure for seen in replayed.healthy) / looked,
        failed=100 * sum(seen.failed for seen in replayed.healthy) / looked,
        fired_at=tuple(dict.fromkeys(f"{s.fired_at:%Y-%m-%dT%H:%M:%SZ}" for s in fired))[:_EXAMPLES],
        sentence=fired[0].finding.sentence if fired and fired[0].finding is not None else "",
        found=tuple(_delays(replayed, harm, seen, scene, found) for harm, seen in replayed.harmed.items()),
        strip=_strip(replayed.healthy, scene.grid, found),
    )


def _delays(
    replayed: CriterionReplay,
    harm: Harm,
    harmed: Sequence[ReplayResult],
    scene: BacktestData,
    found: Sequence[ReplayWindow],
) -> HarmFound:
    waves = [
        (seen.fired_at - scene.grid.at(span.raised)).total_seconds() if seen.fired_at is not None else None
        for seen, span, before in zip(harmed, found, replayed.healthy, strict=True)
        if before.fired_at is None
    ]
    late = [seconds for seconds in waves if seconds is not None]
    return HarmFound(harm.metric, harm.factor, len(late), len(waves), median(late) if late else None)


def _strip(replayed: Sequence[ReplayResult], grid: Grid, found: Sequence[ReplayWindow]) -> str:
    """What stood worst in each part of the period; parts that no wave covered are blank."""
    parts = [" "] * PARTS
    whole = (grid.end - grid.start).total_seconds() or 1.0

    def part(at: datetime) -> int:
        return min(PARTS - 1, int(PARTS * (at - grid.start).total_seconds() / whole))

    def mark(first: datetime, last: datetime, sign: str) -> None:
        for number in range(part(first), part(last) + 1):
            parts[number] = max(parts[number], sign)

    for seen, span in zip(replayed, found, strict=True):
        mark(grid.at(span.first), grid.at(span.last), "0")
        for spell in seen.spells:
            mark(*spell, "2")
        if seen.fired_at is not None:
            mark(seen.fired_at, seen.fired_at, "3")
    return "".join(parts)


def wave_result(
    replayed: Sequence[CriterionReplay], scene: BacktestData, wave: int, found: Sequence[ReplayWindow]
) -> WaveResult:
    """How often the wave would have been rolled back, or held without data, as the plan's decisions stand."""
    by: Counter[str] = Counter()
    held = 0
    counted = [one for one in replayed if one.line.replay is not None and not one.line.item.criterion.dry_run]
    for number, span in enumerate(found):
        decisions = list(_decisions(counted, scene, wave, number, span))
        first = next((decision for _, decision in decisions if isinstance(decision, RollBack)), None)
        if first is not None:
            by[first.criterion] += 1
        held += first is None and any(isinstance(decision, Hold | StepDown) for _, decision in decisions)
    step = scene.plan.waves[wave - 1]
    rate = Rate(by.total(), len(found), count_apart(found))
    return WaveResult(wave, step.title, step.soak.total_seconds(), rate, held, dict(by.most_common()))


def _decisions(
    replayed: Sequence[CriterionReplay], scene: BacktestData, wave: int, number: int, span: ReplayWindow
) -> Iterator[tuple[datetime, object]]:
    """What an evaluation's own rule makes of each trigger that fired and of each long time without data, in order."""
    raised = scene.grid.at(span.raised)
    moments: list[tuple[datetime, datetime | None, Finding]] = []
    for one in replayed:
        seen, item = one.healthy[number], one.line.item
        if one.line.when is When.TRIGGER and seen.fired_at is not None and seen.finding is not None:
            moments.append((seen.fired_at, None, seen.finding))
        for since, until in seen.spells:
            if until - since > scene.timing.no_data_budget:
                lost = Finding(item.id, item.criterion.text, Verdict.ERROR, "Nothing was measured.")
                moments.append((until, since, lost))
    for at, no_data_since, finding in sorted(moments, key=lambda moment: moment[0]):
        state = RolloutState(phase=Phase.WAVE, wave=wave, no_data_since=no_data_since)
        state.waves[wave] = WaveRecord(wave, raised, raised)
        yield at, decide(state, Judged(at, (finding,), ()), scene.timing)
