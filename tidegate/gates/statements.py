"""What an approver states at a gate, and who may state it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.actions import acknowledgements
from tidegate.in_force import in_force
from tidegate.plan import Human, Plan, When
from tidegate.plans.checklist import waits_for_people


@dataclass(frozen=True, slots=True)
class Statement:
    """One box of a gate's form: its key, who states it, what they state, and whether nobody else may state it."""

    key: str
    role: str
    text: str
    in_person: bool = False


def statements(plan: Plan, wave: int) -> tuple[Statement, ...]:
    """The human statements that the gate of this wave asks for.

    The first gate asks for the checklist's lines that only people can prove and for the sign-off, too; every later
    one whether the tasks of the wave before it are done.
    """
    asked = [
        Statement(item.id, item.criterion.role, item.criterion.text)
        for item in in_force(plan, wave, When.ENTER)
        if isinstance(item.criterion, Human)
    ]
    if wave == 1:
        for number, (section, items) in enumerate(plan.checklist.items(), start=1):
            human = [item for item in items if waits_for_people(item)]
            if human:
                roles = ", ".join(dict.fromkeys(item.role for item in human))
                text = f"Checklist, {section}: all {len(human)} lines are done"
                asked.append(Statement(f"checklist.{number}", roles, text))
        asked.extend(sign_off(plan))
    asked.extend(Statement(x.key, x.role, x.text) for x in acknowledgements(plan, wave))
    return tuple(asked)


def sign_off(plan: Plan) -> tuple[Statement, ...]:
    """One box for each role that signs before wave 1."""
    return tuple(
        Statement(f"sign-off.{number}", role, f"Sign-off, {role}: all {len(lines)} statements are made", in_person=True)
        for number, (role, lines) in enumerate(plan.sign_off.items(), start=1)
    )


def signs_off(plan: Plan, wave: int) -> bool:
    """Whether this gate needs people of several roles to state their part in person."""
    return wave == 1 and bool(plan.sign_off)


def open_statements(plan: Plan, wave: int, stated: Mapping[str, str]) -> tuple[Statement, ...]:
    """The statements that the next answer to this gate may make; what was signed already is not asked again."""
    done = stated if signs_off(plan, wave) else {}
    return tuple(s for s in statements(plan, wave) if s.key not in done)


def may_state(plan: Plan, statement: Statement, person: str) -> bool:
    """Whether this person's word counts for the statement: nobody signs for a role they do not hold."""
    return not statement.in_person or person.lower() in signers(plan, statement.role)


def statements_of(plan: Plan, wave: int, person: str) -> tuple[Statement, ...]:
    """The statements of this gate that this person may make."""
    return tuple(s for s in statements(plan, wave) if may_state(plan, s, person))


def signers(plan: Plan, role: str) -> tuple[str, ...]:
    """The people who hold this role and may sign for it."""
    return tuple(email.lower() for email in plan.roles.get(role, ()))


def field_name(key: str) -> str:
    """The statement's name in a form: letters, digits and underscores."""
    return "states_" + re.sub(r"\W", "_", key)
