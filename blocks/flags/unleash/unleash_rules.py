"""Exposures as an Unleash environment's strategies, and back: pure functions over JSON values."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegate.values.exposure import ZERO, Exposure, Layer
from tidegate.values.units import format_percent

Json = dict[str, Any]

MARK = "tidegate"  # the parameter that carries our epoch and the exposure; evaluators ignore what they do not know
STRATEGY = "flexibleRollout"
MOST_VALUES, MOST_STRATEGIES = 250, 30  # Unleash's own limits of a constraint's values and of strategies
EVERYBODY = "default"  # the stickiness by which 100 % takes in users without an id, too
_SERVED = ("name", "parameters", "constraints", "disabled", "segments", "variants")


def inexpressible(exposure: Exposure) -> str:
    """Why Unleash cannot serve this, or empty."""
    for layer in exposure.layers:
        if layer.percent != int(layer.percent):
            return (
                f"{layer}: Unleash takes whole percents only (it stores a fraction and then serves nobody); "
                f"allowed are {int(layer.percent)}% and {int(layer.percent) + 1}%"
            )
    named = (exposure.always_on, exposure.always_off, *(layer.groups or () for layer in exposure.layers))
    if (most := max(map(len, named))) > MOST_VALUES:
        return f"found {most} groups in one list, allowed are {MOST_VALUES} (Unleash's limit of values a constraint)"
    # Beside those of an older epoch, which go only once the new ones are there.
    if (count := 2 * len(strategy_shares(exposure))) > MOST_STRATEGIES:
        return f"found {count // 2} shares, allowed are {MOST_STRATEGIES // 2} (half of Unleash's limit of strategies)"
    return ""


def strategy_shares(exposure: Exposure) -> tuple[Layer, ...]:
    """The shares that need a strategy each; one of nobody, where nobody is exposed."""
    if exposure.is_zero:
        return (Layer("nobody", None, 0.0),)
    always = (Layer("always on", exposure.always_on, 100.0),) if exposure.always_on else ()
    return (*(layer for layer in exposure.layers if layer.percent), *always)


def render(flag: str, exposure: Exposure, epoch: int, stickiness: str) -> tuple[Json, ...]:
    """The strategies that serve exactly this; who matches one of them is in.

    All have one group id and one stickiness, so that a larger share of an audience contains a smaller one.
    """
    stored = ZERO if exposure.is_zero else exposure
    mark = comparable({"epoch": epoch, "exposure": stored.to_json()})
    return tuple(_strategy(flag, layer, stored, mark, stickiness) for layer in strategy_shares(stored))


def _strategy(flag: str, layer: Layer, exposure: Exposure, mark: str, stickiness: str) -> Json:
    constraints = []
    if exposure.always_off:
        constraints.append(_constraint(exposure.attribute, "NOT_IN", exposure.always_off))
    if layer.groups is not None:
        constraints.append(_constraint(exposure.attribute, "IN", layer.groups))
    return {
        "name": STRATEGY,
        "title": f"Tidegate: {format_percent(layer.percent)} of {layer.audience}"[:100],
        "parameters": {
            "rollout": str(round(layer.percent)),
            "stickiness": EVERYBODY if layer.percent >= 100 else stickiness,
            "groupId": flag,
            MARK: mark,
        },
        "constraints": constraints,
        "disabled": False,
        "segments": [],
        "variants": [],
    }


def _constraint(attribute: str, operator: str, groups: Sequence[str]) -> Json:
    return {
        "contextName": attribute,
        "operator": operator,
        "values": list(groups),
        "inverted": False,
        "caseInsensitive": False,
    }


def epoch_of(strategy: Mapping[str, Any]) -> int:
    """The epoch that a strategy carries, 0 where Tidegate did not write it."""
    epoch = _mark(strategy).get("epoch")
    return epoch if type(epoch) is int and epoch > 0 else 0


def exposure_of(strategies: Sequence[Json], flag: str, stickiness: str) -> Exposure | None:
    """What these enabled strategies serve, where they are exactly what we would write, else None.

    Those of an older epoch, which a writer that died has left beside the newer ones, may say the same.
    """
    newest = max(map(epoch_of, strategies), default=0)
    mine = [strategy for strategy in strategies if epoch_of(strategy) == newest]
    exposure = stored_exposure(mine[0]) if newest and mine else None
    if exposure is None or _texts(mine) != _texts(render(flag, exposure, newest, stickiness)):
        return None
    for left in (strategy for strategy in strategies if epoch_of(strategy) != newest):
        older = stored_exposure(left)
        if older is None or not older.within(exposure):
            return None
        if _text(left) not in _texts(render(flag, older, epoch_of(left), stickiness)):
            return None
    return exposure


def serves_nobody(strategy: Mapping[str, Any]) -> bool:
    """Whether a strategy lets nobody in, whoever wrote it."""
    return bool(strategy.get("disabled")) or _rollout(strategy) == "0"


def in_words(strategies: Sequence[Json]) -> str:
    """What enabled strategies are, for people: their titles or names, and shares."""
    said = []
    for strategy in strategies:
        only = " and ".join(_constraints_words(strategy))
        name = strategy["name"] if not epoch_of(strategy) else "ours"
        share = _rollout(strategy)
        said.append(f"{name} {share + '%' if share is not None else ''}{only and f' where {only}'}".strip())
    return "; ".join(said) or "no strategy, which is everybody"


def revision_of(enabled: bool, strategies: Sequence[Json]) -> str:
    """SHA-256 of what is served, so that it changes only when that does."""
    served = sorted(_text({**strategy, "parameters": _without_epoch(strategy)}) for strategy in strategies)
    return hashlib.sha256(comparable([enabled, served]).encode()).hexdigest()


def comparable(value: object) -> str:
    """One text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def stored_exposure(strategy: Mapping[str, Any]) -> Exposure | None:
    """The exposure that a strategy is a part of, as written there; None for none that can be read."""
    try:
        return Exposure.from_json(_mark(strategy)["exposure"])
    except (KeyError, TypeError, ValueError):
        return None


def _mark(strategy: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        mark = json.loads(strategy["parameters"][MARK])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return mark if isinstance(mark, dict) else {}


def _without_epoch(strategy: Mapping[str, Any]) -> Json:
    kept = {name: value for name, value in (strategy.get("parameters") or {}).items() if name != MARK}
    return {**kept, MARK: _mark(strategy).get("exposure")}


def _texts(strategies: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted(map(_text, strategies))


def _text(strategy: Mapping[str, Any]) -> str:
    """What a strategy serves, in one text: without its title, its id and its place in the list."""
    return comparable({name: strategy.get(name) or ([] if name in _SERVED[2:] else None) for name in _SERVED})


def _rollout(strategy: Mapping[str, Any]) -> str | None:
    share = (strategy.get("parameters") or {}).get("rollout")
    return None if share is None else str(share)


def _constraints_words(strategy: Mapping[str, Any]) -> Iterator[str]:
    for constraint in strategy.get("constraints") or []:
        values = ", ".join(map(str, constraint.get("values") or [constraint.get("value", "")]))[:60]
        yield f"{constraint.get('contextName')} {constraint.get('operator')} {values}"
    if strategy.get("segments"):
        yield f"segments {', '.join(map(str, strategy['segments']))}"
