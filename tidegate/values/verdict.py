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
        }


def finding_of(body: Mapping[str, Any]) -> Finding:
    """The inverse of `Finding.to_json`."""
    return Finding(**{**body, "verdict": Verdict(body["verdict"])})
