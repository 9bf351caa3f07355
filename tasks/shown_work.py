"""Work of a rollback that is shown as a task run, and done all the same where Prefect cannot show it."""

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_log = logging.getLogger("tidegate.rollback")


class ShownWork(Generic[T]):
    """One thing to do, and what came of it; opaque to Prefect, which would otherwise walk through all it holds."""

    def __init__(self, name: str, do: Callable[[], T]) -> None:
        self.name, self._do = name, do
        self._done: list[T] = []

    def result(self) -> T:
        """What came of it; it is done at the first call, and what it raises is raised."""
        if not self._done:
            self._done.append(self._do())
        return self._done[0]

    def __repr__(self) -> str:
        return self.name


def do_shown(work: ShownWork[T], show: Callable[[Any], object]) -> T:
    """The result of the work, which the task `show` does; whatever breaks in showing it, the work is done."""
    try:
        show(work)
    except Exception as error:  # noqa: BLE001 - whatever Prefect makes of it; what the work itself raises comes again
        _log.warning("%s: its task run is not shown: %s", work.name, error)
    return work.result()
