"""What an entry says, as a type for each kind: read strictly, and written as it has always been stored."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, TypeAlias, cast, get_args, get_origin, get_type_hints

from tidegate.journal.kinds import Kind
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
        return cast("Self", reader_of(cls)(stored))

    def to_json(self) -> dict[str, Any]:
        """As stored in the journal."""
        said = {}
        for each in _fields_of(type(self)):
            value = getattr(self, each.name)
            if not each.omitted or value != each.default:
                said[each.name] = each.shape.write(value)
        return said


@dataclass(frozen=True, slots=True)
class _Shape:
    """How values of one type are read and written; `read` raises TypeError, ValueError or KeyError for any other."""

    allowed: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    is_known_by_type: bool = False  # whether the type of a stored value alone says that it is kept as it is


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    shape: _Shape
    default: Any
    omitted: bool


Reader: TypeAlias = Callable[[Mapping[str, Any]], "Body"]
_READERS: dict[type, Reader] = {}


def reader_of(cls: type[Body]) -> Reader:
    """The `from_json` of this class, looked up once by whoever reads many entries."""
    return _READERS.get(cls) or _READERS.setdefault(cls, _made_for(cls))


def _made_for(cls: type[Body]) -> Reader:
    found = _fields_of(cls)
    names = tuple(each.name for each in found)
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    pick = itemgetter(*names) if len(names) > 1 else lambda stored: tuple(stored[name] for name in names)
    converted = tuple((each.name, each.shape.read) for each in found if not each.shape.is_known_by_type)
    # The types of whole bodies that were read field by field: another one of the same types is read in one go, since a
    # long rollout is folded from ten thousand of them.
    known: set[tuple[type, ...]] = set()
    make, fill = object.__new__, object.__setattr__

    def read(stored: Mapping[str, Any]) -> Body:
        types: tuple[type, ...] | None = None
        said: dict[str, Any]
        try:
            values = pick(stored)
            types = tuple(map(type, values))
            if types in known:
                said = dict(zip(names, values))  # noqa: B905 - as many as were picked
                for name, read_one in converted:
                    said[name] = read_one(said[name])
                body = make(cls)
                fill(body, "__dict__", said)
                return body
        except (TypeError, ValueError, KeyError, AttributeError):
            pass  # whatever it is, field by field it has a name
        body = make(cls)
        fill(body, "__dict__", {each.name: _read(cls.kind, each, stored) for each in found})
        if types is not None:
            known.add(types)
        return body

    return read


def _read(kind: Kind, one: _Field, stored: Mapping[str, Any]) -> Any:
    found = stored.get(one.name, MISSING)
    if found is MISSING:
        if one.default is MISSING:
            raise BodyError(f"{kind.value}.{one.name}: missing, allowed is {one.shape.allowed}")
        return one.default() if callable(one.default) else one.default
    try:
        return one.shape.read(found)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        problem = f"{kind.value}.{one.name}: found {found!r:.80}, allowed is {one.shape.allowed}"
        raise BodyError(problem) from error


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


def _numbers(value: Any) -> tuple[float, ...]:
    if isinstance(value, list | tuple) and value:
        return tuple(float(_number(each)) for each in value)
    raise TypeError


_SHAPES: Mapping[Any, _Shape] = {
    str: _Shape("text", _text, _same, is_known_by_type=True),
    bool: _Shape("true or false", _truth, _same, is_known_by_type=True),
    int: _Shape("a whole number", _whole, _same, is_known_by_type=True),
    float: _Shape("a number", _number, _same, is_known_by_type=True),
    datetime: _Shape("an instant", datetime.fromisoformat, datetime.isoformat),
    Exposure: _Shape("an exposure", Exposure.from_json, Exposure.to_json),
    dict[str, Any]: _Shape("an object", _object, _same, is_known_by_type=True),
    list[Any]: _Shape("a list", _list, _same, is_known_by_type=True),
    Objects: _Shape("a list of objects", _objects, _same),
    tuple[str, ...]: _Shape("a list of texts", _texts, list),
    tuple[float, ...]: _Shape("a list of numbers", _numbers, list),
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
            one.is_known_by_type,
        )
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        words = {each.value: each for each in hint}
        # A word that an earlier release stored is found by the enumeration itself.
        return _Shape(f"one of {', '.join(words)}", lambda value: words.get(value) or hint(value), str)
    raise TypeError(f"no way to store {hint}")


_FIELDS: dict[type, tuple[_Field, ...]] = {}


def _fields_of(cls: type) -> tuple[_Field, ...]:
    """A class of bodies, looked into once."""
    if (known := _FIELDS.get(cls)) is None:
        hints = get_type_hints(cls)
        known = _FIELDS[cls] = tuple(
            _Field(
                each.name,
                _shape_of(hints[each.name]),
                each.default if each.default_factory is MISSING else each.default_factory,
                each.metadata == OMITTED,
            )
            for each in fields(cls)
        )
    return known
