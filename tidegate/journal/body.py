"""What an entry says, as a type for each kind: read strictly, and written as it has always been stored."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, TypeAlias, get_args, get_origin, get_type_hints

from tidegate.journal.entries import Entry, Kind
from tidegate.values.exposure import Exposure

Objects: TypeAlias = list[dict[str, Any]]
OMITTED: Mapping[str, bool] = {"omitted": True}  # a field that is stored only where it says more than its default


class BodyError(ValueError):
    """A field of an entry is missing, or is not of its type."""


class Body:
    """What one kind of entry says; fields that a newer release added are not looked at."""

    kind: ClassVar[Kind]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The body as stored; raises BodyError, which names the field, what was found and what is allowed."""
        plan = _PLANS.get(cls) or _plan_of(cls)
        body = object.__new__(cls)
        # As nearly every entry is, all in one: a long rollout is folded from ten thousand of them.
        try:
            values = plan.pick(stored)
            if tuple(map(type, values)) == plan.usual:
                said = body.__dict__
                said.update(zip(plan.names, values))  # noqa: B905 - as many as were picked
                for name, read in plan.converted:
                    said[name] = read(said[name])
                return body
        except (TypeError, ValueError, KeyError, AttributeError):
            pass  # whatever it is, field by field it has a name
        body.__dict__.clear()
        body.__dict__.update({f.name: _read(cls.kind, f, stored) for f in plan.fields})
        return body

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The body of an entry of this kind; raises BodyError, which names rollout, sequence, kind and field."""
        if entry.kind is not cls.kind:
            raise BodyError(f"{where(entry)}: allowed is {cls.kind.value}")
        try:
            return cls.from_json(entry.body)
        except BodyError as error:
            raise BodyError(f"{where(entry)}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """As stored in the journal."""
        said = {}
        for each in _plan_of(type(self)).fields:
            value = getattr(self, each.name)
            if not each.omitted or value != each.default:
                said[each.name] = each.shape.write(value)
        return said


def where(entry: Entry) -> str:
    """The entry, as messages name it."""
    return f"{entry.rollout}: entry {entry.sequence} ({entry.kind.value})"


@dataclass(frozen=True, slots=True)
class _Shape:
    """How values of one type are read and written; `read` raises TypeError, ValueError or KeyError for any other."""

    allowed: str
    usual: type  # of the stored value
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    is_checked: bool = False  # by its usual type alone


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    shape: _Shape
    default: Any
    omitted: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """A class of bodies, looked into once."""

    fields: tuple[_Field, ...]
    names: tuple[str, ...]
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    usual: tuple[type, ...]
    converted: tuple[tuple[str, Callable[[Any], Any]], ...]


def _read(kind: Kind, one: _Field, stored: Mapping[str, Any]) -> Any:
    found = stored.get(one.name, MISSING)
    if found is MISSING:
        if one.default is MISSING:
            raise BodyError(f"{kind.value}.{one.name}: missing, allowed is {one.shape.allowed}")
        return one.default() if callable(one.default) else one.default
    try:
        return one.shape.read(found)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        told = f"{kind.value}.{one.name}: found {found!r:.80}, allowed is {one.shape.allowed}"
        raise BodyError(told) from error


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise TypeError


def _whole(value: Any) -> int:
    if isinstance(value, int) and value is not True and value is not False:
        return value
    raise TypeError


def _number(value: Any) -> float:
    if isinstance(value, float | int) and value is not True and value is not False:
        return value
    raise TypeError


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise TypeError


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise TypeError


def _objects(value: Any) -> Objects:
    # One speaks for all: they were written together, and looking at each would double what the fold costs.
    if isinstance(value, list) and (not value or isinstance(value[0], dict)):
        return value
    raise TypeError


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(line, str) for line in value):
        return tuple(value)
    raise TypeError


_SHAPES: Mapping[Any, _Shape] = {
    str: _Shape("text", str, _text, _same, is_checked=True),
    bool: _Shape("true or false", bool, _truth, _same, is_checked=True),
    int: _Shape("a whole number", int, _whole, _same, is_checked=True),
    float: _Shape("a number", float, _number, _same, is_checked=True),
    datetime: _Shape("an instant", str, datetime.fromisoformat, datetime.isoformat),
    Exposure: _Shape("an exposure", dict, Exposure.from_json, Exposure.to_json),
    dict[str, Any]: _Shape("an object", dict, _object, _same, is_checked=True),
    list[Any]: _Shape("a list", list, _list, _same, is_checked=True),
    Objects: _Shape("a list of objects", list, _objects, _same),
    tuple[str, ...]: _Shape("a list of texts", list, _texts, list),
}


def _shape_of(hint: Any) -> _Shape:
    if known := _SHAPES.get(hint):
        return known
    if get_origin(hint) is UnionType:
        one = _shape_of(next(each for each in get_args(hint) if each is not NoneType))
        return _Shape(
            f"{one.allowed} or null",
            one.usual,
            lambda value: None if value is None else one.read(value),
            lambda value: None if value is None else one.write(value),
        )
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        words = {each.value: each for each in hint}
        return _Shape(f"one of {', '.join(words)}", str, words.__getitem__, str)
    raise TypeError(f"no way to store {hint}")


_PLANS: dict[type, _Plan] = {}


def _plan_of(cls: type) -> _Plan:
    if (known := _PLANS.get(cls)) is None:
        hints = get_type_hints(cls)
        found = tuple(
            _Field(
                f.name,
                _shape_of(hints[f.name]),
                f.default if f.default_factory is MISSING else f.default_factory,
                f.metadata == OMITTED,
            )
            for f in fields(cls)
        )
        names = tuple(f.name for f in found)
        known = _PLANS[cls] = _Plan(
            found,
            names,
            itemgetter(*names) if len(names) > 1 else lambda stored: tuple(stored[name] for name in names),
            tuple(f.shape.usual for f in found),
            tuple((f.name, f.shape.read) for f in found if not f.shape.is_checked),
        )
    return known
