"""The plan's success criteria, judged from the journal; no evidence is never a pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from tidegate.criteria.external.cost_amounts import against_bounds
from tidegate.journal.bodies.evidence_bodies import Reviewed
from tidegate.journal.bodies.exposure_bodies import Lowered
from tidegate.journal.entries import Entry
from tidegate.journal.state import Phase, RolloutState
from tidegate.journal.success_tally import SuccessTally
from tidegate.pages.tables import sentence as sentence_of
from tidegate.plan.fields.success import (
    Affordable,
    Available,
    FullTraffic,
    Handled,
    NoRollback,
    PathName,
    Recovery,
    Success,
    Throughout,
    lasted_words,
    success_words,
)
from tidegate.plan.model import Plan
from tidegate.reports.costs import projected_month
from tidegate.reports.record import Spell, spells_in
from tidegate.rollout.wave_usage import up_key
from tidegate.values.units import format_percent
from tidegate.values.verdict import Finding, Verdict, worst

Answer = tuple[Verdict, str]


@dataclass(frozen=True, slots=True)
class _Facts:
    plan: Plan
    state: RolloutState
    spells: tuple[Spell, ...]
    steps_back: tuple[tuple[datetime, Lowered], ...]
    reviewed: bool  # whether any review could tell; one without data cannot
    is_over: bool


def success_key(number: int) -> str:
    """The journal's name of a success criterion; they are numbered from 1 in the plan's order."""
    return f"success.{number}"


def success(plan: Plan, state: RolloutState, entries: Sequence[Entry], *, is_over: bool = False) -> tuple[Finding, ...]:
    """A finding for each of them; `state` is the fold of `entries`, and `is_over` says that nothing more will come."""
    done = is_over or state.phase is Phase.FINISHED
    lowered = tuple((e.at, body) for e in entries if isinstance(body := e.body, Lowered))
    verdicts = (body.verdict for e in entries if isinstance(body := e.body, Reviewed))
    reviewed = any(verdict in (Verdict.PASS, Verdict.FAIL) for verdict in verdicts)
    facts = _Facts(plan, state, spells_in(plan, entries), lowered, reviewed, done)
    found = []
    for number, item in enumerate(_asked(plan), start=1):
        verdict, sentence = _judge(item, facts, number)
        found.append(Finding(success_key(number), item.text, verdict, sentence, bound=success_words(item)))
    return tuple(found)


def _asked(plan: Plan) -> tuple[Success, ...]:
    """The plan's own; where it has none, what any rollout is asked."""
    return plan.success or (
        FullTraffic(kind="full_traffic", text="100% traffic on the new path"),
        NoRollback(kind="no_rollback", text="Zero unplanned rollbacks"),
    )


def _judge(item: Success, facts: _Facts, number: int) -> Answer:
    match item:
        case FullTraffic():
            return _full_traffic(facts)
        case NoRollback():
            return _no_rollback(facts)
        case Handled(within=within):
            return _recovered([s for s in facts.spells if s.critical], facts, "CRITICAL spell", within, mean=False)
        case Recovery(within=within):
            return _recovered(list(facts.spells), facts, "spell of failing reviews", within, mean=True)
        case Throughout():
            return _throughout(item, facts, facts.state.evidence.throughout.get(number, SuccessTally()))
        case Available():
            answers = [_available(item, facts, path) for path in item.paths]
            return worst(v for v, _ in answers), " ".join(sentence for _, sentence in answers)
        case Affordable():
            return _affordable(facts)
    assert_never(item)


def _full_traffic(facts: _Facts) -> Answer:
    state, last = facts.state, facts.plan.exposure_at(len(facts.plan.waves))
    reached = f"Exposure is {state.exposure}"
    if state.exposure == last and last.percent == 100:
        return Verdict.PASS, f"{reached}."
    if state.phase.is_open and state.rollback is None:
        return Verdict.INCONCLUSIVE, f"{reached}; the rollout is still under way."
    return Verdict.FAIL, f"{reached}; the rollout is {state.phase.value.replace('_', ' ')}."


