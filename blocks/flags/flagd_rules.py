"""Exposures as flagd targeting, and back: pure functions over JSON values."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from blocks.flags.backend import FlagReading
from tidegate.values.exposure import ZERO, Exposure, Layer

Json = dict[str, Any]

OFF = "off"
EXPOSURE_KEY, EPOCH_KEY, LEASE_KEY = "tidegateExposure", "tidegateEpoch", "tidegateLeaseUntil"
_SERVED = ("state", "variants", "defaultVariant", "targeting")
_MOST_SAID = 6
_CLOCK = "$flagd.timestamp"
_SHARES = 1000  # flagd takes whole weights only; a fraction silently serves the default to everybody


def render(exposure: Exposure, until: int | None = None) -> Json:
    """The flagd definition that serves exactly this exposure, until an instant (Unix seconds) if one is given.

    The largest share among the audiences that have a user is the user's share, and all shares use the same bucket.
    """
    variants = {"on": True, "off": False}
    served: Json = {"state": "ENABLED", "variants": variants, "defaultVariant": "off", "targeting": {}}
    if exposure.is_zero:
        return served
    rules: list[Any] = []
    for groups, answer in ((exposure.always_off, "off"), (exposure.always_on, "on")):
        if groups:
            rules += [_is_one_of(exposure.attribute, groups), answer]
    for layer in sorted(exposure.layers, key=lambda layer: layer.percent, reverse=True):
        rules += [True if layer.groups is None else _is_one_of(exposure.attribute, layer.groups), _share(layer)]
    lasting = {"if": [*rules, "off"]}
    served["targeting"] = lasting if until is None else {"if": [{"<": [{"var": _CLOCK}, until]}, lasting, "off"]}
    return served


def _is_one_of(attribute: str, groups: tuple[str, ...]) -> Json:
    return {"in": [{"var": attribute}, list(groups)]}


def _share(layer: Layer) -> Any:
    weight = round(layer.percent * _SHARES / 100)
    if weight in (0, _SHARES):
        return "on" if weight else "off"
    # The short form: with an explicit `cat`, all users without a key would share one bucket.
    return {"fractional": [["on", weight], ["off", _SHARES - weight]]}


def define(exposure: Exposure, epoch: int, before: Mapping[str, Any], until: int | None = None) -> Json:
    """The flag's new definition; what others keep in the old one beside the rules stays."""
    metadata = {key: value for key, value in _metadata(before).items() if key != LEASE_KEY}
    if until is not None:
        metadata[LEASE_KEY] = until
    metadata[EXPOSURE_KEY] = _text(exposure.to_json())
    metadata[EPOCH_KEY] = epoch
    return {**before, **render(exposure, until), "metadata": metadata}


def define_zero(before: Any, epoch: int, off: str = OFF) -> Json:
    """The definition that exposes nobody; variants that are not boolean stay what they are.

    Without a variant `off` the flag is switched off, and each service serves a default of its own.
    """
    if not isinstance(before, dict):
        return define(ZERO, epoch, {})
    if not has_own_variants(before):
        return define(ZERO, epoch, before)
    if off not in before["variants"]:
        return {**before, "state": "DISABLED"}
    metadata = {key: value for key, value in _metadata(before).items() if key not in (EXPOSURE_KEY, LEASE_KEY)}
    served = {"state": "ENABLED", "defaultVariant": off, "targeting": {}}
    return {**before, **served, "metadata": {**metadata, EPOCH_KEY: epoch}}


def leaves_own_default(definition: Any, off: str = OFF) -> bool:
    """Whether zero leaves this flag to the default that each service has in its code."""
    return isinstance(definition, dict) and has_own_variants(definition) and off not in definition["variants"]


def revision_of(definition: Mapping[str, Any]) -> str:
    """SHA-256 of the definition without its epoch and its end, so that it changes only when what is served does."""
    metadata = {key: value for key, value in _metadata(definition).items() if key not in (EPOCH_KEY, LEASE_KEY)}
    until = lease_of(definition)
    match definition.get("targeting"):
        case {"if": [{"<": [{"var": clock}, end]}, lasting, "off"]} if (clock, end) == (_CLOCK, until):
            definition = {**definition, "targeting": lasting}
    return hashlib.sha256(_text({**definition, "metadata": metadata}).encode()).hexdigest()


def epoch_of(definition: Mapping[str, Any]) -> int:
    """The epoch that last changed the definition, 0 if none is written there."""
    epoch = _metadata(definition).get(EPOCH_KEY)
    return epoch if isinstance(epoch, int) else 0


