"""The journal, on SQLite and on a real PostgreSQL, with real second processes where two race."""

import multiprocessing
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, event, text

from blocks import Journal
from blocks.errors import ClaimHeld, Conflict, ConnectionFault, Fenced, FlagBusy, Refused, Unreachable
from blocks.journal import tables as journal_tables
from blocks.journal.rows import must_hold
from blocks.journal.silence import Silence
from blocks.journal.tables import engine_for
from tests.postgresql import empty_database
from tidegate.journal.bodies.exposure_bodies import RollbackProven
from tidegate.journal.entries import GENESIS
from tidegate.journal.kinds import Kind

AT = datetime(2026, 3, 2, 9, 30, 0, 123, tzinfo=UTC)
LEASE = timedelta(seconds=30)
FLAG, ROLLOUT = "batch-patches-v1", "batch-patches-v1-1"
# Each process starts clean, but the imports are done once.
processes_of = multiprocessing.get_context("forkserver")
processes_of.set_forkserver_preload(["blocks"])


def opened(journal: Journal, rollout: str = ROLLOUT, flag: str = FLAG, at: datetime = AT) -> Any:
    return journal.open_rollout(rollout, flag, {"started_by": "ann@example.org"}, at)


def sql(journal: Journal, statement: str) -> None:
    with engine_for(journal.url.get_secret_value(), journal.timeout_seconds).begin() as connection:
        connection.exec_driver_sql(statement)


def in_processes(count: int, work: Callable[..., str], *arguments: object) -> list[str]:
    """Start `work` in several processes and let all go at once."""
    barrier, answers = processes_of.Barrier(count), processes_of.Queue()
    processes = [
        processes_of.Process(target=_run, args=(barrier, answers, work, number, arguments)) for number in range(count)
    ]
    for process in processes:
        process.start()
    found = [answers.get(timeout=240) for _ in processes]
    for process in processes:
        process.join(10)
    return sorted(found)


def _run(barrier: Any, answers: Any, work: Callable[..., str], number: int, arguments: tuple[object, ...]) -> None:
    barrier.wait(60)
    try:
        answers.put(work(number, *arguments))
    except ConnectionFault as fault:
        answers.put(type(fault).__name__)
    except Exception as error:
        answers.put(repr(error))


def test_entries_come_back_as_they_were_written(journal: Journal) -> None:
    first = opened(journal)
    body = {"text": "Grüße\n", "number": 1.5, "nested": {"list": [1, None, True]}}
    second = journal.append(ROLLOUT, Kind.NO_DATA_ENDED, body, AT, 2, first.hash)
    assert journal.entries(ROLLOUT) == [first, second]
    assert journal.entries(ROLLOUT, after=1) == [second]
    assert journal.entries("nobody") == []
    assert journal.verify() == []
    assert first.json == {"started_by": "ann@example.org", "flag": FLAG}


def test_opening_again_returns_the_entry_that_is_there(journal: Journal) -> None:
    assert opened(journal) == opened(journal, at=AT + LEASE)
    with pytest.raises(Conflict):
        opened(journal, flag="another")


def test_a_flag_has_one_open_rollout(journal: Journal) -> None:
    opened(journal)
    with pytest.raises(FlagBusy) as busy:
        opened(journal, "second")
    assert (busy.value.flag, busy.value.rollout, busy.value.owner) == (FLAG, ROLLOUT, "ann@example.org")
    assert journal.entries("second") == []
    opened(journal, "elsewhere", flag="another")


@pytest.mark.parametrize("key", ["k" * 255, "ß" * 255, "shop:new-cart", "größe"])
def test_a_flag_of_any_name_has_its_rollout_and_its_claim(journal: Journal, key: str) -> None:
    opened(journal, flag=key)
    assert journal.claim(key, ROLLOUT, "host:1:a", timedelta(seconds=5)).epoch == 1
    assert [row.flag for row in journal.rollouts(key, open_only=True)] == [key]


