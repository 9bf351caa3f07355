"""Replaying a change against what was before the wave: the old path over the plan's baseline window."""

from dataclasses import dataclass

from tidegate.backtest.past import Asked
from tidegate.backtest.scene import BacktestData, Harm, Watched
from tidegate.backtest.seen import ReplayResult, codes_by_value, seen_of
from tidegate.backtest.span import ReplayWindow, factor_at, first_lasting
from tidegate.criteria.change import Against, judge_change
from tidegate.criteria.history_kinds import Change
from tidegate.criteria.queries import Breach, metric_reading
from tidegate.criteria.references import zero_where_absent
from tidegate.plan.in_force import InForce
from tidegate.plan.model import When
from tidegate.values.samples import Reading
from tidegate.values.verdict import Finding


@dataclass(frozen=True, slots=True)
class OfChangeBefore:
    """One reference for a whole wave, hence one bound."""

    item: InForce
    criterion: Change
    wave: int
    what: Watched
    before: tuple[tuple[str, Asked], ...]
    words: str

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question."""
        return (*self.what.asked, *(question for _, question in self.before))

    def over(self, scene: BacktestData, span: ReplayWindow, harm: Harm | None) -> ReplayResult:
        """What it would have said in that wave."""
        then, name = self._against(scene, span), self.criterion.metric
        if harm is None or harm.metric != name:
            readings = scene.readings(self.what)[span.looks]
        else:
            places = range(span.first, span.last + 1)
            readings = [scene.reading(self.what, p, factor_at(scene, harm, name, span, p)) for p in places]

        def judge(reading: Reading) -> tuple[Finding, Breach | None]:
            return judge_change(self.item.id, self.criterion, scene.plan, self.wave, scene.timing, reading, then)

        codes = codes_by_value(readings, lambda reading: judge(reading)[0].verdict)
        trigger = When.TRIGGER in self.criterion.when
        number = first_lasting(scene, codes, readings.__getitem__, lambda n: judge(readings[n])[1] if trigger else None)
        fired = None if number is None else (span.first + number, judge(readings[number])[0])
        return seen_of(codes, scene.grid, span.first, fired=fired)

    def _against(self, scene: BacktestData, span: ReplayWindow) -> Against:
        name, at = self.criterion.metric, scene.grid.at(span.raised)
        answers = {key: scene.past.reading(question, at) for key, question in self.before}
        if (part := f"{name}_part") in answers:
            answers[part] = zero_where_absent(answers[part], answers[f"{name}_whole"])
        return Against(self.words, metric_reading(scene.plan, name, answers))
