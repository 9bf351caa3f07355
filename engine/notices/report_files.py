"""Reports as files, a folder for each rollout: below TIDEGATE_REPORTS, else beside the kit file."""

import logging
import os
import re
from pathlib import Path

from blocks.whole_file import write_whole
from engine.rollback.journal_fallback import fallback_path

_log = logging.getLogger("tidegate.reports")


def reports_folder(rollout: str) -> Path:
    """Where a rollout's reports lie: on a folder that all machines have, where one is named, else on this machine."""
    named = os.environ.get("TIDEGATE_REPORTS")
    folder = Path(named).absolute() if named else fallback_path().parent / "reports"
    return folder / re.sub(r"[^A-Za-z0-9._-]+", "-", rollout)


def keep_report(rollout: str, name: str, text: str) -> Path | None:
    """Write the report, whole or not at all; None where it could not be written, which is logged and stops nothing."""
    path = reports_folder(rollout) / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.md"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, text, 0o644)
    except OSError as error:
        _log.warning("%s: the report could not be kept (%s)", path, error.strerror)
        return None
    return path
