"""Whether a rollout may begin on a flag: what serves somebody is left to whoever it belongs to."""

from blocks.connections import OpenConnections
from blocks.flags.backend import FlagReading
from tidegate.values.exposure import ZERO


def why_in_use(flag: str, seen: FlagReading, last: str = "") -> str:
    """Why nothing may begin on the flag, and what people can do about it; empty where it serves nobody.

    `last` is the newest rollout of the flag that has ended, where there was one.
    """
    if seen.exposure == ZERO:
        return ""
    if seen.exposure is None:
        return (
            f"flag {flag} is not Tidegate's to write ({seen.description}); it is left as it is, and must not be set to "
            "zero to make room: allowed is a key of the plan's own (flag.key), or what its owner agrees to"
        )
    return (
        f"flag {flag} serves {seen.description}; find out whom first: what {last or 'a rollout of Tidegate'} "
        f"left there is taken back with `tidegate rollback {last or 'ROLLOUT'}`, anything else is its owner's to turn "
        "off"
    )


def last_rollout(connections: OpenConnections, flag: str) -> str:
    """The newest rollout of the flag that has ended; empty where there was none."""
    return next((row.rollout for row in connections.journal.rollouts(flag) if not row.is_open), "")
