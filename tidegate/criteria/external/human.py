"""What people state in a gate's form, and lines that wait for a kind of check that does not exist yet."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.criteria.base import BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, Request
from tidegate.criteria.stances import NotReplayed, Stance
from tidegate.values.model import Contradiction, Name, did_you_mean
from tidegate.values.verdict import Finding, Verdict

EXAMPLE = """\
kind: human
when: enter
text: Team comfortable with monitoring
role: engineering-lead
"""


class Human(BaseCriterion):
    """A statement that a person of the named role makes in the gate's form."""

    example: ClassVar[str] = EXAMPLE

    kind: Literal["human"]
    role: Name = Field(description="Whose statement it is.")
    pending: Name | None = Field(default=None, description="The kind of check this line waits for until it exists.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A statement at a moment when nobody is asked."""
        yield from super().contradictions()
        if self.pending is None and self.when != (When.ENTER,):
            yield ("when",), f"found {', '.join(self.when)}, allowed for a human statement is enter"

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """Nothing that a machine answers."""
        return ()

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """Decides nothing here; the gate asks its person."""
        return judge_pending(at.id, self), None

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """A role that nobody has."""
        if self.role not in plan.roles:
            close = did_you_mean(self.role, plan.roles)
            yield ("role",), f"found {self.role!r}, allowed are {', '.join(plan.roles)}{close}"

    def sentence(self, plan: PlanFacts) -> str:
        """`engineering-lead states: Team comfortable with monitoring`."""
        if self.pending is None:
            return f"{self.role} states: {self.text}"
        return f"{self.text} (not measured yet: {self.pending})"

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed("only people answer it")

    @property
    def role_asked(self) -> str | None:
        """Whose statement it is."""
        return self.role

    @property
    def pending_kind(self) -> str | None:
        """The kind of check that this line waits for."""
        return self.pending


def judge_pending(id_: str, item: Human) -> Finding:
    """A line whose kind of check does not exist yet decides nothing; people watch it and roll back by hand."""
    sentence = f"Pending a check of kind {item.pending}: watched by people ({item.role}), who roll back by hand."
    return Finding(id_, item.text, Verdict.NOT_APPLICABLE, sentence)
