"""Whatever happens while a raise is under way, exposure is never more than a living permit allows."""

import random
import tempfile
import threading
import time
from pathlib import Path

import pytest

from engine.rollout.session import utc_now
from tests.engine.raiser import APPROVAL_LEFT, LONG, PLACES, SHORT, Raiser, Watcher, World
from tidegate.journal.kinds import Kind

EVENTS = ("hold", "resume", "take", "lapse", "change", "guard", "permit ends", "approval ends")
BACKENDS = ("flagd file", "commands")


class Course:
    """What happens to one raise, and what has to follow from it."""

    def __init__(self, folder: Path, kind: str, place: str, events: list[str]) -> None:
        self.kind, self.place, self.events = kind, place, events
        self.world = World(folder, kind, APPROVAL_LEFT if "approval ends" in events else None)
        self._lasts = SHORT if "permit ends" in events else LONG
        self.raiser = Raiser(folder, kind, place, self._lasts)
        self.watcher = Watcher(self.world.via, folder)
        self.watcher.start()
        # Before its permit is made nothing that happens to an older one counts.
        self.early = place == "before the permit"
        self.revoked = self.held = self.lapsed = False

    def stands_still(self) -> bool:
        """Wait until the raiser stands at its place; False where it came to its end before."""
        stands = self.raiser.stands_still()
        self.stood_still_at = time.monotonic()
        return stands

    def happens(self, event: str) -> None:
        """One event, and what must be true as soon as it has returned."""
        world = self.world
        match event:
            case "hold":
                world.hold()
                self.held = True
                self.revoked |= not self.early
                assert self.kind != "flagd file" or not self.watcher.now(), "held, and raised all the same"
            case "resume":
                world.resume()
                self.held = False
            case "take":
                world.take()
                self.revoked |= not self.early
            case "lapse":
                world.lapse()
                self.lapsed = True
            case "change":
                self.revoked |= world.change()
            case "guard":
                if world.guard():
                    self.revoked |= not self.early
                    assert not self.watcher.now(), "a guard check leaves nothing without a permit"
            case "permit ends":
                # Made before it stood still, so that it has ended then at the latest.
                _wait_until(self.stood_still_at + self._lasts + 0.1)
                self.revoked |= not self.early
            case "approval ends":
                _wait_until(time.monotonic() + (world.approval_ends - utc_now()).total_seconds() + 0.1)
                self.revoked = True

    def ends(self) -> None:
        """The raiser goes on, and one guard check comes behind it."""
        said = self.raiser.goes_on()
        revoked = self.revoked or self.held
        if self.kind == "flagd file" and self.place != "behind the write" and revoked:
            assert self.watcher.exposed == [], f"it was raised without a permit: {said}"
        if not revoked:
            assert said == "raised"
        self.world.guard()
        state = self.world.run().state
        assert self.watcher.looks > 0
        assert (state.wave, self.watcher.now()) == ((0, False) if revoked else (1, True)), said
        assert self.world.via.flags.read(self.world.run().flag).exposure == state.exposure
        reverted = [e for e in self.world.via.journal.entries(state.rollout) if e.kind is Kind.RAISE_REVERTED]
        if reverted:
            assert any(event.startswith("raise-reverted") for event in state.notices.queued), "people are paged"
        assert self.world.via.journal.verify() == []


def _wait_until(instant: float) -> None:
    threading.Event().wait(max(0.0, instant - time.monotonic()))


def follow(kind: str, place: str, events: list[str]) -> None:
    """Let a raise stand still at this place, let these events happen, and let it go on."""
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder), kind, place, events)
        try:
            if course.stands_still():
                for event in events:
                    course.happens(event)
            else:
                # A busy machine: its permit or approval had ended by itself before it came there.
                assert {"permit ends", "approval ends"} & set(events), course.raiser.goes_on()
                course.revoked = True
            course.ends()
        finally:
            course.watcher.end()
            course.world.via.close()


NAMED: list[tuple[str, str, list[str]]] = [
    ("flagd file", "before the write", []),
    ("flagd file", "before the permit", ["change"]),
    ("flagd file", "before the write", ["permit ends"]),
    ("flagd file", "in the rename", ["permit ends"]),
    ("flagd file", "in the rename", ["hold"]),
    ("flagd file", "in the rename", ["lapse", "guard"]),
    ("flagd file", "behind the write", ["permit ends"]),
    ("flagd file", "behind the write", ["hold", "resume"]),
    ("flagd file", "behind the write", ["lapse", "guard"]),
    ("flagd file", "before the write", ["approval ends"]),
    ("commands", "before the write", []),
    ("commands", "before the write", ["permit ends"]),
    ("commands", "before the write", ["hold"]),
    ("commands", "before the write", ["lapse", "guard"]),
    ("commands", "behind the write", ["hold", "guard"]),
]


def drawn(seed: int) -> tuple[str, str, list[str]]:
    """A course of events that nobody has thought of."""
    by = random.Random(seed)
    return by.choice(BACKENDS), by.choice(PLACES), by.sample(EVENTS, by.randrange(1, 5))


@pytest.mark.parametrize(("kind", "place", "events"), NAMED, ids=[f"{k}, {p}, {e}" for k, p, e in NAMED])
def test_exposure_is_never_more_than_a_living_permit_allows(kind: str, place: str, events: list[str]) -> None:
    follow(kind, place, events)


@pytest.mark.parametrize("seed", range(6))
def test_nor_in_any_other_order(seed: int) -> None:
    follow(*drawn(seed))
