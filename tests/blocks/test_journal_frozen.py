"""A PostgreSQL that is frozen in the middle of everything: each call to the journal ends, and says so."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from blocks import Journal
from blocks.errors import Unreachable
from blocks.journal.answering_in_time import SPARE_SECONDS
from blocks.journal.block import Claim
from blocks.journal.guard_checks import guard_check_ages, note_guard_check
from blocks.journal.many_claims import JournalPosition, end_many, take_many
from blocks.journal.tables import dispose, engine_for, transaction
from tests.e2e.waiting import wait_for
from tests.postgresql import empty_database, frozen_server, postgresql_server
from tidegate.journal.entries import GENESIS
from tidegate.journal.kinds import Kind

AT, LEASE = datetime(2026, 3, 2, tzinfo=UTC), timedelta(seconds=30)
CLAIM = Claim("f", "r", 1, "me")
SECONDS = 1.0
LONGEST = 3 * (SECONDS + SPARE_SECONDS)

CALLS: dict[str, Callable[[Journal], Any]] = {
    "entries": lambda j: j.entries("r"),
    "newer": lambda j: j.newer("r", 1, GENESIS),
    "opening": lambda j: j.open_rollout("r2", "f2", {"started_by": "ann@example.org"}, AT),
    "appending": lambda j: j.append("r", Kind.PREFLIGHT, {}, AT, 2, GENESIS, None),
    "rollouts": lambda j: j.rollouts(),
    "owners": lambda j: j.owners(),
    "newest": lambda j: j.newest("r", Kind.OPENED),
    "claiming": lambda j: j.claim("f", "r", "me", LEASE),
    "renewing": lambda j: j.renew(CLAIM, LEASE),
    "renewing and reading": lambda j: j.renew_and_read(CLAIM, LEASE, 1, GENESIS),
    "releasing": lambda j: j.release(CLAIM),
    "seizing": lambda j: j.seize("f", "r", "me", LEASE),
    "a claim": lambda j: j.current_claim("f"),
    "claims": lambda j: j.current_claims("f"),
    "many claims": lambda j: take_many(j, [JournalPosition("r", "f", 1, GENESIS)], "me", LEASE),
    "many ends": lambda j: end_many(j, [CLAIM], {"r": 1.0}),
    "a guard check": lambda j: note_guard_check(j, "r"),
    "guard checks": guard_check_ages,
    "its clock": lambda j: j.skew(),
    "verifying": lambda j: j.verify(),
    "checking": lambda j: j.check(),
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """One of our own, since it is stopped."""
    with postgresql_server() as address:
        yield address


def test_every_call_to_a_frozen_database_ends_and_says_so(server: str) -> None:
    url = SecretStr(empty_database(server))
    # An engine for each call, with a connection that is open already.
    journals = {call: Journal(url=url, timeout_seconds=SECONDS + n / 1000) for n, call in enumerate(CALLS)}
    journals["entries"].open_rollout("r", "f", {"started_by": "ann@example.org"}, AT)
    for journal in journals.values():
        assert len(journal.entries("r")) == 1

    def ask(call: str) -> tuple[float, str]:
        began = time.monotonic()
        with pytest.raises(Unreachable) as fault:
            CALLS[call](journals[call])
        return time.monotonic() - began, str(fault.value)

    with frozen_server(server), ThreadPoolExecutor(len(CALLS)) as together:
        answers = dict(zip(CALLS, together.map(ask, CALLS), strict=True))
        # Nothing is known of a connection that was given up; a new one is not waited for without end, either.
        again, said = ask("entries")
    assert {call: seconds for call, (seconds, _) in answers.items() if seconds > LONGEST} == {}
    assert again < LONGEST
    assert all(told.startswith(("journal postgresql", "the journal did not answer")) for _, told in answers.values())
    assert said.startswith("journal postgresql")
    for journal in journals.values():
        wait_for(lambda answering=journal: is_answered(answering), LONGEST, "it answers again, and so do we")
        journal.close()


def is_answered(journal: Journal) -> bool:
    try:
        return len(journal.entries("r")) == 1
    except Unreachable:
        return False


def test_whatever_else_is_asked_of_a_silent_one_does_not_wait_for_it_again(server: str) -> None:
    journal = Journal(url=SecretStr(empty_database(server)), timeout_seconds=3)
    journal.open_rollout("r", "f", {"started_by": "ann@example.org"}, AT)
    with frozen_server(server):
        with pytest.raises(Unreachable, match="did not answer within|timeout"):
            journal.entries("r")
        for ask in CALLS.values():
            with pytest.raises(Unreachable, match="it did not answer just now, and is asked again in"):
                ask(journal)
    wait_for(lambda: is_answered(journal), LONGEST, "it answers again, and so do we")
    assert journal.claim("f", "r", "me", LEASE).epoch == 1
    journal.close()


def test_a_process_that_begins_while_it_is_silent_waits_for_it_once(server: str) -> None:
    journal = Journal(url=SecretStr(empty_database(server)), timeout_seconds=3)
    with frozen_server(server):
        with pytest.raises(Unreachable, match="timeout"):
            journal.entries("r")
        with pytest.raises(Unreachable, match="is asked again in"):
            journal.owners()
    journal.close()


def test_one_that_freezes_in_the_middle_of_a_transaction_is_given_up_with_its_connection(server: str) -> None:
    url = empty_database(server)
    engine = engine_for(url, SECONDS)
    began = time.monotonic()

    def ask() -> None:
        with transaction(engine, write=True) as session, frozen_server(server):
            session.execute(text("SELECT 1"))

    with pytest.raises(Unreachable, match="it did not answer within 2 s"):
        ask()
    assert time.monotonic() - began < LONGEST
    with pytest.raises(Unreachable, match="is asked again in"), transaction(engine, write=False):
        pytest.fail("it was silent just now")
    dispose(url)
    with transaction(engine_for(url, SECONDS), write=False) as session:
        assert session.execute(text("SELECT 1")).scalar_one() == 1
    dispose(url)


def test_a_database_that_is_busy_but_answers_in_time_is_waited_for(server: str) -> None:
    journal = Journal(url=SecretStr(empty_database(server)), timeout_seconds=3)
    journal.open_rollout("r", "f", {"started_by": "ann@example.org"}, AT)
    with psycopg.connect(journal.url.get_secret_value()) as other, ThreadPoolExecutor(1) as beside:
        other.execute("SELECT * FROM claims WHERE flag = 'f' FOR UPDATE")
        claimed = beside.submit(journal.claim, "f", "r", "me", LEASE)
        with pytest.raises(TimeoutError):
            claimed.result(1.5)
        other.rollback()
        assert claimed.result(5).epoch == 1
    journal.close()
