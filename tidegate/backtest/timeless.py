"""Replaying what does not depend on when its wave was raised: judged once at each instant, whatever the wave."""

from dataclasses import dataclass

from tidegate.backtest.past import Asked
from tidegate.backtest.scene import BacktestData, Harm, Watched
from tidegate.backtest.seen import CODES, ReplayResult, codes_by_value, seen_of
from tidegate.backtest.span import ReplayWindow, factor_at, first_lasting
from tidegate.criteria.change import Against, judge_change
from tidegate.criteria.history_kinds import Change, How, Slo
from tidegate.criteria.queries import Breach, breach_of
from tidegate.criteria.slo import judge_slo, slo_readings
from tidegate.criteria.threshold import judge_alerts, judge_threshold
from tidegate.plan.in_force import InForce
from tidegate.plan.model import Alerts, Plan, Threshold, When
from tidegate.plan.pace import Timing
from tidegate.values.samples import AlertReading, NoData, Reading, Sample
from tidegate.values.units import Unit, quantity_in
from tidegate.values.verdict import Finding

Judged = tuple[Finding, Breach | None]


class Timeless:
    """A criterion that is judged alike in every wave."""

    __slots__ = ()

    @property
    def harmed_by(self) -> str | None:
        """The metric whose harm it may see."""
        return None

    @property
    def key(self) -> object:
        """What makes two of them one question."""
        raise NotImplementedError

    def judge(self, scene: BacktestData, place: int, factor: float) -> Judged:
        """As the tick does, the harmed metric being so many times as large."""
        raise NotImplementedError

    def point(self, scene: BacktestData, place: int, factor: float) -> Reading:
        """What a breach's query over time would say at that place."""
        raise NotImplementedError

    def codes(self, scene: BacktestData, factor: float) -> bytes:
        """The verdict at every instant of the past."""
        verdicts = (self.judge(scene, place, factor)[0].verdict for place in range(scene.grid.count))
        return bytes(CODES[verdict] for verdict in verdicts)

    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult:
        """What it would have said in that wave, by the tick's own judge."""
        return _replay(self, scene, span, harm)


