"""Whom the evaluating service (OFREP) still serves the new path after a rollback: a witness beside the counter."""

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from engine.preflight.served_as_planned import made_up_users
from engine.preflight.served_now import attributes
from tidegate.plan.model import Plan

SAMPLE = 20  # one call each; the proof is looked at again every half second


def still_served(connections: OpenConnections, plan: Plan) -> tuple[int, str]:
    """How many of a sample are served the new path now, and what was seen as a sentence; empty without such a service.

    What does not answer refutes nothing: the proof is the counter's, and the sentence says that it is missing.
    """
    ofrep, variants = connections.ofrep, plan.flag.variants
    if ofrep is None:
        return 0, ""
    users, on = made_up_users(plan)[:SAMPLE], variants[0] if variants else None
    try:
        seen = [ofrep.is_on(plan.flag.key, user, attributes(plan.flag.attribute, group), on) for user, group in users]
    except ConnectionFault as fault:
        return 0, f"The evaluating service was asked and did not say: {fault}."
    if None in seen:
        return 0, f"The evaluating service has no flag {plan.flag.key}: each service serves its own default."
    count = sum(map(bool, seen))
    if count:
        return count, f"the evaluating service still serves the new path to {count} of {len(users)} made-up users"
    return 0, f"The evaluating service serves none of {len(users)} made-up users the new path."