@pytest.mark.parametrize(
    ("kind", "body", "frees"),
    [
        (Kind.FINISHED, {}, True),
        (Kind.CLOSED, {}, True),
        (Kind.PROVEN, RollbackProven(True, 0.0, None, AT, "Nobody is on it.").to_json(), True),
        (Kind.PROVEN, RollbackProven(False, 3.0, AT, None, "Somebody is.").to_json(), False),
        (Kind.ROLLING_BACK, {}, False),
    ],
)
def test_what_ends_a_rollout_frees_its_flag(journal: Journal, kind: Kind, body: dict[str, Any], frees: bool) -> None:
    first = opened(journal)
    assert journal.claim(FLAG, ROLLOUT, "a", LEASE).epoch == 1
    journal.append(ROLLOUT, kind, body, AT, 2, first.hash)
    if not frees:
        with pytest.raises(FlagBusy):
            opened(journal, "second")
        return
    opened(journal, "second", at=AT + LEASE)
    assert [(row.rollout, row.is_open) for row in journal.rollouts(FLAG)] == [("second", True), (ROLLOUT, False)]
    assert journal.seize(FLAG, "second", "b", LEASE).epoch == 2


def test_lists_of_rollouts(journal: Journal) -> None:
    opened(journal)
    opened(journal, "late", flag="another", at=AT + LEASE)
    assert [row.rollout for row in journal.rollouts()] == ["late", ROLLOUT]
    (row,) = journal.rollouts(FLAG, open_only=True)
    assert (row.flag, row.opened_at, row.started_by, row.is_open) == (FLAG, AT, "ann@example.org", True)
    assert journal.rollouts("nobody") == []


def test_an_opening_is_read_whole_once(journal: Journal, journal_url: str) -> None:
    """It holds a plan, and a watch asks for the list at every look."""
    opened(journal)
    journal.append(ROLLOUT, Kind.CLOSED, {"reason": "", "by": ""}, AT, 2, journal.entries(ROLLOUT)[-1].hash)
    before = journal.rollouts()
    with statements(journal_url) as seen:
        assert journal.rollouts() == before
        assert not any("body" in statement for statement in seen if "OUTER JOIN" not in statement)
        opened(journal, "late", flag="another", at=AT + LEASE)
        seen.clear()
        assert [row.rollout for row in journal.rollouts()] == ["late", ROLLOUT]
        assert any("body" in statement and "IN (" in statement for statement in seen)


@contextmanager
def statements(url: str) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    seen: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    engine = engine_for(url, Journal(url=SecretStr(url)).timeout_seconds)
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_what_is_read_behind_a_claim_is_newer_than_the_wait_for_it_whatever_the_server_is_set_to(
    postgresql: str,
) -> None:
    address = empty_database(postgresql)
    name = address.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    journal = Journal(url=SecretStr(address))
    opened(journal)
    with engine_for(address, journal.timeout_seconds).begin() as connection:
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"


def test_recent_entries_of_one_kind_come_from_every_rollout(journal: Journal) -> None:
    first, other = opened(journal), opened(journal, "late", flag="another", at=AT + LEASE)
    old = journal.append(ROLLOUT, Kind.ANSWERED, {"n": 1}, AT, 2, first.hash)
    late = journal.append("late", Kind.ANSWERED, {"n": 2}, AT + LEASE, 2, other.hash)
    journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT + LEASE, 3, old.hash)
    assert journal.recent(Kind.ANSWERED, AT) == [old, late]
    assert journal.recent(Kind.ANSWERED, (AT + LEASE).astimezone(timezone(timedelta(hours=5)))) == [late]
    assert journal.recent(Kind.ANSWERED, AT + 2 * LEASE) == []


def test_an_append_must_follow_the_last_entry(journal: Journal) -> None:
    with pytest.raises(Conflict):
        journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT, 1, GENESIS)
    first = opened(journal)
    second = journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT, 2, first.hash)
    for sequence, previous in ((2, first.hash), (4, second.hash), (3, first.hash)):
        with pytest.raises(Conflict):
            journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT, sequence, previous)
    assert len(journal.entries(ROLLOUT)) == 2


def test_claims(journal: Journal) -> None:
    assert journal.current_claim(FLAG) is None
    first = journal.claim(FLAG, ROLLOUT, "a", LEASE)
    assert journal.claim(FLAG, ROLLOUT, "a", LEASE) == first
    with pytest.raises(ClaimHeld) as held:
        journal.claim(FLAG, ROLLOUT, "b", LEASE)
    assert held.value.holder == "a"
    assert 25 < held.value.seconds_left <= 30
    journal.renew(first, LEASE * 2)
    claim, left = journal.current_claim(FLAG) or pytest.fail("no claim")
    assert claim == first
    assert 55 < left <= 60
    journal.release(first)
    assert journal.current_claim(FLAG) == (first, 0.0)
    assert journal.claim(FLAG, ROLLOUT, "a", LEASE) == first
    journal.release(first)
    second = journal.claim(FLAG, ROLLOUT, "b", LEASE)
    assert second.epoch == first.epoch + 1
    journal.release(first)
    with pytest.raises(Fenced):
        journal.renew(first, LEASE)
    with pytest.raises(ClaimHeld):
        journal.claim(FLAG, ROLLOUT, "a", LEASE)


