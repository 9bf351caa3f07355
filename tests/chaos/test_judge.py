"""The kill test's judge, fed by hand: each broken promise is named, and what was kept is not."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chaos.journals import SqliteFile
from chaos.judge import violations
from chaos.observer import Observer, Seen, share_of
from tests.e2e.waiting import wait_for

NAME = "chaos-1"


class World:
    """A rollout that was approved to 10 %, raised, rolled back and proven; each test spoils one thing."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.inbox = folder / "journal.db", folder / "inbox.jsonl"
        with sqlite3.connect(self.journal) as base:
            base.execute("CREATE TABLE entries (rollout, sequence, at, kind, body, previous, hash)")
            base.execute("CREATE TABLE chaos_claims (at, flag, before, after, remaining)")
            base.execute("CREATE TABLE chaos_entries (rollout, sequence, at)")
        self.seen = Observer(folder / "flags.json", "flag", "http://127.0.0.1:9", SqliteFile(self.journal))
        known = self.seen.known
        known.begun[NAME], known.ordered[NAME], known.zeroed[NAME] = 100.0, 120.0, 121.0
        known.approved.append((110.0, NAME, 0.1))
        self.seen.shares = [Seen(101, 0.0), Seen(111, 0.1), Seen(120, 0.1), Seen(121.2, 0.0), Seen(140, 0.0)]
        self.seen.counts = [(118.0, 5.0), (123.0, 7.0), (125.0, 7.0), (130.0, 7.0)]
        self.message("held-1")
        self.entries = [
            ("opened", {}),
            ("raised", {"wave": 1}),
            ("queued", {"notice": {"event": "held-1"}}),
            ("proven", {"proven": True}),
        ]

    def message(self, event: str, rollout: str = NAME) -> None:
        number = len(self.inbox.read_text().splitlines()) if self.inbox.exists() else 0
        payload = {"event_payload": {"event": event, "rollout": rollout}}
        with self.inbox.open("a") as lines:
            lines.write(json.dumps({"id": number, "kind": "slack", "channel": "c", "metadata": payload}) + "\n")

    def incident(self) -> None:
        number = len(self.inbox.read_text().splitlines())
        with self.inbox.open("a") as lines:
            lines.write(json.dumps({"id": number, "kind": "pagerduty", "dedup_key": f"{NAME}/clock_skew"}) + "\n")

    def page(self, *, resolves: bool = False) -> None:
        notice = {"event": "held-1", "problem": "clock_skew", "resolves": resolves}
        self.entries.insert(-1, ("queued", {"notice": notice}))

    def claim_taken(self, at: float, left: float, flag: str = "flag", by: str = "b:2") -> None:
        with sqlite3.connect(self.journal) as base:
            base.execute("INSERT INTO chaos_claims VALUES (?, ?, 'a:1', ?, ?)", (at, flag, by, left))

    def write(self) -> None:
        with sqlite3.connect(self.journal) as base:
            for number, (kind, body) in enumerate(self.entries, start=1):
                row = (NAME, number, "1970-01-01T00:02:00+00:00", kind, json.dumps(body), str(number - 1), str(number))
                base.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", row)
                base.execute("INSERT INTO chaos_entries VALUES (?, ?, 120)", row[:2])

    def judged(self) -> list[str]:
        self.write()
        return violations(self.seen, self.inbox)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_was_kept_is_no_violation(world: World) -> None:
    world.claim_taken(120.5, 20)  # zero waits for nobody
    world.claim_taken(105, -0.1)
    world.claim_taken(105, 29, "~watch-standby")  # room is made for another host
    for _ in range(2):  # a problem that came back
        world.page()
        world.page(resolves=True)
        world.incident()
    world.seen.written.update({(NAME, number): str(number) for number in range(1, 9)})
    world.message("held-1", "another")  # what two rollouts say of themselves is not said twice
    assert world.judged() == []


