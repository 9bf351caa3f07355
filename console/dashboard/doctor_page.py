"""What `tidegate doctor` lists, for the dashboard: looked at anew at most every few seconds, however many ask."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.errors import Refused
from console.home import kit_path

if TYPE_CHECKING:
    from engine.doctor.lines import DoctorLine

FRESH_SECONDS = 10.0


def examined() -> "tuple[DoctorLine, ...]":
    """Every line, looked at now; what it needs is imported once somebody asks."""
    from console.prefect_runs import use_named_server
    from engine.doctor.examine import examine

    # Where no server is named, the line about variables says so.
    with contextlib.suppress(Refused):
        use_named_server()
    return examine(kit_path())


@dataclass
class DoctorPage:
    """The newest list."""

    look: "Callable[[], tuple[DoctorLine, ...]]" = examined
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._lines: tuple[DoctorLine, ...] = ()

    def lines(self) -> "tuple[DoctorLine, ...]":
        """The lines, at most ten seconds old; several who ask at once wait for one look."""
        with self._lock:
            if self.clock() - self._at > FRESH_SECONDS:
                self._lines = self.look()
                self._at = self.clock()
            return self._lines
