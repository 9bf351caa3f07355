"""What GrowthBook's own Python SDK answers, in memory: nothing is asked and nothing is written."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blocks.errors import Refused


def answers_of(
    rules: Iterable[Mapping[str, Any]],
    hash_attribute: str,
    attribute: str,
    users: Sequence[tuple[str, str]],
    default: bool,
) -> list[bool]:
    """The answers to these users (key, group), in their order; raises Refused where the SDK is not there."""
    try:
        from growthbook import GrowthBook
    except ImportError:
        raise Refused("GrowthBook's SDK is not installed: pip install 'tidegate[growthbook]'") from None
    features = {"flag": {"defaultValue": False, "rules": [sdk_rule(rule) for rule in rules if rule["enabled"]]}}
    client = GrowthBook(features=features)
    try:
        answers = []
        for user, group in users:
            client.set_attributes({attribute: group, hash_attribute: user})
            answers.append(bool(client.get_feature_value("flag", default)))
        return answers
    finally:
        client.destroy()


def sdk_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as SDKs are sent it."""
    sent: dict[str, Any] = {"force": rule["value"] == "true"}
    if rule.get("condition"):
        sent["condition"] = json.loads(rule["condition"])
    if rule["type"] == "rollout":
        sent |= {name: rule[name] for name in ("coverage", "hashAttribute", "seed", "hashVersion")}
    return sent