SPOILED: dict[str, tuple[Callable[[World], Any], str]] = {
    "more than was approved": (lambda w: w.seen.shares.insert(3, Seen(118, 0.5)), "50% are exposed, 10% were approved"),
    "before it was approved": (lambda w: w.seen.shares.insert(1, Seen(105, 0.1)), "10% are exposed, 0% were approved"),
    "after zero": (lambda w: w.seen.shares.append(Seen(141, 0.1)), "10% are exposed, 0% were approved"),
    "raised twice": (
        lambda w: w.seen.shares.__setitem__(slice(2, 3), [Seen(115, 0.0), Seen(118, 0.1)]),
        "raised to 10% 2 times",
    ),
    "requests after zero": (
        lambda w: w.seen.counts.append((131.0, 9.0)),
        "2 requests took the new path after its zero",
    ),
    "zero not proven": (lambda w: w.entries.pop(), "its zero was never proven"),
    "a wave raised twice": (lambda w: w.entries.insert(2, ("raised", {"wave": 1})), "recorded as raised 2 times"),
    "a lost notice": (lambda w: w.entries.insert(2, ("queued", {"notice": {"event": "page"}})), "page never arrived"),
    "a notice that only another rollout has sent": (
        lambda w: (w.entries.insert(2, ("queued", {"notice": {"event": "page"}})), w.message("page", "another")),
        "page never arrived",
    ),
    "a doubled notice": (lambda w: w.message("held-1"), "came 2 times in c"),
    "an entry that is gone": (
        lambda w: w.seen.written.__setitem__((NAME, 5), "5"),
        "entry 5 was read once, and it is gone",
    ),
    "an entry that became another": (
        lambda w: w.seen.written.__setitem__((NAME, 2), "another hash"),
        "entry 2 was read once, and another one stands there",
    ),
    "a second incident for what lasts": (
        lambda w: (w.page(), w.page(), w.incident(), w.incident()),
        "2 incidents for the one problem chaos-1/clock_skew",
    ),
    "a second incident for what is over": (
        lambda w: (w.page(), w.page(resolves=True), w.incident(), w.incident()),
        "2 incidents for the one problem chaos-1/clock_skew",
    ),
    "a lease ignored": (lambda w: w.claim_taken(105, 20), "whose lease ran for 20.0 s more"),
    "room made on one host": (
        lambda w: w.claim_taken(105, 29, "~watch-standby", "a:2"),
        "whose lease ran for 29.0 s more",
    ),
    "a watch displaced": (lambda w: w.claim_taken(105, 28, "~watch"), "whose lease ran for 28.0 s more"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_each_broken_promise_is_named(world: World, what: str) -> None:
    spoil, sentence = SPOILED[what]
    spoil(world)
    found = world.judged()
    assert any(sentence in violation for violation in found), found


def test_an_entry_that_was_read_and_is_gone_is_named(world: World) -> None:
    world.write()
    world.seen.start()
    wait_for(lambda: len(world.seen.written) == len(world.entries), 10, "the entries are read")
    world.seen.end()
    with sqlite3.connect(world.journal) as base:
        base.execute("DELETE FROM entries WHERE sequence = 3")
    assert f"{NAME}: entry 3 was read once, and it is gone" in violations(world.seen, world.inbox)


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_zero_is_promised_from_its_instant_on_whatever_clock_told_it(world: World, hours: int) -> None:
    world.seen.known.zeroed.clear()
    told = datetime.fromtimestamp(121 + hours * 3600, UTC).isoformat()
    world.entries.insert(2, ("rolling_back", {"zero_at": told}))
    world.seen.shares.append(Seen(141, 0.1))
    [found] = [violation for violation in world.judged() if "exposed" in violation]
    assert "10% are exposed, 0% were approved" in found


def test_exposure_is_read_from_the_flags_own_rules() -> None:
    off = {"state": "ENABLED", "defaultVariant": "off", "targeting": {}}
    half = {"fractional": [["on", 500], ["off", 500]]}
    staff = {"if": [{"in": [{"var": "group"}, ["staff"]]}, {"fractional": [["on", 100], ["off", 900]]}, "off"]}
    assert share_of(off) == 0
    assert share_of({**off, "targeting": {"if": [True, half, *staff["if"]]}}) == 0.5
    assert share_of({**off, "targeting": staff}) == 0.1
    assert share_of({**off, "targeting": {"if": [True, "on", "off"]}}) == 1
    assert share_of({**off, "defaultVariant": "on"}) == 1
    assert share_of({**off, "state": "DISABLED", "targeting": half}) == 0
