"""What people are paged with when an open rollout is watched by nobody."""

from collections.abc import Mapping
from typing import Any

from tidegate.notices.notice import Loudness, Notice

UNGUARDED = "unguarded"
_USUAL_ROOM = "#alerts-critical"


def unguarded(rollout: str, flag: str, why: str, number: int) -> Notice:
    """A page: whatever happens to this rollout's users now, no trigger rolls it back."""
    body = (
        f"{why}. No trigger rolls it back and nothing is raised; the other rollouts are guarded as before.\n"
        f"To turn it off: tidegate rollback --flag {flag}\n"
        f"What stands in its journal: tidegate journal verify"
    )
    title = f"{rollout} is open and NOT guarded"
    return Notice(f"unguarded-{number}", rollout, Loudness.PAGE, title, body, problem=UNGUARDED)


def guarded_again(rollout: str, number: int) -> Notice:
    """The page's problem is over."""
    title, body = f"{rollout} is guarded again, or over", "It can be read again, or is open no more."
    return Notice(f"guarded-{number}", rollout, Loudness.PAGE, title, body, problem=UNGUARDED, resolves=True)


def room_and_people(plan: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The critical channel and the contacts of a plan as stored, which this release need not understand."""
    channels, contacts = plan.get("channels"), plan.get("contacts")
    room = channels.get("critical") if isinstance(channels, Mapping) else None
    people = [c.get("email") for c in contacts if isinstance(c, Mapping)] if isinstance(contacts, list) else []
    return room if isinstance(room, str) else _USUAL_ROOM, tuple(p for p in people if isinstance(p, str))
