"""The journal's database as the harness has it: read from outside, locked, killed. It knows nothing of the product."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict

from chaos.cuts import Wire

_PATIENCE = 20.0  # seconds for a lock
_STARTS_WITHIN = 60.0
_TAKEN_FILE = (
    "CREATE TABLE IF NOT EXISTS chaos_claims (at REAL, flag TEXT, before TEXT, after TEXT, remaining REAL)",
    "CREATE TRIGGER IF NOT EXISTS chaos_taken AFTER UPDATE ON claims WHEN old.holder <> '' AND old.holder <> new.holder"
    " BEGIN INSERT INTO chaos_claims VALUES ((julianday('now') - 2440587.5) * 86400.0, new.flag, old.holder,"
    " new.holder, old.until - (julianday('now') - 2440587.5) * 86400.0); END",
)
_TAKEN_SERVER = (
    "CREATE TABLE IF NOT EXISTS chaos_claims (at float8, flag text, before text, after text, remaining float8)",
    "CREATE OR REPLACE FUNCTION chaos_taken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF old.holder <> '' AND old.holder <> new.holder THEN INSERT INTO chaos_claims VALUES ("
    "extract(epoch from clock_timestamp()), new.flag, old.holder, new.holder,"
    " old.until - extract(epoch from clock_timestamp())); END IF; RETURN new; END $$",
    "CREATE OR REPLACE TRIGGER chaos_taken AFTER UPDATE ON claims FOR EACH ROW EXECUTE FUNCTION chaos_taken()",
)


class Rows(Protocol):
    """What an observer asks."""

    def rows(self, query: str, *given: object) -> list[tuple[Any, ...]]:
        """The answer, with `?` for each value given; empty while the database does not answer."""


class Database(Rows, Protocol):
    """What the harness does with either."""

    wires: dict[str, Wire]

    def url(self, host: str) -> str:
        """How the product reaches it from this host."""

    def keep_claim_log(self) -> None:
        """Let the database note who takes a claim from whom, and what was left of the lease."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Nobody can write inside."""

    def end(self) -> None:
        """End what was started."""


class SqliteFile:
    """A journal in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.wires: dict[str, Wire] = {}

    def url(self, _: str) -> str:
        """The same for every host: they share its disk."""
        return f"sqlite:///{self._path}"

    def keep_claim_log(self) -> None:
        """By a trigger."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as base, base:
            for statement in _TAKEN_FILE:
                base.execute(statement)

    def rows(self, query: str, *given: object) -> list[tuple[Any, ...]]:
        """Read only."""
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=2)) as base:
                return base.execute(query, given).fetchall()
        except sqlite3.Error:
            return []

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """By a write transaction."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)) as base:
            base.execute("BEGIN IMMEDIATE")
            yield
            base.execute("ROLLBACK")

    def end(self) -> None:
        """There is nothing."""


class PostgresqlServer:
    """A journal in a PostgreSQL server of our own, which each host reaches by a wire that can be cut."""

    def __init__(self, folder: Path, hosts: tuple[str, ...]) -> None:
        import pgserver

        self._server = pgserver.get_server(folder, cleanup_mode="stop")
        self._direct: str = self._server.get_uri()
        known = conninfo_to_dict(self._direct)
        socket = Path(str(known["host"])) / f".s.PGSQL.{known.get('port') or 5432}"
        self.wires = {host: Wire(socket) for host in hosts}
        self._lock = threading.Lock()
        self._reading: psycopg.Connection[Any] | None = None

    def url(self, host: str) -> str:
        """By the host's wire; people, who are on none of them, by the socket."""
        if host not in self.wires:
            return self._direct.replace("postgresql://", "postgresql+psycopg://")
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.wires[host].port}/postgres"

    def keep_claim_log(self) -> None:
        """By a trigger."""
        with psycopg.connect(self._direct, autocommit=True) as base:
            for statement in _TAKEN_SERVER:
                base.execute(statement)

    def rows(self, query: str, *given: object) -> list[tuple[Any, ...]]:
        """Read only, on one connection as long as that lives."""
        asked = query.replace("%", "%%").replace("?", "%s") if given else query
        with self._lock:
            try:
                if self._reading is None:
                    careful = "-c default_transaction_read_only=on -c statement_timeout=2000"
                    self._reading = psycopg.connect(self._direct, autocommit=True, connect_timeout=2, options=careful)
                return self._reading.execute(asked, given or None).fetchall()
            except psycopg.Error:
                if self._reading is not None:
                    self._reading.close()
                self._reading = None
                return []

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """By a lock that lets readers in."""
        waiting = f"-c lock_timeout={_PATIENCE * 1000:.0f}"
        with psycopg.connect(self._direct, options=waiting) as base:
            base.execute("LOCK TABLE claims, entries IN EXCLUSIVE MODE")
            yield
            base.rollback()

    def kill(self) -> None:
        """SIGKILL to the server, whose processes for each connection end by themselves."""
        process, until = self._server.get_pid(), time.monotonic() + _STARTS_WITHIN
        if not process:
            raise RuntimeError("PostgreSQL does not run")
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            # One that still has a number is taken for a running server.
            while time.monotonic() < until:
                os.kill(process, 0)
                time.sleep(0.05)
            raise TimeoutError("PostgreSQL does not end")

    def start(self) -> None:
        """Start it again with what it had; raises TimeoutError."""
        until = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < until:
            try:
                self._server.ensure_postgres_running()
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                time.sleep(0.5)  # those of the killed one have not ended yet
            else:
                return
        raise TimeoutError("PostgreSQL does not start again")

    def end(self) -> None:
        """Stop the server."""
        for wire in self.wires.values():
            wire.end()
        self._server.cleanup()
