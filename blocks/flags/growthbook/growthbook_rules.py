"""Exposures as the rules of a GrowthBook feature in one environment, and back: pure functions over JSON values."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blocks.flags.backend import FlagReading
from tidegate.values.exposure import ZERO, Exposure

Json = dict[str, Any]

_MARK = re.compile(r"Tidegate, epoch (\d+): (\{.*\})", re.DOTALL)
_OURS = "Tidegate"
_ODD = ("savedGroups", "savedGroupTargeting", "prerequisites", "scheduleRules", "projects", "config")
_HASH_VERSION = 2


@dataclass(frozen=True, slots=True)
class RulePlace:
    """Where the rules of one flag are: its environment, and what shares users out."""

    flag: str
    environment: str
    hash_attribute: str


def rules_of(exposure: Exposure, epoch: int, place: RulePlace) -> list[Json]:
    """The rules that serve this exposure, in their order: the first carries our epoch, the last has everybody else.

    All shares have one seed, so that whoever is in a smaller one is in the larger one.
    """
    stored = json.dumps(exposure.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    mark = _rule(place, False, {}, f"{_OURS}, epoch {epoch}: {stored}")
    return [mark | {"enabled": False}, *_served_rules(exposure, place), _rule(place, False, {}, f"{_OURS}: all others")]


def _served_rules(exposure: Exposure, place: RulePlace) -> Iterator[Json]:
    if exposure.is_zero:
        return
    for groups, is_on, whose in ((exposure.always_off, False, "held out"), (exposure.always_on, True, "always on")):
        if groups:
            yield _rule(place, is_on, {exposure.attribute: {"$in": list(groups)}}, f"{_OURS}: {whose}")
    for layer in sorted(exposure.layers, key=lambda layer: layer.percent, reverse=True):
        if layer.percent == 0:
            return
        condition = {} if layer.groups is None else {exposure.attribute: {"$in": list(layer.groups)}}
        rule = _rule(place, True, condition, f"{_OURS}: {layer}")
        if layer.percent < 100:
            shared = {"hashAttribute": place.hash_attribute, "seed": place.flag, "hashVersion": _HASH_VERSION}
            rule |= {"type": "rollout", "coverage": round(layer.percent / 100, 6), **shared}
        yield rule
        if layer.groups is None:
            return


def _rule(place: RulePlace, is_on: bool, condition: Json, description: str) -> Json:
    return {
        "type": "force",
        "value": "true" if is_on else "false",
        "condition": json.dumps(condition, sort_keys=True, ensure_ascii=False) if condition else "",
        "description": description,
        "enabled": True,
        "allEnvironments": False,
        "environments": [place.environment],
    }


def is_ours(rule: Any, place: RulePlace) -> bool:
    """Whether a rule is one that Tidegate wrote for this environment."""
    named = isinstance(rule, dict) and str(rule.get("description") or "").startswith(_OURS)
    return named and not rule.get("allEnvironments") and rule.get("environments") == [place.environment]


def is_there(rule: Any, place: RulePlace) -> bool:
    """Whether a rule counts in this environment."""
    if not isinstance(rule, dict):
        return True
    return bool(rule.get("allEnvironments", True)) or place.environment in (rule.get("environments") or ())


def foreign_rules(feature: Mapping[str, Any], place: RulePlace) -> int:
    """How many rules count in this environment that are none of ours."""
    return sum(is_there(rule, place) and not is_ours(rule, place) for rule in _rules(feature))


def epoch_of(feature: Mapping[str, Any], place: RulePlace) -> int:
    """The epoch that last changed the flag here, 0 if none is written there."""
    found = _mark(feature, place)
    return int(found[1]) if found else 0


def stored_exposure(feature: Mapping[str, Any], place: RulePlace) -> Exposure | None:
    """What was last written by us, by the rule that carries our epoch."""
    found = _mark(feature, place)
    if found is None:
        return None
    try:
        exposure = Exposure.from_json(json.loads(found[2]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return ZERO if exposure.is_zero else exposure


def _mark(feature: Mapping[str, Any], place: RulePlace) -> re.Match[str] | None:
    for rule in _rules(feature):
        if is_ours(rule, place) and (found := _MARK.fullmatch(str(rule["description"]))):
            return found
    return None


def is_enabled(feature: Mapping[str, Any], place: RulePlace) -> bool:
    """Whether the flag is switched on in this environment; off, services serve the default in their code."""
    environment = (feature.get("environments") or {}).get(place.environment)
    return not isinstance(environment, dict) or environment.get("enabled") is not False


def is_tidy(feature: Mapping[str, Any], place: RulePlace) -> bool:
    """Whether it serves nobody by a rule of ours, on as well as off."""
    return _is_served(feature, ZERO, place)


def recognise(feature: Mapping[str, Any], place: RulePlace) -> FlagReading:
    """What the environment serves; only rules that we would write ourselves are taken as an exposure."""
    if not is_enabled(feature, place):
        words = f"switched off in {place.environment}: services serve the default in their code"
        return FlagReading(ZERO, ZERO_REVISION, words)
    stored = stored_exposure(feature, place)
    if stored is not None and _is_served(feature, stored, place):
        return FlagReading(stored, _revision(stored), str(stored))
    if not _may_be_on(feature, place):
        return FlagReading(ZERO, ZERO_REVISION, "set so that nobody is exposed")
    if stored is not None:
        return FlagReading(None, _digest(feature, place), f"changed by hand; written was {stored}")
    return FlagReading(None, _digest(feature, place), "rules that Tidegate did not write and that may expose users")


def same_rule(found: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether a rule of GrowthBook's answer is what was asked for."""
    return isinstance(found, dict) and _plain(found) == _plain(wanted)


