"""A call that is given up after a time, whatever it hangs on."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from blocks.errors import Unreachable

T = TypeVar("T")


def bounded(call: Callable[[], T], seconds: float, whom: str) -> T:
    """The call's result or exception; raises Unreachable when neither came within `seconds`."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed over to the caller
            future.set_exception(error)

    # A daemon, not a pool: what hangs must not keep the process from ending.
    threading.Thread(target=run, daemon=True, name=f"bounded call to {whom}").start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():
            raise
        raise Unreachable(f"{whom} did not answer within {seconds:g} s") from None
