"""Several watches share the open rollouts: each flag is one's, a lost watch's flags are minded, and nobody's never are."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from blocks import FlagdFile, Journal, OpenConnections, Prometheus
from blocks.errors import Unreachable
from blocks.journal.block import Claim, RolloutRow
from blocks.journal.many_claims import ClaimFound
from engine.rollout.open import open_rollout
from engine.rollout.session import LEASE, OpenRollout, utc_now
from engine.watch.ended_rollouts import EndedRollouts
from engine.watch.in_hand import InHand
from engine.watch.leader_election import acquire_or_stand_by, begin_watch
from engine.watch.share import HANDED_OVER_WITHIN, Share, share_of
from engine.watch.supervisor import watch_until
from engine.watch.unguarded import Unguarded
from engine.watch.watch_places import MOST_WATCHES, STANDBY, WATCH, watch_places
from tests.e2e.waiting import wait_for
from tests.engine.inbox import Inbox
from tests.tidegate.builders import ANN, plan_of

SECOND = f"{WATCH}-2"
FLAGS = [f"flag-{number}" for number in range(8)]
HALVES = [{flag for flag in FLAGS if share_of(flag, 2) == share} for share in (0, 1)]
LATER = timedelta(seconds=20)


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


class Clock:
    """A monotonic clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("engine.watch.share.monotonic", made)
    return made


def of_another(via: OpenConnections, name: str, holder: str = "far:2:x") -> Claim:
    return via.journal.claim(name, name, holder, LEASE)


def ours(via: OpenConnections, name: str = WATCH, watches: int = 2) -> Share:
    return Share(via.journal, Claim(name, name, 1, "here:1:y"), watches)


def had(share: Share) -> set[str]:
    return {flag for flag in FLAGS if share.has(flag)}


@pytest.mark.parametrize("watches", [2, 3, 7, MOST_WATCHES])
def test_each_watch_has_about_as_many_flags(watches: int) -> None:
    shares = Counter(share_of(f"flag-{number}", watches) for number in range(200 * watches))
    assert set(shares) == set(range(watches))
    assert all(120 < count < 280 for count in shares.values())


def test_a_flag_belongs_to_the_same_watch_in_every_process() -> None:
    """Python's own hash of a text is another one in each process."""
    assert [share_of(flag, 2) for flag in FLAGS] == [0, 1, 0, 1, 1, 0, 0, 0]
    assert all(HALVES)


def test_one_watch_has_every_flag_and_asks_the_journal_nothing(tmp_path: Path) -> None:
    gone = Journal(url=f"sqlite:///{tmp_path / 'no-such-folder' / 'journal.db'}")
    share = Share(gone, Claim(WATCH, WATCH, 1, "here:1:y"))
    share.look()
    assert had(share) == set(FLAGS)


@pytest.mark.parametrize("found", [0, -1, MOST_WATCHES + 1])
def test_a_number_of_watches_that_there_cannot_be_is_refused(found: int, via: OpenConnections) -> None:
    with pytest.raises(ValueError, match=f"watches: found {found}, allowed 1 to {MOST_WATCHES}"):
        begin_watch(via, found)


@pytest.mark.parametrize(("own", "other"), [(WATCH, SECOND), (SECOND, WATCH)])
def test_of_two_that_live_each_has_a_half(own: str, other: str, via: OpenConnections, clock: Clock) -> None:
    of_another(via, other)
    share = ours(via, own)
    for _ in range(3):
        share.look()
        assert had(share) == HALVES[(WATCH, SECOND).index(own)]
        clock.now += LEASE.total_seconds()


def test_the_flags_of_a_watch_that_is_lost_are_minded_soon_and_until_another_has_taken_them_up(
    via: OpenConnections, clock: Clock
) -> None:
    other, share = of_another(via, SECOND), ours(via)
    share.look()
    via.journal.release(other)
    share.look()
    assert had(share) == HALVES[0], "one whose turn is over is followed at once"
    clock.now += HANDED_OVER_WITHIN
    share.look()
    assert had(share) == set(FLAGS)
    of_another(via, SECOND, "far:3:z")
    share.look()
    clock.now += LEASE.total_seconds() - 1
    share.look()
    assert had(share) == set(FLAGS), "it has not read them yet"
    clock.now += 1
    share.look()
    assert had(share) == HALVES[0]


def test_a_watch_that_nobody_ever_led_is_minded(via: OpenConnections, clock: Clock) -> None:
    share = ours(via, watches=3)
    share.look()
    assert not {flag for flag in had(share) if share_of(flag, 3) != 0}
    clock.now += HANDED_OVER_WITHIN
    share.look()
    assert had(share) == set(FLAGS)


