"""The one table of connections, and what is derived from it or stands beside it for type checkers."""

import ast
import re
import runpy
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block

import blocks
from blocks import prefect_blocks
from blocks.connection import Connection
from blocks.connections import OpenConnections
from blocks.errors import Refused
from blocks.flags.backend import FlagBackend
from blocks.parts import PARTS, REQUIRED, BlockType, block_types, known_type, parts_table
from blocks.prefect_blocks.block_types import block_type
from blocks.prefect_blocks.connections_block import Connections

ROOT = Path(blocks.__file__).parents[1]
PAGE = (ROOT / "docs/connections.md").read_text()
OWN = list(block_types())


def test_the_page_has_the_table() -> None:
    assert parts_table() in PAGE, "run `make reference`"


def test_the_table_on_the_page_is_written_anew() -> None:
    with_table: Any = runpy.run_path(str(ROOT / "scripts/parts_table.py"))["with_table"]
    assert with_table(PAGE) == PAGE
    assert with_table(PAGE.replace("| `slack` |", "| `slak` |")) == PAGE


def test_type_checkers_know_every_part() -> None:
    """Each part is a field of OpenConnections, as its class, optional unless a kit needs it."""
    typed = {field.name: (str(field.type), field.default is MISSING) for field in fields(OpenConnections)}
    usual = {name: part.is_any or part.base or part.usual.home for name, part in PARTS.items()}
    names = {name: home.rpartition(":")[2] for name, home in usual.items()}
    wanted = {
        name: (cls if PARTS[name].required else f"{cls} | None", PARTS[name].required) for name, cls in names.items()
    }
    assert typed == wanted


def test_the_connections_block_names_every_part() -> None:
    assert list(Connections.model_fields) == list(PARTS)
    needed = [name for name, field in Connections.model_fields.items() if field.is_required()]
    assert needed == list(REQUIRED)
    assert all(field.description for field in Connections.model_fields.values())


@pytest.mark.parametrize("found", OWN, ids=lambda found: found.slug)
def test_a_block_is_where_the_table_says_and_exported(found: BlockType) -> None:
    connection, block = found.connection, block_type(found.slug)
    assert issubclass(connection, Connection)
    assert not issubclass(connection, Block)
    assert issubclass(block, connection)
    assert block.get_block_type_slug() == found.slug
    assert block.get_description() == connection._description
    assert getattr(blocks, connection.__name__) is connection
    assert connection.__name__ in blocks.__all__
    assert getattr(prefect_blocks, connection.__name__) is block is Block.get_block_class_from_key(found.slug)


def test_every_exported_name_is_imported_for_type_checkers_too() -> None:
    tree = ast.parse(Path(blocks.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(blocks.__all__) <= imported
    assert all(getattr(blocks, name) is not None for name in blocks.__all__)


def test_zero_has_its_two_parts_without_prefect() -> None:
    lean = {found.slug for found in OWN if found.store}
    assert lean == {found.slug for name in ("journal", "flags") for found in PARTS[name].types}
    for found in OWN:
        if found.store:
            assert issubclass(found.connection, found.verbs)
        else:
            with pytest.raises(LookupError, match="nothing that zero needs"):
                _ = found.verbs
    assert PARTS["flags"].serves is FlagBackend


def test_no_two_types_share_a_slug() -> None:
    assert len({found.slug for found in OWN}) == len(OWN)
    assert known_type("acme-flags") is None


def test_a_type_that_nobody_has_is_refused_in_one_sentence() -> None:
    words = "no installed package adds a flag backend 'unheard-of' (those that are added: none)"
    with pytest.raises(Refused, match=re.escape(words)):
        block_type("unheard-of")
