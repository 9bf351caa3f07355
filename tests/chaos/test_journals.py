"""What the kill test sees of the journal's database, and does to it: on a file and on a real PostgreSQL, by a journal's own use."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr

from blocks import Journal
from blocks.errors import Unreachable
from chaos.journals import Database, PostgresqlServer, SqliteFile
from tests.e2e.waiting import wait_for

LEASE = timedelta(seconds=30)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Either, with the tables of a journal whose one claim is held."""
    with TemporaryDirectory(prefix="tg-pg-") as short:
        made: Database = (
            SqliteFile(tmp_path / "journal.db")
            if request.param == "sqlite"
            else PostgresqlServer(Path(short) / "data", ("one", "two"))
        )
        Journal(url=SecretStr(made.url("one"))).claim("f", "", "one:1:a", LEASE)
        made.keep_notes()
        try:
            yield made
        finally:
            for host in ("one", "two", "people"):
                Journal(url=SecretStr(made.url(host))).close()
            made.end()


def test_a_claim_that_is_taken_is_noted_with_what_was_left_of_it(database: Database) -> None:
    journal = Journal(url=SecretStr(database.url("two")))
    journal.renew(journal.claim("f", "", "one:1:a", LEASE), LEASE)
    asked = "SELECT flag, before, after, remaining FROM chaos_claims"
    assert database.rows(asked) == []
    journal.seize("f", "", "two:2:b", LEASE)
    [(flag, before, after, remaining)] = database.rows(f"{asked} WHERE flag = ? AND before LIKE 'one:%'", "f")
    assert (flag, before, after) == ("f", "one:1:a", "two:2:b")
    assert 25 < remaining <= 30


def test_entries_are_read_and_nothing_is_written_from_outside(database: Database) -> None:
    journal = Journal(url=SecretStr(database.url("one")))
    journal.open_rollout("r", "f", {"started_by": "ann@example.org"}, datetime(2026, 3, 2, tzinfo=UTC))
    [(kind,)] = database.rows("SELECT kind FROM entries WHERE rollout = ? AND body LIKE '%ann%'", "r")
    assert kind == "opened"
    [(rollout, sequence, at)] = database.rows("SELECT rollout, sequence, at FROM chaos_entries")
    assert (rollout, sequence) == ("r", 1)
    assert abs(at - time.time()) < 60, "by the database's clock, whatever the entry says"
    assert database.rows("DELETE FROM entries") == []
    assert len(database.rows("SELECT kind FROM entries")) == 1
    assert database.rows("SELECT what_is_not_there FROM entries") == []
    assert len(database.rows("SELECT kind FROM entries")) == 1, "it goes on after a question that was wrong"


def test_while_it_is_locked_it_is_read_and_nobody_writes(database: Database) -> None:
    journal = Journal(url=SecretStr(database.url("one")), timeout_seconds=0.5)
    with database.locked():
        with pytest.raises(Unreachable):
            journal.claim("g", "", "one:1:a", LEASE)
        assert len(database.rows("SELECT flag FROM claims")) == 1
    assert journal.claim("g", "", "one:1:a", LEASE).epoch == 1
    journal.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresqlServer]:
    with TemporaryDirectory(prefix="tg-pg-") as short:
        made = PostgresqlServer(Path(short) / "data", ("one", "two"))
        try:
            yield made
        finally:
            made.end()


@pytest.mark.parametrize("how", ["refuses", "is silent", "holds up"])
def test_one_host_is_cut_off_and_the_others_are_not(server: PostgresqlServer, how: str) -> None:
    cut, other, people = (
        Journal(url=SecretStr(server.url(host)), timeout_seconds=1) for host in ("one", "two", "people")
    )
    cut.claim("f", "", "one:1:a", LEASE)
    wire = server.wires["one"]
    wire.hold() if how == "holds up" else wire.cut(swallow=how == "is silent")
    began = time.monotonic()
    with pytest.raises(Unreachable):
        cut.current_claim("f")
    assert time.monotonic() - began < 10
    assert other.current_claim("f") is not None
    assert people.current_claim("f") is not None
    wire.mend()
    # It is asked again after a pause.
    wait_for(lambda: knows_the_claim(cut), 5, "the host that was cut off reads its claim")
    for journal in (cut, other, people):
        journal.close()


def knows_the_claim(journal: Journal) -> bool:
    try:
        return journal.current_claim("f") is not None
    except Unreachable:
        return False


def test_a_server_that_was_killed_comes_back_with_what_it_had(server: PostgresqlServer) -> None:
    journal = Journal(url=SecretStr(server.url("one")), timeout_seconds=1)
    journal.claim("f", "", "one:1:a", LEASE)
    server.keep_notes()
    server.kill()
    with pytest.raises(Unreachable):
        journal.current_claim("f")
    assert server.rows("SELECT flag FROM claims") == []
    server.start()
    assert journal.current_claim("f") is not None
    assert server.rows("SELECT flag FROM claims") == [("f",)]
    journal.close()


def test_everybody_goes_on_with_the_standby_which_has_all_that_was_committed_twice(server: PostgresqlServer) -> None:
    hosts = [Journal(url=SecretStr(server.url(host)), timeout_seconds=5) for host in ("one", "two", "people")]
    hosts[0].claim("f", "", "one:0:a", LEASE)
    server.keep_notes()
    for number in (1, 2):
        server.follow()
        assert server.rows("SELECT sync_state FROM pg_stat_replication") == [("sync",)]
        for journal in hosts:
            journal.seize("f", "", f"two:{number}:{hosts.index(journal)}", LEASE)
        hosts[1].open_rollout(f"r{number}", f"f{number}", {"started_by": "ann@example.org"}, datetime.now(UTC))
        committed = everything(server)
        server.fail_over()
        wait_for(lambda: server.rows("SELECT 1"), 5, "the reader reaches the one that was promoted")
        assert everything(server) == committed
        assert len(committed[1]) == 3 * number
        for journal in hosts:
            wait_for(partial(knows_the_claim, journal), 5, "each host and people reach it")
            assert journal.claim("after", "", "one:0:a", LEASE).epoch == 1, "nobody's commit waits for a standby"
    for journal in hosts:
        journal.close()


def everything(server: PostgresqlServer) -> list[list[tuple[object, ...]]]:
    tables = ("entries", "chaos_claims", "chaos_entries", "claims")
    return [server.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


def test_there_is_no_fail_over_without_a_standby(server: PostgresqlServer) -> None:
    with pytest.raises(RuntimeError, match="no standby follows"):
        server.fail_over()
    assert server.rows("SELECT 1") == [(1,)]
