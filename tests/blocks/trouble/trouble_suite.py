"""What every flag backend keeps when the other side, the way to it or another person does not: one suite for all.

A test file imports all of this and has `PLACES`, its backends with the kinds of trouble that there are with each, and a
fixture `trouble`, which makes one for a `place`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from blocks.errors import ConnectionFault, Fenced, NotTaken
from blocks.flags.backend import SettingBack
from tests.blocks.test_flag_backends import FLAG, MORE, TEN
from tests.permits import put
from tidegate.values.exposure import ZERO, Exposure, Layer

HTTP = ("401", "403", "404", "409", "429", "500", "503", "hangs", "trickles", "unreachable")
FOR_ALL = Exposure((Layer("everyone", None, 100.0),))
SLACK_SECONDS = 20.0  # a busy machine's, beyond what a backend says of itself
_LOST = (Fenced, NotTaken)


@dataclass
class Trouble:
    """A backend that exposes a tenth under epoch 1, and what can be done to it from outside."""

    backend: Any
    another: Any  # a second process's connection to the same place
    begins: Callable[[str, str], object]  # the kind, with `reading` or with `everything`
    ends: Callable[[], object]
    between: Callable[[Callable[[], object]], object]  # done once between the backend's next reading and its writing
    edit: Callable[[], object]  # somebody else exposes everybody
    serves_nobody: Callable[[], bool]  # looked at past the backend
    zero_needs_no_reading: Sequence[str] = ()  # the kinds with which a zero gets through while nothing can be read
    conditional: bool = True  # what is written over an edit that it has not seen is refused over there
    missing_is_zero: bool = True  # what is not there serves nobody
    reads_by_itself: bool = False  # what goes wrong over there does not touch its reading


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test for each backend, and where it asks for a kind of trouble for each that there is with it."""
    places: Mapping[str, Sequence[str]] = metafunc.module.PLACES
    if "kind" in metafunc.fixturenames:
        pairs = [(place, kind) for place, kinds in places.items() for kind in kinds]
        metafunc.parametrize(("place", "kind"), pairs, ids=["-".join(pair) for pair in pairs])
    elif "place" in metafunc.fixturenames:
        metafunc.parametrize("place", list(places))


def a_tenth(trouble: Trouble) -> Any:
    """Its backend, with a tenth exposed."""
    trouble.backend.fence(FLAG, 1)
    put(trouble.backend, FLAG, TEN, 1)
    return trouble.backend


def in_time(backend: Any, work: Callable[[], object]) -> None:
    """Do it, and see it end within what the backend says of a zero; what it raises is a fault of a connection's."""
    began = time.monotonic()
    try:
        work()
    finally:
        bound = getattr(backend, "zero_seconds", 5 * backend.timeout_seconds)
        assert time.monotonic() - began < bound + SLACK_SECONDS


def test_trouble_is_told_in_time_and_exposes_nobody_more(trouble: Trouble, kind: str) -> None:
    backend = a_tenth(trouble)
    trouble.begins(kind, "everything")
    if kind == "404" and trouble.missing_is_zero:
        assert backend.read(FLAG).exposure in (ZERO, None)
    elif trouble.reads_by_itself:
        assert backend.read(FLAG).exposure == TEN
    else:
        with pytest.raises(ConnectionFault):
            in_time(backend, lambda: backend.read(FLAG))
    with pytest.raises(ConnectionFault):
        in_time(backend, lambda: put(backend, FLAG, MORE, 1))
    with suppress(ConnectionFault):
        in_time(backend, lambda: backend.fence(FLAG, 2, TEN))
    trouble.ends()
    backend.fence(FLAG, 3, TEN)
    assert backend.read(FLAG).exposure in (TEN, ZERO)
    put(backend, FLAG, MORE, 3)
    assert backend.read(FLAG).exposure == MORE


def test_in_trouble_zero_needs_no_reading(trouble: Trouble, kind: str) -> None:
    backend = a_tenth(trouble)
    trouble.begins(kind, "reading")
    if kind in trouble.zero_needs_no_reading:
        with suppress(ConnectionFault):  # it could not be read back
            in_time(backend, lambda: backend.zero(FLAG, 2))
        assert trouble.serves_nobody()
        trouble.ends()
    else:
        # What is not there at all may be called zero; it is not proven by that, and is ordered again.
        with suppress(ConnectionFault) if kind == "404" else pytest.raises(ConnectionFault):
            in_time(backend, lambda: backend.zero(FLAG, 2))
        trouble.ends()
        backend.zero(FLAG, 2)
    assert backend.read(FLAG).exposure == ZERO
    assert trouble.serves_nobody()


def test_in_trouble_a_zero_that_fails_is_told_and_comes_with_the_next_order(trouble: Trouble, kind: str) -> None:
    backend = a_tenth(trouble)
    trouble.begins(kind, "everything")
    with suppress(ConnectionFault):  # what is not there at all serves nobody
        in_time(backend, lambda: backend.zero(FLAG, 2))
        assert kind == "404" or trouble.serves_nobody(), "no fault is told, so it holds"
    trouble.ends()
    backend.zero(FLAG, 2)
    assert backend.read(FLAG).exposure == ZERO
    assert trouble.serves_nobody()
    with pytest.raises(Fenced):
        put(backend, FLAG, TEN, 1)


def test_a_late_writer_of_any_kind_brings_nobody_in(trouble: Trouble, place: str) -> None:
    backend = a_tenth(trouble)
    trouble.between(lambda: trouble.another.zero(FLAG, 2))
    if trouble.conditional:
        with pytest.raises(_LOST):
            put(backend, FLAG, FOR_ALL, 1)
    else:
        with suppress(*_LOST):
            put(backend, FLAG, FOR_ALL, 1)
    if isinstance(trouble.another, SettingBack):  # as the next guard check does
        trouble.another.set_back(FLAG, ZERO, 2)
    assert trouble.another.read(FLAG).exposure == ZERO
    assert trouble.serves_nobody()


def test_an_edit_between_reading_and_writing(trouble: Trouble, place: str) -> None:
    backend = a_tenth(trouble)
    trouble.between(trouble.edit)
    if trouble.conditional:
        with pytest.raises(ConnectionFault):
            put(backend, FLAG, MORE, 1)
        assert backend.read(FLAG).exposure in (FOR_ALL, None), "it is seen, and not written over"
    else:
        with suppress(ConnectionFault):
            put(backend, FLAG, MORE, 1)
        assert backend.read(FLAG).exposure in (MORE, FOR_ALL, None)
    backend.zero(FLAG, 2)
    assert trouble.serves_nobody()


def test_an_edit_is_seen_and_taken_to_zero(trouble: Trouble, place: str) -> None:
    backend = a_tenth(trouble)
    before = backend.read(FLAG)
    trouble.edit()
    seen = backend.read(FLAG)
    assert seen.exposure in (FOR_ALL, None)
    assert seen.revision != before.revision
    assert seen.description
    assert not trouble.serves_nobody()
    backend.zero(FLAG, None)
    assert backend.read(FLAG).exposure == ZERO
    assert trouble.serves_nobody()
