"""What entries say, kind by kind: every kind has a type that reads and writes exactly what is stored."""

from dataclasses import MISSING, FrozenInstanceError, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from tidegate.journal.bodies.body import OMITTED, Body, BodyError, Objects
from tidegate.journal.bodies.body_registry import BODIES, body_from_json
from tidegate.journal.bodies.exposure_bodies import RolledBackToZero
from tidegate.journal.bodies.gate_bodies import GateDecided
from tidegate.journal.bodies.hold_bodies import Held, HoldCause
from tidegate.journal.bodies.lifecycle_bodies import NotUnderstood
from tidegate.journal.entries import GENESIS, canonical, make_entry
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.pages.journal_lines import entry_words
from tidegate.reports.record import reviews_in
from tidegate.values.exposure import Exposure, Layer
from tidegate.views.course import follow_course

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
EVERYBODY = Exposure((Layer("all", None, 10.0),), "userId", ("qa",), ())
VALUES: dict[Any, Any] = {
    str: "text",
    bool: True,
    int: 3,
    float: 2.5,
    datetime: AT.isoformat(),
    Exposure: EVERYBODY.to_json(),
    dict[str, Any]: {"a": [1, None]},
    list[Any]: [1, "two"],
    Objects: [{"criterion": "first.1"}],
    tuple[str, ...]: ["one", "two"],
    tuple[float, ...]: [5.0, 2.5],
}


def said(hint: Any) -> Any:
    """A value of this type as it is stored."""
    if get_origin(hint) is UnionType:
        return said(next(each for each in get_args(hint) if each is not NoneType))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return next(iter(hint)).value
    return VALUES[hint]


def whole(body: type[Body]) -> dict[str, Any]:
    """Every field of this kind, as it is stored."""
    hints = get_type_hints(body)
    return {field.name: said(hints[field.name]) for field in fields(body)}  # type: ignore[arg-type]


