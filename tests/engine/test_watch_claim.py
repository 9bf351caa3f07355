"""The watch is one process, another stands by, and nobody is without either while the one takes over from the other."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from blocks import FlagdFile, Journal, OpenConnections, Prometheus
from blocks.errors import ClaimHeld, Fenced, Unreachable
from blocks.flags.backend import FlagReading
from blocks.flags.flagd.flagd_store import FlagdStore
from blocks.journal.block import Claim
from engine.rollback.zero import ZeroBeside, zero_flag
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.leader_election import _place_to_stand_by, acquire_or_stand_by
from engine.watch.supervisor import watch_until
from engine.watch.unguarded import Unguarded
from engine.watch.watch_places import STANDBY, WATCH, watch_places
from tests.e2e.waiting import wait_for
from tests.engine.inbox import Inbox
from tests.tidegate.builders import ANN, plan_of

LEASE = timedelta(seconds=30)
SOON, LATER = timedelta(seconds=0.3), timedelta(seconds=20)


@pytest.fixture
def via(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenConnections]:
    for beat in ("engine.watch.supervisor.INTERVAL", "engine.watch.leader_election.INTERVAL"):
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
    assert acquire_or_stand_by(via, utc_now() + LATER) is not None
    assert not is_held(via, STANDBY)
    of_another(via, STANDBY)
    via.journal.release(via.journal.claim(WATCH, WATCH, _ours(via), LEASE))
    of_another(via, WATCH)
    assert acquire_or_stand_by(via, utc_now() + LATER) is None


def test_whoever_stands_by_takes_over_as_soon_as_the_watch_leaves(via: OpenConnections) -> None:
    before = of_another(via, WATCH)
    got: list[Claim | None] = []
    waiting = threading.Thread(target=lambda: got.append(acquire_or_stand_by(via, utc_now() + LATER)))
    waiting.start()
    wait_for(lambda: is_held(via, STANDBY), 5, "somebody stands by")
    assert not got
    via.journal.release(before)
    waiting.join(5)
    assert got
    assert got[0] is not None
    assert got[0].flag == WATCH
    assert not is_held(via, STANDBY)


def test_who_stands_by_on_the_watchs_machine_makes_room_for_another_machine(
    via: OpenConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_another(via, WATCH)
    monkeypatch.setattr("engine.watch.leader_election.INSTANCE_ID", "host:3:y")
    near = _place_to_stand_by(via)
    assert near is not None
    places = watch_places(via.journal)
    assert (places.watch, places.standby, places.hosts) == ("host", "host", 1)
    assert "both run on host" in places.problem
    monkeypatch.setattr("engine.watch.leader_election.INSTANCE_ID", "host:4:z")
    assert _place_to_stand_by(via) is None, "on the same machine nothing is won"
    monkeypatch.setattr("engine.watch.leader_election.INSTANCE_ID", "far:5:a")
    far = _place_to_stand_by(via)
    assert far is not None
    assert (watch_places(via.journal).hosts, watch_places(via.journal).problem) == (2, "")
    with pytest.raises(Fenced):
        via.journal.renew(near, LEASE)
    monkeypatch.setattr("engine.watch.leader_election.INSTANCE_ID", "farther:6:b")
    assert _place_to_stand_by(via) is None, "who is on another machine already stays"
    via.journal.release(far)
    assert "nobody stands by" in watch_places(via.journal).problem


def test_who_stands_by_leaves_when_its_time_is_over(via: OpenConnections) -> None:
    of_another(via, WATCH)
    assert acquire_or_stand_by(via, utc_now() + SOON) is None
    assert not is_held(via, STANDBY)


def test_the_watch_goes_on_until_somebody_stands_by(via: OpenConnections) -> None:
    claim = acquire_or_stand_by(via, utc_now())
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
    claim = acquire_or_stand_by(via, utc_now())
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
    monkeypatch.setattr("engine.watch.supervisor._guard", lambda run, *_: guarded.add(run.rollout) or True)
    for flag in ("one", "two", "three"):
        plan = plan_of({"flag.key": flag, "allow_others_of_service": True})
        open_rollout(via, plan, flag, started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    with sqlite3.connect(tmp_path / "journal.db") as base:
        # Of a newer release; and a plan that is no longer understood. The newest comes first.
        base.execute("UPDATE entries SET kind = 'unheard_of' WHERE rollout = 'three'")
        base.execute("UPDATE entries SET body = replace(body, '\"percent\"', '\"per_mille\"') WHERE rollout = 'two'")
    claim = acquire_or_stand_by(via, utc_now())
    assert claim is not None
    watch_until(via, claim, utc_now() + SOON)
    assert guarded == {"one"}


def test_open_rollouts_that_nobody_can_guard_are_paged_once_for_each_episode(
    via: OpenConnections, tmp_path: Path, inbox: Inbox
) -> None:
    heard = OpenConnections(via.journal, via.flags, via.prometheus, inbox.slack, inbox.pagerduty, inbox.mail)
    for flag in ("one", "two", "three", "four"):
        plan = plan_of({"flag.key": flag, "allow_others_of_service": True})
        open_rollout(via, plan, flag, started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    with sqlite3.connect(tmp_path / "journal.db") as base:
        base.execute("UPDATE entries SET kind = 'unheard_of' WHERE rollout = 'three'")
        base.execute("UPDATE entries SET body = replace(body, '\"percent\"', '\"per_mille\"') WHERE rollout = 'two'")
        base.execute("UPDATE entries SET version = 2 WHERE rollout = 'four'")

    def watched() -> list[str]:
        # Each watch is another process's: what was told before stands in the journal alone.
        claim = acquire_or_stand_by(heard, utc_now())
        assert claim is not None
        watch_until(heard, claim, utc_now() + SOON * 3)
        return sorted(f"{m['dedup_key']} {m['status']}" for m in inbox.store.all("pagerduty"))

    paged = [f"{name}/unguarded triggered" for name in ("four", "three", "two")]
    wait_for(lambda: watched() == paged, 20, "a page for each")
    assert watched() == paged, "once for each episode"
    assert len(inbox.slack_in("#alerts-critical")) == len(paged)
    page = next(m for m in inbox.slack_in("#alerts-critical") if "two is open" in str(m["text"]))
    assert "tidegate rollback --flag two" in str(page["text"])
    with sqlite3.connect(tmp_path / "journal.db") as base:
        base.execute("UPDATE entries SET version = 1 WHERE rollout = 'four'")
    over = ["four/unguarded resolved", *paged[1:]]
    wait_for(lambda: watched() == over, 20, "the page of the one that can be read again is resolved")
    with sqlite3.connect(tmp_path / "journal.db") as base:
        base.execute("UPDATE entries SET version = 2 WHERE rollout = 'four'")
    wait_for(lambda: watched() == [over[0], *paged], 20, "another episode is another page")
    assert list(via.journal.verify("~unguarded")) == []


def test_while_nobody_knows_which_rollouts_are_open_no_page_is_called_over(
    via: OpenConnections, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = OpenConnections(via.journal, via.flags, via.prometheus, inbox.slack, inbox.pagerduty, inbox.mail)
    plan = plan_of({"flag.key": "one"})
    open_rollout(via, plan, "one", started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    paging = Unguarded(heard)
    paging.note("one", "one", "It cannot be judged")
    paging.tell(["one"])

    def away(*_: object) -> object:
        raise Unreachable("the journal")

    monkeypatch.setattr(Journal, "owners", away)
    claim = acquire_or_stand_by(heard, utc_now())
    assert claim is not None
    watch_until(heard, claim, utc_now() + SOON * 3)
    assert [message["status"] for message in inbox.store.all("pagerduty")] == ["triggered"]


class FlagsApart(FlagdStore):
    """Each flag in a file of its own, beside the configured one."""

    environment: str = "production"

    def of(self, flag: str) -> FlagdFile:
        return FlagdFile(path=str(Path(self.path).with_name(f"{flag}.json")), timeout_seconds=self.timeout_seconds)

    def read(self, flag: str) -> FlagReading:
        return self.of(flag).read(flag)

    def fence(self, flag: str, epoch: int) -> None:
        self.of(flag).fence(flag, epoch)

    def zero(self, flag: str, epoch: int | None, off: str = "off") -> str:
        return self.of(flag).zero(flag, epoch, off)


def test_a_flag_whose_file_system_hangs_keeps_no_other_from_being_guarded(
    via: OpenConnections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = OpenConnections(
        via.journal, FlagsApart(path=str(tmp_path / "flags.json"), timeout_seconds=60), via.prometheus
    )
    for flag in ("hangs", "well"):
        plan = plan_of({"flag.key": flag, "allow_others_of_service": True, "guard": "1s"})
        open_rollout(apart, plan, flag, started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    os.mkfifo(tmp_path / "hangs.json")
    checks: list[str] = []

    def looked(run: OpenRollout, *_: object) -> bool:
        run.connections.flags.read(run.flag)
        checks.append(run.rollout)
        return True

    monkeypatch.setattr("engine.watch.supervisor._guard", looked)
    claim = acquire_or_stand_by(apart, utc_now())
    assert claim is not None
    watching = threading.Thread(target=watch_until, args=(apart, claim, utc_now() + SOON * 100))
    watching.start()
    try:
        wait_for(lambda: checks.count("well") >= 3, 20, "the other flag is guarded beat by beat")
        assert "hangs" not in checks
        began = time.monotonic()
        zeroed = zero_flag(apart, "well", "well", utc_now())
        assert zeroed.zero_at is not None
        assert time.monotonic() - began < 15
    finally:
        via.journal.seize(WATCH, WATCH, "host:9:z", LEASE)  # so that the watch ends
        while watching.is_alive():
            with suppress(OSError):
                os.close(os.open(tmp_path / "hangs.json", os.O_WRONLY | os.O_NONBLOCK))
            watching.join(0.1)


def test_zero_of_a_flag_whose_file_system_hangs_is_not_proven_and_goes_through_later(
    via: OpenConnections, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "hangs.json")
    flags = FlagdFile(path=str(tmp_path / "hangs.json"), timeout_seconds=0.2)
    parts = OpenConnections(via.journal, flags, via.prometheus)
    beside = ZeroBeside(parts, "hangs", "hangs", utc_now())
    beside.start()
    began = time.monotonic()
    zeroed = zero_flag(parts, "hangs", "hangs", utc_now())
    assert (zeroed.zero_at, "hang" in zeroed.problem or "did not answer" in zeroed.problem) == (None, True)
    assert time.monotonic() - began < 15
    (tmp_path / "hangs.json").rename(tmp_path / "fifo")
    proven = beside.wait(timedelta(seconds=45))
    assert proven is not None
    assert proven.zero_at is not None
    with suppress(OSError):
        os.close(os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK))


def test_a_claim_given_by_a_clock_that_was_ahead_keeps_a_taker_off_for_one_lease_and_no_longer(
    via: OpenConnections, tmp_path: Path
) -> None:
    lease = timedelta(seconds=1.5)
    dead = via.journal.claim("f", "r", "host:2:x", lease)
    with sqlite3.connect(tmp_path / "journal.db") as base:
        base.execute("UPDATE claims SET until = until + 3600 WHERE flag = 'f'")
    with pytest.raises(ClaimHeld) as held:
        via.journal.claim("f", "r", "host:3:y", lease)
    assert 0 < held.value.seconds_left <= lease.total_seconds(), "it never takes at once"

    def taken() -> Claim | None:
        try:
            return via.journal.claim("f", "r", "host:3:y", lease)
        except ClaimHeld:
            return None

    began = time.monotonic()
    got: list[Claim] = []
    wait_for(lambda: got.extend([c] if (c := taken()) else []) or bool(got), 20, "the claim, one lease later")
    assert time.monotonic() - began >= lease.total_seconds() / 2
    assert got[0].epoch == dead.epoch + 1
    with pytest.raises(Fenced):
        via.journal.renew(dead, lease)


def test_a_living_holder_whose_clock_was_ahead_keeps_its_claim(via: OpenConnections, tmp_path: Path) -> None:
    lease = timedelta(seconds=4)
    living = via.journal.claim("f", "r", "host:2:x", lease)
    with sqlite3.connect(tmp_path / "journal.db") as base:
        base.execute("UPDATE claims SET until = until + 3600 WHERE flag = 'f'")
    until = time.monotonic() + 1.5 * lease.total_seconds()
    while time.monotonic() < until:
        with pytest.raises(ClaimHeld):
            via.journal.claim("f", "r", "host:3:y", lease)
        via.journal.renew(living, lease)
        threading.Event().wait(0.2)


def test_whoever_stands_by_takes_over_from_a_dead_watch_whose_clock_was_ahead(
    via: OpenConnections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.watch.leader_election.LEASE", timedelta(seconds=1))
    dead = of_another(via, WATCH)
    with sqlite3.connect(tmp_path / "journal.db") as base:
        base.execute("UPDATE claims SET until = until + 3600 WHERE flag = ?", (WATCH,))
    claim = acquire_or_stand_by(via, utc_now() + LATER)
    assert claim is not None
    assert claim.epoch == dead.epoch + 1
