"""What has changed in a page since it was sent, as splices: an event is small however large the page is."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache

Splice = list[int | str]
_BEYOND = "\uffff"  # a browser counts two for what lies beyond


@lru_cache(maxsize=32)
def changes(before: str, after: str) -> list[Splice]:
    """By lines of `before`, from the last to the first; many viewers go the same step, so it is worked out once.

    [from, to, text]: these lines become the text's, or none where it is missing. [line, kept at its beginning, kept at
    its end, text]: the text stands between.
    """
    old, new = before.split("\n"), after.split("\n")
    first = _alike(old, new)
    last = _alike(old[first:][::-1], new[first:][::-1])
    found = [*_between(old, new, first, len(old) - last, len(new) - last)]
    return found[::-1]


def _between(old: list[str], new: list[str], first: int, old_end: int, new_end: int) -> Iterator[Splice]:
    if old_end == new_end:
        yield from _lines(old, new, range(first, old_end), 0)
        return
    for word, a, b, c, d in SequenceMatcher(None, old[first:old_end], new[first:new_end]).get_opcodes():
        begin, end = first + a, first + b
        if word == "replace" and b - a == d - c:
            yield from _lines(old, new, range(begin, end), c - a)
        elif word != "equal":
            yield [begin, end, *(["\n".join(new[first + c : first + d])] if d > c else [])]


def _lines(old: list[str], new: list[str], places: range, shift: int) -> Iterator[Splice]:
    for place in places:
        before, after = old[place], new[place + shift]
        if before == after:
            continue
        if max(before + after) > _BEYOND:
            yield [place, place + 1, after]
            continue
        head = _alike(before, after)
        tail = _alike(before[head:][::-1], after[head:][::-1])
        yield [place, head, tail, after[head : len(after) - tail]]


def _alike(one: list[str] | str, other: list[str] | str) -> int:
    """How many of the first elements are the same."""
    count = min(len(one), len(other))
    return next((i for i in range(count) if one[i] != other[i]), count)
