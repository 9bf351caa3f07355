"""One comparison of the two paths as a page shows it: how many times as bad the new one is, and over time."""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.criteria.base import LOG_EVIDENCE, When
from tidegate.criteria.comparisons.comparison import times_as_many
from tidegate.criteria.comparisons.go_evidence import GoEvidence
from tidegate.criteria.comparisons.versus_control import VersusControl
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan
from tidegate.statistics.ratio_interval import ratio_words
from tidegate.values.verdict import Verdict
from tidegate.views.course import Course, RatioPoint

_FOLLOWS = {Verdict.PASS: "", Verdict.FAIL: "rolled back"}  # of all others: held


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """A tile: its line in the plan, its head in words, the newest verdict, and the reviews of the wave."""

    criterion: str
    text: str
    head: str
    verdict: str
    symbol: str
    sentence: str
    points: tuple[RatioPoint, ...]
    evidence: float | None = None  # of harm, in logarithms; once it is at `needed` the wave is rolled back
    needed: float | None = None
    limit: float | None = None  # the ratio that has to be ruled out before the plan calls it safe
    dry_run: bool = False

    @property
    def evidence_words(self) -> str:
        """`evidence 0.5 of 4.6`; empty where it is not known."""
        if self.evidence is None or self.needed is None:
            return ""
        return f"evidence {max(self.evidence, 0.0):.1f} of {self.needed:.1f}"

    @property
    def stands_out(self) -> bool:
        """Whether it holds or rolls back, or would."""
        return self.symbol != "✓"


def comparison_views(course: Course, plan: Plan) -> tuple[ComparisonView, ...]:
    """Those of the newest review that have a ratio, in its order."""
    return tuple(_views(course, _asked(plan, course.reviewed_wave)))


@dataclass(frozen=True, slots=True)
class _Asked:
    noun: str = ""
    limit: float | None = None


def _asked(plan: Plan, wave: int) -> dict[str, _Asked]:
    if not 1 <= wave <= len(plan.waves) + 1:
        return {}
    asked = [item for when in (When.TRIGGER, When.DURING) for item in in_force(plan, wave, when)]
    safe = {c.metric: c.worse_than for item in asked if isinstance(c := item.criterion, GoEvidence)}
    compared = ((item.id, item.criterion) for item in asked if isinstance(item.criterion, VersusControl))
    return {id_: _Asked(one.noun, safe.get(one.metric) if one.metric else None) for id_, one in compared}


def _views(course: Course, asked: dict[str, _Asked]) -> Iterator[ComparisonView]:
    for found in course.findings:
        points = course.ratios.get(found["criterion"], [])
        if not found.get("ratio") or not points:
            continue
        sentence = str(found["sentence"])
        # On dry run the verdict is what it would have been.
        tried = next((v for v in Verdict if sentence.startswith(f"Dry run, would be {v.value}:")), None)
        verdict = tried or Verdict(found["verdict"])
        follows, of = _FOLLOWS.get(verdict, "held"), asked.get(found["criterion"], _Asked())
        yield ComparisonView(
            found["criterion"],
            found["text"],
            head_words(points[-1], of.noun, follows, dry_run=tried is not None),
            found["verdict"],
            "✓" if verdict is Verdict.PASS else "⚠",
            sentence,
            tuple(points),
            found.get("observed"),
            _needed(str(found.get("bound", ""))),
            of.limit,
            tried is not None,
        )


def _needed(bound: str) -> float | None:
    """The number of `log evidence 4.61`."""
    words = bound.removeprefix(LOG_EVIDENCE).strip()
    return float(words) if bound.startswith(LOG_EVIDENCE) and words.replace(".", "", 1).isdigit() else None


def head_words(point: RatioPoint, noun: str = "", follows: str = "", *, dry_run: bool = False) -> str:
    """`1.4 times as many errors, with little doubt 1.1 to 1.9: held`."""
    between = ratio_words(point.low, point.high or float("inf")).removesuffix(" times")
    many = f"{times_as_many(point.estimate)}{f' {noun}' if noun else ''}"
    words = f"{many}{f', with little doubt {between}' if between else ''}"
    if dry_run:
        return f"{words} (dry run{f', would be {follows}' if follows else ''})"
    return f"{words}{f': {follows}' if follows else ''}"
