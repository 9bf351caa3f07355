"""Which flags a source has, where that can be known for certain."""

from pathlib import Path

from blocks.flags.backend import FlagBackend
from blocks.flags.flagd.flagd_source import NotAFlagFile
from blocks.flags.flagd.flagd_store import FlagdStore
from blocks.flags.flagd.flagd_writer import FlagdWriter


def keys_of(backend: FlagBackend) -> frozenset[str] | None:
    """Every key of a source that was read whole; None where that cannot be: then none may be called unknown.

    A flag file that is not there says nothing, and neither does a system that is asked key by key: what it does not
    show may be kept from us.
    """
    if not isinstance(backend, FlagdStore):
        return None
    try:
        source = FlagdWriter(backend.path).parse(Path(backend.path).read_bytes())
    except (OSError, NotAFlagFile):
        return None
    return None if source.foreign_damage else frozenset(member.name for member in source.flags)
