"""What stands above and beside the fields of a gate's form."""

from collections.abc import Mapping, Sequence

from tidegate.gates.approval import approvers_of
from tidegate.gates.identity import with_roles_given
from tidegate.gates.statements import Statement, lines_behind, people_of, stated, statements
from tidegate.gates.votes import active_approvals
from tidegate.journal.state import RolloutState
from tidegate.notices.footer import page_address
from tidegate.notices.texts import approvals_words, wave_words
from tidegate.pages.tables import evidence_list, one_line, table_row
from tidegate.plan.model import Plan
from tidegate.values.verdict import Finding


def gate_form(plan: Plan, state: RolloutState, wave: int, findings: Sequence[Finding], refusal: str) -> str:
    """The Markdown above a gate's form."""
    step = plan.waves[wave - 1]
    gate = state.gate if state.gate is not None and state.gate.wave == wave else None
    # What the reader just did comes first, whatever else there is to say.
    parts = [f"> **The last answer was refused:** {table_row(refusal)[2:-2]}\n"] if refusal else []
    parts += [f"> **{one_line(gate.rolled_back_before)}**\n"] if gate and gate.rolled_back_before else []
    if question := state.asked_before(wave):
        parts.append(f"> **A go answers this with yes:** {table_row(question)[2:-2]}\n")
    parts.append(f"## May {wave_words(plan, wave)} begin?\n")
    parts.append(f"Rollout `{state.rollout}` of `{plan.flag.key}`, now at **{state.exposure}**. ")
    allowed = approvers_of(with_roles_given(plan, state.votes.roles), wave)
    said = [person for person in active_approvals(state, wave, plan.approval_ttl) if person in allowed]
    if step.gate.quorum > 1:
        parts.append(f"Approvals: {len(said)} of {step.gate.quorum} ({', '.join(said) or 'none yet'}). ")
    parts.append(f"{approvals_words(plan)}\n")
    parts.append(f"Go or extend: {', '.join(approvers_of(plan, wave))}. Hold or rollback: anybody.\n")
    parts.append(f"{evidence_list(findings)}\n")
    if gate and gate.old_path:
        parts.append("\nNothing is measured to enter this wave. The old path now:\n")
        parts.append(_old_path_table(gate.old_path))
    if statements(plan, wave):
        # Behind the evidence, which a form's small window must show without scrolling.
        parts.append(
            "\nThe wave begins once each of these was stated, by a person of its role; until then a go is kept.\n"
        )
        parts.append(statements_list(plan, state, wave))
    if address := page_address(plan, state):
        parts.append(f"\n[This gate on a page of its own]({address})\n")
    parts.append(f"\nPlan `{plan.name}` {state.plan_hash[:12]}, journal head {state.head[:12]}.")
    return "\n".join(parts)


def _old_path_table(lines: Sequence[Mapping[str, str]]) -> str:
    rows = [table_row("Metric on the old path", "Now", "Level"), "|---|---|---|"]
    return "\n".join([*rows, *(table_row(x["title"], x["shown"], x["level"]) for x in lines)])


def statements_list(plan: Plan, state: RolloutState, wave: int) -> str:
    """What this gate asks people to state, who may, and who has: a list, since the form cuts a table off."""
    made = stated(plan, state, wave)
    return "\n".join(
        f"- {one_line(s.text)} ({s.role}: {', '.join(people_of(plan, s.role)) or 'nobody'}): "
        + (f"stated by {one_line(made[s.key])}." if s.key in made else "nobody yet.")
        for s in statements(plan, wave)
    )


def statement_help(plan: Plan, statement: Statement) -> str:
    """What stands beside a statement's switch: who answers for it, and the checklist's lines that it covers."""
    lines = [f"- {one_line(text)}" for text in lines_behind(plan).get(statement.key, ())]
    who = ", ".join(people_of(plan, statement.role)) or "nobody"
    # Prefect marks every field with a default as optional: a hold needs none of them.
    needed = f"A go needs this, stated for {statement.role}. Only {who} may."
    return "\n".join([needed, *([""] if lines else []), *lines])
