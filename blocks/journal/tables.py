"""The journal's two tables, and how each database is spoken to."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateTable

from blocks.calls.redaction import hide
from blocks.errors import ConnectionFault, Refused, Unreachable
from blocks.journal.silence import Silence

METADATA = MetaData()
ENTRIES = Table(
    "entries",
    METADATA,
    Column("rollout", String(200), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
CLAIMS = Table(
    "claims",
    METADATA,
    Column("flag", String(255), primary_key=True),
    Column("rollout", String(200), nullable=False),  # whom the holder works for
    Column("owner", String(200), nullable=False),  # the open rollout of this flag, or empty
    Column("epoch", Integer, nullable=False),
    Column("holder", String(400), nullable=False),
    Column("until", Float, nullable=False),
)
GUARD_CHECKS = Table(
    "guard_checks",
    METADATA,
    Column("rollout", String(200), primary_key=True),
    Column("checked", Float, nullable=False),
)
# Where each chain ended when it was last written, kept apart from it: a tail that is cut off shows.
HEADS = Table(
    "heads",
    METADATA,
    Column("rollout", String(200), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

# Leases are judged by one clock, the database's, since the machines' clocks differ.
NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())::float8",
}
_CREATION_LOCK = 7_462_145  # any constant; it keeps two first users of a PostgreSQL database apart

_MAY_PASS = {"OperationalError", "InterfaceError", "TimeoutError"}
_STAYS = ("readonly database", "authentication failed", "does not exist", "malformed")

_BUSY = "tidegate_busy_timeout"
_SILENCE = "tidegate_silence"
_engines: dict[tuple[str, float, int], Engine] = {}
_silences: dict[tuple[str, float, int], Silence] = {}  # apart from the engines: none is kept that was never connected
_engines_lock = threading.Lock()


def engine_for(address: str, timeout_seconds: float) -> Engine:
    """The process's one engine for this database, its tables made; raises Unreachable or Refused."""
    # A forked child must not share its parent's sockets.
    key = (address, timeout_seconds, os.getpid())
    with _engines_lock:
        if key not in _engines:
            url = _parsed(address)
            silence = _silences.setdefault(key, Silence(timeout_seconds))
            with _asking(url, silence):
                engine = _new_engine(url, timeout_seconds, silence)
                try:
                    _create_tables(engine, timeout_seconds)
                except (SQLAlchemyError, sqlite3.Error):
                    engine.dispose()
                    raise
            _engines[key] = engine
        return _engines[key]


def dispose(address: str) -> None:
    """Close this process's connections to a database; the next use opens them again."""
    with _engines_lock:
        for key in [key for key in _engines if key[0] == address]:
            _engines.pop(key).dispose()
        for key in [key for key in _silences if key[0] == address]:
            del _silences[key]


@contextmanager
def transaction(engine: Engine, *, write: bool, wait_seconds: float | None = None) -> Iterator[Connection]:
    """One transaction, waiting for locks as long as the engine does or `wait_seconds`; raises ConnectionFault."""
    options = {"tidegate_write": write, "tidegate_wait": wait_seconds}
    silence: Silence = engine.get_execution_options()[_SILENCE]
    with (
        _asking(engine.url, silence),
        engine.connect().execution_options(**options) as connection,
        connection.begin(),
    ):
        # Zero would be: without end.
        if wait_seconds is not None and connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(wait_seconds * 1000))}")
        yield connection


@contextmanager
def _asking(url: URL, silence: Silence) -> Iterator[None]:
    """Ask a database that was not silent just now, and note whether it is; raises ConnectionFault."""
    if (left := silence.seconds_left()) > 0:
        raise Unreachable(f"journal {_shown(url)}: it did not answer just now, and is asked again in {left:.2g} s")
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        # That none of our own connections was free says nothing of the server.
        if isinstance(error, DBAPIError):
            silence.note(silent=getattr(error.orig, "is_silence", False))
        raise fault(error, url) from error
    except Exception:
        silence.note(silent=False)
        raise
    silence.note(silent=False)


def _shown(url: URL) -> str | None:
    return url.database if url.drivername == "sqlite" else url.set(query={}).render_as_string(hide_password=True)


