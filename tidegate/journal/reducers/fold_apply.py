"""What one entry does to a rollout's state: a reducer for each type of body."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

from tidegate.journal.bodies.body import Body
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.journal.state import RolloutState

_B = TypeVar("_B", bound=Body)


class Reducer(NamedTuple):
    """How entries of one kind are read and applied."""

    body: type[Body]
    apply: Callable[[RolloutState, Entry, Any], None]


Reducers: TypeAlias = Mapping[Kind, Reducer]


def on(body: type[_B], apply: Callable[[RolloutState, Entry, _B], None]) -> Reducer:
    """Entries with this body are applied so."""
    return Reducer(body, apply)


def reducers(*them: Reducer) -> Reducers:
    """The reducers by kind."""
    return {each.body.kind: each for each in them}
