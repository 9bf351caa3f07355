"""What earlier waves demand goes on being demanded: their criteria are in force in this one's place."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, Request
from tidegate.criteria.stances import NotReplayed, Stance
from tidegate.values.model import Contradiction, Whole
from tidegate.values.verdict import Finding, Verdict

EXAMPLE = """\
kind: earlier_waves
when: during
text: All Wave 1-2 criteria still met
waves: [1, 2]
"""


class EarlierWaves(BaseCriterion):
    """What the named earlier waves demand during their soak goes on being demanded."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["earlier_waves"]
    waves: tuple[Whole, ...] = Field(min_length=1, description="Numbers of earlier waves, counted from 1.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Another moment than during."""
        yield from super().contradictions()
        if self.when != (When.DURING,):
            yield ("when",), f"found {', '.join(self.when)}, allowed for earlier_waves is during"

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """Nothing of its own."""
        return ()

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Decides nothing by itself: what is in force are the criteria of its waves."""
        sentence = f"What {waves_words(self.waves)} ask is asked by itself."
        return Finding(at.id, self.text, Verdict.NOT_APPLICABLE, sentence), None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """Waves that are not earlier."""
        allowed = f"numbers of earlier waves (1 to {number})" if number else "nothing, since no wave is earlier"
        for at, earlier in enumerate(self.waves):
            if not 1 <= earlier <= number:
                yield ("waves", at), f"found {earlier}, allowed is {allowed}"

    def sentence(self, plan: PlanFacts) -> str:
        """`what waves 1 and 2 ask still holds`."""
        return f"what {waves_words(self.waves)} {'asks' if len(self.waves) == 1 else 'ask'} still holds"

    def in_backtest(self, at: Context) -> Stance:
        """The criteria of its waves are replayed."""
        return NotReplayed("the criteria of its waves are replayed in its place")

    @property
    def earlier_waves(self) -> tuple[int, ...]:
        """The waves it brings along."""
        return self.waves


def waves_words(waves: Iterable[int]) -> str:
    """`wave 1`, `waves 1 and 2`, `waves 1, 2 and 3`."""
    *most, last = [str(wave) for wave in waves]
    return f"waves {', '.join(most)} and {last}" if most else f"wave {last}"
