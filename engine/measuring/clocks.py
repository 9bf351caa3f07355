"""The clocks that an evaluation depends on, held against this machine's."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from tidegate.values.clock_skew import skew_sentence

PROMETHEUS, DATABASE = "Prometheus", "the journal's database"


def clocks_apart(connections: OpenConnections, *, already: bool = False) -> str:
    """Which clock is too far from ours, in a sentence; empty where all that answer agree."""
    return skew_sentence(clocks_ahead(connections), already=already)


def clocks_ahead(connections: OpenConnections) -> dict[str, timedelta | None]:
    """How far each clock is ahead of ours; None for one that cannot be determined, as where nobody answers."""
    return {
        PROMETHEUS: _skew_or_none(connections.prometheus.skew),
        DATABASE: _skew_or_none(connections.journal.skew),
    }


def _skew_or_none(skew: Callable[[], timedelta | None]) -> timedelta | None:
    with suppress(ConnectionFault):
        return skew()
    return None