def lease_of(definition: Mapping[str, Any]) -> int | None:
    """When the exposure ends, as written there in Unix seconds; None where it stays."""
    until = _metadata(definition).get(LEASE_KEY)
    return until if isinstance(until, int) and not isinstance(until, bool) else None


def recognise(definition: Mapping[str, Any]) -> FlagReading:
    """What a definition serves; only a definition that we would write ourselves is taken as an exposure."""
    revision = revision_of(definition)
    stored = _stored_exposure(definition)
    until = lease_of(definition)
    if stored is not None and _text(_served(definition)) == _text(render(stored, until)):
        return FlagReading(stored, revision, str(stored), None if until is None else datetime.fromtimestamp(until, UTC))
    if definition.get("state") == "DISABLED":
        if leaves_own_default(definition):
            return FlagReading(None, revision, "switched off (state DISABLED): services serve their own default")
        return FlagReading(ZERO, revision, "switched off by hand (state DISABLED)")
    if not _may_be_on(definition):
        return FlagReading(ZERO, revision, "set by hand so that nobody is exposed")
    if stored is not None:
        return FlagReading(None, revision, f"changed by hand to {_answers_words(definition)}; written was {stored}")
    return FlagReading(None, revision, "a definition that Tidegate did not write and that may expose users")


def _metadata(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = definition.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _text(value: Mapping[str, Any]) -> str:
    # Compared as text, since Python takes 1 and true for equal.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _served(definition: Mapping[str, Any]) -> Json:
    return {key: definition.get(key, {} if key == "targeting" else None) for key in _SERVED}


def _stored_exposure(definition: Mapping[str, Any]) -> Exposure | None:
    text = _metadata(definition).get(EXPOSURE_KEY)
    try:
        return Exposure.from_json(json.loads(text)) if isinstance(text, str) else None
    except (KeyError, TypeError, ValueError):
        return None


def has_own_variants(definition: Mapping[str, Any]) -> bool:
    """Whether the flag answers something else than true or false, which our variants must not take the place of."""
    variants = definition.get("variants")
    return isinstance(variants, dict) and not all(isinstance(value, bool) for value in variants.values())


def _may_be_on(definition: Mapping[str, Any]) -> bool:
    variants = definition.get("variants")
    if not isinstance(variants, dict):
        return True
    # Of values that are not boolean only the name says which one is off.
    off = {OFF} & variants.keys() if has_own_variants(definition) else {k for k, v in variants.items() if v is False}
    possible = _answers(definition.get("targeting") or None, definition.get("defaultVariant"))
    return not all(isinstance(name, str) and name in off for name in possible)


def _answers(rule: Any, default: Any) -> list[Any]:
    """Every variant that a rule can answer; what is not understood is returned as it is and counts as on."""
    match rule:
        case None:
            return [default]
        case bool():
            return ["true" if rule else "false"]
        case {"if": [*parts], **rest} if not rest:
            results = [part for place, part in enumerate(parts) if place % 2 == 1 or place == len(parts) - 1]
            otherwise = [] if len(parts) % 2 == 1 else [None]
            return [answer for result in [*results, *otherwise] for answer in _answers(result, default)]
        case {"fractional": [*shares], **rest} if not rest and all(_is_share(share) for share in shares):
            # Without a targeting key the default is served.
            return [default, *(share[0] for share in shares if len(share) == 1 or share[1] > 0)]
        case _:
            return [rule]


def _answers_words(definition: Mapping[str, Any]) -> str:
    """What the rules answer, in their order, and the default: `rules: 50%, off; default: off`."""
    match definition.get("targeting") or None:
        case {"if": [*parts]}:
            results = [part for place, part in enumerate(parts) if place % 2 == 1 or place == len(parts) - 1]
        case None:
            results = []
        case other:
            results = [other]
    said = ", ".join(map(_answer_words, results[:_MOST_SAID])) or "none"
    return f"rules: {said}; default: {definition.get('defaultVariant')}"


def _answer_words(answer: Any) -> str:
    match answer:
        case str():
            return answer[:40]
        case {"fractional": [*shares]} if shares and all(_is_share(share) and len(share) == 2 for share in shares):
            total = sum(share[1] for share in shares)
            on = sum(share[1] for share in shares if share[0] == "on")
            return f"{100 * on / total:g}%" if total > 0 else "nobody"
        case _:
            return "a rule of its own"


def _is_share(share: Any) -> bool:
    return isinstance(share, list) and (len(share) == 1 or (len(share) == 2 and isinstance(share[1], int)))
