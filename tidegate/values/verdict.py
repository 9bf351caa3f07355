"""The four verdicts, how they combine, and the finding that carries one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How a question was answered; ordered from best to worst, NOT_APPLICABLE standing outside."""

    PASS = "PASS"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    FAIL = "FAIL"
    NOT_APPLICABLE = "NOT_APPLICABLE"

    @property
    def allows(self) -> bool:
        """Whether nothing of this finding stands against more exposure: it passes, or does not apply."""
        return self in (Verdict.PASS, Verdict.NOT_APPLICABLE)


_ORDER = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of the verdicts that apply; nothing that applies is no evidence, hence INCONCLUSIVE."""
    applying = [verdict for verdict in verdicts if verdict is not Verdict.NOT_APPLICABLE]
    if not applying:
        return Verdict.INCONCLUSIVE
    return max(applying, key=_ORDER.index)


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one criterion: verdict, what was seen, what was allowed, from how much, and a sentence."""

    criterion: str
    text: str
    verdict: Verdict
    sentence: str
    observed: float | None = None
    bound: str = ""
    n: float | None = None
    query: str = ""
    required: bool = False
    method: str = ""  # how it was worked out, for a kind whose method has changed; empty: as from the first release on
    ratio: tuple[float, ...] = ()  # new path to old: the least and the most not ruled out (0: none), and the estimate
    of_the_past: bool = False  # it held while nobody looked, and the present value says nothing about that
    episode: str = ""  # of a hold by evidence that clears by itself: when it began

    def to_json(self) -> dict[str, object]:
        """As stored in the journal."""
        return {
            "criterion": self.criterion,
            "text": self.text,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "observed": self.observed,
            "bound": self.bound,
            "n": self.n,
            "query": self.query,
            **({"method": self.method} if self.method else {}),
            **({"ratio": list(self.ratio)} if self.ratio else {}),
        }


def finding_of(body: Mapping[str, Any]) -> Finding:
    """The inverse of `Finding.to_json`."""
    read = {**body, "verdict": Verdict(body["verdict"])}
    return Finding(**(read | {"ratio": tuple(body["ratio"])} if body.get("ratio") else read))
