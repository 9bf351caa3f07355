"""An exposure as shares in ten-thousandths: one for everyone, and one for each group that it names."""

from dataclasses import dataclass

from tidegate.values.exposure import Exposure

WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of everyone, and of the users of each named group."""

    everyone: int
    groups: dict[str, int]


def shares_of(exposure: Exposure) -> Shares:
    """The largest share among the audiences that have a user is the user's share."""
    everyone = max((_share(layer.percent) for layer in exposure.layers if layer.groups is None), default=0)
    groups: dict[str, int] = {}
    for layer in exposure.layers:
        for group in layer.groups or ():
            groups[group] = max(groups.get(group, everyone), _share(layer.percent))
    groups |= dict.fromkeys(exposure.always_on, WHOLE) | dict.fromkeys(exposure.always_off, 0)
    return Shares(everyone, dict(sorted(groups.items())))


def _share(percent: float) -> int:
    return round(percent * WHOLE / 100)
