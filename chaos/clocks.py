"""The clocks of the hosts, which can be stepped: by libfaketime each process reads its own from its host's file."""

import os
import select
import time
from collections.abc import Mapping
from pathlib import Path

STEP = 3600.0  # seconds
_FILE = "FAKETIME_TIMESTAMP_FILE"


def set_clock(host: Path, ahead: float = 0.0) -> None:
    """Set the clock of every process on the host with this folder, in seconds ahead of the machine's own."""
    written = host / "clock.new"
    written.write_text(f"{ahead:+.0f}\n")
    written.replace(host / "clock")


def faked(library: Path, host: Path) -> Mapping[str, str]:
    """What the environment of a process has besides, whose clock is to be its host's; the monotonic one never is."""
    fixed = {"FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    return {"LD_PRELOAD": str(library), _FILE: str(host / "clock"), **fixed}


def live_on(host: Path) -> None:
    """Go by this host's clock from now on, where clocks are faked."""
    os.environ[_FILE] = str(host / "clock")
    # Python's own sleep ends at an instant of the monotonic clock, which libfaketime takes for one of the faked clock.
    time.sleep = _sleep  # type: ignore[assignment]


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)
