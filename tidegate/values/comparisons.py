"""How often comparisons of the two paths may stop a healthy release."""

from collections.abc import Iterator

from pydantic import Field

from tidegate.values.model import Contradiction, Model
from tidegate.values.units import Percent, format_percent

MOST = 20.0  # percent


class Comparisons(Model):
    """How often a healthy rollout may be stopped by its comparisons with the old path, all of them together."""

    hold_at: Percent = Field(
        default="5%",  # type: ignore[assignment]  # read as it would be written
        description="How often it may ever be held: the soak pauses and nothing is raised while the evidence lasts.",
    )
    roll_back_at: Percent = Field(
        default="1%",  # type: ignore[assignment]
        description="How often it may ever be rolled back.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A chance that is none, or that any release would have; a hold that comes after the rollback."""
        for name in ("hold_at", "roll_back_at"):
            found = getattr(self, name)
            if not 0 < found <= MOST:
                yield (name,), f"found {format_percent(found)}, allowed is above 0% and up to {MOST:g}%"
        if self.hold_at < self.roll_back_at:
            least = format_percent(self.roll_back_at)
            yield ("hold_at",), f"found {format_percent(self.hold_at)}, allowed is {least} (roll_back_at) or more"
