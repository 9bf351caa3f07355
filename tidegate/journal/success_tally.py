"""What must hold at every review: gathered review by review, so that the first breach is known when it happens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from tidegate.values.units import Unit, quantity_in


@dataclass(slots=True)
class SuccessTally:
    """One criterion of the kind throughout, as far as the rollout has come."""

    events: float = 0.0  # of the reviews that are still taken together
    weighted: float = 0.0
    worst: float | None = None
    worst_at: datetime | None = None
    worst_wave: int = 0
    broken_at: datetime | None = None
    broken_value: float = 0.0
    measured: int = 0
    blank: int = 0
    waves: set[int] = field(default_factory=set)
    waves_measured: set[int] = field(default_factory=set)


Lines: TypeAlias = Mapping[str, Mapping[str, Any]]  # of a review's metrics table, by the metric's name


def tally_review(kept: dict[int, SuccessTally], plan: Mapping[str, Any], at: datetime, wave: int, lines: Lines) -> None:
    """Add a review's values to every criterion of the kind throughout; `plan` is the stored one."""
    for number, item in enumerate(plan.get("success", ()), start=1):
        if item["kind"] == "throughout":
            if (tally := kept.get(number)) is None:
                tally = kept[number] = SuccessTally()
            _add(tally, item, plan, at, wave, lines.get(item["metric"]))


def _add(
    kept: SuccessTally,
    item: Mapping[str, Any],
    plan: Mapping[str, Any],
    at: datetime,
    wave: int,
    line: Mapping[str, Any] | None,
) -> None:
    kept.waves.add(wave)
    if line is None or line["value"] is None:
        kept.blank += 1
        return
    kept.measured += 1
    kept.waves_measured.add(wave)
    # A value without a count behind it, such as memory, speaks for itself.
    counted = line.get("n")
    events = float(item["events"] if counted is None else counted)
    kept.events += events
    kept.weighted += events * line["value"]
    if kept.events < item["events"]:
        return
    value = kept.weighted / kept.events
    kept.events = kept.weighted = 0.0
    above = item.get("above") is not None
    limit = quantity_in(item["above"] if above else item["below"], Unit(plan["metrics"][item["metric"]]["unit"]))
    if kept.worst is None or (value < kept.worst if above else value > kept.worst):
        kept.worst, kept.worst_at, kept.worst_wave = value, at, wave
    if kept.broken_at is None and not (value > limit if above else value < limit):
        kept.broken_at, kept.broken_value = at, value
