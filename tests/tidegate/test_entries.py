"""The chain of hashes: what was changed, left out, put in or moved shows."""

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import T0, Journal, in_wave
from tidegate.journal.entries import Entry, broken_links, canonical, entry_hash, link_of, make_entry, stamp
from tidegate.journal.kinds import Kind

CHAIN = in_wave(2).entries
places = st.integers(0, len(CHAIN) - 1)


def test_what_was_written_in_order_has_no_broken_link() -> None:
    assert list(broken_links(map(link_of, CHAIN))) == []
    assert list(broken_links(map(link_of, []))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"rollout": "another-1"},
        {"sequence": 99},
        {"at": T0 + timedelta(microseconds=1)},
        {"kind": Kind.CLOSED},
        {"version": 2},
        {"json": {"wave": 4}},
        {"previous": "f" * 64},
        {"hash": "f" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
@given(at=places)
def test_an_edit_of_any_field_of_any_entry_shows(change: dict[str, Any], at: int) -> None:
    edited = [*CHAIN[:at], replace(CHAIN[at], **change), *CHAIN[at + 1 :]]
    assert list(broken_links(map(link_of, edited)))


def test_an_edit_with_a_hash_made_to_fit_shows_at_the_next_entry() -> None:
    edited = make_entry("small-1", 3, T0, Kind.CLOSED, {"reason": "", "by": ""}, CHAIN[1].hash)
    assert [*broken_links(map(link_of, [*CHAIN[:2], edited, *CHAIN[3:]]))] == [
        "small-1: entry 4 does not follow the entry before it"
    ]


@given(st.integers(0, len(CHAIN) - 2))
def test_a_deletion_shows(at: int) -> None:
    sentences = list(broken_links(map(link_of, [*CHAIN[:at], *CHAIN[at + 1 :]])))
    assert f"small-1: entry {at + 1} is missing before entry {at + 2}" in sentences


@given(places, places)
def test_an_insertion_shows(at: int, copied: int) -> None:
    assert list(broken_links(map(link_of, [*CHAIN[:at], CHAIN[copied], *CHAIN[at:]])))


@given(st.permutations(CHAIN))
def test_another_order_shows(order: list[Entry]) -> None:
    assert bool(list(broken_links(map(link_of, order)))) == (order != CHAIN)


def test_an_entry_of_another_rollout_shows() -> None:
    other = Journal(rollout="other-1").extend((Kind.OPENED, {}), (Kind.PREFLIGHT, {})).entries
    assert list(broken_links(map(link_of, [CHAIN[0], other[1]])))


@pytest.mark.parametrize("position", range(7))
def test_the_hash_covers_every_field(position: int) -> None:
    fields: list[Any] = ["r", 1, "2026-03-02T17:00:00.000000+00:00", "opened", 1, "{}", "0" * 64]
    changed = list(fields)
    changed[position] = 2 if isinstance(fields[position], int) else fields[position] + "x"
    assert entry_hash(*changed) != entry_hash(*fields)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aß|\n", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.text("abc", max_size=3), json_values, max_size=4)


@given(bodies)
def test_the_stored_text_does_not_depend_on_the_order_of_keys(body: dict[str, Any]) -> None:
    assert canonical(body) == canonical(dict(reversed(body.items())))


@given(bodies, bodies)
def test_different_bodies_have_different_hashes(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (make_entry("r", 1, T0, Kind.REVIEWED, body, "0" * 64).hash for body in (one, other))
    assert (first == second) == (canonical(one) == canonical(other))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError):
        make_entry("r", 1, T0, Kind.REVIEWED, {"deep": [{"value": value}]}, "0" * 64)


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        stamp(datetime(2026, 3, 2))
    with pytest.raises(ValueError, match="time zone"):
        make_entry("r", 1, datetime(2026, 3, 2), Kind.OPENED, {}, "0" * 64)


@given(st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_stored_alike_wherever_it_was_taken(minutes: int) -> None:
    assert stamp(T0.astimezone(timezone(timedelta(minutes=minutes)))) == "2026-03-02T17:00:00.000000+00:00"
