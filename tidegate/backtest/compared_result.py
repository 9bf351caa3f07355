"""What comparisons would have done to whole rollouts of the past, as figures to keep and to show."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tidegate.backtest.rates import Rate

TWICE = 2.0


@dataclass(frozen=True, slots=True)
class ComparedHarm:
    """Harm from the first tick of all waves on: in how many rollouts it was held and rolled back, and how soon."""

    factor: float
    rollouts: int
    held: int
    held_seconds: float | None  # the median of those that were
    rolled_back: int
    rolled_back_seconds: float | None


@dataclass(frozen=True, slots=True)
class ComparedRollouts:
    """What all comparisons of a plan together would have done to healthy rollouts, and to harmed ones."""

    comparisons: tuple[str, ...]  # their lines in the plan
    held: Rate
    rolled_back: Rate
    found: tuple[ComparedHarm, ...] = ()
    by: dict[str, int] = field(default_factory=dict)  # false rollbacks by line

    def to_json(self) -> dict[str, Any]:
        """As recorded."""
        return {
            "comparisons": list(self.comparisons),
            "held": self.held.to_json(),
            "rolled_back": self.rolled_back.to_json(),
            "found": [
                {
                    "factor": one.factor,
                    "rollouts": one.rollouts,
                    "held": one.held,
                    "held_seconds": one.held_seconds,
                    "rolled_back": one.rolled_back,
                    "rolled_back_seconds": one.rolled_back_seconds,
                }
                for one in self.found
            ],
            "by": dict(self.by),
        }

    @property
    def sentences(self) -> Iterator[str]:
        """For people, without statistics."""
        yield f"Comparisons over whole rollouts ({len(self.comparisons)} of them, evidence kept from wave to wave):"
        yield f"- healthy rollouts held for a time: {self.held.words.replace('waves', 'rollouts')}"
        yield f"- healthy rollouts rolled back: {self.rolled_back.words.replace('waves', 'rollouts')}"
        for one in self.found:
            yield (
                f"- {one.factor:g} times as many errors from the start: "
                f"held in {one.held} of {one.rollouts}{_after(one.held_seconds)}, "
                f"rolled back in {one.rolled_back} of {one.rollouts}{_after(one.rolled_back_seconds)}"
            )


def _after(seconds: float | None) -> str:
    return "" if seconds is None else f" after {seconds / 60:.0f} min at the median"