def test_a_lease_runs_out_by_the_databases_clock(journal: Journal) -> None:
    journal.claim(FLAG, ROLLOUT, "a", timedelta(seconds=0.3))
    left: list[float] = []
    while True:
        try:
            taken = journal.claim(FLAG, ROLLOUT, "b", LEASE)
        except ClaimHeld as held:
            left.append(held.seconds_left)
        else:
            break
    assert taken.epoch == 2
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] <= left[0] <= 0.3


def test_the_flag_of_another_rollout_is_not_claimed(journal: Journal) -> None:
    opened(journal)
    with pytest.raises(FlagBusy):
        journal.claim(FLAG, "stranger", "a", LEASE)


def test_seize_beats_a_holder_and_its_appends_are_fenced(journal: Journal) -> None:
    first = opened(journal)
    old = journal.claim(FLAG, ROLLOUT, "a", LEASE)
    second = journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT, 2, first.hash, old)
    new = journal.seize(FLAG, ROLLOUT, "rollback", LEASE)
    assert new.epoch == old.epoch + 1
    with pytest.raises(Fenced):
        journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT, 3, second.hash, old)
    assert journal.entries(ROLLOUT) == [first, second]
    journal.append(ROLLOUT, Kind.ROLLING_BACK, {}, AT, 3, second.hash, new)
    assert journal.seize(FLAG, ROLLOUT, "rollback", LEASE).epoch == new.epoch + 1


def _append(number: int, url: str, previous: str) -> str:
    Journal(url=SecretStr(url)).append(ROLLOUT, Kind.NO_DATA_ENDED, {"by": number}, AT, 2, previous)
    return "wrote"


def _claim(number: int, url: str) -> str:
    claim = Journal(url=SecretStr(url)).claim(FLAG, ROLLOUT, f"process {number}", LEASE)
    return f"epoch {claim.epoch}"


def _open(number: int, url: str) -> str:
    opened(Journal(url=SecretStr(url)), f"rollout-{number % 2}")
    return "opened"


def test_of_several_processes_one_appends(journal: Journal, journal_url: str) -> None:
    first = opened(journal)
    assert in_processes(3, _append, journal_url, first.hash) == ["Conflict", "Conflict", "wrote"]
    assert len(journal.entries(ROLLOUT)) == 2
    assert journal.verify() == []


def test_of_several_processes_one_claims(journal_url: str) -> None:
    assert in_processes(3, _claim, journal_url) == ["ClaimHeld", "ClaimHeld", "epoch 1"]


def test_several_processes_may_be_the_first_users(journal_url: str) -> None:
    # Two run the same rollout, two another one: either both of a pair are let in, or both are not.
    assert in_processes(4, _open, journal_url) == ["FlagBusy", "FlagBusy", "opened", "opened"]


def _race_in_postgresql(journal: Journal, statement: str, append: Callable[[], object]) -> None:
    """Let `append` come while another transaction has done `statement` and not committed yet."""
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(journal.url.get_secret_value()) as other:
            other.execute(statement)
            appended = pool.submit(append)
            with psycopg.connect(journal.url.get_secret_value(), autocommit=True) as observer:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
                end = time.monotonic() + 4
                # PostgreSQL does not announce who waits.
                while time.monotonic() < end and not appended.done() and observer.execute(waiting).fetchone() == (0,):
                    time.sleep(0.01)
            assert not appended.done(), "it did not wait"
        appended.result(10)


@pytest.mark.parametrize("journal_url", ["postgresql"], indirect=True)
def test_an_append_waits_for_one_that_is_not_committed_yet(journal: Journal) -> None:
    first = opened(journal)
    taken = f"INSERT INTO entries VALUES ('{ROLLOUT}', 2, 'x', 'no_data_ended', 1, '{{}}', '{first.hash}', 'x')"
    with pytest.raises(Conflict):
        _race_in_postgresql(journal, taken, lambda: journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT, 2, first.hash))


