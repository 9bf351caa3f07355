"""Going on without codes: two named people of different roles, and a reason."""

from tidegate.gates.approval import Answer, Choice
from tidegate.plan.model import Approvals, Plan


def why_not_broken(plan: Plan, answer: Answer) -> str:
    """Why these two may not go on without codes, or empty; whether the first may approve is asked elsewhere."""
    first, second = answer.approver, answer.second
    if plan.approvals is Approvals.OPEN:
        return "break-glass stands in for codes, and approvals are open here"
    if answer.decision is not Choice.GO:
        return f"break-glass is for go, not for {answer.decision.value}"
    return why_not_two_roles(plan, first, second, answer.note)


def why_not_two_roles(plan: Plan, first: str, second: str, reason: str) -> str:
    """Why these two may not stand in for what is missing, or empty: two people of different roles, and a reason."""
    if first == second:
        return f"break-glass needs two people; both are {first}"
    if not reason.strip():
        return "break-glass needs a reason: give a note"
    strangers = [person for person in (first, second) if not _roles(plan, person)]
    if strangers:
        return f"break-glass needs two people of the plan's roles; {strangers[0]} has none"
    if len(_roles(plan, first) | _roles(plan, second)) < 2:
        return f"break-glass needs two people of different roles; both are {min(_roles(plan, first))}"
    return ""


def _roles(plan: Plan, person: str) -> set[str]:
    return {role for role, people in plan.roles.items() if person in (email.lower() for email in people)}
