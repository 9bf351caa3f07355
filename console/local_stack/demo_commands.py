"""`tidegate demo`: a whole rollout of the demo service, live, on real parts."""

import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import httpx
from rich.console import Console

from console.commands.rollout_commands import start_rollout
from console.exits import Exit
from console.home import connections
from console.live.live_view import Viewer, follow_live
from console.local_stack.demo_summary import show_summary
from console.local_stack.stack_commands import flag_system, say, show_urls
from demo.batch_patches.faults import BLUNT as FAULT_KINDS
from demo.unleash.server import ADMINISTRATOR
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tidegate.journal.state import Phase
from tidegate.plan.model import parse_pace

out = Console(highlight=False)
STARTED_BY = "release-engineer@company.com"
_LONGEST = timedelta(minutes=15)


def demo(
    fault: str | None = None,
    approve: str = "ask",
    plan: str = "rehearsal.yaml",
    pace: str | None = None,
    keep: bool = False,
    flags: str = "flagd",
) -> None:
    """Roll a real service out to 100 % in four waves, or see a bad release rolled back automatically."""
    from console.local_stack.stack import down, running_stack, up

    if fault is not None and fault not in FAULT_KINDS:
        raise NotAllowed(f"--fault: found {fault!r}, allowed are {', '.join(FAULT_KINDS)}")
    if approve not in ("ask", "auto"):
        raise NotAllowed(f"--approve: found {approve!r}, allowed are ask, auto")
    system = flag_system(flags)
    try:
        day = parse_pace(pace) if pace else timedelta(seconds=15)
    except ValueError as error:
        raise NotAllowed(f"--pace: {error}") from None
    fresh = running_stack() is None and "TIDEGATE_HOME" not in os.environ
    if fresh and not keep:
        # A demo leaves nothing behind, and never meets an earlier one's journal.
        os.environ["TIDEGATE_HOME"] = tempfile.mkdtemp(prefix="tidegate-demo-")
    started_here = running_stack() is None
    as_expected = False
    try:
        stack = up(day.total_seconds(), say, system)
        show_urls(stack.urls())
        if stack.parts.unleash is not None:
            out.print(
                f"Unleash: log in as {ADMINISTRATOR}; the password is in {stack.parts.unleash.secrets}", soft_wrap=True
            )
        httpx.delete(f"{stack.parts.service_url}/faults", timeout=30).raise_for_status()
        name = start_rollout(plan, STARTED_BY, pace, approve)
        where = f"TIDEGATE_HOME={os.environ['TIDEGATE_HOME']} " if "TIDEGATE_HOME" in os.environ else ""
        out.print(f"Rollout [bold]{name}[/bold]. In another terminal:", soft_wrap=True)
        out.print(f"  {where}tidegate status {name}", soft_wrap=True)
        run = OpenRollout(connections(), name)
        viewer = Viewer(run, stack.prefect_url, ask=approve == "ask")
        shares = follow_live(run, viewer, fault=fault, service=stack.parts.service_url, deadline=_LONGEST)
        as_expected = run.state.phase is (Phase.ROLLED_BACK if fault else Phase.FINISHED)
        show_summary(run, shares, stack.parts.inbox_url, fault)
    finally:
        if started_here and not keep:
            down(say)
    if fresh and not keep:
        _forget(Path(os.environ["TIDEGATE_HOME"]), keep_logs=not as_expected)
    sys.exit(Exit.DONE if as_expected else Exit.NO_GO)


def _forget(folder: Path, *, keep_logs: bool) -> None:
    import shutil

    if keep_logs:
        out.print(f"The logs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
