"""Putting Tidegate on a Prefect server: work pools, blocks and deployments, in one repeatable go."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from blocks.errors import ConnectionFault
from blocks.prefect_blocks.register_kit import register_kit
from console.home import INSTALLED, PROJECT
from console.local_stack.automations import WATCH, set_up_automations
from console.local_stack.saved_view import save_view
from engine.prefect_api.work_pools import CARRIES

_PATIENCE_SECONDS = 900.0
_SAY_EVERY_SECONDS = 15.0
ANYWHERE = """
pull:
  - prefect.deployments.steps.set_working_directory: {directory: .}
"""


class DeployFailed(ConnectionFault):
    """`prefect deploy` did not succeed; the message holds its last lines."""


def deploy(
    kit: Path,
    say: Callable[[str], None],
    *,
    automations: bool = True,
    watches: int | None = None,
    alive: Callable[[], bool] = lambda: True,
) -> int:
    """Create work pools, blocks of the kit's connections, deployments and automations; again, it changes nothing.

    Returns among how many watches the rollouts are shared: `watches`, or as before. A slow server is waited for as long
    as it is `alive`. Raises DeployFailed.
    """
    say("registering work pools")
    with get_client(sync_client=True) as client:
        for pool in CARRIES:
            try:
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            except ObjectAlreadyExists:
                continue
        shared = watches_deployed(client) if watches is None else watches
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-deploy-") as folder,
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output,
    ):
        flows = subprocess.Popen(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
            cwd=_declared(Path(folder)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            say("saving the kit's connections as blocks, deploying the flows")
            register_kit(kit)
            _wait(flows, say, alive)
        finally:
            if flows.poll() is None:
                flows.kill()
                flows.wait()
        if flows.returncode != 0:
            output.seek(0)
            raise DeployFailed("prefect deploy failed:\n" + "\n".join(output.read().strip().splitlines()[-15:]))
    with get_client(sync_client=True) as client:
        if shared > 1:
            share_among(client, shared)
        if not save_view(client):
            say("Prefect's server did not take the view of runs; nothing depends on it")
    if automations:
        say("setting up automations")
        with get_client(sync_client=True) as client:
            set_up_automations(client)
    return shared


def watches_deployed(client: SyncPrefectClient) -> int:
    """Among how many watches the deployment that is there shares the rollouts; 1 where there is none."""
    try:
        found = client.read_deployment_by_name(WATCH).parameters.get("watches", 1)
    except ObjectNotFound:
        return 1
    return found if isinstance(found, int) else 1


def share_among(client: SyncPrefectClient, watches: int) -> None:
    """Let the watch's runs that begin from now on share the rollouts among so many."""
    watch = client.read_deployment_by_name(WATCH)
    client.update_deployment(watch.id, DeploymentUpdate(parameters={**watch.parameters, "watches": watches}))


def automations_wanted(asked: bool | None) -> tuple[bool, str]:
    """Whether automations are to be set up, and what is said where nobody asked and they are left out.

    Prefect's server tells nobody which database it has, so its own variable has to stand here, too.
    """
    if asked is not None:
        return asked, ""
    named = os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL", "")
    if named.startswith("postgresql"):
        return True, ""
    found = "SQLite" if named.startswith("sqlite") else "not known here"
    return False, (
        f"; automations are left out, since the database of Prefect's server is {found} (on SQLite they make it "
        "stall). Nothing is to be done: a lost run is found by the watch's schedule within a minute. On PostgreSQL: "
        "`tidegate deploy --automations`"
    )


def _declared(folder: Path) -> Path:
    """Where the deployments are declared: the checkout, or this folder with what the wheel brings.

    From a checkout runs begin where it lies, so that what is in it counts. Installed, they begin wherever their worker
    puts them: each machine has its own place for site-packages.
    """
    if not INSTALLED:
        return PROJECT
    text = (PROJECT / "prefect.yaml").read_text(encoding="utf-8")
    (folder / "prefect.yaml").write_text(text + ANYWHERE, encoding="utf-8")
    return folder


def _wait(flows: subprocess.Popen[bytes], say: Callable[[str], None], alive: Callable[[], bool]) -> None:
    began = time.monotonic()
    while (waited := time.monotonic() - began) < _PATIENCE_SECONDS:
        try:
            flows.wait(_SAY_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            if not alive():
                raise DeployFailed("Prefect's server ended while the flows were being deployed") from None
            say(f"still deploying the flows ({waited + _SAY_EVERY_SECONDS:.0f} s)")
        else:
            return
    raise DeployFailed(f"prefect deploy took over {_PATIENCE_SECONDS:.0f} s")
