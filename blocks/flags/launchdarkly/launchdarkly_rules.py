"""Exposures as the rules of a LaunchDarkly environment: pure functions over JSON values."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.values.exposure import Exposure

Json = dict[str, Any]

WHOLE = 100_000  # weights are thousandths of a percent
MARK = "tidegate"  # an attribute that no context has: the rule that carries our epoch matches nobody
EPOCH = "epoch "


@dataclass(frozen=True, slots=True)
class Variations:
    """Which of a flag's variations is the new path and which the old one: indexes and ids."""

    on: int
    off: int
    ids: tuple[str, ...]

    @property
    def on_id(self) -> str:
        """The id of the new path's variation."""
        return self.ids[self.on]

    @property
    def off_id(self) -> str:
        """The id of the old path's variation."""
        return self.ids[self.off]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of ours: who it is for, and the share of them that gets the new path."""

    attribute: str
    op: str
    values: tuple[str, ...]
    percent: float
    description: str = ""

    @property
    def weight(self) -> int:
        """The new path's weight."""
        return round(self.percent * WHOLE / 100)


def variations_of(flag: Mapping[str, Any]) -> Variations | None:
    """The true and the false one of a boolean flag; None where the flag is no such thing."""
    found = flag.get("variations")
    if not isinstance(found, list):
        return None
    values = [variation.get("value") for variation in found if isinstance(variation, dict)]
    ids = tuple(str(variation.get("_id", "")) for variation in found if isinstance(variation, dict))
    # By identity, since Python takes 1 and true for equal.
    on, off = ([place for place, value in enumerate(values) if value is wanted] for wanted in (True, False))
    return Variations(on[0], off[0], ids) if len(values) == len(on) + len(off) == 2 and len(on) == 1 else None


def rules_of(exposure: Exposure, epoch: int) -> Iterator[Rule]:
    """The rules that serve this exposure, the first one carrying our epoch; whom no rule has gets the old path."""
    stored = json.dumps(exposure.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    words = f"Tidegate, epoch {epoch}: {exposure}. Matches nobody."
    yield Rule(MARK, "in", (f"{EPOCH}{epoch}", stored), 0.0, words)
    if exposure.is_zero:
        return
    for groups, percent, whose in ((exposure.always_off, 0.0, "held out"), (exposure.always_on, 100.0, "always on")):
        if groups:
            yield Rule(exposure.attribute, "in", groups, percent, f"Tidegate: {whose}")
    for layer in sorted(exposure.layers, key=lambda layer: layer.percent, reverse=True):
        if layer.percent == 0:
            return
        words = f"Tidegate: {layer}"
        if layer.groups is None:
            # Not the default rule: of a context without our kind LaunchDarkly serves the first share to all.
            yield Rule("key", "matches", (".",), layer.percent, words)
            return
        yield Rule(exposure.attribute, "in", layer.groups, layer.percent, words)


def instructions(exposure: Exposure, epoch: int, kind: str, variations: Variations) -> list[Json]:
    """The semantic patch's instructions that make an environment serve this and nothing else."""
    whole, shared = [], []
    for rule in rules_of(exposure, epoch):
        clause = {"contextKind": kind, "attribute": rule.attribute, "op": rule.op, "values": list(rule.values)}
        if rule.weight in (0, WHOLE):
            served = variations.on_id if rule.weight else variations.off_id
            described = {"variationId": served, "description": rule.description, "clauses": [clause]}
            whole.append({**described, "trackEvents": False})
        else:
            weights = {variations.on_id: rule.weight, variations.off_id: WHOLE - rule.weight}
            share = {"clauses": [clause | {"negate": False}], "rolloutWeights": weights, "rolloutContextKind": kind}
            shared.append({"kind": "addRule", **share})
    # Those without a share stand first anyway: they are the held out, the always on and the largest layers.
    return [
        {"kind": "turnFlagOff" if exposure.is_zero else "turnFlagOn"},
        {"kind": "updateOffVariation", "variationId": variations.off_id},
        {"kind": "updateFallthroughVariationOrRollout", "variationId": variations.off_id},
        {"kind": "replaceRules", "rules": whole},
        *shared,
    ]


def switched_off(exposure: Exposure, epoch: int, kind: str, variations: Variations) -> list[Json]:
    """The instructions that switch an environment off and add the rule with our epoch; all others stay."""
    [marked] = [one["rules"][0] for one in instructions(exposure, epoch, kind, variations) if "rules" in one]
    clauses = [clause | {"negate": False} for clause in marked["clauses"]]
    mark = {"kind": "addRule", "variationId": marked["variationId"], "clauses": clauses}
    return [{"kind": "turnFlagOff"}, {"kind": "updateOffVariation", "variationId": variations.off_id}, mark]
