"""The form that a suspended gate shows in Prefect: the evidence, and a field for each thing that an answer says."""

from typing import Any, Literal

from prefect.input import RunInput
from pydantic import Field, create_model

from engine.gates.gate import boxes
from engine.rollout.session import OpenRollout
from flows.forms.text_fields import DURATION, NAME, field_text
from tidegate.gates.approval import MAX_NOTE
from tidegate.gates.binding import given_for
from tidegate.gates.statements import field_name, statements
from tidegate.pages.gate_form import gate_form, statement_help
from tidegate.plan.model import Approvals
from tidegate.values.verdict import finding_of


def asking_form(run: OpenRollout, wave: int, attempt: int, refusal: str) -> type[RunInput]:
    """The form that asks at this attempt, over the evidence that the journal has of it: measured once, as it opened."""
    gate, stated = run.state.gate, {s.key for s in statements(run.plan, wave)}
    shown = gate.shown if gate is not None and gate.wave == wave else []
    findings = [finding_of(body) for body in shown if body["criterion"] not in stated]
    page = gate_form(run.plan, run.state, wave, findings, refusal)
    fields: dict[str, Any] = {
        # The page stands here because Prefect's V1 UI squeezes a form's own description to nothing above a long form.
        "decision": (
            Literal["go", "extend", "hold", "rollback"],
            Field(title="Decision", description=field_text(page)),
        ),
        "approver": (
            str,
            Field(
                title="Your e-mail address",
                description="With hold and rollback any name will do.",
                pattern=NAME,
                max_length=254,
            ),
        ),
        "extension": (str, Field("", title="Extend by", description="With extend only, e.g. 12h.", pattern=DURATION)),
        "note": (str, Field("", title="Note", max_length=MAX_NOTE)),
    }
    if run.plan.approvals is not Approvals.OPEN:
        bound = given_for(wave, attempt, run.state.plan_hash)
        fields["code"] = (
            str,
            Field(
                "", title="One-time code", description="With go and extend: yours, six digits.", pattern=r"^(\d{6})?$"
            ),
        )
        fields["given_for"] = (
            Literal[bound],
            Field(bound, title="This answer is for", json_schema_extra={"enum": [bound]}),
        )
    for statement in boxes(run, wave):
        help_text = field_text(statement_help(run.plan, statement))
        fields[field_name(statement.key)] = (bool, Field(False, title=statement.text, description=help_text))
    model = create_model(f"Gate{wave}", __base__=RunInput, **fields)
    model._description = f"Rollout `{run.rollout}`"  # noqa: SLF001 - where Prefect looks for the form's text
    return model
