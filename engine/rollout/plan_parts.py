"""Parts of plans that are equal are one in memory: rollouts of one template have most of theirs in common."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from tidegate.plan.model import Plan

_MOST = 4_096  # parts; one that was dropped is merely not shared with those that come later
_lock = threading.Lock()
_parts: OrderedDict[tuple[str, str], tuple[Any, Any]] = OrderedDict()


def with_shared_parts(plan: Plan, stored: Mapping[str, Any]) -> tuple[Plan, Mapping[str, Any]]:
    """The same plan, and the same stored plan it was read from, with the parts of plans before them that are equal.

    Nobody changes a plan or what is stored of it.
    """
    fields: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    for name, part in stored.items():
        own = getattr(plan, name) if name in Plan.model_fields else None
        key = name, json.dumps(part, sort_keys=True, separators=(",", ":"))
        with _lock:
            text, value = _parts.setdefault(key, (part, own))
            _parts.move_to_end(key)
            if len(_parts) > _MOST:
                _parts.popitem(last=False)
        texts[name] = text
        # Equal text of another plan that was read as something else is nothing to share.
        if own is not None and value == own:
            fields[name] = value
    return plan.model_copy(update=fields), texts
