"""The feature flag of a plan."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from tidegate.values.model import Contradiction, Model, Text
from tidegate.values.names import Attribute, FlagKey, Group
from tidegate.values.units import PositiveDuration, format_duration

SHORTEST_LEASE = timedelta(seconds=5)


def _a_lease(lasts: timedelta) -> timedelta:
    if lasts < SHORTEST_LEASE:
        raise ValueError(f"found {format_duration(lasts)}, allowed is {format_duration(SHORTEST_LEASE)} or longer")
    return lasts


class Lease(Model):
    """Exposure that ends by itself unless a living Tidegate renews it; for backends with a clock (flagd)."""

    lasts: Annotated[PositiveDuration, AfterValidator(_a_lease)] = Field(
        description="How long after the last renewal it ends; in production at least 10m. Real time at any pace."
    )
    at_full: bool = Field(default=False, description="Whether everybody's exposure ends so, too.")


class Flag(Model):
    """The feature flag that a rollout raises."""

    key: FlagKey = Field(description="The flag's key in the flag system, as it stands there.")
    on: Text | None = Field(
        default=None, description="The variant that the new path is, where the flag's variants are no switch; with off."
    )
    off: Text | None = Field(default=None, description="The variant that the old path is; with on.")
    attribute: Attribute = Field(
        default="group", description="The evaluation-context attribute that names a user's group."
    )
    always_on: tuple[Group, ...] = Field(default=(), description="Groups exposed from wave 1 on, whatever the percent.")
    always_off: tuple[Group, ...] = Field(default=(), description="Groups held out (control group); off in every wave.")
    lease: Lease | None = Field(default=None, description="Exposure that ends unless it is renewed; absent: it stays.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A group that is always on and always off, or one variant named without the other."""
        if self.on is not None and (self.off is None or self.off == self.on):
            found = "nothing" if self.off is None else f"{self.off!r} (as in on)"
            yield ("off",), f"found {found}, allowed is the variant that the old path is"
        if self.off is not None and self.on is None:
            yield ("on",), "found nothing, allowed is the variant that the new path is"
        if both := sorted(set(self.always_on) & set(self.always_off)):
            yield ("always_off",), f"found {both[0]!r}, which is in always_on too, allowed is one of them"

    @property
    def variants(self) -> tuple[str, str] | None:
        """The variants of the new path and of the old one, None for a switch that is on or off."""
        return None if self.on is None or self.off is None else (self.on, self.off)
