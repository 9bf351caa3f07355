"""The class of a connection by its type's slug: one of Tidegate's own, or made of what a package adds. No Prefect."""

import sys
from functools import cache
from types import new_class
from typing import Any, ClassVar, cast

from blocks.connection import Connection
from blocks.errors import Refused
from blocks.flags.installed import installed_backend
from blocks.parts import known_type


@cache
def connection_type(slug: str) -> type[Connection]:
    """The class; raises Refused where nothing that works has this type."""
    if (own := known_type(slug)) is not None:
        return cast(type[Connection], own.connection)
    try:
        return _made_of(slug)
    except Refused:
        if (imported := _imported_block(slug)) is not None:
            return imported
        raise


def _made_of(slug: str) -> type[Connection]:
    """The connection with the verbs and fields of an installed package's flag backend."""
    verbs = installed_backend(slug)
    first, *_ = (verbs.__doc__ or slug).strip().splitlines()
    named = {"_block_type_slug": slug, "_block_type_name": slug.replace("-", " ").title(), "_description": first}

    def body(namespace: dict[str, Any]) -> None:
        namespace |= named
        namespace |= {"__module__": verbs.__module__, "__doc__": verbs.__doc__}
        namespace["__annotations__"] = dict.fromkeys(named, ClassVar[str | None])

    return cast(type[Connection], new_class(verbs.__name__, (verbs, Connection), {}, body))


def _imported_block(slug: str) -> type[Connection] | None:
    """A block class that this process has imported already, by whomever."""
    core = sys.modules.get("prefect.blocks.core")
    if core is None:
        return None
    try:
        return cast(type[Connection], core.Block.get_block_class_from_key(slug))
    except core.UnknownBlockType:
        return None
