"""The kit file: the same connections with all their values, for when Prefect's server cannot be asked. No Prefect."""

import os
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from blocks.calls.addresses import without_userinfo
from blocks.connection import Connection
from blocks.connection_types import connection_type
from blocks.connections import OpenConnections, must_be
from blocks.errors import Refused
from blocks.kit_values import TYPE_KEY, KitError, kit_values
from blocks.parts import PARTS, REQUIRED
from blocks.whole_file import write_whole
from tidegate.plan.loading.strict_yaml import reads_as_text

__all__ = ["KitError", "read_kit", "write_kit"]


def read_kit(path: str | os.PathLike[str]) -> OpenConnections:
    """The connections of a kit file, which nobody else may read; raises KitError."""
    return _opened(str(path), kit_values(path))


def write_kit(path: str | os.PathLike[str], values: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a kit file that `read_kit` takes, readable by nobody else; raises KitError and then writes nothing."""
    _opened(str(path), values)
    kit = {part: dict(fields) for part, fields in values.items()}
    text = yaml.dump(kit, Dumper=_Quoting, sort_keys=False, allow_unicode=True)
    try:
        write_whole(path, text, 0o600)
    except OSError as error:
        raise KitError(f"{path}: it cannot be written ({error.strerror})") from error


class _Quoting(yaml.SafeDumper):
    """Writes in quotes what the kit's reader would otherwise not take as text, and no value as an alias of another."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if reads_as_text(text) else '"')


_Quoting.add_representer(str, _text)


def _opened(path: str, values: object) -> OpenConnections:
    if not isinstance(values, Mapping):
        raise KitError(f"{path}: found {_kind(values)}, allowed are the parts {', '.join(PARTS)}")
    for part in values:
        if part not in PARTS:
            raise KitError(f"{path}: found the part {part!r}, allowed are {', '.join(PARTS)}")
    for part in REQUIRED:
        if part not in values:
            raise KitError(f"{path}: {part} is missing, allowed are kits with {', '.join(REQUIRED)}")
    return OpenConnections(**{part: _connection(path, part, fields) for part, fields in values.items()})


def _connection(path: str, part: str, fields: object) -> Any:
    if not isinstance(fields, Mapping) or not all(isinstance(key, str) for key in fields):
        raise KitError(f"{path}: {part}: found {_kind(fields)}, allowed are names with values")
    kind = _type(path, part, fields.get(TYPE_KEY))
    given = {key: value for key, value in fields.items() if key != TYPE_KEY}
    known = kind.model_fields
    for key in given:
        if key not in known:
            raise KitError(f"{path}: {part}.{key}: no such field, allowed are {', '.join(known)}")
    try:
        return must_be(part, kind(**given), f"{path}: {part}")
    except ValidationError as error:
        raise KitError(f"{path}: {part}.{_first_problem(kind, error)}") from None
    except Refused as error:
        raise KitError(str(error)) from None


def _type(path: str, part: str, slug: object) -> type[Connection]:
    usual: type[Connection] = PARTS[part].usual.connection
    if slug is None:
        return usual
    try:
        return connection_type(str(slug))
    except Refused as why:
        own = " or ".join(found.slug for found in PARTS[part].types)
        allowed = f"{own} or another package's; {why}" if PARTS[part].is_any else f"{own} or another imported type"
        raise KitError(f"{path}: {part}.{TYPE_KEY}: found {slug!r}, allowed is {allowed}") from None


def _first_problem(kind: type[Connection], error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    field = str(problem["loc"][0]) if problem["loc"] else ""
    secret = field not in kind.model_fields or "SecretStr" in str(kind.model_fields[field].annotation)
    found = (
        "nothing" if problem["type"] == "missing" else "a value" if secret else without_userinfo(repr(problem["input"]))
    )
    return f"{field}: found {found}, allowed is: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
