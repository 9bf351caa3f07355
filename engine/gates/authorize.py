"""Orders that need an approver: who gives them is looked at, proven where the plan asks for codes, and written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from engine.gates.verify_code import alone, proof_of
from engine.rollout.open import NotAuthorized
from engine.rollout.session import OpenRollout, utc_now
from tidegate.gates.approval import approvers_of
from tidegate.gates.identity import ProvenIdentity, with_roles_given
from tidegate.journal.bodies.people_bodies import OrderGiven
from tidegate.journal.refusals import RefusedOrder, is_news
from tidegate.journal.state import RolloutState
from tidegate.plan.model import Approvals


@dataclass(frozen=True, slots=True)
class Given:
    """How an order came: by which way, with which one-time code, and when."""

    via: str = "command line"
    code: str = ""
    at: datetime | None = None
    identity: ProvenIdentity | None = None  # where the person signed in


def approvers_of_any_gate(run: OpenRollout, identity: ProvenIdentity | None = None) -> tuple[str, ...]:
    """Whoever may say go at some gate of the plan, by the roles of this sign-in, too."""
    given = {} if identity is None else {identity.person: identity.roles}
    plan, waves = with_roles_given(run.plan, given), range(1, len(run.plan.waves) + 1)
    return tuple(sorted({person for wave in waves for person in approvers_of(plan, wave)}))


def must_be_allowed(
    run: OpenRollout, person: str, what: str, given: Given, people: Sequence[str] | None = None
) -> None:
    """Raises NotAuthorized for anybody but these approvers, or without the code that the plan asks for.

    Either way it stands in the journal; a code is spent by it.
    """
    allowed = approvers_of_any_gate(run, given.identity) if people is None else people
    if person not in allowed:
        refuse(run, person, what, given, f"{person} may not {what}; allowed are {', '.join(allowed)}")
    if run.plan.approvals is Approvals.OPEN:
        if given.identity is not None:
            run.append(OrderGiven(what, person, given.via, "", identity=given.identity.to_json()))
        return
    with alone(run.connections) as claim:
        proof = proof_of(run.connections, person, given.code, given.at or utc_now(), use="")
        problem = proof.problem or ("" if proof.step is not None else "the code proved nothing")
        body = OrderGiven(what, person, given.via, problem, proof.to_json())
        # What spends a code or counts towards the lock is always written; the lock's own refusals are not news.
        weighs = proof.step is not None or proof.wrong

        def known(state: RolloutState) -> bool:
            return not weighs and not is_news(state.refusals, RefusedOrder(utc_now(), what, person, problem))

        run.append(body, unless=known, under=claim)
    if problem:
        raise NotAuthorized(problem)


def refuse(run: OpenRollout, person: str, what: str, given: Given, why: str) -> NoReturn:
    """Write down that the order was refused, and raise NotAuthorized; nothing else changes."""
    record_refusal(run, person, what, given, why)
    raise NotAuthorized(why)


def record_refusal(run: OpenRollout, person: str, what: str, given: Given, why: str) -> None:
    """Write down that the order was refused and why: once, and not without end."""

    def known(state: RolloutState) -> bool:
        return not is_news(state.refusals, RefusedOrder(utc_now(), what, person, why))

    run.append(OrderGiven(what, person, given.via, why), unless=known)


__all__ = ["Given", "approvers_of_any_gate", "must_be_allowed", "record_refusal", "refuse"]
