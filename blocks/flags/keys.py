"""Which flags a source has, where that can be known for certain."""

import json
from pathlib import Path

from blocks.flags.backend import FlagBackend
from blocks.flags.flagd_store import FlagdStore


def keys_of(backend: FlagBackend) -> frozenset[str] | None:
    """Every key of a source that was read whole; None where that cannot be: then none may be called unknown.

    A flag file that is not there says nothing, and neither does a system that is asked key by key: what it does not
    show may be kept from us.
    """
    if not isinstance(backend, FlagdStore):
        return None
    try:
        document = json.loads(Path(backend.path).read_bytes())
        flags = document["flags"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return frozenset(flags) if isinstance(flags, dict) else None
