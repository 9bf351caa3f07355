"""The service that judges one-time codes, run as a user of its own."""

import signal
import threading
from pathlib import Path

from engine.gates.code_service import make_server
from engine.gates.totp_seeds import approvers_path


def serve(socket: Path, group: str = "") -> None:
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
