"""A gate whose answers need codes, on a real journal and without Prefect: ask, answer, rule, as the flow does it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyotp

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.gates.gate import decide_gate, open_gate
from engine.gates.read_answer import take_answer
from engine.gates.totp_seeds import read_seeds
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from tests.tidegate.builders import ANN, BOB, STARTER, plan_of
from tidegate.gates.approval import Answer
from tidegate.gates.binding import given_for
from tidegate.gates.statements import field_name, statements
from tidegate.journal.kinds import Kind

CARL, DORA, STRANGER = "carl@example.com", "dora@example.com", "stranger@example.com"
WITH_SEED = (ANN, BOB, STARTER, CARL)
DEAD = Prometheus(url="http://127.0.0.1:9", timeout_seconds=0.5)
PLAN = {
    "approvals": "codes",
    "allow_others_of_service": True,
    "roles": {"lead": [ANN, BOB, STARTER, DORA], "commander": [CARL]},
    "checklist": {"Code": [{"text": "Reviewed", "role": "lead"}]},
    "waves.0.gate": {"approvers": ["lead"]},
}
Said = tuple[str, str]


def one_of_two(person: str) -> str:
    """What a first go of two leads to."""
    others = ", ".join(other for other in (ANN, BOB, STARTER, DORA) if other != person)
    return f"1 of 2 approvals ({person}); 1 more of these have to say go: {others}"


class GateWorld:
    """The gate before wave 1 of the small plan; nothing is measured there unless the plan says so."""

    def __init__(self, folder: Path, seeds: Path, changes: Mapping[str, Any] | None = None, flag: str = "new-path"):
        self.seeds = seeds
        plan = plan_of({**PLAN, "flag.key": flag, **(changes or {})})
        via = OpenConnections(
            Journal(url=f"sqlite:///{folder / 'journal.db'}"), FlagdFile(path=str(folder / "flags.json")), DEAD
        )
        name = f"g-{uuid4().hex[:6]}"
        self.run: OpenRollout = open_rollout(
            via, plan, name, started_by=STARTER, pace=None, auto_approve=False, connection_set="default"
        )
        self.run.keep_claim()

    def open(self) -> int:
        """The gate's attempt that waits now."""
        return open_gate(self.run, 1, "run-1").attempt

    def code(self, person: str, at: datetime) -> str:
        """What this person's authenticator shows then."""
        return str(pyotp.TOTP(read_seeds(self.seeds)[person]).at(at))

    def given(self, person: str, at: datetime, **changes: Any) -> dict[str, Any]:
        """A right go of this person for the waiting attempt, as its form gives it; `changes` spoil it."""
        attempt = self.open()
        boxes = {field_name(s.key): True for s in statements(self.run.plan, 1)}
        words = given_for(1, attempt, self.run.state.plan_hash)
        whole = {"decision": "go", "approver": person, "extension": "", "note": "", "given_for": words, **boxes}
        if "code" not in changes and person in WITH_SEED:
            whole["code"] = self.code(person, at)
        return {**whole, **changes}

    def answer(self, given: Mapping[str, Any], at: datetime | None = None) -> Said:
        """Outcome and reason of what came back from the form."""
        attempt = self.open()
        take_answer(self.run, 1, attempt, given, at or utc_now())
        gate = self.run.state.gate
        assert gate is not None
        if gate.answer is not None and not gate.outcome:
            decide_gate(self.run, 1, attempt, Answer.from_json(gate.answer))
        last = [e for e in self.run.connections.journal.entries(self.run.rollout) if e.kind is Kind.GATE_DECIDED][-1]
        assert last.json["attempt"] == attempt
        return last.json["outcome"], last.json["reason"]
