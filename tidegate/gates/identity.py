"""What a sign-in proved of a person, and which of the plan's roles it gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.plan.model import Approvals, Plan

RolesGiven = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ProvenIdentity:
    """Who signed in: by whose word, under which subject and address, with which roles of plans, and when."""

    issuer: str
    subject: str
    person: str
    roles: tuple[str, ...]
    signed_in_at: datetime

    def to_json(self) -> dict[str, Any]:
        """As stored in the journal."""
        return {
            "issuer": self.issuer,
            "subject": self.subject,
            "person": self.person,
            "roles": list(self.roles),
            "signed_in_at": self.signed_in_at.isoformat(),
        }


def identity_words(identity: Mapping[str, Any] | None) -> str:
    """How a person was known, for a line of the journal; empty where nothing was proven."""
    if identity is None:
        return ""
    roles = f" as {', '.join(identity['roles'])}" if identity["roles"] else ""
    return f", signed in at {identity['issuer']}{roles}"


def with_roles_given(plan: Plan, given: RolesGiven) -> Plan:
    """The plan with these people in the roles that their sign-in gives them; of roles that it does not know, none.

    Where the plan asks for codes, no sign-in gives anything: its people are those that it names.
    """
    if plan.approvals is not Approvals.OPEN or not any(given.values()):
        return plan
    more = {role: tuple(person for person, roles in given.items() if role in roles) for role in plan.roles}
    roles = {role: (*people, *(one for one in more[role] if one not in people)) for role, people in plan.roles.items()}
    return plan.model_copy(update={"roles": roles})