@pytest.mark.parametrize("journal_url", ["postgresql"], indirect=True)
def test_an_append_waits_for_a_seize_that_is_not_committed_yet(journal: Journal) -> None:
    first = opened(journal)
    claim = journal.claim(FLAG, ROLLOUT, "a", LEASE)
    with pytest.raises(Fenced):
        _race_in_postgresql(
            journal,
            "UPDATE claims SET epoch = epoch + 1, holder = 'rollback'",
            lambda: journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT, 2, first.hash, claim),
        )
    assert journal.entries(ROLLOUT) == [first]


def test_a_seize_waits_for_an_append_that_has_seen_its_claim(journal: Journal) -> None:
    opened(journal)
    claim = journal.claim(FLAG, ROLLOUT, "a", LEASE)
    with journal._write() as session:
        must_hold(session, claim)
        with pytest.raises(Unreachable):
            journal.seize(FLAG, ROLLOUT, "rollback", LEASE, wait_seconds=1)
    assert journal.seize(FLAG, ROLLOUT, "rollback", LEASE).epoch == 2


def test_tables_are_made_once_however_many_begin(postgresql: str) -> None:
    for _ in range(3):
        name = f"first_{uuid.uuid4().hex}"
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = journal_tables._parsed(postgresql.replace("/postgres?", f"/{name}?"))
        engines = [journal_tables._new_engine(url, 5, Silence(5)) for _ in range(6)]
        for engine in engines:
            engine.connect().close()
        barrier = threading.Barrier(len(engines))

        def create(engine: Engine, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            journal_tables._create_tables(engine, 5)

        with ThreadPoolExecutor(len(engines)) as pool:
            list(pool.map(create, engines))
        for engine in engines:
            engine.dispose()


def test_many_threads_share_a_journal(journal: Journal) -> None:
    first = opened(journal)

    def append(number: int) -> str:
        while True:
            last = journal.entries(ROLLOUT)[-1]
            try:
                return journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {"n": number}, AT, last.sequence + 1, last.hash).hash
            except Conflict:
                continue

    with ThreadPoolExecutor(8) as pool:
        hashes = set(pool.map(append, range(24)))
    entries = journal.entries(ROLLOUT)
    assert {entry.hash for entry in entries} == hashes | {first.hash}
    assert journal.verify() == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE entries SET body = '{\"x\":2}' WHERE sequence = 2", "entry 2 (no_data_ended) was changed"),
        ("UPDATE entries SET kind = 'soaked' WHERE sequence = 2", "entry 2 (soaked) was changed"),
        (
            "UPDATE entries SET at = '2026-03-02T09:30:01.000000+00:00' WHERE sequence = 3",
            "entry 3 (no_data_ended) was changed",
        ),
        ("DELETE FROM entries WHERE sequence = 2", "entry 2 is missing"),
        (
            "UPDATE entries SET body = '{' WHERE sequence = 2",
            "entry 2 (no_data_ended) was changed after it was written",
        ),
        (
            "UPDATE entries SET body = '[]' WHERE sequence = 2",
            "entry 2 (no_data_ended) was changed after it was written",
        ),
        (
            "UPDATE entries SET body = '{\"x\":NaN}' WHERE sequence = 2",
            "entry 2 (no_data_ended) was changed after it was written",
        ),
        (
            "UPDATE entries SET at = 'noon' WHERE sequence = 3",
            "entry 3 (no_data_ended) was changed after it was written",
        ),
        (
            "UPDATE entries SET kind = 'tuesday' WHERE sequence = 3",
            "entry 3 (tuesday) was changed after it was written",
        ),
        ("UPDATE entries SET body = '{' WHERE sequence = 1", "entry 1 (opened) was changed after it was written"),
    ],
)
def test_an_edit_is_found(journal: Journal, change: str, found: str) -> None:
    entry = opened(journal)
    for sequence in (2, 3):
        entry = journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {"x": 1}, AT, sequence, entry.hash)
    opened(journal, "untouched", "another", AT - LEASE)
    assert journal.verify() == []
    sql(journal, change + f" AND rollout = '{ROLLOUT}'")
    sentences = journal.verify()
    assert any(found in sentence for sentence in sentences), sentences
    assert all(sentence.startswith(ROLLOUT) for sentence in sentences)
    assert journal.verify("untouched") == []
    assert [row.rollout for row in journal.rollouts()] == [ROLLOUT, "untouched"]


