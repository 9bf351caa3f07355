"""The Prefect block of each connection, made of its model: the same fields and verbs, kept on Prefect's server."""

from types import new_class
from typing import Any, cast

from prefect.blocks.core import Block, UnknownBlockType
from pydantic import BaseModel

from blocks.connection import Connection
from blocks.connection_types import connection_type
from blocks.parts import known_type


def block_type(slug: str) -> type[Block]:
    """The block's class, which Prefect knows by its slug from now on; raises Refused where nothing has this type."""
    try:
        return Block.get_block_class_from_key(slug)
    except UnknownBlockType:
        return _made_of(connection_type(slug), slug)


def as_block(connection: Connection) -> Block:
    """The connection as a block of its type, ready to be saved."""
    if isinstance(connection, Block):
        return connection
    kind = block_type(slug_of(connection))
    return kind(**{name: getattr(connection, name) for name in type(connection).model_fields})


def slug_of(connection: Connection) -> str:
    """The slug of the connection's block type."""
    return str(type(connection)._block_type_slug)  # type: ignore[attr-defined]  # noqa: SLF001 - as Prefect names it


def _made_of(model: type[BaseModel], slug: str) -> type[Block]:
    home = "blocks.prefect_blocks" if known_type(slug) is not None else model.__module__

    def body(namespace: dict[str, Any]) -> None:
        namespace |= {"__module__": home, "__doc__": model.__doc__}

    return cast(type[Block], new_class(model.__name__, (model, Block), {}, body))
