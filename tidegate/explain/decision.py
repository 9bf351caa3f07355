"""A decision and everything it rested on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tidegate.criteria.base import LOG_EVIDENCE
from tidegate.criteria.judged_answers import understood
from tidegate.explain.curves import Curve, evidence_course, odds_words, recorded_course
from tidegate.explain.recompute import Then, agrees, counts_of, judged_again
from tidegate.journal.bodies.evidence_bodies import Reviewed
from tidegate.journal.bodies.exposure_bodies import EasingBegun, RolledBackToZero
from tidegate.journal.entries import Entry
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import RolloutState
from tidegate.pages.journal_lines import entry_words
from tidegate.plan.in_force import InForce, in_force
from tidegate.plan.model import Plan, When
from tidegate.plan.pace import Timing

OTHER_METHOD = "This was judged by another release's method, which is not worked out again here; what it said stands."
DECIDED = (Kind.REVIEWED, Kind.EASING, Kind.ROLLING_BACK, Kind.SOAKED, Kind.HELD, Kind.GATE_OPENED)


@dataclass(frozen=True, slots=True)
class Explained:
    """One criterion: what was recorded, what follows from the rows (None: nothing to judge from), and its course."""

    criterion: str
    text: str
    verdict: str
    sentence: str
    curve: Curve
    again: str | None
    agrees: bool | None
    odds: str = ""

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "criterion": self.criterion,
            "text": self.text,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "again": self.again,
            "agrees": self.agrees,
            "odds": self.odds,
            "unit": self.curve.unit,
            "bound": self.curve.bound,
            "curve": [[at.isoformat(), value] for at, value in self.curve.points],
            "ratios": [
                {
                    "at": datetime.fromtimestamp(one.end, UTC).isoformat(),
                    "low": one.low,
                    "estimate": one.estimate,
                    "high": None if math.isinf(one.high) else one.high,
                }
                for one in self.curve.ratios
            ],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision in words, and its criteria; `evidence` is the entry that holds what was found."""

    rollout: str
    sequence: int
    at: datetime
    words: str
    wave: int
    criteria: tuple[Explained, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing that was judged again came out otherwise."""
        return all(one.agrees is not False for one in self.criteria)

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "rollout": self.rollout,
            "sequence": self.sequence,
            "at": self.at.isoformat(),
            "decision": self.words,
            "wave": self.wave,
            "agrees": self.agrees,
            "criteria": [one.to_json() for one in self.criteria],
        }


def explain_entry(entries: Sequence[Entry], plan: Plan, timing: Timing, number: int | None = None) -> Explanation:
    """The decision of that entry, or the last one; raises ValueError for an entry that decided nothing."""
    entry = _decision(entries, number)
    review = _review(entries, entry)
    before = fold(_known(entries, entry))
    wave = max(1, before.wave)
    criteria: tuple[Explained, ...] = ()
    ordered = entry
    if before.easing is not None and isinstance(entry.body, RolledBackToZero):
        # Zero at the end of a gentle rollback was decided by its order.
        begun = [(e, body) for e in entries[: entry.sequence] if isinstance(body := e.body, EasingBegun)]
        if begun and begun[-1][1].criterion == entry.body.criterion:
            ordered, _ = begun[-1]
            before = fold(_known(entries, ordered))
    order = ordered.body
    if isinstance(order, EasingBegun | RolledBackToZero) and _trigger(plan, before, order) is not None:
        criteria = tuple(_of_rollback(entries, plan, timing, before, ordered, order))
    elif review is not None:
        reviewed, body = review
        criteria = tuple(_of_review(entries, plan, timing, reviewed, body))
        wave = body.wave
    return Explanation(entry.rollout, entry.sequence, entry.at, entry_words(entry), wave, criteria)


def _decision(entries: Sequence[Entry], number: int | None) -> Entry:
    if number is None:
        found = [e for e in entries if e.kind in (Kind.REVIEWED, Kind.EASING, Kind.ROLLING_BACK, Kind.SOAKED)]
        back = [e for e in found if e.kind in (Kind.EASING, Kind.ROLLING_BACK)]
        if not found:
            raise ValueError("nothing has been decided yet")
        return back[0] if back else found[-1]
    if not 1 <= number <= len(entries):
        raise ValueError(f"ENTRY: found {number}, allowed is an entry from 1 to {len(entries)}")
    entry = entries[number - 1]
    if entry.kind not in DECIDED:
        decided = ", ".join(kind.value for kind in DECIDED)
        raise ValueError(f"ENTRY: entry {number} is {entry.kind.value}, allowed are entries of {decided}")
    return entry


def _review(entries: Sequence[Entry], entry: Entry) -> tuple[Entry, Reviewed] | None:
    """The newest review up to the decision, and what it says: what it rested on."""
    found = [(e, body) for e in entries[: entry.sequence] if isinstance(body := e.body, Reviewed)]
    return found[-1] if found else None


def _known(entries: Sequence[Entry], entry: Entry) -> list[Entry]:
    """All before the entry; a rollback is written before the counts that it was decided by."""
    known = list(entries[: entry.sequence - 1])
    if entry.kind is Kind.ROLLING_BACK:
        known = known + [e for e in entries[entry.sequence :] if e.kind is Kind.COUNTED]
        # Folding wants them to follow each other.
        return [_renumbered(e, place) for place, e in enumerate(known, start=1)]
    return known


def _renumbered(entry: Entry, sequence: int) -> Entry:
    return replace(entry, sequence=sequence, stored="")


def _trigger(plan: Plan, state: RolloutState, order: EasingBegun | RolledBackToZero) -> InForce | None:
    triggers = in_force(plan, max(1, state.wave), When.TRIGGER)
    return next((item for item in triggers if item.id == order.criterion), None)


def _of_review(
    entries: Sequence[Entry], plan: Plan, timing: Timing, review: Entry, body: Reviewed
) -> Iterator[Explained]:
    wave = body.wave
    then = Then(plan, timing, fold(entries[: review.sequence - 1]), wave, review.at, body.raw)
    items = {item.id: item for when in (When.DURING, When.TRIGGER) for item in in_force(plan, wave, when)}
    for found in body.findings:
        if (item := items.get(found["criterion"])) is not None:
            yield _explained(entries[: review.sequence], then, item, found)


def _of_rollback(
    entries: Sequence[Entry],
    plan: Plan,
    timing: Timing,
    state: RolloutState,
    entry: Entry,
    order: EasingBegun | RolledBackToZero,
) -> Iterator[Explained]:
    """The trigger that fired: its sentence stands in the order with the answers it was judged by, its counts behind."""
    item = _trigger(plan, state, order)
    if item is None:
        return
    text = f"{item.criterion.text}: "
    sentence = order.reason.removeprefix(text)
    kept = understood(order.judged)
    then = Then(plan, timing, state, state.wave, entry.at, None, kept)
    again = judged_again(then, item)
    observed = kept["observed"] if kept is not None else again.observed if again is not None else None
    previous = _recorded_findings(entries[: entry.sequence - 1], item.id)
    method = previous[-1][1].get("method", "") if previous else again.method if again is not None else ""
    method = kept["method"] if kept is not None else method
    recorded = {
        "criterion": item.id,
        "verdict": "FAIL",
        "sentence": sentence,
        "observed": observed,
        "method": method,
    }
    yield _explained(entries[: entry.sequence - 1], then, item, recorded)


def _explained(entries: Sequence[Entry], then: Then, item: InForce, found: Mapping[str, Any]) -> Explained:
    again = judged_again(then, item)
    curve = evidence_course(then.context(item), item, counts_of(then, item))
    if curve is None:
        curve = recorded_course(then.plan, item, _recorded_findings(entries, item.id))
    # What could not be counted then was no evidence then; the rows that came before it say nothing about that.
    no_data = found["verdict"] == "ERROR" or "would be ERROR" in found["sentence"]
    other_method = again is not None and found.get("method", "") != again.method
    same = None if again is None or no_data or other_method else agrees(found, again)
    odds = odds_words(max(value for _, value in curve.points)) if curve.unit == LOG_EVIDENCE and curve.points else ""
    return Explained(
        item.id,
        item.criterion.text,
        found["verdict"],
        found["sentence"],
        curve,
        OTHER_METHOD if other_method else again.sentence if again is not None else None,
        same,
        odds,
    )


def _recorded_findings(entries: Sequence[Entry], criterion: str) -> list[tuple[datetime, Mapping[str, Any]]]:
    return [
        (entry.at, found)
        for entry in entries
        if isinstance(body := entry.body, Reviewed)
        for found in body.findings
        if found["criterion"] == criterion
    ]