def fault(error: SQLAlchemyError | sqlite3.Error, url: URL) -> ConnectionFault:
    """The one place where database errors become ours; neither password nor parameters get into the text."""
    # What a new connection is set up with fails unwrapped.
    original = error.orig if isinstance(error, DBAPIError) else error
    detail = " ".join(str(original).split()) or type(original).__name__
    queried = (value for values in url.query.values() for value in ((values,) if isinstance(values, str) else values))
    detail = hide(detail, None, str(url.password or ""), *queried)
    kinds = {kind.__name__ for kind in type(original).__mro__}
    may_pass = not kinds.isdisjoint(_MAY_PASS) and not any(word in detail for word in _STAYS)
    return (Unreachable if may_pass else Refused)(f"journal {_shown(url)}: {detail}")


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        # The original message may repeat the address and with it the password.
        allowed = "sqlite:// with an absolute path, or postgresql+psycopg://"
        raise Refused(f"journal.url: found no database URL, allowed is {allowed}") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername == "postgresql+psycopg":
        return url
    if url.drivername != "sqlite" or not url.database or not Path(url.database).is_absolute():
        allowed = "sqlite:// with an absolute path, or postgresql+psycopg://"
        raise Refused(f"journal.url: found {url.drivername!r}, allowed is {allowed}")
    return url


def _new_engine(url: URL, timeout_seconds: float, silence: Silence) -> Engine:
    known = {_SILENCE: silence}
    if url.drivername == "sqlite":
        _make_private_file(Path(str(url.database)))
        engine = create_engine(
            url,
            connect_args={"timeout": timeout_seconds},
            pool_timeout=timeout_seconds,
            hide_parameters=True,
            execution_options=known,
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", partial(_begin_sqlite, timeout_seconds))
        return engine
    from blocks.journal.answering_in_time import connect_in_time  # its driver is not loaded for a file

    milliseconds = round(timeout_seconds * 1000)
    engine = create_engine(
        url,
        connect_args={
            "connect_timeout": max(2, round(timeout_seconds)),
            "tcp_user_timeout": milliseconds,
            "options": f"-c lock_timeout={milliseconds} -c statement_timeout={milliseconds}",
        },
        pool_timeout=timeout_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
        execution_options=known,
        # What is read behind a claim must be newer than the wait for it, whatever the server's own default is.
        isolation_level="READ COMMITTED",
    )
    event.listen(engine, "do_connect", lambda _, __, given, named: connect_in_time(timeout_seconds, *given, **named))
    return engine


def _make_private_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise Unreachable(f"journal {path}: {error.strerror}") from error


def _set_up_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # Otherwise the driver begins transactions by itself, and never an immediate one.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous=FULL")
    # By itself it refuses a whole answer for one byte that is no text: such a row is shown damaged, the others stand.
    connection.text_factory = _text


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _begin_sqlite(timeout_seconds: float, connection: Connection) -> None:
    options = connection.get_execution_options()
    asked = options.get("tidegate_wait")
    wait_seconds = timeout_seconds if asked is None else asked
    milliseconds = round(wait_seconds * 1000)
    # It stays with the connection: most transactions find it as they want it.
    if connection.info.get(_BUSY) != milliseconds:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={milliseconds}")
        connection.info[_BUSY] = milliseconds
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("tidegate_write") else "BEGIN")


def _create_tables(engine: Engine, timeout_seconds: float) -> None:
    if engine.dialect.name == "sqlite":
        _switch_to_wal(engine, timeout_seconds)
        with engine.connect() as connection:
            found = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars()
            if METADATA.tables.keys() <= set(found):
                return
    with engine.connect().execution_options(tidegate_write=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            # Two simultaneous CREATE TABLE IF NOT EXISTS can collide in PostgreSQL's own catalogue.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATION_LOCK})
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))


def _switch_to_wal(engine: Engine, timeout_seconds: float) -> None:
    # Changing the mode does not honour the busy timeout, and two first users do it at once.
    end = time.monotonic() + timeout_seconds
    while True:
        raw: Any = engine.raw_connection()
        try:
            if raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                raw.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= end:
                raise DBAPIError.instance("PRAGMA journal_mode=WAL", None, error, sqlite3.Error) from error
            time.sleep(0.01)
        else:
            return
        finally:
            raw.close()
