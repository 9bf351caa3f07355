"""Whether a rollout may begin on a flag: what serves somebody is left to whoever it belongs to."""

from blocks.flags.backend import FlagReading
from tidegate.values.exposure import ZERO


def why_in_use(flag: str, seen: FlagReading) -> str:
    """Why nothing may begin on the flag, and what people can do about it; empty where it serves nobody."""
    if seen.exposure == ZERO:
        return ""
    if seen.exposure is None:
        return (
            f"flag {flag} is not Tidegate's to write ({seen.description}); it is left as it is, and must not be set to "
            "zero to make room: allowed is a key of the plan's own (flag.key), or what its owner agrees to"
        )
    return (
        f"flag {flag} serves {seen.description}; find out whom first: what a rollout of Tidegate left there is taken "
        "back with `tidegate rollback ROLLOUT`, anything else is its owner's to turn off"
    )