def test_ten_thousand_entries_are_read_quickly(journal: Journal) -> None:
    previous = opened(journal).hash
    with engine_for(journal.url.get_secret_value(), journal.timeout_seconds).begin() as connection:
        rows = [
            {"n": n, "body": '{"findings":[1,2,3],"wave":1}', "at": "2026-03-02T09:30:00.000123+00:00", "h": previous}
            for n in range(2, 10_001)
        ]
        insert = "INSERT INTO entries VALUES ('" + ROLLOUT + "', :n, :at, 'no_data_ended', 1, :body, :h, :h)"
        connection.execute(text(insert), rows)
    started = time.process_time()
    assert len(journal.entries(ROLLOUT)) == 10_000
    assert time.process_time() - started < 1.5


def test_check(journal: Journal) -> None:
    opened(journal)
    assert "1 rollouts" in journal.check()


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": float("inf")}])
def test_what_is_no_number_is_not_written(journal: Journal, body: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        journal.open_rollout(ROLLOUT, FLAG, body, AT)
    assert journal.rollouts() == []


def test_the_file_is_private_and_in_wal_mode(tmp_path: Path) -> None:
    journal = Journal(url=SecretStr(f"sqlite:///{tmp_path}/new/journal.db"))
    opened(journal)
    for file in (tmp_path / "new").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with engine_for(journal.url.get_secret_value(), 5).connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    journal.close()


_LOCK_HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_locked_database_is_unreachable_and_a_seize_does_not_wait_long(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(url=SecretStr(f"sqlite:///{path}"), timeout_seconds=0.3)
    journal.claim(FLAG, ROLLOUT, "a", LEASE)
    patient = Journal(url=journal.url, timeout_seconds=30)
    patient.check()
    with subprocess.Popen(
        [sys.executable, "-c", _LOCK_HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(Unreachable, match="locked"):
            journal.renew(journal.current_claim(FLAG)[0], LEASE)  # type: ignore[index]
        started = time.monotonic()
        with pytest.raises(Unreachable):
            patient.seize(FLAG, ROLLOUT, "b", LEASE, wait_seconds=0.5)
        assert time.monotonic() - started < 3
        holder.communicate(b"")
    assert patient.seize(FLAG, ROLLOUT, "b", LEASE).epoch == 2
    journal.close()


def test_a_seize_does_not_wait_for_a_database_that_hangs() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        journal = Journal(url=SecretStr(f"postgresql://u:pass-word@127.0.0.1:{port}/x"), timeout_seconds=3)
        started = time.monotonic()
        with pytest.raises(Unreachable) as fault:
            journal.seize(FLAG, ROLLOUT, "b", LEASE, wait_seconds=0.3)
        assert time.monotonic() - started < 1.5
        assert "pass-word" not in str(fault.value)


def test_a_lock_in_postgresql_is_not_waited_for_long(postgresql: str) -> None:
    journal = Journal(url=SecretStr(postgresql))
    journal.claim("locked", "", "a", LEASE)
    with engine_for(postgresql, 5).begin() as connection:
        connection.execute(text("SELECT * FROM claims WHERE flag = 'locked' FOR UPDATE"))
        started = time.monotonic()
        with pytest.raises(Unreachable):
            journal.seize("locked", "", "b", LEASE, wait_seconds=0.4)
        assert time.monotonic() - started < 1.5
    # The one that was given up may still have come through, a moment later.
    assert journal.seize("locked", "", "b", LEASE).epoch > 1
    journal.close()


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("postgresql://u:pass-word@127.0.0.1:1/x", Unreachable),
        ("mysql://u:pass-word@h/x", Refused),
        ("pass-word", Refused),
        ("sqlite:///relative-pass-word.db", Refused),
        ("sqlite://", Refused),
    ],
)
def test_the_password_is_never_shown(url: str, fault: type[ConnectionFault]) -> None:
    journal = Journal(url=SecretStr(url), timeout_seconds=2)
    with pytest.raises(fault) as raised:
        journal.check()
    assert "pass-word" not in f"{raised.value} {journal!r}"


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"this is a text and no database" * 100)
    with pytest.raises(Refused):
        Journal(url=SecretStr(f"sqlite:///{tmp_path}/journal.db")).check()


def test_a_killed_writer_leaves_nothing_half_done(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(url=SecretStr(f"sqlite:///{path}"))
    first = opened(journal)
    with subprocess.Popen(
        [sys.executable, "-c", _LOCK_HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        os.kill(holder.pid, signal.SIGKILL)
    journal.append(ROLLOUT, Kind.NO_DATA_ENDED, {}, AT, 2, first.hash)
    journal.close()


def test_the_clock_of_the_database_is_asked_for(journal: Journal) -> None:
    skew = journal.skew()
    assert skew is not None
    assert abs(skew) < timedelta(seconds=5)
