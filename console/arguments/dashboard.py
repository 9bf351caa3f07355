"""The web pages, as typed."""

from pathlib import Path
from typing import Annotated

import typer

from console.home import DASHBOARD_PORT


def dashboard(
    port: Annotated[int, typer.Option(help="Where to listen.", min=1, max=65535)] = DASHBOARD_PORT,
    host: Annotated[
        str, typer.Option(help="The address; beyond this machine only with a password or a proxy.")
    ] = "127.0.0.1",
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
    from console.commands.dashboard_commands import dashboard as act

    act(port=port, host=host, name=name, password_file=password_file, identity_header=identity_header, proxy=proxy)
