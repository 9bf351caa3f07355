"""A call that is given up after a time, whatever it hangs on: the one deadline that every outside call has.

What may hang again and again is called apart from all else: bounded in how many of its calls may hang at once, too.
"""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import Context, ContextVar
from functools import partial, wraps
from queue import SimpleQueue
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from blocks.errors import Unreachable


class _Store(Protocol):
    path: str
    timeout_seconds: float


T = TypeVar("T")
P = ParamSpec("P")
S = TypeVar("S", bound=_Store)
SPARE_SECONDS = 0.5  # longer than a library's own time-out for one read, so that a plain silence is reported by it
MOST_GIVEN_UP = 8  # calls that hang at one place, before no more are begun
MOST_HANGING = 12  # calls of one thing that is called apart: some seven minutes of trying; each is a thread
MOST_IN_PROCESS = 100
_LONGEST_PAUSE = 60.0
_started: dict[str, float] = {}
_ABANDONED: ContextVar[threading.Event | None] = ContextVar("abandoned", default=None)
_ENDS: ContextVar[float | None] = ContextVar("ends", default=None)
_given_up: Counter[str] = Counter()
_counting = threading.Lock()


class GivenUp(Unreachable):
    """The call was begun, and nobody knows what became of it."""


class NotBegun(Unreachable):
    """The call was not begun in time, since this machine is too busy, and is not made any more."""


class _Thread:
    """Makes one call after another, since to start a thread costs more than most calls; one that hangs is left to it.

    A daemon, not of a pool: what hangs must not keep the process from ending.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Callable[[], object]], Callable[[], None]]] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def make(self, name: str, call: Callable[[], Callable[[], object]], ended: Callable[[], None]) -> None:
        """Make the call, hand its outcome over as it says, and then say that it has ended; returns at once."""
        self._thread.name = name
        self._calls.put((call, ended))

    def _work(self) -> None:
        is_kept = True
        while is_kept:
            call, ended = self._calls.get()
            # A context of its own: nothing that an earlier call set is there.
            hand_over = Context().run(call)
            self._thread.name = "no bounded call"
            hand_over()
            ended()
            # What waits for its next call must not keep what the last one held.
            del call, ended, hand_over
            if is_kept := len(_idle) < _MOST_IDLE:
                _idle.append(self)


_MOST_IDLE = 32
_idle: list[_Thread] = []
os.register_at_fork(after_in_child=_idle.clear)  # a child has none of its parent's threads


def bounded(
    call: Callable[[], T],
    seconds: float,
    whom: str,
    *,
    give_up: Callable[[], object] = lambda: None,
    most_given_up: int | None = None,
) -> T:
    """The call's result or exception; raises GivenUp when neither came within `seconds` by the monotonic clock.

    Raises NotBegun where it could not even be begun by then.

    `give_up` ends a call that nobody waits for any more, as by closing its connection. Where that cannot be done,
    `most_given_up` refuses further calls (Unreachable) while so many earlier ones of the same `whom` still hang.
    """
    seconds = seconds_left(seconds)
    if seconds <= 0:
        raise Unreachable(f"{whom} was not asked: the time for all of it was used up")
    if most_given_up is not None and _given_up[whom] >= most_given_up:
        raise Unreachable(f"{whom} was not asked: {most_given_up} earlier calls still hang there")
    future: Future[T] = Future()
    left, begun = threading.Event(), threading.Event()

    def run() -> Callable[[], object]:
        with _counting:
            if left.is_set():
                return future.cancel
            begun.set()
        try:
            return partial(future.set_result, call())
        except BaseException as error:  # noqa: BLE001 - handed over to the caller
            return partial(future.set_exception, error)

    def ended() -> None:
        with _counting:
            _given_up[whom] -= left.is_set() and begun.is_set()

    try:
        thread = _idle.pop()
    except IndexError:
        thread = _Thread()
    thread.make(f"bounded call to {whom}", run, ended)
    try:
        return future.result(seconds)
    except TimeoutError:
        with _counting:
            if not future.done():
                left.set()
                _given_up[whom] += begun.is_set()
        if not left.is_set():
            return future.result()
        if not begun.is_set():
            raise NotBegun(f"{whom} was not asked: this machine did not begin to within {seconds:.3g} s") from None
        with contextlib.suppress(Exception):
            give_up()
        raise GivenUp(f"{whom} did not answer within {seconds:.3g} s") from None


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


def apart(call: Callable[[], T], seconds: float, whom: str) -> T:
    """The call's result or exception; raises Unreachable when neither came within `seconds`.

    While earlier calls of this `whom` hang it is asked again after longer and longer pauses only, and at once refused
    between them: whoever asks on and on finds out soon after it answers again, and threads do not pile up.
    """
    hanging, in_process = given_up(whom)
    if hanging:
        waited = time.monotonic() - _started.get(whom, 0.0)
        if hanging >= MOST_HANGING or in_process >= MOST_IN_PROCESS or waited < min(2.0**hanging, _LONGEST_PAUSE):
            raise Unreachable(f"{whom}: {hanging} earlier calls still hang there")
    _started[whom] = time.monotonic()
    ended = threading.Event()

    def run() -> T:
        _ABANDONED.set(ended)
        return call()

    return bounded(run, seconds, whom, give_up=ended.set)


def each_flag_apart(
    what: str, more_seconds: float = 1.0
) -> Callable[[Callable[Concatenate[S, str, P], T]], Callable[Concatenate[S, str, P], T]]:
    """A method whose first argument is a flag, called apart for each flag and each `what`.

    It has its store's `timeout_seconds`, and some more; what one flag hangs on holds up no other flag, and no zero
    waits behind a read.
    """

    def decorate(method: Callable[Concatenate[S, str, P], T]) -> Callable[Concatenate[S, str, P], T]:
        @wraps(method)
        def bounded_method(store: S, flag: str, /, *arguments: P.args, **named: P.kwargs) -> T:
            whom = f"{store.path}: {what} of flag {flag}"
            return apart(lambda: method(store, flag, *arguments, **named), store.timeout_seconds + more_seconds, whom)

        return bounded_method

    return decorate


def is_abandoned() -> bool:
    """Whether nobody waits any more for the call that this runs in: what it was to raise may no longer be wanted."""
    ended = _ABANDONED.get()
    return ended is not None and ended.is_set()
