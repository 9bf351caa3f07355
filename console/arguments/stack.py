"""The local stack, deploying and the demo, as typed."""

from typing import Annotated, Literal

import typer

from console.options import Json

Flags = Annotated[str, typer.Option(help="Where the flag is: flagd (a file) or unleash (a real server).")]


def up(
    day: Annotated[float, typer.Option(help="Seconds that one day of the load's daily curve takes.")] = 15.0,
    as_json: Json = False,
    flags: Flags = "flagd",
) -> None:
    """Start the local stack (Prefect server, workers, dashboard, Prometheus, demo service, load, inbox)."""
    from console.local_stack.stack_commands import up as act

    act(day=day, as_json=as_json, flags=flags)


def down() -> None:
    """End exactly what `up` started."""
    from console.local_stack.stack_commands import down as act

    act()


def deploy(
    automations: Annotated[
        bool | None,
        typer.Option(
            help="Let missing heartbeats and crashes start the watch at once. Left out: where "
            "PREFECT_SERVER_DATABASE_CONNECTION_URL here says PostgreSQL; on SQLite they make the server stall.",
        ),
    ] = None,
    wait: Annotated[
        str, typer.Option(help="How long a server that takes no connection yet is waited for, such as 5m.")
    ] = "30s",
    watches: Annotated[
        int | None,
        typer.Option(
            help="Among how many watches the open rollouts are shared, where there are hundreds of them. Left out: as "
            "before, which is 1 at first.",
        ),
    ] = None,
) -> None:
    """Put work pools, blocks (from the kit file), deployments and automations on the server of PREFECT_API_URL.

    Run it again after every change; nothing is there twice.
    """
    from console.local_stack.stack_commands import deploy as act

    act(automations=automations, wait=wait, watches=watches)


def server(
    port: Annotated[
        int | None,
        typer.Option(
            help="Where to listen; left out: the port of PREFECT_API_URL where that is on this machine, else 4200.",
            min=1,
            max=65535,
        ),
    ] = None,
) -> None:
    """Start Prefect's server on this machine, with the pages that gates need, until it is ended."""
    from console.local_stack.server_command import server as act

    act(port)


def worker(
    pool: Annotated[
        Literal["tidegate", "tidegate-rollback", "tidegate-watch"],
        typer.Argument(help="tidegate, tidegate-rollback or tidegate-watch."),
    ],
    name: Annotated[
        str | None, typer.Option(help="What Prefect's pages call it; left out: Prefect's own choice.")
    ] = None,
) -> None:
    """Start Prefect's worker of one of the pools tidegate, tidegate-rollback and tidegate-watch, until it is ended."""
    from console.local_stack.worker_command import worker as act

    act(pool, name)


def demo(
    fault: Annotated[
        str | None, typer.Option(help="Release a bad build: errors, latency, leak, corruption, alert or outage.")
    ] = None,
    approve: Annotated[str, typer.Option(help="ask at every gate (here or in the UI), or auto.")] = "ask",
    plan: Annotated[str, typer.Option(help="The plan to rehearse.")] = "rehearsal.yaml",
    pace: Annotated[str | None, typer.Option(help="How long one plan day takes; left out: the plan's own.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running; end it with `tidegate down`.")
    ] = False,
    flags: Flags = "flagd",
) -> None:
    """Roll a real service out to 100 % in four waves, or see a bad release rolled back automatically."""
    from console.local_stack.demo_commands import demo as act

    act(fault=fault, approve=approve, plan=plan, pace=pace, keep=keep, flags=flags)
