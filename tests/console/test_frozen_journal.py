"""A journal whose PostgreSQL is frozen: it keeps its connections and answers nothing, and triggers are obeyed all the same."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.errors import Unreachable
from blocks.journal.block import Journal
from engine.rollback.journal_fallback import fallback_path
from engine.rollout.evaluation import evaluate
from engine.watch.orphans import Orphans
from engine.watch.supervisor import Carriers, _guard
from engine.watch.unguarded import Unguarded
from tests.conftest import PrometheusServer
from tests.console.test_without_journal import alert, in_wave_one
from tests.e2e.waiting import wait_for
from tests.postgresql import empty_database, frozen_server, postgresql_server
from tidegate.journal.state import Phase
from tidegate.rollout.decision import Continue, RollBack
from tidegate.values.exposure import ZERO

SECONDS = 1.0
LONGEST = 20.0  # a connection that is given up, one that is not made, and a look at everything else


@pytest.fixture
def server() -> Iterator[str]:
    """One of our own, since it is stopped."""
    with postgresql_server() as address:
        yield address


def test_a_trigger_takes_the_flag_to_zero_while_the_journals_database_is_frozen(
    tmp_path: Path, prometheus_server: PrometheusServer, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    journal = Journal(url=SecretStr(empty_database(server)), timeout_seconds=SECONDS)
    run = in_wave_one(tmp_path, prometheus_server, journal)
    with frozen_server(server):
        began = time.monotonic()
        calm = evaluate(run, datetime.now(UTC), review=True)
        assert isinstance(calm.decision, Continue)
        assert "nothing can be recorded" in calm.decision.reason
        assert run.connections.flags.read(run.flag).exposure == run.plan.exposure_at(1)
        assert time.monotonic() - began < LONGEST
        alert(prometheus_server, firing=True)
        began = time.monotonic()
        turned = evaluate(run, datetime.now(UTC), review=True)
        assert isinstance(turned.decision, RollBack)
        assert run.connections.flags.read(run.flag).exposure == ZERO
        assert time.monotonic() - began < LONGEST
        [_] = fallback_path().read_text(encoding="utf-8").splitlines()
    wait_for(lambda: is_answered(journal), LONGEST, "it is asked again, and answers")
    run.release_claim()
    _guard(run, datetime.now(UTC), Carriers(Orphans()), Unguarded(run.connections))
    assert run.refresh().phase is Phase.ROLLING_BACK
    assert run.state.rollback is not None
    assert run.state.rollback.criterion != "drift"
    journal.close()


def is_answered(journal: Journal) -> bool:
    try:
        return bool(journal.owners())
    except Unreachable:
        return False
