"""`tidegate server`: Prefect's server on this machine, with the pages that a gate's form needs."""

import os
import sys
from urllib.parse import urlsplit

_OURS = ("127.0.0.1", "localhost", "::1")
# What Tidegate wants of Prefect's server unless somebody has asked for something else.
SERVER_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # In the V2 UI of 3.9.1 a gate's evidence is raw Markdown; in the V1 UI it is a page.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}


_USUAL_PORT = 4200


def server(port: int | None) -> None:
    """Become Prefect's server on loopback; whoever ends this process ends it.

    Without a port it listens where PREFECT_API_URL says, if that is on this machine.
    """
    named = port_named(os.environ.get("PREFECT_API_URL", ""))
    if port is None:
        port = named or _USUAL_PORT
    elif named and named != port:
        warning = f"PREFECT_API_URL names port {named}, and this server listens on {port}: commands here ask at {named}"
        print(warning, file=sys.stderr, flush=True)
    for name, value in SERVER_SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_UI_API_URL", f"http://127.0.0.1:{port}/api")
    argv = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    sys.stdout.flush()
    os.execv(sys.executable, argv)  # noqa: S606 - no shell, and the signals of an init system reach the server itself


def port_named(url: str) -> int | None:
    """The port that an address on this machine names; None for any other."""
    try:
        parts = urlsplit(url)
        return parts.port if parts.hostname in _OURS else None
    except ValueError:
        return None
