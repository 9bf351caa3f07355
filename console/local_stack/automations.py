"""Automations on the Prefect server: silence or a crash of a rollout's run starts the watch, and changes no state."""

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

WATCH = "watch/post-rollout-monitoring"
# The least that Prefect sends; set in prefect.yaml for the rollout's runs.
HEARTBEAT = timedelta(seconds=30)
_OF_ROLLOUTS = {"prefect.resource.role": "flow", "prefect.resource.name": "rollout"}
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "Suspended", "Paused")


def automations(watch: UUID) -> tuple[AutomationCore, ...]:
    """What a Prefect server should do by itself, given the id of the watch's deployment."""
    start_watch = RunDeployment(deployment_id=watch, source="selected")
    runs = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
    rollouts = ResourceSpecification(_OF_ROLLOUTS)
    return (
        AutomationCore(
            name="Tidegate: a rollout's run is silent",
            description="Three heartbeats missing: the watch looks who carries the rollout. No state is changed.",
            trigger=EventTrigger(
                match=runs,
                match_related=rollouts,
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in _ENDS)},
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=HEARTBEAT * 3,
            ),
            actions=[start_watch],
        ),
        AutomationCore(
            name="Tidegate: a rollout's run crashed",
            description="The watch goes on guarding and starts a new run. No state is changed.",
            trigger=EventTrigger(
                match=runs,
                match_related=rollouts,
                expect={"prefect.flow-run.Crashed"},
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
                within=timedelta(0),
            ),
            actions=[start_watch],
        ),
    )


def set_up_automations(client: SyncPrefectClient) -> tuple[str, ...]:
    """Create or update every automation, by its name, and return the names; the watch must be deployed before."""
    watch = client.read_deployment_by_name(WATCH).id
    for wanted in automations(watch):
        found = client.read_automations_by_name(wanted.name)
        if found:
            client.update_automation(found[0].id, wanted)
            # Two of a name would start two watches; the second ends at once, but why start it.
            for surplus in found[1:]:
                client.delete_automation(surplus.id)
        else:
            client.create_automation(wanted)
    return tuple(a.name for a in automations(watch))
