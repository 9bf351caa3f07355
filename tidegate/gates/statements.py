"""What an approver states at a gate, and who may state it."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from tidegate.checklist.items import waits_for_people
from tidegate.gates.identity import with_roles_given
from tidegate.gates.votes import active_approvals
from tidegate.journal.state import RolloutState
from tidegate.plan.fields.actions import Task
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan, When


@dataclass(frozen=True, slots=True)
class Statement:
    """One box of a gate's form: its key, the role whose people alone can state it, and what they state."""

    key: str
    role: str
    text: str
    is_signature: bool = False  # one box for all that a role signs before wave 1


def statements(plan: Plan, wave: int) -> tuple[Statement, ...]:
    """The human statements that the gate of this wave asks for.

    The first gate asks for the checklist's lines that only people can prove and for the sign-off, too; every later
    one whether the tasks of the wave before it are done.
    """
    asked = [
        Statement(item.id, role, item.criterion.text)
        for item in in_force(plan, wave, When.ENTER)
        if (role := item.criterion.role_asked) is not None
    ]
    if wave == 1:
        asked.extend(statement for statement, _ in checklist_statements(plan))
        asked.extend(sign_off(plan))
    asked.extend(Statement(x.key, x.role, x.text) for x in acknowledgements(plan, wave))
    return tuple(asked)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One task that a gate asks for: its box, whose it is, and the plan's line."""

    key: str
    role: str
    text: str


def acknowledgements(plan: Plan, wave: int) -> tuple[Acknowledgement, ...]:
    """The tasks of the wave before this one, which its gate asks for."""
    if wave < 2:
        return ()
    before = plan.waves[wave - 2]
    return tuple(
        Acknowledgement(f"task.{before.name}.{position}", action.role, f"Done in {before.title}: {action.text}")
        for position, action in enumerate(before.actions, start=1)
        if isinstance(action, Task) and not action.at_once
    )


def checklist_statements(plan: Plan) -> Iterator[tuple[Statement, tuple[str, ...]]]:
    """One box for each role that has lines of people in a section, with these lines."""
    for number, (section, items) in enumerate(plan.checklist.items(), start=1):
        human = [item for item in items if waits_for_people(item)]
        roles = list(dict.fromkeys(item.role for item in human))
        for position, role in enumerate(roles, start=1):
            lines = tuple(item.text for item in human if item.role == role)
            alone = len(roles) == 1
            key = f"checklist.{number}" if alone else f"checklist.{number}.{position}"
            whose = "" if alone else f" of {role}"
            done = f"the line{whose} is done" if len(lines) == 1 else f"all {len(lines)} lines{whose} are done"
            yield Statement(key, role, f"Checklist, {section}: {done}"), lines


def sign_off(plan: Plan) -> tuple[Statement, ...]:
    """One box for each role that signs before wave 1."""
    return tuple(
        Statement(f"sign-off.{number}", role, f"Sign-off, {role}: {_made(len(lines))}", True)
        for number, (role, lines) in enumerate(plan.sign_off.items(), start=1)
    )


def lines_behind(plan: Plan) -> dict[str, tuple[str, ...]]:
    """By the key of a box that stands for several lines: these lines, since nobody signs what they cannot read."""
    return {
        **{box.key: lines for box, lines in checklist_statements(plan)},
        **{box.key: tuple(plan.sign_off[box.role]) for box in sign_off(plan)},
    }


def _made(statements: int) -> str:
    return "the statement is made" if statements == 1 else f"all {statements} statements are made"


def may_state(plan: Plan, statement: Statement, person: str) -> bool:
    """Whether this person's word counts for the statement: nobody states anything for a role they do not hold."""
    return person.lower() in people_of(plan, statement.role)


def statements_of(plan: Plan, wave: int, person: str) -> tuple[Statement, ...]:
    """The statements of this gate that this person may make."""
    return tuple(s for s in statements(plan, wave) if may_state(plan, s, person))


def people_of(plan: Plan, role: str) -> tuple[str, ...]:
    """The people who hold this role and may state what it answers for."""
    return tuple(email.lower() for email in plan.roles.get(role, ()))


def stated(plan: Plan, state: RolloutState, wave: int, now: datetime | None = None) -> dict[str, str]:
    """The statements that count now, or as of the newest entry, and who made them.

    Each is as old as its person's newest go; what an older release took from somebody without the role is none.
    """
    people, plan = active_approvals(state, wave, plan.approval_ttl, now), with_roles_given(plan, state.votes.roles)
    made = state.votes.stated.get(wave, {})
    return {
        s.key: made[s.key]
        for s in statements(plan, wave)
        if s.key in made and made[s.key] in people and may_state(plan, s, made[s.key])
    }


def open_statements(plan: Plan, wave: int, stated: Collection[str]) -> tuple[Statement, ...]:
    """The statements that the next answer to this gate may make; what counts already is not asked again."""
    return tuple(s for s in statements(plan, wave) if s.key not in stated)


def unstated(plan: Plan, state: RolloutState, wave: int, now: datetime | None = None) -> str:
    """What nobody of its role has stated before this wave, in words, or empty: a condition for raising."""
    return "; ".join(missing_words(plan, s) for s in open_statements(plan, wave, stated(plan, state, wave, now)))


def missing_words(plan: Plan, statement: Statement) -> str:
    """That a statement is missing, and who can make it."""
    who = ", ".join(people_of(plan, statement.role)) or "nobody is named"
    if statement.is_signature:
        return f"{statement.role} has not signed off yet ({who})"
    return f"{statement.role} has not stated yet ({who}): {statement.text}"


def missing_count(missing: Collection[Statement]) -> str:
    """`3 statements missing (lead 2, ops 1)`: how many, and how many of them are whose."""
    whose = Counter(statement.role for statement in missing)
    many = "1 statement" if len(missing) == 1 else f"{len(missing)} statements"
    return f"{many} missing ({', '.join(f'{role} {count}' for role, count in whose.items())})"


def field_name(key: str) -> str:
    """The statement's name in a form: letters, digits and underscores."""
    return "states_" + re.sub(r"\W", "_", key)
