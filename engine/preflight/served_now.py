"""What users are served before a rollout, asked of the service that evaluates for them (OFREP)."""

from typing import Any

from blocks.connections import OpenConnections
from engine.preflight.served_as_planned import made_up_users
from tidegate.plan.model import Plan
from tidegate.values.verdict import Finding, Verdict

SERVED_NOW = "served_now"
SERVED_NOW_TEXT = "A sample of users is served the old path now, as the evaluating service says"
SAMPLE = 60


def served_now(connections: OpenConnections, plan: Plan) -> Finding:
    """FAIL where anybody of the sample, of every group that the plan names, is on the new path already."""
    ofrep, variants = connections.ofrep, plan.flag.variants
    if ofrep is None:
        return Finding(SERVED_NOW, SERVED_NOW_TEXT, Verdict.NOT_APPLICABLE, "The kit has no part ofrep.")
    users, on = made_up_users(plan)[:SAMPLE], variants[0] if variants else None
    seen = [ofrep.is_on(plan.flag.key, user, attributes(plan.flag.attribute, group), on) for user, group in users]
    if None in seen:
        words = f"The evaluating service has no flag {plan.flag.key}: each service serves its own default."
        return Finding(SERVED_NOW, SERVED_NOW_TEXT, Verdict.NOT_APPLICABLE, words)
    if any(seen):
        words = f"{sum(map(bool, seen))} of {len(users)} made-up users are served the new path already."
        return Finding(SERVED_NOW, SERVED_NOW_TEXT, Verdict.FAIL, words)
    return Finding(SERVED_NOW, SERVED_NOW_TEXT, Verdict.PASS, f"None of {len(users)} made-up users.")


def attributes(name: str, group: str) -> dict[str, Any]:
    """The evaluation context's attribute, where dots lead into it."""
    *parents, last = name.split(".")
    made: dict[str, Any] = {last: group}
    for parent in reversed(parents):
        made = {parent: made}
    return made
