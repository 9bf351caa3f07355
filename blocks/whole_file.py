"""Files that are written whole: never seen half written, and there after a power failure."""

import os
import uuid
from pathlib import Path

from blocks.errors import Refused

_ANYBODY_READS = 0o644


def text_of(path: str | os.PathLike[str]) -> str | None:
    """What the file holds, None where there is none; raises Refused where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: it cannot be read ({type(error).__name__})") from error


def replace(path: str | os.PathLike[str], text: str) -> None:
    """Put the text in the file's place, for anybody to read; raises Refused, and then the file is as it was."""
    try:
        write_whole(path, text, _ANYBODY_READS)
    except OSError as error:
        raise Refused(f"{path}: it cannot be written ({error.strerror})") from error


def write_whole(path: str | os.PathLike[str], text: str, mode: int) -> None:
    """Put the text in the file's place with these rights; raises OSError, and then the file is as it was."""
    target = Path(path)
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        descriptor = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        staged.replace(target)
        sync_folder(target.absolute().parent)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make sure that what was made, moved or removed in a folder outlives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
