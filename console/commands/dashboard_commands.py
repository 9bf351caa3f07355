"""`tidegate dashboard`: the web pages of every rollout, in a process of their own."""

import os
from pathlib import Path

from rich.console import Console

from console.home import DASHBOARD_PORT, connections, home

log = Console(stderr=True, highlight=False)


def dashboard(
    port: int = DASHBOARD_PORT,
    host: str = "127.0.0.1",
    name: list[str] | None = None,
    password_file: Path | None = None,
    identity_header: str = "",
    proxy: list[str] | None = None,
) -> None:
    """Serve every rollout's page: status, metrics, charts, decisions, and the buttons CONTINUE, PAUSE, ROLLBACK."""
    from console.dashboard.access import configured_access, read_password
    from console.dashboard.guesses import Guesses
    from engine.gates.private_json import PrivateFileError

    password, via = read_password(password_file), connections()
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
        sign_in=via.sign_in,
    )
    import uvicorn
    from prefect.context import refresh_global_settings_context

    from console.dashboard.announced_server import AnnouncedServer
    from console.dashboard.app import make_app

    # To wake a run it asks the server there is; where none is configured it must not start one of its own.
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
    refresh_global_settings_context()

    config = uvicorn.Config(
        make_app(via, access),
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        # Streams of changes never end by themselves.
        timeout_graceful_shutdown=1,
    )
    AnnouncedServer(config, lambda address: log.print(address, markup=False)).run()
