"""Steering a rollout under way from the Prefect UI: small forms, each an entry that the next guard follows."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from engine.rollout.evaluation import hold as hold_exposure
from engine.steering.orders import end_holds, extend_soak
from flows.forms.text_fields import DURATION, NAME
from flows.ordering import Code, Person, ended, given, meant, run_name
from tidegate.values.units import format_duration, parse_duration


@flow(name="hold", flow_run_name=run_name)
def hold(
    by: Annotated[str, Field(pattern=NAME)],
    reason: str = "Ordered in the Prefect UI.",
    rollout: str = "",
    connections: str = "default",
) -> State:
    """Keep exposure where it is until somebody resumes; guarding goes on. Needs a name, nothing else.

    Args:
        by: Your name.
        reason: Why, in a sentence.
        rollout: The rollout to hold. Left empty: the one that is open.
        connections: The name of the connections block.

    """

    def order() -> str:
        done = hold_exposure(meant(rollout, connections), by.strip(), reason)
        return "Held: exposure stays, guarding goes on." if done else "It is held already."

    return ended(order)


@flow(name="resume", flow_run_name=run_name)
def resume(by: Person, reason: str, code: Code = "", rollout: str = "", connections: str = "default") -> State:
    """End what holds a rollout. An approver only, with a code where the plan asks for codes.

    Args:
        by: Your e-mail address.
        reason: Why, in a sentence.
        code: Your one-time code, six digits, where the plan asks for codes.
        rollout: The rollout to resume. Left empty: the one that is open.
        connections: The name of the connections block.

    """

    def order() -> str:
        causes = end_holds(meant(rollout, connections), by.lower(), reason, given(code))
        return f"Resumed ({', '.join(causes)})." if causes else "Nothing was held."

    return ended(order)


@flow(name="extend", flow_run_name=run_name)
def extend(
    by: Person,
    longer: Annotated[str, Field(pattern=DURATION, min_length=2)],
    reason: str,
    code: Code = "",
    rollout: str = "",
    connections: str = "default",
) -> State:
    """Let the wave under way soak longer. An approver only; at a gate, answer its form with extend.

    Args:
        by: Your e-mail address.
        longer: How much longer, for example 12h.
        reason: Why, in a sentence.
        code: Your one-time code, six digits, where the plan asks for codes.
        rollout: The rollout to extend. Left empty: the one that is open.
        connections: The name of the connections block.

    """

    def order() -> str:
        span = parse_duration(longer)
        extend_soak(meant(rollout, connections), by.lower(), span, reason, given(code))
        return f"The wave soaks {format_duration(span)} longer."

    return ended(order)
