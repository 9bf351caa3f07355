"""Who gets the new path: the union of every wave's layer so far, or nobody."""

from dataclasses import dataclass, replace

from tidegate.values.units import format_percent


@dataclass(frozen=True, slots=True)
class Layer:
    """A share of one audience; `groups` None means everyone. `percent` has steps of 0.01."""

    audience: str
    groups: tuple[str, ...] | None
    percent: float

    def __str__(self) -> str:
        return f"{format_percent(self.percent)} of {self.audience}"


@dataclass(frozen=True, slots=True)
class Exposure:
    """An absolute statement of who is exposed; a user is in when any layer has them, unless held out.

    Every layer uses the same bucket of a user, so a larger share of an audience contains a smaller one
    and nobody who was in leaves as layers are added.
    """

    layers: tuple[Layer, ...] = ()
    attribute: str = "group"
    always_on: tuple[str, ...] = ()
    always_off: tuple[str, ...] = ()
    variants: tuple[str, str] | None = None  # of the new path and of the old one, where the flag is no switch

    @property
    def is_zero(self) -> bool:
        """Whether nobody at all is exposed."""
        return not self.always_on and all(layer.percent == 0 for layer in self.layers)

    @property
    def is_everybody(self) -> bool:
        """Whether a share of everyone is the whole of it."""
        return any(layer.groups is None and layer.percent >= 100 for layer in self.layers)

    @property
    def percent(self) -> float:
        """The share of the newest layer, 0 when nobody is exposed."""
        return self.layers[-1].percent if self.layers else 0.0

    def at_most(self, percent: float) -> "Exposure":
        """The same with at most this share of each audience; groups that are always on stay."""
        return replace(self, layers=tuple(replace(x, percent=min(x.percent, percent)) for x in self.layers))

    def within(self, other: "Exposure") -> bool:
        """Whether it certainly exposes nobody whom the other one does not: writing it there is no raise."""
        if self.is_zero:
            return True
        same = self.attribute == other.attribute or not (_by_group(self) or _by_group(other))
        held_out = set(other.always_off) <= set(self.always_off) and set(self.always_on) <= set(other.always_on)
        alike = self.variants == other.variants
        return same and alike and held_out and all(_covered(layer, other.layers) for layer in self.layers)

    def __str__(self) -> str:
        if self.is_zero:
            return "0% (nobody)"
        # A layer that everyone's share contains says nothing more to a reader.
        everyone = max((layer.percent for layer in self.layers if layer.groups is None), default=0.0)
        shown = [layer for layer in self.layers if layer.groups is None or layer.percent > everyone]
        return " + ".join(str(layer) for layer in shown) or "always-on groups only"

    def to_json(self) -> dict[str, object]:
        """As stored in the journal and in flag metadata."""
        return {
            "layers": [
                {"audience": x.audience, "groups": None if x.groups is None else list(x.groups), "percent": x.percent}
                for x in self.layers
            ],
            "attribute": self.attribute,
            "always_on": list(self.always_on),
            "always_off": list(self.always_off),
            **({} if self.variants is None else {"variants": list(self.variants)}),
        }

    @classmethod
    def from_json(cls, body: dict[str, object]) -> "Exposure":
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError for anything else."""
        layers, variants = body["layers"], body.get("variants")
        if not isinstance(layers, list):
            raise TypeError("layers must be a list")
        if variants is not None and (not isinstance(variants, list) or len(variants) != 2):
            raise TypeError("variants must be a list of two")
        return cls(
            layers=tuple(
                Layer(
                    str(x["audience"]),
                    None if x["groups"] is None else tuple(map(str, x["groups"])),
                    float(x["percent"]),
                )
                for x in layers
            ),
            attribute=str(body["attribute"]),
            always_on=tuple(map(str, body["always_on"])),  # type: ignore[call-overload]
            always_off=tuple(map(str, body["always_off"])),  # type: ignore[call-overload]
            variants=None if variants is None else (str(variants[0]), str(variants[1])),
        )


def _by_group(exposure: Exposure) -> bool:
    named = any(layer.groups is not None for layer in exposure.layers)
    return named or bool(exposure.always_on or exposure.always_off)


def _covered(layer: Layer, by: tuple[Layer, ...]) -> bool:
    if layer.percent == 0:
        return True

    def covers(other: Layer) -> bool:
        everyone = other.groups is None
        groups = everyone or (layer.groups is not None and set(layer.groups) <= set(other.groups or ()))
        return groups and layer.percent <= other.percent

    return any(covers(other) for other in by)


ZERO = Exposure()
