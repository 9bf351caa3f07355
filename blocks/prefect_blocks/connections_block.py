"""The connections block: the set that a rollout uses, by the names of their blocks on Prefect's server."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from prefect.blocks.core import Block, UnknownBlockType
from pydantic import Field, create_model

from blocks.connections import OpenConnections, must_be
from blocks.errors import Refused, Unreachable
from blocks.parts import PARTS, Part
from blocks.prefect_blocks.block_types import block_type

_REFERENCE = r"^[a-z0-9-]+/[a-zA-Z0-9_-]+$"


class _Named:
    """The connections that a rollout uses; plans and flows name this block and never hold a secret."""

    _block_type_name: ClassVar[str | None] = "Tidegate Connections"
    _block_type_slug: ClassVar[str | None] = "tidegate-connections"
    _description: ClassVar[str | None] = "The set of connections that a rollout uses, by the names of their blocks."

    def open(self) -> OpenConnections:
        """Load every named block; raises Unreachable or Refused."""
        loaded: dict[str, Any] = {}
        for part in PARTS:
            reference = getattr(self, part)
            if reference is not None:
                loaded[part] = must_be(part, _load_typed(reference), f"block {reference}")
        return OpenConnections(**loaded)


def _field(part: Part) -> tuple[Any, Any]:
    """A part's block, by its name."""
    block_hint = f"The block of {part.what}, as type/name ({part.usual.slug}/team)."
    if part.required:
        return str, Field(description=block_hint, pattern=_REFERENCE)
    return str | None, Field(default=None, description=block_hint, pattern=_REFERENCE)


if TYPE_CHECKING:

    class Connections(_Named, Block):
        """The connections that a rollout uses, by the names of their blocks."""

        def __init__(self, **references: str) -> None:
            """The parts by their names, each as type/name."""
else:
    Connections = create_model(
        "Connections",
        __base__=(_Named, Block),
        __module__=__name__,
        __doc__=_Named.__doc__,
        **{name: _field(part) for name, part in PARTS.items()},
    )


def load_connections(name: str) -> OpenConnections:
    """The connections of the block document `name`; raises Unreachable or Refused."""
    return cast(Connections, _load(Connections, name)).open()


def _load_typed(reference: str) -> object:
    try:
        block_type(reference.partition("/")[0])
    except Refused as why:
        raise Refused(f"block {reference}: {why}") from why
    return _load(Block, reference)


def _load(kind: type[Block], name: str) -> object:
    import httpx

    try:
        return kind.load(name, _sync=True)  # type: ignore[call-arg]
    except httpx.HTTPError as error:
        raise Unreachable(f"block {name}: Prefect's server does not answer ({type(error).__name__})") from error
    except (ValueError, RuntimeError, UnknownBlockType) as error:
        # Only the kind is shown: a validation error repeats the values, secrets included.
        raise Refused(f"block {name}: there is none, or it cannot be read ({type(error).__name__})") from error
