"""Waiting for a condition, with a deadline and a sentence."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# Deadlines are written for a machine of one's own; a shared one is slower, and Prefect's server on SQLite now and then
# answers nobody for a minute, or two in a row, since that is how long it waits for its own lock.
PATIENCE = 4.0


def wait_for(condition: Callable[[], T], seconds: float, what: str) -> T:
    """The first true answer of `condition`; fails the test with `what` when there is none in time."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds * PATIENCE:g} s: {what} (last answer: {answer!r})")
        threading.Event().wait(0.1)
