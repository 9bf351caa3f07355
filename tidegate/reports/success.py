"""The plan's success criteria, judged from the journal; what it cannot tell is left to people and says so."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tidegate.approval import statements
from tidegate.criteria import steps
from tidegate.entries import Entry
from tidegate.plan import Human, Plan
from tidegate.reports.record import Review, Spell, reviews_in, spells_in, values_of
from tidegate.rollout_state import Phase, RolloutState
from tidegate.units import format_duration, quantity_in
from tidegate.verdict import Finding, Verdict

PENDING = "success"


@dataclass(frozen=True, slots=True)
class _Facts:
    plan: Plan
    state: RolloutState
    reviews: tuple[Review, ...]
    spells: tuple[Spell, ...]


def success(plan: Plan, state: RolloutState, entries: Sequence[Entry]) -> tuple[Finding, ...]:
    """A finding for each of the plan's lines that wait for the end; `state` is the fold of `entries`."""
    facts = _Facts(plan, state, reviews_in(entries), spells_in(plan, entries))
    return tuple(_judged(f"success.{n}", text, role, facts) for n, (text, role) in enumerate(_lines(plan), start=1))


def _lines(plan: Plan) -> list[tuple[str, str]]:
    """The plan's own lines; where it has none, what any rollout is asked."""
    own = [
        (c.text, c.role) for step in steps(plan) for c in step.criteria if isinstance(c, Human) and c.pending == PENDING
    ]
    return own or [("100% traffic on the new path", ""), ("Zero unplanned rollbacks", "")]


def _judged(name: str, text: str, role: str, facts: _Facts) -> Finding:
    for pattern, judge in _QUESTIONS:
        match = pattern.search(text)
        if match is not None:
            verdict, sentence = judge(facts, match)
            return Finding(name, text, verdict, sentence)
    said = f"The journal cannot tell; {role or 'somebody'} states it."
    asked = any(s.text == text for n in range(1, len(facts.plan.waves) + 1) for s in statements(facts.plan, n))
    return Finding(name, text, Verdict.INCONCLUSIVE, f"{said} It stands at a gate." if asked else said)


def _full_traffic(facts: _Facts, _: re.Match[str]) -> tuple[Verdict, str]:
    state, last = facts.state, facts.plan.exposure_at(len(facts.plan.waves))
    reached = f"Exposure is {state.exposure}"
    if state.exposure == last and last.percent == 100:
        return Verdict.PASS, f"{reached}."
    if state.phase.is_open and state.rollback is None:
        return Verdict.INCONCLUSIVE, f"{reached}; the rollout is still under way."
    return Verdict.FAIL, f"{reached}; the rollout is {state.phase.value.replace('_', ' ')}."


def _no_rollback(facts: _Facts, _: re.Match[str]) -> tuple[Verdict, str]:
    back = facts.state.rollback
    if back is not None:
        return Verdict.FAIL, f"Rolled back on {back.ordered_at:%Y-%m-%d %H:%M} UTC by {back.by}: {back.reason}"
    if facts.state.phase is Phase.FINISHED:
        return Verdict.PASS, "None occurred."
    return Verdict.INCONCLUSIVE, "None so far, but the rollout did not finish."


def _handled(facts: _Facts, match: re.Match[str]) -> tuple[Verdict, str]:
    return _recovered([s for s in facts.spells if s.critical], facts, "CRITICAL spell", _minutes(match), mean=False)


def _mttr(facts: _Facts, match: re.Match[str]) -> tuple[Verdict, str]:
    return _recovered(list(facts.spells), facts, "spell of failing reviews", _minutes(match), mean=True)


def _recovered(spells: list[Spell], facts: _Facts, what: str, within: timedelta, *, mean: bool) -> tuple[Verdict, str]:
    if not facts.reviews:
        return Verdict.INCONCLUSIVE, "Nothing was ever reviewed."
    if not spells:
        return Verdict.PASS, f"No {what} occurred in {len(facts.reviews)} reviews."
    lasted = [s.lasted for s in spells if s.lasted is not None]
    if len(lasted) < len(spells):
        return Verdict.FAIL, f"One began at {spells[-1].start:%Y-%m-%d %H:%M} UTC and has not ended: {spells[-1].what}"
    taken = sum(lasted, timedelta(0)) / len(lasted) if mean else max(lasted)
    word = "mean" if mean else "longest"
    taken = timedelta(seconds=round(taken.total_seconds()))
    sentence = f"{len(lasted)} of them, the {word} {format_duration(taken)}, from review to review or to zero."
    return (Verdict.PASS if taken < within else Verdict.FAIL), sentence


def _throughout(facts: _Facts, match: re.Match[str]) -> tuple[Verdict, str]:
    title, side, bound = match["title"].strip().casefold(), match["side"], match["bound"]
    named = {m.title.casefold(): (name, m) for name, m in facts.plan.metrics.items()}
    if title not in named:
        return Verdict.ERROR, f"The plan has no metric called {match['title'].strip()!r}."
    name, metric = named[title]
    try:
        limit = quantity_in(bound, metric.unit)
    except ValueError as error:
        return Verdict.ERROR, f"The line's bound: {error}."
    seen = list(values_of(facts.reviews, name))
    if not seen:
        return Verdict.INCONCLUSIVE, "It was measured in no review."
    at, wave, value = max(seen, key=lambda x: x[2]) if side == "<" else min(seen, key=lambda x: x[2])
    within = value < limit if side == "<" else value > limit
    blank = len(facts.reviews) - len(seen)
    sentence = (
        f"{'Highest' if side == '<' else 'Lowest'} {metric.unit.format(value)} in wave {wave} on "
        f"{at:%Y-%m-%d %H:%M} UTC, of {len(seen)} reviews"
        f"{f'; {blank} more had no data' if blank else ''}."
    )
    if not within:
        return Verdict.FAIL, sentence
    dark = sorted({r.wave for r in facts.reviews} - {wave for _, wave, _ in seen})
    if dark:
        return Verdict.INCONCLUSIVE, f"{sentence} It was never measured in wave {', '.join(map(str, dark))}."
    if facts.state.phase is not Phase.FINISHED:
        return Verdict.INCONCLUSIVE, f"{sentence} The rollout did not finish."
    return Verdict.PASS, sentence


def _minutes(match: re.Match[str]) -> timedelta:
    return timedelta(minutes=int(match["minutes"]))


# A small language of lines, so that no plan's names are known here.
_QUESTIONS: tuple[tuple[re.Pattern[str], Callable[[_Facts, re.Match[str]], tuple[Verdict, str]]], ...] = (
    (re.compile(r"^100 ?% traffic\b", re.IGNORECASE), _full_traffic),
    (re.compile(r"^(zero|no|0) unplanned rollbacks?\b", re.IGNORECASE), _no_rollback),
    (re.compile(r"\bcritical alerts handled < ?(?P<minutes>[0-9]{1,5}) ?min\b", re.IGNORECASE), _handled),
    (re.compile(r"^MTTR\b.*< ?(?P<minutes>[0-9]{1,5}) ?min\b", re.IGNORECASE), _mttr),
    (re.compile(r"^(?P<title>[^<>]+)(?P<side>[<>]) ?(?P<bound>\S+) throughout$", re.IGNORECASE), _throughout),
)
