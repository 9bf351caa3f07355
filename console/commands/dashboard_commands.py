"""`tidegate dashboard`: the web pages of every rollout, in a process of their own."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.home import connections, home

PORT = 8600
log = Console(stderr=True, highlight=False)


def add_to(app: typer.Typer) -> None:
    """Add the dashboard command."""
    app.command()(dashboard)


def dashboard(
    port: Annotated[int, typer.Option(help="Where to listen.", min=1, max=65535)] = PORT,
    host: Annotated[str, typer.Option(help="The address; beyond this machine only with a password or a proxy.")] = (
        "127.0.0.1"
    ),
    name: Annotated[
        list[str] | None, typer.Option(metavar="HOST[:PORT]", help="A name under which people reach it; repeatable.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="A file of mode 0600 with the password (else TIDEGATE_DASHBOARD_PASSWORD).")
    ] = None,
    identity_header: Annotated[
        str, typer.Option(help="The header in which a reverse proxy says who asks, e.g. X-Forwarded-Email.")
    ] = "",
    proxy: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="The proxy's address; left out: this machine.")
    ] = None,
) -> None:
    """Serve every rollout's page: status, metrics, charts, decisions, and the buttons CONTINUE, PAUSE, ROLLBACK."""
    from console.dashboard.access import configured_access, read_password
    from console.dashboard.guesses import Guesses
    from engine.gates.private_json import PrivateFileError

    password = read_password(password_file)
    try:
        guesses = Guesses(home() / "dashboard-guesses.json") if password else Guesses()
    except PrivateFileError as error:
        log.print(f"wrong passwords are forgotten when this ends: {error}", markup=False)
        guesses = Guesses()
    access = configured_access(
        host,
        port,
        names=name or (),
        password=password,
        guesses=guesses,
        identity_header=identity_header,
        proxies=proxy or (),
    )
    via = connections()
    import uvicorn
    from prefect.context import refresh_global_settings_context

    from console.dashboard.app import make_app

    # To wake a run it asks the server there is; where none is configured it must not start one of its own.
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
    refresh_global_settings_context()

    log.print(f"http://{host}:{port}", markup=False)
    # Streams of changes never end by themselves.
    uvicorn.run(
        make_app(via, access),
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
