"""What one entry does to a rollout's state."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tidegate.entries import Entry
from tidegate.rollout_state import RolloutState

Apply: TypeAlias = Callable[[RolloutState, Entry, Mapping[str, Any]], None]
