"""The freeze of all raises: in force from its first order until an end, and never lost to what cannot be read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tidegate.builders import ANN, MINUTE, T0, Journal
from tidegate.journal.kinds import Kind
from tidegate.rollout.freeze import FREEZE, Freeze, freeze_in_force


def orders(*kinds: Kind) -> Journal:
    journal = Journal(rollout=FREEZE)
    for kind in kinds:
        journal.append(kind, {"by": ANN, "reason": f"number {len(journal.entries)}"}, after=MINUTE)
    return journal


@pytest.mark.parametrize(
    ("kinds", "since"),
    [
        ((), None),
        ((Kind.FROZEN,), 0),
        ((Kind.FROZEN, Kind.FROZEN), 0),
        ((Kind.FROZEN, Kind.UNFROZEN), None),
        ((Kind.UNFROZEN,), None),
        ((Kind.FROZEN, Kind.UNFROZEN, Kind.FROZEN), 2),
    ],
)
def test_a_freeze_is_in_force_from_its_first_order_until_its_end(kinds: tuple[Kind, ...], since: int | None) -> None:
    found = freeze_in_force(orders(*kinds).entries)
    assert found == (None if since is None else Freeze(ANN, f"number {since}", T0 + (since + 1) * MINUTE))


def test_whoever_is_stopped_reads_who_froze_it_and_why() -> None:
    found = freeze_in_force(orders(Kind.FROZEN).entries)
    assert found is not None
    assert ANN in found.words
    assert "number 0" in found.words


@pytest.mark.parametrize("before", [(), (Kind.FROZEN,), (Kind.FROZEN, Kind.UNFROZEN)])
def test_what_cannot_be_read_or_is_no_freeze_is_never_taken_for_none(before: tuple[Kind, ...]) -> None:
    foreign = orders(*before)
    foreign.append(Kind.CARRIED, after=timedelta(0))
    with pytest.raises(ValueError, match="belongs to no freeze"):
        freeze_in_force(foreign.entries)
    later = orders(*before, Kind.UNFROZEN).entries
    with pytest.raises(ValueError, match="version 2"):
        freeze_in_force([*later[:-1], replace(later[-1], version=2)])
