"""How far the clocks of an evaluation may be apart before nothing that it saw counts as health."""

from collections.abc import Mapping
from datetime import timedelta

from tidegate.values.units import format_duration

MOST = timedelta(seconds=5)
_SETTLED = timedelta(seconds=4)


def skew_sentence(ahead: Mapping[str, timedelta | None], *, already: bool = False) -> str:
    """Which clock is how far ahead of this machine's or behind it, where that is too far; else empty.

    `already` where it was too far before: it ends only once the clocks are clearly together again.
    """
    bound = _SETTLED if already else MOST
    known = {name: skew for name, skew in ahead.items() if skew is not None and abs(skew) > bound}
    if not known:
        return ""
    name = max(known, key=lambda each: abs(known[each]))
    shown = format_duration(timedelta(seconds=round(abs(known[name]).total_seconds())))
    where = "ahead of" if known[name] > timedelta(0) else "behind"
    return (
        f"The clock of {name} is {shown} {where} this machine's (allowed {format_duration(MOST)}): "
        "no soak counts and nothing is raised until the clocks agree."
    )
