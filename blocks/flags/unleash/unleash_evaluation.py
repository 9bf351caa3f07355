"""What Unleash's SDKs answer, as its specification has it: for looking at strategies before they are written."""

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.flags.unleash.unleash_rules import STRATEGY


def is_on(strategies: Sequence[Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Whether an enabled environment with these strategies serves this user; raises ValueError for any other kind."""
    return any(_matches(strategy, context) for strategy in strategies if not strategy.get("disabled"))


def bucket(user: str, group: str) -> int:
    """The user's place from 1 to 100: Murmur3 of group and user, as every SDK of Unleash computes it."""
    import mmh3

    return int(mmh3.hash(f"{group}:{user}", signed=False)) % 100 + 1


def _matches(strategy: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    if strategy["name"] != STRATEGY or strategy.get("segments"):
        raise ValueError(f"found the strategy {strategy['name']!r}, allowed is {STRATEGY} without segments")
    if not all(_holds(constraint, context) for constraint in strategy["constraints"]):
        return False
    parameters = strategy["parameters"]
    share, stickiness = int(parameters["rollout"]), parameters["stickiness"]
    if stickiness == "default":
        user = context.get("userId") or context.get("sessionId")
        if user is None:
            return share >= 100  # by chance, which is certain at 100 % alone
    else:
        user = context.get(stickiness)
    return user is not None and share > 0 and bucket(user, parameters["groupId"]) <= share


def _holds(constraint: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    found = context.get(constraint["contextName"]) in constraint["values"]
    match constraint["operator"]:
        case "IN":
            return found
        case "NOT_IN":
            return not found
    raise ValueError(f"found the operator {constraint['operator']!r}, allowed are IN and NOT_IN")
