"""Exposures as flagd targeting, and back: pure functions over JSON values."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from blocks.flags.backend import FlagReading
from tidegate.values.exposure import ZERO, Exposure, Layer

Json = dict[str, Any]

OFF = "off"
EXPOSURE_KEY, EPOCH_KEY, LEASE_KEY = "tidegateExposure", "tidegateEpoch", "tidegateLeaseUntil"
OFF_KEY = "tidegateOff"  # the variant that is the old path, where the plan names it
_SERVED = ("state", "variants", "defaultVariant", "targeting")
_MOST_SAID = 6
_CLOCK = "$flagd.timestamp"
# flagd takes whole weights only; a fraction silently serves the default to everybody. A user's bucket is the same share
# of either, so that nobody leaves when a wave needs the finer one.
_SHARES, _FINE_SHARES = 1000, 10_000


def render(exposure: Exposure, until: int | None = None, own: Any = None) -> Json:
    """The flagd definition that serves exactly this exposure, until an instant (Unix seconds) if one is given.

    The largest share among the audiences that have a user is the user's share, and all shares use the same bucket.
    Where the exposure names variants, they are two of the flag's `own`, whose values stay.
    """
    on, off = exposure.variants or ("on", OFF)
    variants = own if exposure.variants is not None else {"on": True, "off": False}
    served: Json = {"state": "ENABLED", "variants": variants, "defaultVariant": off, "targeting": {}}
    if exposure.is_zero:
        return served
    rules: list[Any] = []
    for groups, answer in ((exposure.always_off, off), (exposure.always_on, on)):
        if groups:
            rules += [_is_one_of(exposure.attribute, groups), answer]
    for layer in sorted(exposure.layers, key=lambda layer: layer.percent, reverse=True):
        rules += [True if layer.groups is None else _is_one_of(exposure.attribute, layer.groups)]
        rules += [_share(layer, on, off)]
    lasting = {"if": [*rules, off]}
    served["targeting"] = lasting if until is None else {"if": [{"<": [{"var": _CLOCK}, until]}, lasting, off]}
    return served


def _is_one_of(attribute: str, groups: tuple[str, ...]) -> Json:
    return {"in": [{"var": attribute}, list(groups)]}


def _share(layer: Layer, on: str, off: str) -> Any:
    fine = round(layer.percent * _FINE_SHARES / 100)
    shares = _SHARES if fine % 10 == 0 else _FINE_SHARES
    weight = fine * shares // _FINE_SHARES
    if weight in (0, shares):
        return on if weight else off
    # The short form: with an explicit `cat`, all users without a key would share one bucket.
    return {"fractional": [[on, weight], [off, shares - weight]]}


def define(exposure: Exposure, epoch: int, before: Mapping[str, Any], until: int | None = None) -> Json:
    """The flag's new definition; what others keep in the old one beside the rules stays."""
    if exposure.is_zero and (has_own_variants(before) or OFF_KEY in _metadata(before)):
        return define_zero(before, epoch)
    metadata = {key: value for key, value in _metadata(before).items() if key not in (LEASE_KEY, OFF_KEY)}
    if exposure.variants is not None:
        metadata[OFF_KEY] = exposure.variants[1]
    if until is not None:
        metadata[LEASE_KEY] = until
    metadata[EXPOSURE_KEY] = _text(_zero_text(before) if exposure == ZERO else exposure.to_json())
    metadata[EPOCH_KEY] = epoch
    return {**before, **render(exposure, until, before.get("variants")), "metadata": metadata}


def define_zero(before: Any, epoch: int, off: str = OFF) -> Json:
    """The definition that exposes nobody; variants that are not boolean, or that the plan named, stay what they are.

    Without a variant `off` the flag is switched off, and each service serves a default of its own.
    """
    if not isinstance(before, dict):
        return define(ZERO, epoch, {})
    named = _off_of(before, off)
    if not has_own_variants(before) and OFF_KEY not in _metadata(before):
        return define(ZERO, epoch, before)
    if named not in before["variants"]:
        return {**before, "state": "DISABLED"}
    metadata = {key: value for key, value in _metadata(before).items() if key not in (EXPOSURE_KEY, LEASE_KEY)}
    if named != OFF:
        metadata[OFF_KEY] = named
    served = {"state": "ENABLED", "defaultVariant": named, "targeting": {}}
    return {**before, **served, "metadata": {**metadata, EPOCH_KEY: epoch}}


def leaves_own_default(definition: Any, off: str = OFF) -> bool:
    """Whether zero leaves this flag to the default that each service has in its code."""
    if not isinstance(definition, dict) or not isinstance(definition.get("variants"), dict):
        return False
    is_own = has_own_variants(definition) or OFF_KEY in _metadata(definition)
    return is_own and _off_of(definition, off) not in definition["variants"]


def why_unraisable(definition: Any, exposure: Exposure) -> str:
    """Why this flag cannot be raised so, as the rest of a sentence; empty where it can."""
    variants = definition.get("variants") if isinstance(definition, dict) else None
    if exposure.variants is None:
        if not isinstance(definition, dict) or not has_own_variants(definition):
            return ""
        names = ", ".join(sorted(definition["variants"]))
        return (
            f"has variants that are not boolean ({names}): name the two that are meant in the plan, as "
            "flag: {key, on: NEW, off: OLD}"
        )
    if not isinstance(variants, dict):
        return f"is not there with the variants {' and '.join(exposure.variants)}, which its owner makes"
    if lacking := [name for name in exposure.variants if name not in variants]:
        return f"has no variant {lacking[0]!r} (those that it has: {', '.join(sorted(variants))})"
    on, off = (variants[name] for name in exposure.variants)
    if _text({"": on}) == _text({"": off}) or on is False or off is True:
        shown = _text(dict(zip(exposure.variants, (on, off), strict=True)))
        return f"has the variants {shown}: the old path must be another value, and not true"
    return ""


