"""What one entry does to a rollout's state."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tidegate.journal.entries import Entry
from tidegate.journal.state import RolloutState

Apply: TypeAlias = Callable[[RolloutState, Entry, Mapping[str, Any]], None]
