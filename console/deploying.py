"""Putting Tidegate on a Prefect server: work pools, blocks and deployments, in one repeatable go."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from blocks.errors import ConnectionFault
from blocks.kit import register_kit
from console.automations import set_up_automations
from console.home import PROJECT

POOLS = ("tidegate", "tidegate-rollback", "tidegate-watch")
_DEPLOY_SECONDS = 120


class DeployFailed(ConnectionFault):
    """`prefect deploy` did not succeed; the message holds its last lines."""


def deploy(
    kit: Path,
    say: Callable[[str], None],
    before_flows: Callable[[], None] = lambda: None,
    *,
    automations: bool = True,
) -> None:
    """Create work pools, blocks of the kit's connections, deployments and automations; again, it changes nothing."""
    with get_client(sync_client=True) as client:
        for pool in POOLS:
            try:
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            except ObjectAlreadyExists:
                continue
    before_flows()
    flows = subprocess.Popen(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    say("saving the kit's connections as blocks")
    register_kit(kit)
    try:
        output, _ = flows.communicate(timeout=_DEPLOY_SECONDS)
    except subprocess.TimeoutExpired:
        flows.kill()
        raise DeployFailed(f"prefect deploy took over {_DEPLOY_SECONDS} s") from None
    if flows.returncode != 0:
        raise DeployFailed("prefect deploy failed:\n" + "\n".join(output.strip().splitlines()[-15:]))
    if automations:
        say("setting up automations")
        with get_client(sync_client=True) as client:
            set_up_automations(client)
