"""What stands above and beside the fields of a gate's form."""

from collections.abc import Sequence

from tidegate.approval import approvers_of
from tidegate.gates.counted import said_go, stated
from tidegate.gates.statements import Statement, sign_off, signs_off, statements
from tidegate.plan import Plan
from tidegate.plans.checklist import waits_for_people
from tidegate.rollout_state import RolloutState
from tidegate.verdict import Finding
from tidegate.words.tables import evidence_table, one_line, table_row
from tidegate.words.wording import approvals_words, wave_words


def gate_form(plan: Plan, state: RolloutState, wave: int, findings: Sequence[Finding], refusal: str) -> str:
    """The Markdown above a gate's form."""
    step = plan.waves[wave - 1]
    parts = [f"> **The last answer was refused:** {table_row(refusal)[2:-2]}\n"] if refusal else []
    parts.append(f"## May {wave_words(plan, wave)} begin?\n")
    parts.append(f"Rollout `{state.rollout}` of `{plan.flag.key}`, now at **{state.exposure}**. ")
    said = [person for person in said_go(state, wave, plan.approval_ttl) if person in approvers_of(plan, wave)]
    if step.gate.quorum > 1:
        parts.append(f"Approvals: {len(said)} of {step.gate.quorum} ({', '.join(said) or 'none yet'}). ")
    parts.append(f"{approvals_words(plan)}\n")
    parts.append(f"Go or extend: {', '.join(approvers_of(plan, wave))}. Hold or rollback: anybody.\n")
    if signs_off(plan, wave):
        parts.append("A go is counted until every statement below was made; each signs for their own roles.\n")
        parts.append(sign_off_table(plan, state) + "\n")
    elif statements(plan, wave):
        parts.append("A go needs every statement below switched on.\n")
    parts.append(evidence_table(findings))
    parts.append(f"\nPlan `{plan.name}` {state.plan_hash[:12]}, journal head {state.head[:12]}.")
    return "\n".join(parts)


def sign_off_table(plan: Plan, state: RolloutState) -> str:
    """Who signs before wave 1, and who has, in Markdown."""
    signed = stated(state, 1, plan.approval_ttl)
    rows = [table_row("Sign-off", "Who may", "Signed by"), "|---|---|---|"]
    rows += [table_row(s.role, ", ".join(plan.roles[s.role]), signed.get(s.key, "nobody yet")) for s in sign_off(plan)]
    return "\n".join(rows)


def statement_help(plan: Plan, statement: Statement) -> str:
    """What stands beside a statement's switch: who answers for it, and the checklist's lines that it covers."""
    covered = {
        f"checklist.{number}": tuple(item.text for item in items if waits_for_people(item))
        for number, items in enumerate(plan.checklist.values(), start=1)
    }
    covered |= {s.key: plan.sign_off[s.role] for s in sign_off(plan)}
    lines = [f"- {one_line(text)}" for text in covered.get(statement.key, ())]
    who = f" Only {', '.join(plan.roles[statement.role])} may." if statement.in_person else ""
    return "\n".join([f"Stated for {statement.role}.{who}", *([""] if lines else []), *lines])
