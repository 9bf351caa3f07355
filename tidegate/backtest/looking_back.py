"""Replaying what looks at a stretch of its metric's past: leaks, hour by hour, and spikes, review by review."""

from dataclasses import dataclass
from datetime import timedelta

from tidegate.backtest.past import Asked
from tidegate.backtest.scene import BacktestData, Harm, Watched
from tidegate.backtest.seen import CODES, FAIL, ReplayResult, seen_of
from tidegate.backtest.span import ReplayWindow, factor_at, first_lasting
from tidegate.criteria.history_kinds import Leak, ResourceSpike
from tidegate.criteria.leak import Floors, judge_leak
from tidegate.criteria.queries import Breach
from tidegate.criteria.resource_spike import POINTS, judge_spike, since
from tidegate.plan.in_force import InForce
from tidegate.plan.model import When
from tidegate.values.samples import NoData, Reading, Sample
from tidegate.values.verdict import Finding, Verdict

SPIKE_LOOKS = timedelta(minutes=10)  # at least between two: each sorts a hundred points


@dataclass(frozen=True, slots=True)
class OfLeak:
    """The floors of the days before each hour, whichever wave they were in."""

    item: InForce
    criterion: Leak
    floors: Floors
    points: Asked

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return (self.points,)

    def over(self, scene: BacktestData, span: ReplayWindow, _: Harm | None) -> ReplayResult:
        """What it would have said in that wave; a leak's growth is not put in."""
        every = max(1, scene.grid.places(self.floors.hour))
        places = range(span.raised + every, span.last + 1, every)
        findings = [self._judge(scene, place) for place in places]
        codes = bytes(CODES[finding.verdict] for finding in findings)
        number = codes.find(FAIL)
        fired = None if number < 0 else (places[number], findings[number])
        return seen_of(codes, scene.grid, span.raised + every, every, fired)

    def _judge(self, scene: BacktestData, place: int) -> Finding:
        back = self.floors.a_day * (self.floors.days + 1)
        hours = [scene.grid.at(place) - self.floors.hour * number for number in range(back, -1, -1)]
        found = [scene.past.reading(self.points, at) for at in hours]
        points = [reading for reading in found if isinstance(reading, Sample)]
        lost = next((reading for reading in found if isinstance(reading, NoData)), None)
        return judge_leak(self.item.id, self.criterion, scene.plan, self.floors, points or lost or [])


@dataclass(frozen=True, slots=True)
class OfSpike:
    """Each resource against its own median since the raise."""

    item: InForce
    criterion: ResourceSpike
    wave: int
    whats: tuple[Watched, ...]

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return tuple(question for what in self.whats for question in what.asked)

    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult:
        """What it would have said in that wave."""
        every = max(1, scene.grid.places(max(scene.timing.interval(self.wave), scene.timing.pace.real(SPIKE_LOOKS))))
        places = range(span.raised + every, span.last + 1, every)
        judged = [self._judge(scene, span, harm, place) for place in places]
        codes = bytes(CODES[finding.verdict] for finding, _, _ in judged)
        trigger = When.TRIGGER in self.criterion.when

        def reading(number: int) -> Reading:
            return self._reading(scene, span, harm, judged[number][2], places[number])

        number = first_lasting(scene, codes, reading, lambda n: judged[n][1] if trigger else None)
        fired = None if number is None else (places[number], judged[number][0])
        return seen_of(codes, scene.grid, span.raised + every, every, fired)

    def _reading(
        self, scene: BacktestData, span: ReplayWindow, harm: Harm | None, what: Watched, place: int
    ) -> Reading:
        return scene.reading(what, place, factor_at(scene, harm, what.name, span, place))

    def _judge(
        self, scene: BacktestData, span: ReplayWindow, harm: Harm | None, place: int
    ) -> tuple[Finding, Breach | None, Watched]:
        plan, timing, found = scene.plan, scene.timing, []
        now = scene.grid.at(place)
        for what in self.whats:
            began = since(self.criterion, plan, what.name, timing, scene.grid.at(span.raised), now)
            stride = max(1, scene.grid.places((now - began) / POINTS)) if now > began else 1
            places = range(place, scene.grid.place(began) - 1, -stride)
            past = [self._reading(scene, span, harm, what, each) for each in places]
            points = [reading for reading in reversed(past) if isinstance(reading, Sample)]
            reading = self._reading(scene, span, harm, what, place)
            finding, breach = judge_spike(
                self.item.id, self.criterion, plan, what.name, self.wave, timing, reading, points
            )
            found.append((finding, breach, what))
        order = (Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)
        return max(found, key=lambda each: order.index(each[0].verdict))
