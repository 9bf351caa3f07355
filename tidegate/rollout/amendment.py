"""A change of the plan under way: what it changes, what it may not change, and who may approve it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tidegate.gates.approval import GateDecision, Outcome, approvers_of, unsatisfiable
from tidegate.journal.state import LESS_SAFE, Amendment, Phase, RolloutState
from tidegate.plan.less_safe import less_safe
from tidegate.plan.model import Approvals, Plan, stored_plan
from tidegate.values.units import format_percent

SHORT = 12  # so many letters of a hash are typed
_LABELS = ("name", "text", "title")
_FIXED = ("tidegate", "name", "service", "pace", "allow_others_of_service")


def plan_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for each value that differs between two resolved plans: `waves[wave-2].soak: 48h -> 24h`.

    What makes the rollout less safe stands at the top, said so, and once more in its place.
    """
    was, now = dict(_leaves("", old)), dict(_leaves("", new))
    lines = [f"{LESS_SAFE}{line}" for line in less_safe(was, now)]
    lines += [f"{path}: {was[path]} -> {now[path]}" for path in was if path in now and was[path] != now[path]]
    lines += [f"{path}: {was[path]} -> (removed)" for path in was if path not in now]
    lines += [f"{path}: (new) -> {now[path]}" for path in now if path not in was]
    return tuple(lines)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every value of a plan by a path that people can read; what stands in a list is called by its own name."""
    if isinstance(value, Mapping):
        if not value:
            yield path, "{}"
        for key, below in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), below)
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        seen: dict[str, int] = {}
        for one in value:
            label = next((str(one[key]) for key in _LABELS if key in one), "")
            seen[label] = seen.get(label, 0) + 1
            # Two of one name are distinguished by their place among them.
            place = f" #{seen[label]}" if seen[label] > 1 or not label else ""
            yield from _leaves(f"{path}[{label}{place}]", one)
    else:
        yield path, " ".join(str(value).split())


def why_not_amended(old: Plan, new: Plan, state: RolloutState) -> str:
    """Why this rollout's plan cannot become the new one now, or empty; exposure never changes by it."""
    if state.goes_no_further:
        return f"{state.rollout} is {state.where}: its plan changes no more"
    if new.hash == state.plan_hash:
        return "the plan is the same as the stored one: nothing would change"
    was, now = old.to_json(), new.to_json()
    for name in _FIXED:
        if was.get(name) != now.get(name):
            return f"{name}: found {now.get(name, 'nothing')}, allowed is {was.get(name, 'nothing')}, as it began"
    if old.flag.key != new.flag.key:
        return f"flag.key: found {new.flag.key}, allowed is {old.flag.key}: another flag is another rollout"
    if old.approvals is Approvals.CODES and new.approvals is not Approvals.CODES:
        return "approvals: found open, allowed is codes: a rollout under way does not give up its codes"
    if state.auto_approve and new.approvals is not Approvals.OPEN:
        return "approvals: found codes, allowed is open, since this rehearsal answers by itself"
    return _touches_raised(old, new, state) or unsatisfiable(new, state.started_by)


def _touches_raised(old: Plan, new: Plan, state: RolloutState) -> str:
    if state.intended is not None:
        return f"wave {state.wave + 1} is being raised at this moment: try again in a minute"
    raised = min(state.wave, len(old.waves))
    for number in range(1, raised + 1):
        if number > len(new.waves):
            return f"waves: found {len(new.waves)}, allowed are at least {raised}, which are raised already"
        was, now = old.waves[number - 1], new.waves[number - 1]
        if was.name != now.name:
            return f"wave {number}: found the name {now.name}, allowed is {was.name}: it is raised already"
        if (was.percent, was.audience) != (now.percent, now.audience):
            words = [f"{format_percent(step.percent)} of {step.audience}" for step in (now, was)]
            return f"wave {number}: found {words[0]}, allowed is {words[1]}: it is raised already"
    if raised and new.exposure_at(raised) != state.exposure:
        return "the change would give the new path to other people than those who have it: only a wave does that"
    if state.phase is Phase.POST_ROLLOUT and len(new.waves) != len(old.waves):
        return f"waves: found {len(new.waves)}, allowed are {len(old.waves)}: the last one has soaked already"
    between = state.phase in (Phase.PREPARING, Phase.SOAKED, Phase.GATE, Phase.RAISING)
    if between and len(new.waves) <= state.wave:
        return f"waves: found {len(new.waves)}, allowed are at least {state.wave + 1}: the next one is being asked for"
    return ""


def gate_of(plan: Plan, state: RolloutState) -> int:
    """The wave whose gate decides on a change of the plan now: the next one, or the last."""
    return min(state.wave + 1, len(plan.waves))


def amendment_approvals(plan: Plan, amendment: Amendment, now: datetime) -> list[str]:
    """Whose yes to the change counts at this instant: one ages as an approval of a gate does."""
    at = amendment.approved_at
    return [person for person in amendment.approved_by if person in at and now - at[person] <= plan.approval_ttl]


def rule_amendment(plan: Plan, state: RolloutState, person: str, now: datetime, objection: str = "") -> GateDecision:
    """What this person's yes to the waiting change leads to, by the rules of the plan in force."""
    amendment = state.amendment
    if amendment is None:
        return GateDecision(Outcome.REFUSED, "no change of the plan waits for a decision")
    wave = gate_of(plan, state)
    allowed = approvers_of(plan, wave)
    if person not in allowed:
        return GateDecision(Outcome.REFUSED, f"{person} may not approve this change; allowed are {', '.join(allowed)}")
    if objection:
        return GateDecision(Outcome.REFUSED, objection)
    if why_not := why_not_amended(plan, stored_plan(amendment.plan), state):
        return GateDecision(Outcome.REFUSED, why_not)
    people = {one for one in (*amendment_approvals(plan, amendment, now), person) if one in allowed}
    quorum = plan.waves[wave - 1].gate.quorum
    said = ", ".join(sorted(people))
    for author, did in ((amendment.by, "proposed the change"), (state.started_by.lower(), "started the rollout")):
        if quorum == 1 and people == {author}:
            return GateDecision(Outcome.REFUSED, f"{author} {did} and cannot be its only approver")
    if len(people) < quorum:
        return GateDecision(Outcome.COUNTED, f"{len(people)} of {quorum} approvals of the change ({said})")
    return GateDecision(Outcome.GO, f"changed by {amendment.by}, approved by {said}")


def misnamed(amendment: Amendment | None, named: str) -> str:
    """Why an answer that names a plan's hash so is not for the change that waits, or empty."""
    if amendment is None:
        return "no change of the plan waits for a decision"
    if len(named) < SHORT or not amendment.plan_hash.startswith(named):
        return f"the answer is for the plan {named[:SHORT] or '(none)'}, the change that waits is {amendment.short}"
    return ""
