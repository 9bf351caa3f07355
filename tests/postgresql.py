"""A real PostgreSQL server of our own, reached by a socket alone, and empty databases in it."""

import os
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


@contextmanager
def postgresql_server() -> Iterator[str]:
    """The address of a running server, which is stopped and removed at the end; it does not survive a power cut."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where there is no login session
        import pgserver

        # Short, since a socket's path may not be long.
        with tempfile.TemporaryDirectory(prefix="tg-pg-") as folder:
            server = pgserver.get_server(folder, cleanup_mode="stop")
            try:
                with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                        connection.execute(f"ALTER SYSTEM SET {setting} = off")
                    connection.execute("SELECT pg_reload_conf()")
                yield server.get_uri()
            finally:
                server.cleanup()


def empty_database(server: str) -> str:
    """The address of a new database in this server."""
    name = f"d_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


@contextmanager
def frozen_server(server: str) -> Iterator[None]:
    """Inside, this server keeps every connection and answers nothing; for nobody else's use meanwhile."""
    with psycopg.connect(server) as connection:
        own = connection.info.backend_pid
        processes = {pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity")} - {own}
    # Who accepts new connections is the parent of those that serve one.
    parent = next(_parent(process) for process in processes)
    stopped = [parent, *processes]
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
