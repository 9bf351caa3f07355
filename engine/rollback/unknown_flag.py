"""A key that is nobody's: before a flag is zeroed by its key alone, a misspelt one is known from one of ours."""

import logging
from difflib import get_close_matches

from blocks.calls.bounded import bounded
from blocks.flags.keys import keys_of
from engine.rollback.zero import ZeroParts

_LOOK_SECONDS = 2.0
_log = logging.getLogger("tidegate.rollback")


class UnknownFlag(LookupError):
    """Neither the flag source nor the journal has this key; says which are like it."""


def must_be_known(via: ZeroParts, flag: str) -> None:
    """Raises UnknownFlag for a key that a source read whole does not have and that no row of the journal names.

    Whatever cannot be read stands in nobody's way: the key then counts as known.
    """
    try:
        keys = bounded(lambda: keys_of(via.flags), _LOOK_SECONDS, "the flag source")
        if keys is None or flag in keys:
            return
        named = bounded(via.journal.flags, _LOOK_SECONDS, "the journal")
    except Exception as fault:  # noqa: BLE001 - zero needs neither
        _log.warning("whether %s is a known flag is not known: %s: %s", flag, type(fault).__name__, fault)
        return
    if flag in named:
        return
    like = get_close_matches(flag, sorted(keys | named), 3)
    hint = f"Like it: {', '.join(like)}. " if like else ""
    raise UnknownFlag(
        f"--flag: found {flag!r}, which is none of the {len(keys)} flags of the source, nor in the journal; nothing "
        f"was changed. {hint}Allowed is a key of theirs, or --create for a flag that has to be made"
    )
