"""The watch is one process, another stands by, and nobody is without either while the one takes over from the other."""

import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from blocks import FlagdFile, Journal, OpenConnections, Prometheus
from blocks.journal import Claim
from tasks.open_rollout import utc_now
from tasks.opening import open_rollout
from tasks.watch_claim import STANDBY, WATCH, stand_by
from tasks.watching import watch_until
from tests.e2e.waiting import wait_for
from tests.tidegate.builders import ANN, plan_of

LEASE = timedelta(seconds=30)
SOON, LATER = timedelta(seconds=0.3), timedelta(seconds=20)


@pytest.fixture
def via(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenConnections]:
    for beat in ("tasks.watching.BEAT", "tasks.watch_claim.BEAT"):
        monkeypatch.setattr(beat, timedelta(seconds=0.05))
    opened = OpenConnections(
        Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"),
        FlagdFile(path=str(tmp_path / "flags.json")),
        Prometheus(url="http://127.0.0.1:9"),
    )
    yield opened
    opened.close()


def of_another(via: OpenConnections, name: str) -> Claim:
    """The claim, held by a process that is not this one."""
    return via.journal.claim(name, name, "host:2:x", LEASE)


def is_held(via: OpenConnections, name: str) -> bool:
    held = via.journal.current_claim(name)
    return held is not None and held[1] > 0


def test_the_first_is_the_watch_at_once_and_the_third_leaves(via: OpenConnections) -> None:
    assert stand_by(via, utc_now() + LATER) is not None
    assert not is_held(via, STANDBY)
    of_another(via, STANDBY)
    via.journal.release(via.journal.claim(WATCH, WATCH, _ours(via), LEASE))
    of_another(via, WATCH)
    assert stand_by(via, utc_now() + LATER) is None


def test_whoever_stands_by_takes_over_as_soon_as_the_watch_leaves(via: OpenConnections) -> None:
    before = of_another(via, WATCH)
    got: list[Claim | None] = []
    waiting = threading.Thread(target=lambda: got.append(stand_by(via, utc_now() + LATER)))
    waiting.start()
    wait_for(lambda: is_held(via, STANDBY), 5, "somebody stands by")
    assert not got
    via.journal.release(before)
    waiting.join(5)
    assert got
    assert got[0] is not None
    assert got[0].flag == WATCH
    assert not is_held(via, STANDBY)


def test_who_stands_by_leaves_when_its_time_is_over(via: OpenConnections) -> None:
    of_another(via, WATCH)
    assert stand_by(via, utc_now() + SOON) is None
    assert not is_held(via, STANDBY)


def test_the_watch_goes_on_until_somebody_stands_by(via: OpenConnections) -> None:
    claim = stand_by(via, utc_now())
    assert claim is not None
    ended = threading.Event()

    def watch() -> None:
        watch_until(via, claim, utc_now() + SOON, utc_now() + LATER)
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    assert not ended.wait(1), "it left although nobody stood by"
    of_another(via, STANDBY)
    assert ended.wait(5)
    assert not is_held(via, WATCH)


def test_it_leaves_at_the_latest_although_nobody_stands_by(via: OpenConnections) -> None:
    claim = stand_by(via, utc_now())
    assert claim is not None
    watch_until(via, claim, utc_now(), utc_now() + SOON)
    assert not is_held(via, WATCH)


def _ours(via: OpenConnections) -> str:
    held = via.journal.current_claim(WATCH)
    assert held is not None
    return held[0].holder


def test_a_rollout_that_cannot_be_read_keeps_no_other_from_being_guarded(
    via: OpenConnections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded: set[str] = set()
    monkeypatch.setattr("tasks.watching._guard", lambda run, *_: guarded.add(run.rollout) or True)
    for flag in ("one", "two", "three"):
        plan = plan_of({"flag.key": flag, "allow_others_of_service": True})
        open_rollout(via, plan, flag, started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    with sqlite3.connect(tmp_path / "journal.db") as base:
        # Of a newer release; and a plan that is no longer understood. The newest comes first.
        base.execute("UPDATE entries SET kind = 'unheard_of' WHERE rollout = 'three'")
        base.execute("UPDATE entries SET body = replace(body, '\"percent\"', '\"per_mille\"') WHERE rollout = 'two'")
    claim = stand_by(via, utc_now())
    assert claim is not None
    watch_until(via, claim, utc_now() + SOON)
    assert guarded == {"one"}
