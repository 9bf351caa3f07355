"""A call that is given up after a time, whatever it hangs on: the one deadline that every outside call has."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from typing import TypeVar

from blocks.errors import Unreachable

T = TypeVar("T")
SPARE_SECONDS = 0.5  # longer than a library's own time-out for one read, so that a plain silence is told by it
MOST_GIVEN_UP = 8  # calls that hang at one place, before no more are begun
_ENDS: ContextVar[float | None] = ContextVar("ends", default=None)
_given_up: Counter[str] = Counter()
_counting = threading.Lock()


class GivenUp(Unreachable):
    """The call was begun, and nobody knows what became of it."""


def bounded(
    call: Callable[[], T],
    seconds: float,
    whom: str,
    *,
    give_up: Callable[[], object] = lambda: None,
    most_given_up: int | None = None,
) -> T:
    """The call's result or exception; raises GivenUp when neither came within `seconds` by the monotonic clock.

    `give_up` ends a call that nobody waits for any more, as by closing its connection. Where that cannot be done,
    `most_given_up` refuses further calls (Unreachable) while so many earlier ones of the same `whom` still hang.
    """
    seconds = seconds_left(seconds)
    if seconds <= 0:
        raise Unreachable(f"{whom} was not asked: the time for all of it was used up")
    if most_given_up is not None and _given_up[whom] >= most_given_up:
        raise Unreachable(f"{whom} was not asked: {most_given_up} earlier calls still hang there")
    future: Future[T] = Future()
    left = threading.Event()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - handed over to the caller
            future.set_exception(error)
        else:
            future.set_result(result)
        with _counting:
            _given_up[whom] -= left.is_set()

    # A daemon, not a pool: what hangs must not keep the process from ending.
    threading.Thread(target=run, daemon=True, name=f"bounded call to {whom}").start()
    try:
        return future.result(seconds)
    except TimeoutError:
        with _counting:
            if not future.done():
                left.set()
                _given_up[whom] += 1
        if not left.is_set():
            return future.result()
        with contextlib.suppress(Exception):
            give_up()
        raise GivenUp(f"{whom} did not answer within {seconds:g} s") from None


def given_up(whom: str) -> tuple[int, int]:
    """How many calls to `whom`, and how many altogether, still hang although nobody waits for them any more."""
    with _counting:
        return _given_up[whom], _given_up.total()


@contextlib.contextmanager
def all_within(seconds: float) -> Iterator[None]:
    """Every bounded call inside ends by then; so do those of other threads that take this context along."""
    token = _ENDS.set(time.monotonic() + seconds_left(seconds))
    try:
        yield
    finally:
        _ENDS.reset(token)


def seconds_left(most: float) -> float:
    """`most`, or less where everything around it must be done sooner."""
    ends = _ENDS.get()
    return most if ends is None else min(most, ends - time.monotonic())
