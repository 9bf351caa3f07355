"""An empty PostgreSQL for Unleash, on a socket alone, that is gone with this process.

Its data lies in a folder of its own below the system's temporary one: where root runs this, PostgreSQL runs as another
user, who must be able to get there, and nobody's home is to be opened for that.
"""

import argparse
import signal
import tempfile
import warnings
from pathlib import Path

import psycopg


def _hurry(address: str) -> None:
    """What would survive a power cut is removed at the end anyway, so nothing waits for the disk."""
    with psycopg.connect(address, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def main() -> None:
    """Run it until told to end, its address in a file once it answers."""
    parser = argparse.ArgumentParser(prog="python -m demo.unleash.database", description=__doc__)
    parser.add_argument("--address", type=Path, required=True, help="the file that the address is written into")
    options = parser.parse_args()
    # Blocked in the threads to come as well, so that one of these signals ends the wait and nothing else.
    signals = {signal.SIGTERM, signal.SIGINT}
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="tidegate-pg-") as folder:
        warnings.simplefilter("ignore")  # platformdirs warns where there is no login session
        from pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="stop")
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            _hurry(server.get_uri())
            staged = options.address.with_name(f".{options.address.name}")
            staged.write_text(server.get_uri(), encoding="utf-8")
            staged.replace(options.address)
            signal.sigwait(signals)
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
