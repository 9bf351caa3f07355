"""Calls to one thing that may hang, kept apart from all others: bounded in time, and in how many may hang at once."""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from blocks.calls.bounded import bounded, given_up
from blocks.errors import Unreachable


class _Store(Protocol):
    path: str
    timeout_seconds: float


T = TypeVar("T")
P = ParamSpec("P")
S = TypeVar("S", bound=_Store)
MOST_HANGING = 12  # of one thing: some seven minutes of trying; each is a thread
MOST_IN_PROCESS = 100
_LONGEST_PAUSE = 60.0
_started: dict[str, float] = {}
_ABANDONED: ContextVar[threading.Event | None] = ContextVar("abandoned", default=None)


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
