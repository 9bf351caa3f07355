"""Which rollout is meant when nobody says."""

from blocks.connections import OpenConnections


class NotOne(LookupError):
    """There is not exactly one open rollout; says which there are."""


def the_open_rollout(connections: OpenConnections, flag: str | None = None) -> str:
    """The name of the one open rollout (of this flag); raises NotOne otherwise."""
    rows = connections.journal.rollouts(flag=flag, open_only=True)
    of = f" of {flag}" if flag else ""
    if not rows:
        raise NotOne(f"no rollout{of} is open; nothing to do")
    if len(rows) > 1:
        names = ", ".join(f"{row.rollout} ({row.flag})" for row in rows)
        raise NotOne(f"{len(rows)} rollouts{of} are open, name one of: {names}")
    return rows[0].rollout
