"""What goes on after a rollout, on its schedules."""

from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State

from engine.prefect_api.artifacts import artifacts_made, show_page
from engine.rollout.connections import connected
from flows.outcome import like
from tasks.reports import Reports, make_reports
from tidegate.plan.fields.upkeep import Work


@flow(name="upkeep", flow_run_name="upkeep {work}")
def upkeep(
    work: Literal["people", "thresholds", "costs", "security", "drill"] = "people", connections: str = "default"
) -> State:
    """Do one kind of upkeep for the newest rollout of every flag that has been released.

    Args:
        work: people asks for their tasks; thresholds, costs, security and drill are done here and reported.
        connections: The name of the connections block.

    """
    reports = Reports(connected(connections), Work(work))
    found: State = make_reports(reports)
    for report in reports.done:
        show_page(report.page, key=f"upkeep-{work}", description=f"{work} of {report.rollout}")
    artifacts_made()
    return like(found)
