"""What Unleash answers about a flag, taken apart: its environment, its strategies, who changed it, what a token may."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blocks.errors import Refused
from blocks.flags.backend import FlagReading
from blocks.flags.unleash.unleash_rules import (
    Json,
    epoch_of,
    exposure_of,
    in_words,
    revision_of,
    serves_nobody,
    stored_exposure,
)
from tidegate.values.exposure import ZERO

RIGHTS = (
    "CREATE_FEATURE_STRATEGY",
    "UPDATE_FEATURE_STRATEGY",
    "DELETE_FEATURE_STRATEGY",
    "UPDATE_FEATURE_ENVIRONMENT",
)


@dataclass(frozen=True, slots=True)
class Environment:
    """A flag in one environment, and the flags that it depends on."""

    flag: str
    enabled: bool
    strategies: tuple[Json, ...]
    parents: tuple[str, ...]

    @property
    def epoch(self) -> int:
        """The newest epoch that a strategy carries, 0 for none."""
        return max(map(epoch_of, self.strategies), default=0)

    @property
    def mine(self) -> tuple[Json, ...]:
        """Those that Tidegate wrote, of whichever epoch."""
        return tuple(strategy for strategy in self.strategies if epoch_of(strategy))

    @property
    def newest(self) -> tuple[Json, ...]:
        """Those of the newest epoch."""
        return tuple(strategy for strategy in self.mine if epoch_of(strategy) == self.epoch)


def environment_of(flag: str, body: Any, name: str) -> Environment:
    """The environment of this name in the API's answer; raises Refused."""
    environments = body.get("environments") if isinstance(body, dict) else None
    found = [one for one in environments or () if isinstance(one, dict) and one.get("name") == name]
    if not found:
        raise Refused(f"flag {flag}: it has no environment {name} in Unleash")
    enabled, strategies = found[0].get("enabled"), found[0].get("strategies")
    if type(enabled) is not bool or not isinstance(strategies, list) or not all(map(_is_strategy, strategies)):
        raise Refused(f"flag {flag}: Unleash's answer has an unknown form")
    if body.get("archived"):
        raise Refused(f"flag {flag} is archived in Unleash")
    parents = [one.get("feature") for one in body.get("dependencies") or () if isinstance(one, dict)]
    return Environment(flag, enabled, tuple(strategies), tuple(map(str, parents)))


def reading_of(found: Environment, stickiness: str) -> FlagReading:
    """What is served; an exposure only where it is what we would write, or certainly nobody."""
    active = [strategy for strategy in found.strategies if not strategy.get("disabled")]
    revision = revision_of(found.enabled, active)
    written = stored_exposure(found.newest[0]) if found.newest else None
    if not found.enabled:
        words = f"switched off; written was {written}" if written not in (None, ZERO) else "0% (nobody), switched off"
        return FlagReading(ZERO, revision, words)
    # An environment without strategies is on for everybody.
    if active and all(map(serves_nobody, active)):
        return FlagReading(ZERO, revision, "0% (nobody), switched on")
    exposure = exposure_of(active, found.flag, stickiness)
    if exposure is not None:
        return FlagReading(exposure, revision, str(exposure))
    if written is not None:
        return FlagReading(None, revision, f"changed by hand to {in_words(active)}; written was {written}")
    return FlagReading(None, revision, f"serving what Tidegate did not write ({in_words(active)})")


def foreign(strategies: Sequence[Json]) -> str:
    """Strategies that Tidegate did not write and that may let somebody in, in words; empty for none."""
    return in_words(others) if (others := [s for s in strategies if not epoch_of(s) and not serves_nobody(s)]) else ""


def last_change(body: Any, environment: str, own: frozenset[str]) -> str:
    """Who made the newest change in this environment, from the event log; empty where it does not say.

    What we changed ourselves since is left out, unless nobody else did anything.
    """
    events = body.get("events") if isinstance(body, dict) else None
    here = [
        event
        for event in (events if isinstance(events, list) else ())
        if isinstance(event, dict) and event.get("environment") == environment and event.get("createdBy")
    ]
    others = [event for event in here if event["createdBy"] not in own]
    for event in (others or here)[:1]:
        who, at = " ".join(str(event["createdBy"]).split()), str(event.get("createdAt") or "")
        did = str(event.get("label") or event.get("type") or "changed it")
        return f"; last change there by {who[:80]}: {did[:80]} at {at[:19].replace('T', ' ')} UTC"
    return ""


def names_of(body: Any) -> frozenset[str]:
    """The names under which Unleash's event log has a token's user, from what it says of that user."""
    user = body.get("user") if isinstance(body, dict) else None
    names = (user.get(name) for name in ("email", "username")) if isinstance(user, dict) else ()
    return frozenset(name for name in names if isinstance(name, str))


def missing_rights(body: Any, project: str, environment: str) -> list[str]:
    """The rights that a token lacks, from what Unleash says of its user."""
    held = body.get("permissions") if isinstance(body, dict) else None
    rights = [one for one in held or () if isinstance(one, dict)]
    if any(one.get("permission") == "ADMIN" for one in rights):
        return []

    def has(name: str) -> bool:
        return any(
            one.get("permission") == name
            and one.get("project") in (project, "*", None)
            and one.get("environment") in (environment, "*", None, "")
            for one in rights
        )

    return [name for name in RIGHTS if not has(name)]


def _is_strategy(found: object) -> bool:
    return (
        isinstance(found, dict)
        and isinstance(found.get("name"), str)
        and isinstance(found.get("parameters", {}), dict)
        and isinstance(found.get("constraints") or [], list)
    )
