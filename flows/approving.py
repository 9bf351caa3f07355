"""Decisions of an approver outside a gate: a change of the plan, and a rollout that ends while it stays exposed."""

from prefect import flow
from prefect.client.schemas.objects import State

from engine.steering.amending import approve_amendment
from engine.steering.orders import close
from flows.ordering import Code, Person, ended, given, meant, run_name


@flow(name="approve-plan-change", flow_run_name=run_name)
def approve_plan_change(
    by: Person, plan_hash: str, code: Code = "", rollout: str = "", connections: str = "default"
) -> State:
    """Say yes to a change of a rollout's plan that was proposed with `tidegate plan amend`. An approver only.

    Args:
        by: Your e-mail address.
        plan_hash: The first twelve letters of the new plan's hash, as the notice of the change says.
        code: Your one-time code, six digits, where the plan asks for codes.
        rollout: The rollout. Left empty: the one that is open.
        connections: The name of the connections block.

    """
    return ended(lambda: approve_amendment(meant(rollout, connections), plan_hash, by.lower(), given(code)))


@flow(name="leave-exposed", flow_run_name=run_name)
def leave_exposed(
    by: Person, reason: str, newer: str = "", code: Code = "", rollout: str = "", connections: str = "default"
) -> State:
    """End a rollout whose flag stays raised and is watched no more. An approver only.

    Args:
        by: Your e-mail address.
        reason: Why, in a sentence.
        newer: The release or rollout that takes its place, if one does.
        code: Your one-time code, six digits, where the plan asks for codes.
        rollout: The rollout. Left empty: the one that is open.
        connections: The name of the connections block.

    """

    def order() -> str:
        run = meant(rollout, connections)
        close(run, by.lower(), reason, leave_exposed=True, superseded_by=newer, given=given(code))
        return f"Closed; {run.flag} stays at {run.state.exposure}."

    return ended(order)
