"""What a gate begins with: the rollback that came before this rollout, and how the old path is doing now."""

from datetime import datetime

from blocks.connections import OpenConnections
from engine.measuring.answer_ages import answers_at
from engine.rollout.resolve_rollout import drill_prefix
from engine.rollout.session import OpenRollout
from tidegate.criteria.metrics.metric_levels import MetricLine, metric_line
from tidegate.criteria.metrics.queries import metric_queries, metric_reading
from tidegate.gates.approval import measured_entry
from tidegate.journal.state import Phase, RolloutState
from tidegate.pages.tables import sentence


def rolled_back_before(connections: OpenConnections, flag: str) -> RolloutState | None:
    """The newest rollout of this flag that has ended, drills left out, if it was rolled back."""
    prefix = f"{drill_prefix(flag)}-"
    rows = connections.journal.rollouts(flag)
    name = next((row.rollout for row in rows if not row.is_open and not row.rollout.startswith(prefix)), None)
    before = OpenRollout(connections, name).state if name else None
    return before if before is not None and before.phase is Phase.ROLLED_BACK else None


def earlier_rollback_words(run: OpenRollout, wave: int) -> str:
    """That this rollout follows a rollback, when and why, for the gates before anybody was exposed; or empty."""
    before = rolled_back_before(run.connections, run.flag) if run.state.wave == 0 and wave == 1 else None
    if before is None or before.rollback is None:
        return ""
    back = before.rollback
    same = "the same plan" if before.plan_hash == run.state.plan_hash else f"another plan ({before.plan_hash[:12]})"
    return (
        f"{before.rollout} of this flag was ROLLED BACK on {back.ordered_at:%Y-%m-%d %H:%M} UTC under {same}: "
        f"{sentence(back.reason)} Nothing that is measured here says that the cause is gone."
    )


def old_path_now(run: OpenRollout, wave: int, now: datetime) -> tuple[MetricLine, ...]:
    """Each metric on the old path now, where nothing is measured to enter the first wave."""
    plan = run.plan
    if run.state.wave > 0 or measured_entry(plan, wave):
        return ()
    queries: dict[str, str] = {}
    for name, metric in plan.metrics.items():
        queries |= metric_queries(plan, name, wave, run.timing.window(metric.window), plan.variants.control)
    answers = answers_at(run, queries, now)
    return tuple(
        metric_line(name, metric, metric_reading(plan, name, answers)) for name, metric in plan.metrics.items()
    )
