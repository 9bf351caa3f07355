"""Renaming a file by an instant or not at all, whatever stops this process in between.

A process that is stopped right before its rename goes on with it however long it stood still. So a child makes the
rename under a timer of the kernel's, which ends the child before it can go on once the instant has passed.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from blocks.errors import NotPermitted

_TOO_LATE = 200  # beyond every errno
_GRACE_SECONDS = 5.0
SCRIPT = """\
import ctypes, os, signal, sys, time
source, target, how, until = os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
while True:
    left = until - time.monotonic()
    if left <= 0:
        os._exit(200)
    signal.setitimer(signal.ITIMER_REAL, left)
    if until - time.monotonic() > left - 0.05:
        break  # the timer runs out no later than the instant: nothing stood still before it was set
os._exit(0 if libc.renameat2(-100, source, -100, target, how) == 0 else ctypes.get_errno())
"""


def rename_until(source: Path, target: Path, how: int, until: float) -> None:
    """`renameat2` with the flags `how`, before an instant of the monotonic clock.

    Raises NotPermitted where the instant passed first, in which case it may have been renamed at the last moment, or
    OSError.
    """
    argv = [sys.executable, "-I", "-S", "-c", SCRIPT, str(source), str(target), str(how), repr(until)]
    late = NotPermitted("the permit to raise ended before the flag was written")
    try:
        left = max(until - time.monotonic(), 0.0)
        code = subprocess.run(argv, check=False, timeout=left + _GRACE_SECONDS).returncode
    except subprocess.TimeoutExpired:
        raise late from None
    if code in (_TOO_LATE, -signal.SIGALRM):
        raise late
    if code != 0:
        raise OSError(abs(code), os.strerror(abs(code)), str(source), None, str(target))
