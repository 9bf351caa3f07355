"""What an entry says, as a type for each kind: read strictly, and written as it has always been stored."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from enum import StrEnum
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
        values = {}
        for name, shape, default in _plan_of(cls):
            found = stored.get(name, MISSING)
            if found is not MISSING:
                try:
                    values[name] = shape.read(found)
                except (TypeError, ValueError, KeyError, AttributeError) as error:
                    told = f"{cls.kind.value}.{name}: found {found!r:.80}, allowed is {shape.allowed}"
                    raise BodyError(told) from error
            elif default is not MISSING:
                values[name] = default() if callable(default) else default
            else:
                raise BodyError(f"{cls.kind.value}.{name}: missing, allowed is {shape.allowed}")
        # Every value was just checked; going through the frozen class's own __init__ would cost the fold a third more.
        body = object.__new__(cls)
        body.__dict__.update(values)
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
        for item, (name, shape, default) in zip(fields(self), _plan_of(type(self)), strict=True):  # type: ignore[arg-type]
            value = getattr(self, name)
            if "omitted" not in item.metadata or value != default:
                said[name] = shape.write(value)
        return said


def where(entry: Entry) -> str:
    """The entry, as messages name it."""
    return f"{entry.rollout}: entry {entry.sequence} ({entry.kind.value})"


@dataclass(frozen=True, slots=True)
class _Shape:
    """How values of one type are read and written; `read` raises TypeError or ValueError for any other."""

    allowed: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


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
    if isinstance(value, list) and set(map(type, value)) <= {dict}:
        return value
    raise TypeError


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(line, str) for line in value):
        return tuple(value)
    raise TypeError


_SHAPES: Mapping[Any, _Shape] = {
    str: _Shape("text", _text, _same),
    bool: _Shape("true or false", _truth, _same),
    int: _Shape("a whole number", _whole, _same),
    float: _Shape("a number", _number, _same),
    datetime: _Shape("an instant", datetime.fromisoformat, datetime.isoformat),
    Exposure: _Shape("an exposure", Exposure.from_json, Exposure.to_json),
    dict[str, Any]: _Shape("an object", _object, _same),
    list[Any]: _Shape("a list", _list, _same),
    Objects: _Shape("a list of objects", _objects, _same),
    tuple[str, ...]: _Shape("a list of texts", _texts, list),
}


def _shape_of(hint: Any) -> _Shape:
    if known := _SHAPES.get(hint):
        return known
    if get_origin(hint) is UnionType:
        one = _shape_of(next(each for each in get_args(hint) if each is not NoneType))
        return _Shape(
            f"{one.allowed} or null",
            lambda value: None if value is None else one.read(value),
            lambda value: None if value is None else one.write(value),
        )
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _Shape(f"one of {', '.join(each.value for each in hint)}", hint, str)
    raise TypeError(f"no way to store {hint}")


_PLANS: dict[type, tuple[tuple[str, _Shape, Any], ...]] = {}


def _plan_of(cls: type) -> tuple[tuple[str, _Shape, Any], ...]:
    """Each field's name, shape and default, in order; looked up once for a class."""
    if (known := _PLANS.get(cls)) is None:
        hints = get_type_hints(cls)
        known = _PLANS[cls] = tuple(
            (f.name, _shape_of(hints[f.name]), f.default if f.default_factory is MISSING else f.default_factory)
            for f in fields(cls)
        )
    return known
