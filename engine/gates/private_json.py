"""A JSON file that nobody but this user may read: refused otherwise, written whole or not at all."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blocks.whole_file import write_whole


class PrivateFileError(ValueError):
    """A file that cannot be used; one sentence, never what stands in it."""


def read_private(path: Path, holds: str) -> dict[str, Any]:
    """The object in this file, empty where there is none yet; raises PrivateFileError."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode != 0o600:
                raise PrivateFileError(f"{path}: found mode {mode:04o}, allowed is 0600, since it holds {holds}")
            values = json.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PrivateFileError(f"{path}: it cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, PrivateFileError):
            raise
        # The parser's own error carries the whole text.
        raise PrivateFileError(f"{path}: this is no JSON, allowed are {holds} by e-mail address") from None
    if not isinstance(values, dict):
        raise PrivateFileError(f"{path}: found a {type(values).__name__}, allowed are {holds} by e-mail address")
    return values


def write_private(path: Path, values: Mapping[str, Any]) -> None:
    """Replace the file; what a crash leaves is the old or the new one. Raises PrivateFileError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(dict(sorted(values.items())), indent=1), 0o600)
    except OSError as error:
        raise PrivateFileError(f"{path}: it cannot be written ({error.strerror})") from error
