"""What `plan check` says of a sound plan: what waits, what a bad review costs, how long the rollback may take."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from tidegate.pages.comparison_chances import comparison_lines
from tidegate.pages.plan_costs import cost_lines
from tidegate.pages.plan_sentences import gate_words
from tidegate.plan.in_force import in_force, meaning_of, steps
from tidegate.plan.model import HumanProof, Plan, PostRollout, Wave, When
from tidegate.plan.pace import did_not_take_deadline
from tidegate.plan.schedule import minimum_duration
from tidegate.rollout.easing import shares_words
from tidegate.values.model import dotted
from tidegate.values.units import format_duration


@dataclass(frozen=True, slots=True)
class PendingLine:
    """A line that waits for its kind of check, and where it stands."""

    kind: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What a release engineer wants to know before the plan is started."""

    name: str
    title: str
    hash: str
    waves: int
    minimum_duration: str
    pending: tuple[PendingLine, ...]
    costs: tuple[str, ...]
    gates: tuple[str, ...]
    money: tuple[str, ...]
    did_not_take_seconds: float
    proof_seconds: float
    promised_seconds: float
    backend: str
    warnings: tuple[str, ...]
    lasting: tuple[str, ...] = ()
    guard: str = ""
    flag_readings_per_hour: float = 0.0
    comparisons: tuple[str, ...] = ()
    easing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by `plan check --json`."""
        return asdict(self)

    @property
    def lines(self) -> tuple[str, ...]:
        """As printed by `plan check`."""
        kinds: dict[str, list[PendingLine]] = {}
        for line in self.pending:
            kinds.setdefault(line.kind, []).append(line)
        return (
            f"OK: {self.name} ({self.title}), {self.waves} waves, "
            f"at least {self.minimum_duration}, hash {self.hash[:12]}",
            *(f"warning: {warning}" for warning in self.warnings),
            *self.costs,
            *self.lasting,
            *self.comparisons,
            *self.gates,
            *self.money,
            f"a rollback did not take when the counter still moves {self.did_not_take_seconds:g}s after zero "
            f"({self.backend}); the full rollback begins then",
            f"a rollback is proven or called unproven {self.proof_seconds:g}s after zero at the latest "
            f"(promised within {self.promised_seconds:g}s)",
            *self.easing,
            f"the flag is read {self.flag_readings_per_hour:g} times an hour while nothing changes "
            f"(one call at each guard check, every {self.guard})",
            f"{len(self.pending)} lines wait for a kind of check and never decide by themselves:"
            if self.pending
            else "no line waits for a kind of check",
            *(f"  {kind}: {line.text} ({line.where})" for kind in sorted(kinds) for line in kinds[kind]),
        )


def plan_report(
    plan: Plan, propagation: timedelta = timedelta(0), backend: str = "no flag backend chosen yet"
) -> PlanReport:
    """The report on `plan`, for a flag backend that takes `propagation` to reach every process."""
    deadline = did_not_take_deadline(plan, propagation)
    steps: tuple[Wave | PostRollout, ...] = (*plan.waves, plan.post_rollout)
    return PlanReport(
        name=plan.name,
        title=plan.title,
        hash=plan.hash,
        waves=len(plan.waves),
        minimum_duration=format_duration(minimum_duration(plan)),
        pending=pending_lines(plan),
        costs=tuple(_cost(step, number) for number, step in enumerate(steps, start=1)),
        gates=tuple(f"gate before wave {n}: {gate_words(wave.gate, plan)}" for n, wave in enumerate(plan.waves, 1)),
        money=cost_lines(plan),
        did_not_take_seconds=deadline.total_seconds(),
        proof_seconds=_proof_bound(plan, deadline).total_seconds(),
        backend=backend,
        promised_seconds=plan.rollback.within.total_seconds(),
        warnings=_warnings(plan, _proof_bound(plan, deadline)),
        lasting=tuple(_without_for(plan)),
        guard=format_duration(plan.guard),
        flag_readings_per_hour=timedelta(hours=1) / plan.guard,
        comparisons=comparison_lines(plan),
        easing=tuple(_easing(plan)),
    )


def plan_check_lines(plan: Plan, propagation: timedelta = timedelta(0)) -> tuple[str, ...]:
    """What `plan check` prints for a plan that loaded."""
    return plan_report(plan, propagation).lines


def pending_lines(plan: Plan) -> tuple[PendingLine, ...]:
    """Every line that waits for a kind of check, in the order of the plan."""
    found: list[PendingLine] = []
    for name, metric in plan.metrics.items():
        for level in ("target", "warning", "critical"):
            limit = getattr(metric, level)
            if limit is not None and limit.pending is not None:
                found.append(PendingLine(limit.pending, f"metrics.{name}.{level}", f"{metric.title}: {limit.text}"))
    for section, items in plan.checklist.items():
        for number, item in enumerate(items):
            if isinstance(item, HumanProof) and item.pending is not None:
                found.append(PendingLine(item.pending, dotted(("checklist", section, number)), item.text))
    for where, criteria in (
        *((f"waves.{number}", wave.criteria) for number, wave in enumerate(plan.waves)),
        ("post_rollout", plan.post_rollout.criteria),
    ):
        for number, criterion in enumerate(criteria):
            if criterion.pending_kind is not None:
                found.append(PendingLine(criterion.pending_kind, f"{where}.criteria.{number}", criterion.text))
    return tuple(found)


def _cost(step: Wave | PostRollout, number: int) -> str:
    name = f"wave {number}'s" if isinstance(step, Wave) else "the post-rollout"
    soak, reviews = format_duration(step.soak), step.soak // step.interval
    if step.tolerance == 0:
        return f"one unhealthy review (of {reviews}) restarts {name} {soak} soak"
    return (
        f"{step.tolerance} unhealthy reviews (of {reviews}) are allowed in {name} {soak} soak; "
        "one more lengthens it until the oldest is past"
    )


def _eased(plan: Plan) -> frozenset[str]:
    """What the triggers ask that go to zero step by step, once all of them are in force."""
    items = in_force(plan, len(steps(plan)), When.TRIGGER)
    return frozenset(meaning_of(item.criterion) for item in items if item.criterion.ease)


def _easing(plan: Plan) -> Iterator[str]:
    """What is taken back step by step, and when nobody is left whatever is the matter."""
    back = plan.rollback
    if back.ease is None or back.over is None:
        return
    way, most = shares_words(back.ease[:-1], back.over), 2 * back.over.total_seconds()
    yield f"{len(_eased(plan))} of the triggers take exposure back step by step: {way}, {most:.0f} s at the latest"


def _proof_bound(plan: Plan, deadline: timedelta) -> timedelta:
    """How long after zero a proof may come: the deadline, and a quiet stretch seen by one more scrape."""
    return deadline + plan.rollback.proof.quiet + plan.scrape_interval


def _warnings(plan: Plan, proof: timedelta) -> tuple[str, ...]:
    found: list[str] = []
    if plan.rollback.ease is not None and not _eased(plan):
        found.append("rollback.ease: no trigger is taken back step by step, each goes to zero at once")
    marked = [c for step in steps(plan) for c in step.criteria if c.ease and meaning_of(c) not in _eased(plan)]
    found += [f"trigger {c.text!r} is marked ease in vain: the same is asked without the mark, too" for c in marked]
    if proof > plan.rollback.within:
        found.append(
            f"proof of a rollback may take {format_duration(proof)}, "
            f"longer than the promised {format_duration(plan.rollback.within)}"
        )
    for number, wave in enumerate(plan.waves, start=1):
        people = {email for role in wave.gate.approvers for email in plan.roles[role]}
        if len(people) == wave.gate.quorum > 1:
            found.append(f"gate before wave {number}: everybody who may approve has to ({len(people)})")
    return tuple(found)


def _without_for(plan: Plan) -> Iterator[str]:
    """A line for each trigger that says nothing of how long it must last."""
    seen: set[tuple[str, timedelta]] = set()
    for criterion in (criterion for step in steps(plan) for criterion in step.criteria):
        for_, window = criterion.lasts(plan) or (timedelta(0), timedelta(0))
        if for_ is None and (criterion.text, window) not in seen:
            seen.add((criterion.text, window))
            yield (
                f"trigger {criterion.text!r} has no `for`: it fires once it has lasted for "
                f"its window, {format_duration(window)}"
            )