def _replay(one: Timeless, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult:
    whole = harm.factor if harm is not None and harm.metric == one.harmed_by else 1.0
    if (key := (one.key, whole)) not in scene.codes:
        scene.codes[key] = one.codes(scene, whole)
    codes = bytearray(scene.codes[key][span.looks])
    factors: dict[int, float] = {}
    for number in range(len(codes)):
        factor = factor_at(scene, harm, one.harmed_by, span, span.first + number)
        if factor == whole:
            break
        factors[number] = factor
        codes[number] = CODES[one.judge(scene, span.first + number, factor)[0].verdict]

    def judged(number: int) -> Judged:
        return one.judge(scene, span.first + number, factors.get(number, whole))

    def point(number: int) -> Reading:
        return one.point(scene, span.first + number, factors.get(number, whole))

    found = first_lasting(scene, bytes(codes), point, lambda number: judged(number)[1])
    fired = None if found is None else (span.first + found, judged(found)[0])
    return seen_of(bytes(codes), scene.grid, span.first, fired=fired)


@dataclass(frozen=True, slots=True)
class OfThreshold(Timeless):
    """A metric against its bound."""

    item: InForce
    criterion: Threshold
    what: Watched
    breach: Breach | None

    @classmethod
    def of(
        cls, plan: Plan, timing: Timing, item: InForce, criterion: Threshold, wave: int, what: Watched
    ) -> "OfThreshold":
        """With the breach that a trigger must show to last."""
        breach = breach_of(criterion, plan, wave, timing) if When.TRIGGER in criterion.when else None
        return cls(item, criterion, what, breach)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return self.what.asked

    @property
    def harmed_by(self) -> str:
        """The metric whose harm it may see."""
        return self.criterion.metric

    @property
    def key(self) -> object:
        """What makes two of them one question."""
        return self.criterion.model_dump_json(exclude={"text", "id"}), self.what

    def codes(self, scene: BacktestData, factor: float) -> bytes:
        """The verdict at every instant of the past."""
        return codes_by_value(scene.readings(self.what, factor), lambda reading: self._judge(scene, reading).verdict)

    def judge(self, scene: BacktestData, place: int, factor: float) -> Judged:
        """As the tick does."""
        return self._judge(scene, self.point(scene, place, factor)), self.breach

    def _judge(self, scene: BacktestData, reading: Reading) -> Finding:
        return judge_threshold(self.item.id, self.criterion, scene.plan.metrics[self.criterion.metric], reading, "")

    def point(self, scene: BacktestData, place: int, factor: float) -> Reading:
        """The metric then."""
        return scene.reading(self.what, place, factor)


@dataclass(frozen=True, slots=True)
class OfAlerts(Timeless):
    """Alerts that fired then; whether a healthy rule could have told is known of today's rules only."""

    item: InForce
    criterion: Alerts
    firing: Asked

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return (self.firing,)

    @property
    def key(self) -> object:
        """What makes two of them one question."""
        return self.firing

    def judge(self, scene: BacktestData, place: int, factor: float) -> Judged:
        """As the tick does."""
        at, found = scene.grid.at(place), self.point(scene, place, factor)
        if isinstance(found, NoData):
            reading = AlertReading(at, (), 0, found)
        else:
            firing = (f"{found.value:.0f} of them",) if found.value else ()
            reading = AlertReading(at, firing, scene.healthy_rules.get(self.criterion.known_by, 0))
        return judge_alerts(self.item.id, self.criterion, reading), None

    def point(self, scene: BacktestData, place: int, _: float) -> Reading:
        """How many fired."""
        return scene.past.reading(self.firing, scene.grid.at(place))


@dataclass(frozen=True, slots=True)
class OfChangeBeside(Timeless):
    """A change against the users beside, at the same moment: two labelled cohorts of the old path."""

    item: InForce
    criterion: Change
    wave: int
    what: Watched
    beside: Watched

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return (*self.what.asked, *self.beside.asked)

    @property
    def harmed_by(self) -> str:
        """The metric whose harm it may see."""
        return self.criterion.metric

    @property
    def key(self) -> object:
        """What makes two of them one question."""
        return self.criterion.model_dump_json(exclude={"text", "id"}), self.what, self.beside

    def judge(self, scene: BacktestData, place: int, factor: float) -> Judged:
        """As the tick does."""
        now, then = scene.reading(self.what, place, factor), scene.reading(self.beside, place)
        beside = Against("control", then, "the users beside")
        finding, breach = judge_change(self.item.id, self.criterion, scene.plan, self.wave, scene.timing, now, beside)
        return finding, breach if When.TRIGGER in self.criterion.when else None

    def point(self, scene: BacktestData, place: int, factor: float) -> Reading:
        """What the breach asks of the past: how far the value is beyond what its bound makes of the one beside."""
        now, then = scene.reading(self.what, place, factor), scene.reading(self.beside, place)
        if isinstance(now, NoData) or isinstance(then, NoData):
            return now if isinstance(now, NoData) else then
        item, relative = self.criterion, self.criterion.how is How.RELATIVE
        unit = Unit.PERCENT if relative else scene.plan.metrics[item.metric].unit
        limit = quantity_in(item.above or item.below or "", unit)
        return Sample(now.value - (then.value * (1 + limit / 100) if relative else then.value + limit), now.at)


@dataclass(frozen=True, slots=True)
class OfObjective(Timeless):
    """How fast an error budget burns; harm is not put into it, since its windows are far longer than a raise."""

    item: InForce
    criterion: Slo
    shares: tuple[tuple[str, Asked], ...]

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return tuple(question for _, question in self.shares)

    @property
    def key(self) -> object:
        """What makes two of them one question."""
        return self.criterion.model_dump_json(exclude={"text", "id"}), self.shares

    def judge(self, scene: BacktestData, place: int, _: float) -> Judged:
        """As the tick does."""
        at = scene.grid.at(place)
        answers = {key: scene.past.reading(question, at) for key, question in self.shares}
        shares = slo_readings(self.criterion, scene.plan, answers)
        return judge_slo(self.item.id, self.criterion, scene.plan, shares, ""), None

    def point(self, scene: BacktestData, place: int, _: float) -> Reading:
        """Nothing has to last."""
        return scene.past.reading(self.shares[0][1], scene.grid.at(place))
