"""The journal's database as the harness has it: read from outside, locked, killed.

It knows nothing of the product.
"""

import contextlib
import os
import shutil
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
_FOLLOWS_WITHIN = 60.0
_STREAMS = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"
_HAS_ALL = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= pg_current_wal_flush_lsn()"
_NOTED_BY_FILE = (
    "CREATE TABLE IF NOT EXISTS chaos_claims (at REAL, flag TEXT, before TEXT, after TEXT, remaining REAL)",
    "CREATE TRIGGER IF NOT EXISTS chaos_taken AFTER UPDATE ON claims WHEN old.holder <> '' AND old.holder <> new.holder"
    " BEGIN INSERT INTO chaos_claims VALUES ((julianday('now') - 2440587.5) * 86400.0, new.flag, old.holder,"
    " new.holder, old.until - (julianday('now') - 2440587.5) * 86400.0); END",
    "CREATE TABLE IF NOT EXISTS chaos_entries (rollout TEXT, sequence INTEGER, at REAL)",
    "CREATE TRIGGER IF NOT EXISTS chaos_written AFTER INSERT ON entries BEGIN INSERT INTO chaos_entries VALUES ("
    "new.rollout, new.sequence, (julianday('now') - 2440587.5) * 86400.0); END",
)
_NOTED_BY_SERVER = (
    "CREATE TABLE IF NOT EXISTS chaos_claims (at float8, flag text, before text, after text, remaining float8)",
    "CREATE OR REPLACE FUNCTION chaos_taken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF old.holder <> '' AND old.holder <> new.holder THEN INSERT INTO chaos_claims VALUES ("
    "extract(epoch from clock_timestamp()), new.flag, old.holder, new.holder,"
    " old.until - extract(epoch from clock_timestamp())); END IF; RETURN new; END $$",
    "CREATE OR REPLACE TRIGGER chaos_taken AFTER UPDATE ON claims FOR EACH ROW EXECUTE FUNCTION chaos_taken()",
    "CREATE TABLE IF NOT EXISTS chaos_entries (rollout text, sequence int, at float8)",
    "CREATE OR REPLACE FUNCTION chaos_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO chaos_entries VALUES (new.rollout, new.sequence, extract(epoch from clock_timestamp()));"
    " RETURN new; END $$",
    "CREATE OR REPLACE TRIGGER chaos_written AFTER INSERT ON entries FOR EACH ROW EXECUTE FUNCTION chaos_written()",
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

    def keep_notes(self) -> None:
        """Let the database note who takes whose claim, with what was left of it, and when each entry is written."""

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

    def keep_notes(self) -> None:
        """By triggers."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as base, base:
            for statement in _NOTED_BY_FILE:
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

        self._folder, self._standbys = folder, 0
        self._server = pgserver.get_server(folder, cleanup_mode="stop")
        self._standby: pgserver.PostgresServer | None = None
        self.wires = {host: Wire(self._socket) for host in hosts}
        self._people = Wire(self._socket)
        self._lock = threading.Lock()
        self._reading: psycopg.Connection[Any] | None = None

    @property
    def _direct(self) -> str:
        return str(self._server.get_uri())

    @property
    def _socket(self) -> Path:
        known = conninfo_to_dict(self._direct)
        return Path(str(known["host"])) / f".s.PGSQL.{known.get('port') or 5432}"

    def url(self, host: str) -> str:
        """By the host's wire; people, who are on none of them, by one that is never cut."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.wires.get(host, self._people).port}/postgres"

    def keep_notes(self) -> None:
        """By triggers."""
        with psycopg.connect(self._direct, autocommit=True) as base:
            for statement in _NOTED_BY_SERVER:
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

    def follow(self) -> None:
        """Let a standby follow, without which nothing is committed from then on; raises TimeoutError."""
        import pgserver
        from pgserver._commands import POSTGRES_BIN_PATH

        self._standbys += 1
        folder = self._folder.with_name(f"{self._folder.name}-{self._standbys}")
        folder.mkdir(mode=0o700)
        user = self._server.system_user
        if user is not None:
            shutil.chown(folder, user)
        argv = [POSTGRES_BIN_PATH / "pg_basebackup", f"--pgdata={folder}", f"--dbname={self._direct}"]
        argv += ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        subprocess.run(argv, user=user, check=True, capture_output=True, timeout=_FOLLOWS_WITHIN)
        # The primary's own, which lies among what was copied, would be believed.
        (folder / f"{self._socket.name}.lock").unlink(missing_ok=True)
        self._standby = pgserver.get_server(folder, cleanup_mode="stop")
        with psycopg.connect(self._direct, autocommit=True) as base:
            # Only while one streams, since without it no commit would end. The setting dies with this primary: the copy
            # was made before, so that the promoted one waits for nobody until the next one follows.
            _wait_for(base, _STREAMS)
            base.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            base.execute("SELECT pg_reload_conf()")
            _wait_for(base, _HAS_ALL)

    def fail_over(self) -> None:
        """SIGKILL to the server, and everybody goes on with the one that followed; raises TimeoutError."""
        if self._standby is None:
            raise RuntimeError("no standby follows")
        self.kill()
        with psycopg.connect(self._standby.get_uri(), autocommit=True) as base:
            [(promoted,)] = base.execute("SELECT pg_promote(true, %s)", (round(_STARTS_WITHIN),)).fetchall()
        if not promoted:
            raise TimeoutError("the standby is not promoted")
        self._server.cleanup()
        self._server, self._standby = self._standby, None
        for wire in (*self.wires.values(), self._people):
            wire.lead_to(self._socket)

    def end(self) -> None:
        """Stop the server, and the one that follows."""
        for wire in (*self.wires.values(), self._people):
            wire.end()
        for server in (self._server, self._standby):
            if server is not None:
                server.cleanup()


def _wait_for(base: psycopg.Connection[Any], condition: str) -> None:
    until = time.monotonic() + _FOLLOWS_WITHIN
    while not base.execute(condition).fetchall():
        if time.monotonic() > until:
            raise TimeoutError(f"the standby does not follow: {condition}")
        time.sleep(0.05)