def _no_rollback(facts: _Facts) -> Answer:
    turned = [
        f"Stepped back to wave {back.wave} on {_moment(at)} by {back.by}: {sentence_of(back.reason)}"
        for at, back in facts.steps_back
    ]
    if (back := facts.state.rollback) is not None:
        turned.append(f"Rolled back on {_moment(back.ordered_at)} by {back.by}: {back.reason}")
    elif (way := facts.state.easing) is not None:
        turned.append(f"Being rolled back step by step since {_moment(way.ordered_at)}: {way.reason}")
    if turned:
        return Verdict.FAIL, " ".join(turned)
    if facts.is_over:
        return Verdict.PASS, "None occurred."
    return Verdict.INCONCLUSIVE, "None so far, but the rollout did not finish."


def _recovered(spells: list[Spell], facts: _Facts, what: str, within: timedelta, *, mean: bool) -> Answer:
    met = Verdict.PASS if facts.reviewed else Verdict.INCONCLUSIVE
    if not spells:
        return met, f"No {what} occurred." if facts.reviewed else "No review ever passed or failed: nothing is known."
    lasted = [s.lasted for s in spells if s.lasted is not None]
    if len(lasted) < len(spells):
        return Verdict.FAIL, f"One began at {_moment(spells[-1].start)} and has not ended: {spells[-1].what}"
    taken = sum(lasted, timedelta(0)) / len(lasted) if mean else max(lasted)
    word = "mean" if mean else "longest"
    many = f"1 {what}" if len(lasted) == 1 else f"{len(lasted)} {what.replace('spell', 'spells')}"
    sentence = f"{many}, the {word} {lasted_words(taken)}, from review to review or to zero."
    return (met if taken < within else Verdict.FAIL), sentence


def _throughout(item: Throughout, facts: _Facts, kept: SuccessTally) -> Answer:
    unit = facts.plan.metrics[item.metric].unit
    if kept.worst is None or kept.worst_at is None:
        few = f"; fewer than {item.events} events in all" if kept.measured else ""
        return Verdict.INCONCLUSIVE, f"It was measured in {kept.measured or 'no'} review{few}."
    side = "Highest" if item.above is None else "Lowest"
    together = f", at least {item.events} events taken together" if item.events > 1 else ""
    blank = f"; {kept.blank} more had no data" if kept.blank else ""
    sentence = (
        f"{side} {unit.format(kept.worst)} {_where(facts.plan, kept.worst_wave)} on {_moment(kept.worst_at)}, of "
        f"{kept.measured} reviews{together}{blank}."
    )
    if kept.broken_at is not None:
        return Verdict.FAIL, f"{sentence} First broken on {_moment(kept.broken_at)}: {unit.format(kept.broken_value)}."
    if dark := sorted(kept.waves - kept.waves_measured):
        return Verdict.INCONCLUSIVE, f"{sentence} It was never measured in wave {', '.join(map(str, dark))}."
    if not facts.is_over:
        return Verdict.INCONCLUSIVE, f"{sentence} The rollout did not finish."
    return Verdict.PASS, sentence


