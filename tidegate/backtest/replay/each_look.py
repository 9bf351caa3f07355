"""Replaying a criterion look by look: alike in every wave, or from a past that begins with its wave."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tidegate.backtest.replay.backtest_data import BacktestData, Harm
from tidegate.backtest.replay.past import Asked
from tidegate.backtest.replay.past_answers import PastAnswers, PastQuestions
from tidegate.backtest.replay.replay_result import CODES, ReplayResult, codes_by_value, seen_of
from tidegate.backtest.replay.replay_window import ReplayWindow, factor_at, first_lasting
from tidegate.criteria.base import BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.requests import AlertsNow
from tidegate.values.samples import Reading
from tidegate.values.verdict import Verdict

Factor = Callable[[str, int], float]


@dataclass(frozen=True, slots=True)
class LookReplay:
    """What the replays of single looks share."""

    at: Context
    criterion: BaseCriterion
    questions: PastQuestions
    one_bound: bool

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return self.questions.asked

    @property
    def alerts(self) -> tuple[AlertsNow, ...]:
        """The alerts whose rules must be known."""
        return tuple(asked for asked, _ in self.questions.alerts.values())

    def judged(self, at: Context, answers: PastAnswers) -> Judgement:
        """As an evaluation does; only a trigger's breach has to last."""
        finding, breach = self.criterion.judge(at, answers)
        return finding, breach if When.TRIGGER in self.criterion.when else None

    def verdicts(self, at: Context, readings: Sequence[Reading], answers: Callable[[Reading], PastAnswers]) -> bytes:
        """The verdicts of a metric's readings, which one bound divides."""

        def verdict(reading: Reading) -> Verdict:
            return self.criterion.judge(replace(at, now=reading.at), answers(reading))[0].verdict

        return codes_by_value(readings, verdict)


@dataclass(frozen=True, slots=True)
class AlikeReplay(LookReplay):
    """Judged once at each instant, whatever the wave."""

    def _judge(self, scene: BacktestData, place: int, factor: Factor) -> tuple[Context, PastAnswers]:
        at = scene.grid.at(place)
        since = self.at.first_raise_at and at - (self.at.now - self.at.first_raise_at)
        answers = PastAnswers(scene, self.questions, place, place, factor)
        return replace(self.at, now=at, first_raise_at=since), answers

    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult:
        """What it would have said in that wave: as in every wave, but for harm that sets in with the raise."""
        harmed = harm.metric if harm is not None and harm.metric in self.questions.metrics else None
        whole = harm.factor if harm is not None and harmed else 1.0

        def factor(metric: str, place: int) -> float:
            return factor_at(scene, harm, harmed, span, place) if metric == harmed else 1.0

        key = (self.criterion.model_dump_json(exclude={"text", "id"}), self.asked, whole)
        if key not in scene.codes:
            scene.codes[key] = self._codes(scene, lambda metric, _: whole if metric == harmed else 1.0)
        codes = bytearray(scene.codes[key][span.looks])
        for number in range(len(codes)):
            if harmed is None or factor(harmed, span.first + number) == whole:
                break
            codes[number] = CODES[self.judged(*self._judge(scene, span.first + number, factor))[0].verdict]

        def judged(number: int) -> Judgement:
            return self.judged(*self._judge(scene, span.first + number, factor))

        def point(number: int) -> Reading:
            return self.criterion.breached_value(*self._judge(scene, span.first + number, factor))

        found = first_lasting(scene, bytes(codes), point, lambda number: judged(number)[1])
        fired = None if found is None else (span.first + found, judged(found)[0])
        return seen_of(bytes(codes), scene.grid, span.first, fired=fired)

    def _codes(self, scene: BacktestData, factor: Factor) -> bytes:
        """The verdict at every instant of the past."""
        if self.one_bound:
            ((name, what),) = self.questions.metrics.items()
            return self.verdicts(
                self.at,
                scene.readings(what, factor(name, 0)),
                lambda reading: PastAnswers(scene, self.questions, 0, 0, factor, reading),
            )
        places = range(scene.grid.count)
        return bytes(CODES[self.judged(*self._judge(scene, place, factor))[0].verdict] for place in places)


@dataclass(frozen=True, slots=True)
class WaveReplay(LookReplay):
    """Judged in each wave, at looks so far apart."""

    every: timedelta | None

    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult:
        """What it would have said in that wave."""
        grid = scene.grid
        every = 1 if self.every is None else max(1, grid.places(self.every))
        places = range(span.raised + every, span.last + 1, every)
        began = replace(self.at, raised_at=grid.at(span.raised), first_raise_at=grid.at(span.raised))

        def factor(metric: str, place: int) -> float:
            return factor_at(scene, harm, metric, span, place)

        def there(number: int) -> tuple[Context, PastAnswers]:
            place = places[number]
            return replace(began, now=grid.at(place)), PastAnswers(scene, self.questions, place, span.raised, factor)

        if self.one_bound:
            ((name, what),) = self.questions.metrics.items()
            harmed = harm is not None and harm.metric == name
            readings = [scene.reading(what, place, factor(name, place)) for place in places] if harmed else None
            codes = self.verdicts(
                began,
                scene.readings(what)[places.start : span.last + 1 : every] if readings is None else readings,
                lambda reading: PastAnswers(scene, self.questions, span.raised, span.raised, factor, reading),
            )
            known: dict[int, Judgement] = {}
        else:
            known = {number: self.judged(*there(number)) for number in range(len(places))}
            codes = bytes(CODES[finding.verdict] for finding, _ in known.values())

        def judged(number: int) -> Judgement:
            if number not in known:
                known[number] = self.judged(*there(number))
            return known[number]

        def point(number: int) -> Reading:
            return self.criterion.breached_value(*there(number))

        number = first_lasting(scene, codes, point, lambda n: judged(n)[1])
        fired = None if number is None else (places[number], judged(number)[0])
        return seen_of(codes, grid, span.raised + every, every, fired)
