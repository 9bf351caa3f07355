"""`tidegate up`, `down` and `deploy`: the local stack, and a Prefect server of your own."""

import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from console.home import kit_path
from engine.rollout.not_allowed import NotAllowed
from tidegate.values.units import parse_duration

if TYPE_CHECKING:
    from demo.stack import FlagSystem

out = Console(highlight=False)
log = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """A line of progress."""
    log.print(f"[dim]{text} ...[/dim]")


def show_urls(urls: dict[str, str]) -> None:
    """The pages a person may open."""
    table = Table(show_header=False, box=None)
    for name, url in urls.items():
        table.add_row(f"[bold]{name}[/bold]", url)
    out.print(table)


def flag_system(flags: str) -> "FlagSystem":
    """Which flag system `--flags` names; raises NotAllowed."""
    from demo.stack import FLAG_SYSTEMS

    for known in FLAG_SYSTEMS:
        if flags == known:
            return known
    raise NotAllowed(f"--flags: found {flags!r}, allowed are {', '.join(FLAG_SYSTEMS)}")


def up(day: float = 15.0, as_json: bool = False, flags: str = "flagd") -> None:
    """Start the local stack (Prefect server, workers, dashboard, Prometheus, demo service, load, inbox)."""
    from console.local_stack.stack import up as start_stack

    stack = start_stack(day, say, flag_system(flags))
    if as_json:
        print(json.dumps(stack.urls()))
        return
    show_urls(stack.urls())
    out.print(
        "Next: [bold]tidegate start rehearsal.yaml --as you@company.com[/bold]; end it with [bold]tidegate down[/bold]"
    )


def down() -> None:
    """End exactly what `up` started."""
    from console.local_stack.stack import down as stop_stack

    out.print("stopped" if stop_stack(say) else "nothing was running")


def deploy(automations: bool | None = None, wait: str = "30s", watches: int | None = None) -> None:
    """Put work pools, blocks (from the kit file), deployments and automations on the server of PREFECT_API_URL.

    Run it again after every change; nothing is there twice.
    """
    from console.local_stack.deploying import automations_wanted
    from console.local_stack.deploying import deploy as put
    from console.prefect_runs import use_named_server
    from engine.prefect_api.server import await_server
    from engine.watch.watch_places import watch_claims

    try:
        patience = parse_duration(wait).total_seconds()
    except ValueError as error:
        raise NotAllowed(f"--wait: {error}") from None
    try:
        watch_claims(1 if watches is None else watches)
    except ValueError as error:
        raise NotAllowed(f"--{error}") from None
    use_named_server()
    await_server(say, patience)
    wanted, why = automations_wanted(automations)
    shared = put(kit_path(), say, automations=wanted, watches=watches)
    runs = f"; {shared} watches share the rollouts, and one more run stands by for them" if shared > 1 else ""
    out.print(f"deployed{runs}{why}")
