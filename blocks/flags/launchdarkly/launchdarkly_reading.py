"""What a LaunchDarkly environment serves: only rules that we would write ourselves are taken as an exposure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from blocks.flags.backend import FlagReading
from blocks.flags.launchdarkly.launchdarkly_rules import EPOCH, MARK, WHOLE, Json, Rule, Variations, rules_of
from tidegate.values.exposure import ZERO, Exposure


def changes(wanted: Sequence[Json], config: Mapping[str, Any], variations: Variations) -> list[Json]:
    """The instructions that change something, and the rules.

    What a person changes in between, a switch to off above all, is not undone by what was to change nothing.
    """
    off = variations.off
    so = {
        "turnFlagOn": config.get("on") is True,
        "turnFlagOff": config.get("on") is False,
        "updateOffVariation": config.get("offVariation") == off,
        "updateFallthroughVariationOrRollout": _served(config.get("fallthrough") or {}) == {off: WHOLE},
    }
    return [one for one in wanted if not so.get(one["kind"], False)]


def foreign_rules(config: Mapping[str, Any], kind: str, variations: Variations) -> int:
    """How many rules stand there that are none of ours."""
    ours = rules_of(stored_exposure(config) or ZERO, epoch_of(config))
    wanted = [_wanted(rule, kind, variations) for rule in ours]
    return sum(_found(rule) not in wanted for rule in _list(config, "rules"))


def epoch_of(config: Mapping[str, Any]) -> int:
    """The epoch that last changed the environment, 0 if none is written there."""
    for value in _mark(config):
        if isinstance(value, str) and value.startswith(EPOCH) and value.removeprefix(EPOCH).isdecimal():
            return int(value.removeprefix(EPOCH))
    return 0


def is_tidy(config: Mapping[str, Any], kind: str, variations: Variations) -> bool:
    """Whether it is off, and would serve nobody to whoever switches it on again."""
    return config.get("on") is False and _is_served(config, ZERO, kind, variations)


def recognise(config: Mapping[str, Any], kind: str, variations: Variations) -> FlagReading:
    """What an environment serves; only rules that we would write ourselves are taken as an exposure."""
    off = config.get("offVariation")
    if off != variations.off:
        found = "is the new path" if off == variations.on else "is missing: services serve the default in their code"
        if config.get("on") is False:
            return FlagReading(None, _digest(config), f"switched off, and its off variation {found}")
    elif config.get("on") is False:
        return FlagReading(ZERO, ZERO_REVISION, "switched off")
    elif not _may_be_on(config, variations):
        return FlagReading(ZERO, ZERO_REVISION, "set by hand so that nobody is exposed")
    stored = stored_exposure(config)
    if off == variations.off and stored is not None and _is_served(config, stored, kind, variations):
        return FlagReading(stored, _revision(stored), str(stored))
    if stored is not None:
        return FlagReading(None, _digest(config), f"changed by hand; written was {stored}")
    return FlagReading(None, _digest(config), "targeting that Tidegate did not write and that may expose users")


def stored_exposure(config: Mapping[str, Any]) -> Exposure | None:
    """What was last written by us, by the rule that carries our epoch."""
    for value in _mark(config):
        if isinstance(value, str) and value.startswith("{"):
            try:
                found = Exposure.from_json(json.loads(value))
            except (KeyError, TypeError, ValueError, RecursionError):
                return None
            return ZERO if found.is_zero else found
    return None


def _mark(config: Mapping[str, Any]) -> Sequence[Any]:
    for rule in _list(config, "rules"):
        match rule:
            case {"clauses": [{"attribute": attribute, "values": [*values]}]} if attribute == MARK:
                return values
    return ()


def _is_served(config: Mapping[str, Any], exposure: Exposure, kind: str, variations: Variations) -> bool:
    wanted = [_wanted(rule, kind, variations) for rule in rules_of(exposure, epoch_of(config))]
    found = [_found(rule) for rule in _list(config, "rules")]
    nothing_else = not any(_list(config, name) for name in ("targets", "contextTargets", "prerequisites"))
    otherwise = _served(config.get("fallthrough") or {})
    return nothing_else and found == wanted and otherwise == {variations.off: WHOLE}


def _wanted(rule: Rule, kind: str, variations: Variations) -> Json:
    served = {variations.on: rule.weight, variations.off: WHOLE - rule.weight}
    return {
        "clauses": [[kind, rule.attribute, rule.op, list(rule.values)]],
        "served": {index: weight for index, weight in served.items() if weight},
    }


def _found(rule: Any) -> Json:
    if not isinstance(rule, dict) or rule.get("disabled"):
        return {}
    clauses = [
        [clause.get("contextKind") or "user", *(clause.get(name) for name in ("attribute", "op", "values"))]
        for clause in _list(rule, "clauses")
        if isinstance(clause, dict) and not clause.get("negate")
    ]
    rollout = rule.get("rollout") or {}
    kind = {rollout.get("contextKind") or "user"} - {clause[0] for clause in clauses} if rollout else set()
    # Another seed or attribute to share by would serve other users at the same percent.
    odd = rollout.get("seed") is not None or (rollout.get("bucketBy") or "key") != "key" or bool(kind)
    return {} if odd else {"clauses": clauses, "served": _served(rule)}


def _served(rule: Mapping[str, Any]) -> dict[Any, int] | None:
    """The weight of each variation that it serves; None for what cannot be read."""
    match rule:
        case {"rollout": {"variations": [*shares]}}:
            weights: dict[Any, int] = {}
            for share in shares:
                if not isinstance(share, dict) or type(share.get("weight")) is not int:
                    return None
                weights[share.get("variation")] = weights.get(share.get("variation"), 0) + share["weight"]
            return {index: weight for index, weight in weights.items() if weight}
        case {"variation": int(index)}:
            return {index: WHOLE}
    return None


def _may_be_on(config: Mapping[str, Any], variations: Variations) -> bool:
    targets = [*_list(config, "targets"), *_list(config, "contextTargets")]
    if any(not isinstance(target, dict) or target.get("variation") != variations.off for target in targets):
        return True
    rules = [rule if isinstance(rule, dict) else {} for rule in _list(config, "rules")]
    served = [_served(rule) for rule in (*rules, config.get("fallthrough") or {})]
    return any(weights is None or set(weights) != {variations.off} for weights in served)


def _list(value: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = value.get(name) or ()
    return found if isinstance(found, list) else ()


def _revision(exposure: Exposure) -> str:
    text = json.dumps(exposure.to_json(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(config: Mapping[str, Any]) -> str:
    names = ("on", "offVariation", "fallthrough", "rules", "targets", "contextTargets", "prerequisites")
    text = json.dumps({name: config.get(name) for name in names}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


ZERO_REVISION = _revision(ZERO)