def test_every_kind_has_a_type_of_its_own() -> None:
    assert set(BODIES) == set(Kind)
    assert len(set(BODIES.values())) == len(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_what_is_stored_comes_back_as_it_was(kind: Kind) -> None:
    stored = whole(BODIES[kind])
    body = body_from_json(kind, stored)
    assert body.kind is kind
    assert canonical(body.to_json()) == canonical(stored)
    assert type(body)(**vars(body)) == body


@pytest.mark.parametrize("kind", Kind)
def test_what_an_older_release_left_out_is_read(kind: Kind) -> None:
    stored, optional = whole(BODIES[kind]), {}
    for field in fields(BODIES[kind]):  # type: ignore[arg-type]
        if field.metadata == OMITTED:
            stored.pop(field.name)
            optional[field.name] = field.default
    body = body_from_json(kind, stored)
    assert {name: getattr(body, name) for name in optional} == optional
    assert canonical(body.to_json()) == canonical(stored)


@pytest.mark.parametrize("kind", Kind)
def test_what_a_newer_release_adds_is_passed_over(kind: Kind) -> None:
    stored = whole(BODIES[kind])
    assert body_from_json(kind, {**stored, "later": 1}) == body_from_json(kind, stored)


@pytest.mark.parametrize("kind", Kind)
def test_a_field_that_is_missing_or_of_another_type_is_named(kind: Kind) -> None:
    for field in fields(BODIES[kind]):  # type: ignore[arg-type]
        stored = whole(BODIES[kind])
        broken = make_entry("r-1", 7, AT, kind, {**stored, field.name: [[1]] if stored[field.name] != [[1]] else 1}, "")
        if get_type_hints(BODIES[kind])[field.name] != list[Any]:
            said = broken.body
            assert isinstance(said, NotUnderstood)
            where = f"r-1: entry 7 ({kind.value}) is not understood by this release"
            assert said.why.startswith(f"{where} (BodyError: {kind.value}.{field.name}: found ")
            with pytest.raises(BodyError, match=rf"^{kind.value}\.{field.name}: found"):
                body_from_json(kind, broken.json)


@pytest.mark.parametrize("kind", Kind)
def test_what_has_no_default_must_be_there(kind: Kind) -> None:
    for field in fields(BODIES[kind]):  # type: ignore[arg-type]
        stored = whole(BODIES[kind])
        del stored[field.name]
        if field.default is MISSING and field.default_factory is MISSING:
            with pytest.raises(BodyError, match=rf"^{kind.value}\.{field.name}: missing, allowed is "):
                body_from_json(kind, stored)
        else:
            assert body_from_json(kind, stored).kind is kind


def test_a_required_field_is_required() -> None:
    with pytest.raises(BodyError, match=r"^held\.reason: missing, allowed is text$"):
        Held.from_json({"cause": "drift", "by": "ann"})
    with pytest.raises(BodyError, match=r"held\.cause: found 'whim', allowed is one of no_data, unhealthy"):
        Held.from_json({"cause": "whim", "reason": "r", "by": "ann"})


@pytest.mark.parametrize("kind", Kind)
def test_a_second_body_of_the_same_types_is_read_as_strictly(kind: Kind) -> None:
    stored = whole(BODIES[kind])
    hints, first = get_type_hints(BODIES[kind]), body_from_json(kind, stored)
    assert body_from_json(kind, stored) == first
    for name, value in stored.items():
        if isinstance(value, str) and str not in (hints[name], *get_args(hints[name])):
            with pytest.raises(BodyError, match=rf"^{kind.value}\.{name}: found 'nonsense', allowed is "):
                body_from_json(kind, {**stored, name: "nonsense"})


def test_an_entry_reads_what_it_says_once() -> None:
    entry = make_entry("r-1", 4, AT, Kind.HELD, {"cause": "drift", "reason": "moved", "by": "ann"}, "")
    assert entry.body == Held(HoldCause.DRIFT, "moved", "ann")
    assert entry.body is entry.body
    assert replace(entry, json={**entry.json, "by": "bob"}).body == Held(HoldCause.DRIFT, "moved", "bob")


def test_what_a_newer_release_wrote_says_that_it_is_not_understood() -> None:
    later = make_entry("r-1", 1, AT, Kind.HELD, {"cause": "drift", "reason": "moved", "by": "ann"}, "", version=2)
    why = "(BodyError: held entry of version 2 is not known to this release)"
    assert later.body == NotUnderstood(f"r-1: entry 1 (held) is not understood by this release {why}")
    with pytest.raises(ValueError, match="version 2 is not known"):
        fold([later])


def test_a_body_is_never_changed() -> None:
    body = Held(HoldCause.DRIFT, "moved", "tidegate")
    with pytest.raises(FrozenInstanceError):
        body.reason = "other"  # type: ignore[misc]


def test_only_what_says_something_is_stored() -> None:
    assert Held(HoldCause.DRIFT, "moved", "ann").to_json() == {"cause": "drift", "reason": "moved", "by": "ann"}
    refused = GateDecided(1, 2, "refused", "no answer", by="", extension_seconds=0)
    assert set(refused.to_json()) == {"wave", "attempt", "outcome", "reason", "by", "extension_seconds"}


def test_a_rollback_whose_entry_cannot_be_read_is_one_all_the_same() -> None:
    opening = {"plan": {}, "plan_hash": "h", "started_by": "a", "pace_seconds": None, "connections": "", "approve": "a"}
    first = make_entry("r-1", 1, AT, Kind.OPENED, opening, GENESIS)
    order = RolledBackToZero("smoke", "by hand", "ann", AT, AT).to_json() | {"ordered_at": "yesterday"}
    second = make_entry("r-1", 2, AT, Kind.ROLLING_BACK, order, first.hash)
    state = fold([replace(entry, stored=entry.hash) for entry in (first, second)])
    assert state.phase is Phase.ROLLING_BACK
    assert state.goes_no_further
    assert state.rollback is not None
    assert state.rollback.zero_at is None
    assert "rolling_back.ordered_at: found 'yesterday', allowed is an instant" in state.not_understood


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.NO_DATA_ENDED}))
def test_an_entry_that_cannot_be_read_is_shown_as_one_and_stops_no_page(kind: Kind) -> None:
    broken = replace(make_entry("r-1", 7, AT, kind, {}, ""), stored="read")
    assert entry_words(broken).startswith(
        f"NOT UNDERSTOOD: r-1: entry 7 ({kind.value}) is not understood by this release"
    )
    course = follow_course([broken])
    assert (course.sequence, course.reviewed_at, course.sent_at) == (7, None, {})
    assert reviews_in([broken]) == ()
