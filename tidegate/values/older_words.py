"""Words that earlier releases stored in journals, and what they are called now: the one table of them."""

from collections.abc import Mapping
from typing import Any

KINDS = {"blinded": "no_data_started", "sighted": "no_data_ended"}
HOLD_CAUSES = {"blind": "no_data", "blind_spent": "no_data_budget_spent"}
PLAN_KEYS = {"max_blind": "no_data_budget", "on_blind": "on_no_data", "blind_at_most": "no_data_at_most"}


def with_present_keys(stored: Any) -> Any:
    """A stored plan, or a part of one, by the keys of this release."""
    if isinstance(stored, Mapping):
        return {PLAN_KEYS.get(key, key): with_present_keys(value) for key, value in stored.items()}
    return [with_present_keys(each) for each in stored] if isinstance(stored, list) else stored
