"""Whether legacy is healthy, as the plan says it is seen."""

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from tidegate.plan.fields.rollback import Health
from tidegate.values.json_pointer import at_pointer


def look_at_legacy(via: OpenConnections, step: Health) -> tuple[bool, str]:
    """Whether legacy is healthy, and what was seen; whatever is not seen to be well is not well."""
    if via.web is None:
        return False, "there are no web sources among the connections"
    try:
        answer = via.web.ask(step.source)
    except ConnectionFault as fault:
        return False, str(fault)
    if answer.status != step.status:
        return False, f"{step.source} answered {answer.status}, healthy is {step.status}"
    if step.pointer is None:
        return True, f"{step.source} answered {answer.status}"
    try:
        found = at_pointer(answer.json(), step.pointer)
    except (ValueError, LookupError, RecursionError):
        return False, f"{step.source} answered without {step.pointer}"
    shown = str(found).lower() if isinstance(found, bool) else str(found)
    if shown != step.equals:
        return False, f"{step.source} says {step.pointer} is {shown[:100]!r}, healthy is {step.equals!r}"
    return True, f"{step.source} answered {answer.status}, {step.pointer} is {shown}"