def _off_of(definition: Mapping[str, Any], off: str = OFF) -> str:
    return str(_metadata(definition).get(OFF_KEY, off))


def revision_of(definition: Mapping[str, Any]) -> str:
    """SHA-256 of the definition without its epoch and its end, so that it changes only when what is served does.

    Zero has one revision, however it is written: journals hold that of releases which wrote an attribute of their own.
    """
    metadata = {key: value for key, value in _metadata(definition).items() if key not in (EPOCH_KEY, LEASE_KEY)}
    if _stored_exposure(definition) == ZERO:
        metadata[EXPOSURE_KEY] = _text(ZERO.to_json())
    until = lease_of(definition)
    match definition.get("targeting"):
        case {"if": [{"<": [{"var": clock}, end]}, lasting, str()]} if (clock, end) == (_CLOCK, until):
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
    if stored is not None and _text(_served(definition)) == _text(render(stored, until, definition.get("variants"))):
        return FlagReading(stored, revision, str(stored), None if until is None else datetime.fromtimestamp(until, UTC))
    if definition.get("state") == "DISABLED":
        if leaves_own_default(definition):
            return FlagReading(None, revision, "switched off (state DISABLED): services serve their own default")
        return FlagReading(ZERO, revision, "switched off by hand (state DISABLED)")
    if not _may_be_on(definition):
        return FlagReading(ZERO, revision, "set by hand so that nobody is exposed")
    if stored is not None:
        return FlagReading(None, revision, f"changed by hand to {_answers_words(definition)}; written was {stored}")
    words = "a definition that Tidegate did not write and that may expose users"
    return FlagReading(None, revision, words, everybody=_everybody(definition))


def _metadata(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = definition.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _text(value: Mapping[str, Any]) -> str:
    # Compared as text, since Python takes 1 and true for equal.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _served(definition: Mapping[str, Any]) -> Json:
    return {key: definition.get(key, {} if key == "targeting" else None) for key in _SERVED}


def _stored(definition: Mapping[str, Any]) -> Any:
    text = _metadata(definition).get(EXPOSURE_KEY)
    with suppress(ValueError):
        return json.loads(text) if isinstance(text, str) else None
    return None


def _stored_exposure(definition: Mapping[str, Any]) -> Exposure | None:
    match stored := _stored(definition):
        case {"layers": []} if stored.keys() <= {"layers", "attribute"}:
            return ZERO
        case dict():
            with suppress(KeyError, TypeError, ValueError):
                return plain(Exposure.from_json(stored))
    return None


def _zero_text(before: Mapping[str, Any]) -> Json:
    """Nobody, and the attribute that the plan uses, as far as what stood there tells.

    An earlier release takes it for no exposure, and the rules beside it, rightly, for zero.
    """
    match _stored(before):
        case {"attribute": str(attribute)}:
            return {"layers": [], "attribute": attribute}
    return {"layers": []}


def plain(exposure: Exposure) -> Exposure:
    """The exposure; zero without its attribute, which decides nothing there."""
    return ZERO if replace(exposure, attribute=ZERO.attribute) == ZERO else exposure


def has_own_variants(definition: Mapping[str, Any]) -> bool:
    """Whether the flag answers something else than true or false, which our variants must not take the place of."""
    variants = definition.get("variants")
    return isinstance(variants, dict) and not all(isinstance(value, bool) for value in variants.values())


def _may_be_on(definition: Mapping[str, Any]) -> bool:
    variants = definition.get("variants")
    if not isinstance(variants, dict):
        return True
    # Of values that are not boolean only the name says which one is off.
    is_named = has_own_variants(definition) or OFF_KEY in _metadata(definition)
    off = {_off_of(definition)} & variants.keys() if is_named else {k for k, v in variants.items() if v is False}
    possible = _answers(definition.get("targeting") or None, definition.get("defaultVariant"))
    return not all(isinstance(name, str) and name in off for name in possible)


def _everybody(definition: Mapping[str, Any]) -> str:
    """The variant that each rule answers, and the default, too; empty where they differ."""
    possible = _answers(definition.get("targeting") or None, definition.get("defaultVariant"))
    names = {name for name in possible if isinstance(name, str)}
    return names.pop() if len(names) == 1 and all(isinstance(name, str) for name in possible) else ""


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
    stored = _stored_exposure(definition)
    on = stored.variants[0] if stored is not None and stored.variants is not None else "on"
    said = ", ".join(_answer_words(result, on) for result in results[:_MOST_SAID]) or "none"
    return f"rules: {said}; default: {definition.get('defaultVariant')}"


def _answer_words(answer: Any, on_name: str) -> str:
    match answer:
        case str():
            return answer[:40]
        case {"fractional": [*shares]} if shares and all(_is_share(share) and len(share) == 2 for share in shares):
            total = sum(share[1] for share in shares)
            on = sum(share[1] for share in shares if share[0] == on_name)
            return f"{100 * on / total:g}%" if total > 0 else "nobody"
        case _:
            return "a rule of its own"


def _is_share(share: Any) -> bool:
    return isinstance(share, list) and (len(share) == 1 or (len(share) == 2 and isinstance(share[1], int)))
