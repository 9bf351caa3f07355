"""What of a plan's change makes its rollout less safe; what cannot be determined to be stricter counts as less safe."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from tidegate.values.units import parse_duration

Leaves = Mapping[str, str]

_NEW, _GONE = "(new)", "(removed)"
# Of no consequence for who is exposed, what is watched, or who decides.
_HARMLESS = re.compile(
    r"^(title|summary|standup|costs|upkeep|success)\b"
    r"|^channels\.(warnings|progress|dashboard)$|^contacts\[.*\]\.title$"
    r"|\.(title|text|description|target|success|note|id)$|\.actions(\[|$)"
)
_WHOLE = re.compile(r"^(?P<whole>.*(?:waves|criteria|checklist\.[^\[]+|full|freezes|readiness|contacts)\[[^\]]*\])")
_ABOVE_IS_LESS = frozenset(
    {
        *("tolerance", "percent", "interval", "guard", "scrape_interval", "no_data_budget"),
        *("approval_ttl", "hold_max", "for", "lasts", "stale_after", "remind", "after", "within", "second_after"),
        *("min_expected", "over"),
    }
)
# More events needed is later for a trigger, and fewer is easier for a gate: either way it counts as less safe.
_BELOW_IS_LESS = frozenset({"soak", "quorum", "quiet"})
# From the most cautious word to the least.
_CAUTION = {
    "on_no_data": ("roll_back", "step_down", "hold"),
    "then": ("roll_back", "rollback", "hold"),
    "on_new_build": ("ask", "restart_soak", "note"),
    "approvals": ("codes", "open"),
    "dry_run": ("False", "True"),
    "ease": ("False", "True"),
    "required": ("True", "False"),
    "escalate": ("True", "False"),
    "at_full": ("True", "False"),
    "step_back": ("True", "False"),
    "allow_others_of_service": ("False", "True"),
    "may_be_absent": ("False", "True"),
}
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"([^\d+-]*)([+-]?\d+(?:\.\d+)?)\s*(\D*)")


def less_safe(was: Leaves, now: Leaves) -> Iterator[str]:
    """A line for each part of the change that lets more through; `was` and `now` are the values of both by path."""
    dropped: set[str] = set()
    for path in was:
        gone = next((w for w in _wholes(path) if not any(other.startswith(w) for other in now)), None)
        if gone is not None and gone not in dropped:
            dropped.add(gone)
            yield f"{gone}: dropped{_what_it_was(gone, was)}"
    for path, before in was.items():
        if any(whole in dropped for whole in _wholes(path)) or _HARMLESS.search(path) or path not in now:
            continue
        if before != now[path] and (why := _why_less(path, before, now[path], now)):
            yield f"{path}: {before} -> {now[path]} ({why})"
    yield from _taken_away(was, now, dropped)
    yield from _added(was, now)


def _wholes(path: str) -> list[str]:
    """The parts that this value belongs to and that can be dropped as one, the largest first."""
    found, rest = [], path
    while match := _WHOLE.match(rest):
        found.append(match["whole"])
        rest = match["whole"].rpartition("[")[0]
    return found[::-1]


def _what_it_was(whole: str, was: Leaves) -> str:
    when = was.get(f"{whole}.when", "")
    return f" ({'trigger' if 'trigger' in when else when})" if when else ""


def _taken_away(was: Leaves, now: Leaves, dropped: set[str]) -> Iterator[str]:
    for path, before in was.items():
        gone = path not in now and not any(whole in dropped for whole in _wholes(path))
        empty = before in ("[]", "{}", "None", "")
        # A list that was empty and a bound that moved to the other side are seen by what came instead.
        if gone and not empty and not _HARMLESS.search(path):
            yield f"{path}: {before} -> {_GONE}"


def _added(was: Leaves, now: Leaves) -> Iterator[str]:
    for path, after in now.items():
        known = path in was or any(not any(x.startswith(whole) for x in was) for whole in _wholes(path))
        parent = path.rpartition(".")[0]
        into_known = not parent or any(x.startswith(f"{parent}.") for x in was)
        if known or not into_known or _HARMLESS.search(path) or after in ("[]", "{}"):
            continue
        if path.startswith(("sign_off.", "checklist.", "readiness")):
            continue  # one more that has to be stated
        yield f"{path}: {_NEW} -> {after}"


def _why_less(path: str, before: str, after: str, now: Leaves) -> str:
    """Why this value lets more through than the one before, or empty where it is stricter."""
    key = path.rpartition(".")[2]
    if key in _CAUTION and {before, after} <= set(_CAUTION[key]):
        order = _CAUTION[key]
        return "less cautious" if order.index(after) > order.index(before) else ""
    risen = _risen(before, after)
    if key in ("above", "below") and risen is not None:
        return "looser" if risen is _looser_when_risen(path, key, now) else ""
    if key in _ABOVE_IS_LESS and risen is not None:
        return "more" if risen else ""
    if key in _BELOW_IS_LESS and risen is not None:
        return "" if risen else "less"
    if path == "raising.days":
        return "" if set(_WORD.findall(after)) <= set(_WORD.findall(before)) else "more"
    if key == "starts" and risen is not None:
        return "" if risen else "earlier"
    return "changed"


def _looser_when_risen(path: str, key: str, now: Leaves) -> bool:
    """A bound above which something fires, or below which something passes, is looser the higher it is."""
    parent = path.rpartition(".")[0]
    fires = "trigger" in now.get(f"{parent}.when", "") or parent.endswith((".warning", ".critical"))
    return (key == "above") is fires


def _risen(before: str, after: str) -> bool | None:
    """Whether the value has risen; None where the two cannot be compared."""
    with suppress(ValueError):
        return _span(after) > _span(before)
    one, other = (_NUMBER.fullmatch(text) for text in (before, after))
    if one is None or other is None or (one[1], one[3]) != (other[1], other[3]):
        return None
    return float(other[2]) > float(one[2])


def _span(text: Any) -> timedelta:
    return parse_duration(text)
