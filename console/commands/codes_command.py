"""The service that judges one-time codes, run as a user of its own."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from engine.gates.code_service import make_server
from engine.gates.totp_seeds import approvers_path


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    codes = typer.Typer(help="Judge one-time codes for workers that must not read the seeds.", no_args_is_help=True)
    codes.callback()(_nothing)
    codes.command("serve")(serve)
    app.add_typer(codes, name="codes")


def _nothing() -> None:
    pass


def serve(
    socket: Annotated[
        Path, typer.Option("--socket", help="The unix socket to listen on; only we may write its folder.")
    ],
    group: Annotated[str, typer.Option("--group", help="The workers' group; without it, only our own user.")] = "",
) -> None:
    """Judge codes until it is ended; workers find it by TIDEGATE_CODES_SOCKET."""
    path = socket.absolute()
    server = make_server(path, approvers_path(), group)

    def end(*_: object) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"codes are judged at {path}, by the seeds in {approvers_path()}", flush=True)
    try:
        server.serve_forever(0.1)
    finally:
        server.server_close()
        path.unlink(missing_ok=True)