def test_while_the_journal_does_not_answer_everybody_has_what_he_had(
    via: OpenConnections, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = ours(via)
    share.look()
    clock.now += HANDED_OVER_WITHIN
    share.look()
    before = had(share)

    def away(*_: object) -> object:
        raise Unreachable("the journal")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "current_claims", away)
        clock.now += LEASE.total_seconds()
        with pytest.raises(Unreachable):
            share.look()
    assert had(share) == before == set(FLAGS)


def test_the_first_two_watch_the_third_stands_by_and_is_whichever_ends(
    via: OpenConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: list[Claim | None] = []
    for holder in ("one:1:a", "two:2:b"):
        monkeypatch.setattr("engine.watch.leader_election.INSTANCE_ID", holder)
        claims.append(acquire_or_stand_by(via, utc_now(), 2))
    assert [claim and claim.flag for claim in claims] == [WATCH, SECOND]
    monkeypatch.setattr("engine.watch.leader_election.INSTANCE_ID", "two:3:c")
    waiting = threading.Thread(target=lambda: claims.append(acquire_or_stand_by(via, utc_now() + LATER, 2)))
    waiting.start()
    wait_for(lambda: bool(watch_places(via.journal).standby), 5, "somebody stands by")
    places = watch_places(via.journal)
    assert (places.watch, places.standby, places.hosts, places.problem) == ("one and two", "two", 2, "")
    assert claims[1] is not None
    via.journal.release(claims[1])
    waiting.join(10)
    taken = claims[2]
    assert taken is not None
    assert (taken.flag, taken.holder, taken.epoch) == (SECOND, "two:3:c", 2)


def test_who_stands_by_makes_room_only_where_every_watch_is_on_its_own_machine(
    via: OpenConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_another(via, WATCH, "one:1:a")
    second = of_another(via, SECOND, "two:2:b")
    of_another(via, STANDBY, "one:3:c")
    monkeypatch.setattr("engine.watch.leader_election.INSTANCE_ID", "three:4:d")
    assert acquire_or_stand_by(via, utc_now(), 2) is None
    assert watch_places(via.journal).standby == "one"
    via.journal.release(second)
    of_another(via, SECOND, "one:5:e")
    assert "both run on one" in watch_places(via.journal).problem
    assert acquire_or_stand_by(via, utc_now(), 2) is None
    assert watch_places(via.journal).standby == "", "it has stood by, and its time was over"


class Looks:
    """Whose rollouts were looked at, counted."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def __call__(self, run: OpenRollout, *given: object) -> bool:
        found = given[-1]
        if isinstance(found, ClaimFound):
            run.go_on_from(found)  # and its claim is kept, as in the days after the last wave
        self.counted[run.rollout] += 1
        return True

    def since(self, before: Counter[str]) -> set[str]:
        return {name for name, count in self.counted.items() if count > before[name]}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    made = Looks()
    monkeypatch.setattr("engine.watch.supervisor._guard", made)
    return made


def opened(via: OpenConnections) -> None:
    for flag in FLAGS:
        plan = plan_of({"flag.key": flag, "allow_others_of_service": True})
        open_rollout(via, plan, flag, started_by=ANN, pace=None, auto_approve=False, connection_set="default")


@pytest.fixture
def watching(via: OpenConnections, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Claim], None]]:
    """Watch with a claim, in a thread, until the test ends."""
    monkeypatch.setattr("engine.watch.share.LEASE", timedelta(seconds=1))
    monkeypatch.setattr("engine.watch.share.HANDED_OVER_WITHIN", 0.3)
    begun: list[tuple[threading.Thread, Claim]] = []

    def watch(claim: Claim) -> None:
        over = utc_now() + timedelta(minutes=2)
        thread = threading.Thread(target=watch_until, args=(via, claim, over, over, 2))
        thread.start()
        begun.append((thread, claim))

    yield watch
    for thread, claim in begun:
        via.journal.seize(claim.flag, claim.flag, "far:9:z", LEASE)  # so that it ends
        thread.join(20)
        assert not thread.is_alive()


def test_a_watch_guards_its_half_then_all_then_hands_the_others_back(
    via: OpenConnections, looks: Looks, watching: Callable[[Claim], None]
) -> None:
    opened(via)
    other = of_another(via, SECOND)
    claim = begin_watch(via, 2)
    assert claim is not None
    watching(claim)
    wait_for(lambda: all(looks.counted[flag] > 2 for flag in HALVES[0]), 20, "its own are guarded")
    assert set(looks.counted) == HALVES[0]
    via.journal.release(other)
    wait_for(lambda: all(looks.counted[flag] > 2 for flag in FLAGS), 20, "those of the lost one, too")
    of_another(via, SECOND, "far:3:z")

    def handed_back() -> bool:
        before = Counter(looks.counted)
        wait_for(lambda: looks.since(before) >= HALVES[0], 20, "a round")
        return looks.since(before) == HALVES[0]

    wait_for(handed_back, 20, "the others are handed back")
    # Another process may have them at once: no claim of theirs was kept.
    for flag in HALVES[1]:
        assert via.journal.claim(flag, flag, "far:3:z", LEASE).holder == "far:3:z"


def test_two_watches_guard_every_rollout_and_so_does_the_one_that_is_left(
    via: OpenConnections, looks: Looks, watching: Callable[[Claim], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(via)
    for holder in ("here:1:a", "here:2:b"):
        monkeypatch.setattr("engine.watch.leader_election.INSTANCE_ID", holder)
        claim = begin_watch(via, 2)
        assert claim is not None
        watching(claim)

    def rounds() -> None:
        for _ in range(3):
            before = Counter(looks.counted)
            wait_for(lambda before=before: looks.since(before) == set(FLAGS), 20, "a round")  # type: ignore[misc]

    rounds()
    via.journal.release(via.journal.seize(SECOND, SECOND, "far:9:z", LEASE))
    rounds()


def test_what_one_watch_knew_of_a_rollout_pages_nobody_once_it_is_anothers(via: OpenConnections, inbox: Inbox) -> None:
    opened(via)
    heard = OpenConnections(via.journal, via.flags, via.prometheus, inbox.slack, inbox.pagerduty, inbox.mail)
    one, other = Unguarded(heard), Unguarded(heard)
    one.note("flag-0", "flag-0", "It cannot be judged")
    one.clear("flag-1")
    for name in ("flag-0", "flag-1"):
        one.forget(name)
    one.tell(FLAGS)
    assert inbox.store.all("pagerduty") == []
    other.note("flag-1", "flag-1", "It cannot be judged")
    other.tell(FLAGS)
    one.tell(FLAGS)
    assert [message["status"] for message in inbox.store.all("pagerduty")] == ["triggered"]


def test_a_rollout_that_cannot_be_read_is_for_the_watch_to_page_whose_it_is(
    via: OpenConnections, inbox: Inbox, clock: Clock, tmp_path: Path
) -> None:
    opened(via)
    unreadable = min(HALVES[1])
    with sqlite3.connect(tmp_path / "journal.db") as base:
        base.execute("UPDATE entries SET kind = 'unheard_of' WHERE rollout = ?", (unreadable,))
    heard = OpenConnections(via.journal, via.flags, via.prometheus, inbox.slack, inbox.pagerduty, inbox.mail)
    unguarded = Unguarded(heard)
    in_hand = InHand(heard, ours(heard), unguarded)
    in_hand.take_up()
    assert {run.rollout for run in in_hand.runs} == HALVES[0]
    clock.now += HANDED_OVER_WITHIN
    in_hand.take_up()
    assert {run.rollout for run in in_hand.runs} == set(FLAGS) - {unreadable}
    of_another(via, SECOND)
    in_hand.take_up()
    clock.now += LEASE.total_seconds()
    in_hand.take_up()
    busy = max(HALVES[1] - {unreadable})
    assert set(in_hand.put_down(lambda rollout: rollout == busy)) == HALVES[1] - {unreadable, busy}
    assert in_hand.put_down(lambda _: False) == [busy]
    assert {run.rollout for run in in_hand.runs} == HALVES[0]
    assert in_hand.still_open is not None
    unguarded.tell(in_hand.still_open)
    assert inbox.store.all("pagerduty") == []


def test_a_watch_looks_after_those_of_its_own_that_have_ended(
    via: OpenConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [RolloutRow(flag, flag, utc_now(), ANN, is_open=False) for flag in FLAGS]
    monkeypatch.setattr(Journal, "rollouts", lambda _: ended)
    looked: list[str] = []
    monkeypatch.setattr(EndedRollouts, "_look_after", lambda _, __, name, *___, **____: looked.append(name))
    EndedRollouts().look(via, utc_now(), lambda flag: flag in HALVES[1])
    assert set(looked) == HALVES[1]
