"""Which of a plan's criteria can be replayed, how, and why the others cannot."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from tidegate.backtest.replay.backtest_data import BacktestData, Harm
from tidegate.backtest.replay.counted import counts_replay
from tidegate.backtest.replay.each_look import AlikeReplay, WaveReplay
from tidegate.backtest.replay.past import Asked
from tidegate.backtest.replay.past_answers import Steps, context_then, past_questions
from tidegate.backtest.replay.replay_result import ReplayResult
from tidegate.backtest.replay.replay_window import ReplayWindow
from tidegate.criteria.base import When
from tidegate.criteria.metrics.queries import no_canary_traffic_breach
from tidegate.criteria.requests import AlertsNow, UnansweredError
from tidegate.criteria.stances import EachLook, FromCounts, NotReplayed
from tidegate.plan.in_force import InForce, in_force
from tidegate.plan.model import Plan
from tidegate.plan.pace import Timing


class Replay(Protocol):
    """A criterion that can be replayed."""

    @property
    def asked(self) -> tuple[Asked, ...]: ...
    @property
    def alerts(self) -> tuple[AlertsNow, ...]: ...
    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion of one wave: how it is replayed, or why it is not."""

    wave: int
    item: InForce
    when: When
    replay: Replay | None
    reason: str = ""


def lines(plan: Plan, timing: Timing, steps: Steps) -> Iterator[Line]:
    """Every criterion in force in every wave; what decides a gate is listed once, before its wave."""
    for wave in range(1, len(plan.waves) + 1):
        for when in (When.ENTER, When.DURING, When.TRIGGER):
            for item in in_force(plan, wave, when):
                if when is When.ENTER:
                    yield Line(wave, item, when, None, "it decides a gate, before its wave")
                    continue
                # A dry run is judged like the others here: that is what a back-test is for.
                judged = replace(item, criterion=item.criterion.model_copy(update={"dry_run": False}))
                found = _replay(plan, timing, steps, wave, judged)
                if isinstance(found, str):
                    yield Line(wave, item, when, None, found)
                else:
                    yield Line(wave, item, when, found)


def unlisted(plan: Plan, timing: Timing) -> list[str]:
    """What an evaluation judges besides the plan's criteria and no back-test can."""
    if all(no_canary_traffic_breach(plan, wave, timing) is None for wave in range(1, len(plan.waves) + 1)):
        return []
    return ["no_canary_traffic: there was no new path that could have been without requests"]


def _replay(plan: Plan, timing: Timing, steps: Steps, wave: int, item: InForce) -> Replay | str:
    criterion, at = item.criterion, context_then(plan, timing, wave, item)
    stance = criterion.in_backtest(at)
    if isinstance(stance, NotReplayed):
        return stance.reason
    try:
        if isinstance(stance, FromCounts):
            return counts_replay(at, criterion, stance)
        questions = past_questions(at, criterion.requests(at), steps)
    except UnansweredError as reason:
        return str(reason)
    if isinstance(stance, EachLook):
        return AlikeReplay(at, criterion, questions, stance.one_bound)
    return WaveReplay(at, criterion, questions, stance.one_bound, stance.every)