def _available(item: Available, facts: _Facts, path: PathName) -> Answer:
    """Over the accounts of all waves; a time without points may have been used and down, so it is never called up."""
    down, used, unseen, quiet = timedelta(0), timedelta(0), timedelta(0), timedelta(0)
    missing, unsure = list[int](), list[int]()
    for number in sorted(facts.state.waves):
        times = _times(item, facts, path, number)
        if times is None:
            missing.append(number)
            continue
        used, down = used + times.used, down + times.down
        unseen, quiet = unseen + times.unseen, quiet + times.quiet
        unsure += [] if times.knows_expected else [number]
    name = f"The {path.value} path"
    if not used:
        seen = f" It was not seen for {lasted_words(unseen)}." if unseen else ""
        seen += f" Too few requests to judge by for {lasted_words(quiet)}." if quiet else ""
        return Verdict.INCONCLUSIVE, f"{name} was measured in no wave.{seen}"
    share, budget = 100 * (1 - down / used), used * (1 - item.objective / 100)
    spent = f"{lasted_words(down)} down of {lasted_words(used)}, the budget is {lasted_words(budget)}"
    sentence = f"{name} was up {share:.3f}% of the time in which it was seen ({spent})."
    if quiet:
        sentence += f" Too few requests to judge a window by, and well taken together: {lasted_words(quiet)}."
    if unseen:
        sentence += f" Not seen: {lasted_words(unseen)}."
    if share < item.objective - 1e-9:
        return Verdict.FAIL, f"{sentence} That is less than {format_percent(item.objective)}."
    if missing:
        return Verdict.INCONCLUSIVE, f"{sentence} It is not known for wave {', '.join(map(str, missing))}."
    if unsure:
        waves = ", ".join(map(str, unsure))
        return Verdict.INCONCLUSIVE, f"{sentence} How much of wave {waves} was seen is not recorded."
    if unseen and unseen > budget - down:
        return Verdict.INCONCLUSIVE, f"{sentence} That is more than is left of the budget."
    return (Verdict.PASS if facts.is_over else Verdict.INCONCLUSIVE), sentence


@dataclass(frozen=True, slots=True)
class _Times:
    """One path's time in one wave: judged, down of that, not seen, and seen with too few requests to judge a window."""

    used: timedelta = timedelta(0)
    down: timedelta = timedelta(0)
    unseen: timedelta = timedelta(0)
    quiet: timedelta = timedelta(0)
    knows_expected: bool = True  # whether the account says how many points there had to be; older ones do not


def _times(item: Available, facts: _Facts, path: PathName, wave: int) -> _Times | None:
    """None where the account does not tell."""
    account = facts.state.evidence.accounts.get(wave)
    if account is None:
        return None
    key, figures = up_key(item.metric, path.value), account.figures
    seen, good = figures.get(f"{key}_seen"), figures.get(f"{key}_good")
    span = account.end - account.start
    # Once everybody is on the new path nobody takes the old one.
    idle = path is PathName.OLD and facts.plan.exposure_at(min(wave, len(facts.plan.waves))).percent >= 100
    if not seen or good is None:
        whole = figures.get(f"{key}_whole")
        if whole is None:
            return _Times() if idle else None
        if not whole:
            return _Times(span, span)
        seen, good = 0.0, 0.0
    expected = account.expected.get(key)
    if not expected:
        return _Times(span, span * (1 - good / seen), knows_expected=idle) if seen else _Times(unseen=span)
    used = span * min(seen / expected, 1.0)
    down = used * (1 - good / seen) if seen else timedelta(0)
    if idle:
        return _Times(used, down)
    # Nobody to be up for, as long as all requests taken together were well: else they failed too few at a time.
    scraped = (figures.get(f"{key}_scraped") or 0.0) if figures.get(f"{key}_whole") else 0.0
    quiet = max(span * min(scraped / expected, 1.0) - used, timedelta(0))
    return _Times(used, down, span - used - quiet, quiet)


def _affordable(facts: _Facts) -> Answer:
    costs = facts.plan.costs
    month: Decimal | None = None if costs is None else projected_month(costs, facts.state)
    if costs is None or month is None:
        return Verdict.INCONCLUSIVE, "What a month costs was not measured."
    _, sentence = against_bounds(costs, month)
    return (Verdict.PASS if month < costs.limit else Verdict.FAIL), sentence


def _where(plan: Plan, wave: int) -> str:
    return f"in wave {wave}" if wave <= len(plan.waves) else "in the post-rollout days"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