def _is_served(feature: Mapping[str, Any], exposure: Exposure, place: RulePlace) -> bool:
    there = [rule for rule in _rules(feature) if is_there(rule, place)]
    wanted = rules_of(exposure, epoch_of(feature, place), place)
    if feature.get("prerequisites") or feature.get("holdout"):
        return exposure.is_zero and not _may_be_on(feature, place)
    if exposure.is_zero:
        # Rules behind the one that has everybody serve nobody.
        there = there[: len(wanted)]
    return len(there) == len(wanted) and all(map(same_rule, there, wanted))


def _plain(rule: Mapping[str, Any]) -> Json:
    """What a rule serves and to whom; what cannot be read stays as it is, and is like nothing of ours."""
    kept = {name: rule.get(name) for name in ("type", "value", "enabled", "description")}
    try:
        kept["condition"] = json.loads(rule.get("condition") or "{}")
    except (TypeError, ValueError):
        kept["condition"] = rule.get("condition")
    if rule.get("type") == "rollout":
        kept |= {name: rule.get(name) for name in ("coverage", "hashAttribute", "seed", "hashVersion")}
    elif rule.get("coverage", 1) != 1:
        kept["coverage"] = rule["coverage"]
    scope = {"everywhere": bool(rule.get("allEnvironments")), "environments": rule.get("environments") or []}
    scheduled = rule.get("scheduleType") not in (None, "none") or rule.get("rampScheduleId")
    odd = {name: rule[name] for name in _ODD if rule.get(name)} | ({"scheduled": True} if scheduled else {})
    return kept | scope | odd


def _may_be_on(feature: Mapping[str, Any], place: RulePlace) -> bool:
    for rule in _rules(feature):
        if not is_there(rule, place):
            continue
        if not isinstance(rule, dict):
            return True
        if rule.get("enabled") is False:
            continue
        if rule.get("type") not in ("force", "rollout") or rule.get("value") != "false":
            return True
        narrowed = (rule.get("condition") or "{}") != "{}" or any(rule.get(name) for name in _ODD)
        scheduled = rule.get("scheduleType") not in (None, "none") or rule.get("rampScheduleId")
        if rule["type"] == "force" and rule.get("coverage", 1) == 1 and not narrowed and not scheduled:
            return False
    return feature.get("defaultValue") != "false"


def _rules(feature: Mapping[str, Any]) -> Sequence[Any]:
    found = feature.get("rules")
    return found if isinstance(found, list) else ()


def _revision(exposure: Exposure) -> str:
    text = json.dumps(exposure.to_json(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(feature: Mapping[str, Any], place: RulePlace) -> str:
    there = [rule for rule in _rules(feature) if is_there(rule, place)]
    names = ("defaultValue", "prerequisites", "holdout")
    text = json.dumps([there, {name: feature.get(name) for name in names}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


ZERO_REVISION = _revision(ZERO)
