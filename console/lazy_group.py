"""A group whose commands are imported when one is asked for; its help is printed from the table alone."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from console.command_table import Below, Typed


class LazyGroup(TyperGroup):
    """The commands of a table; see `group_of`."""

    table: Mapping[str, Typed | Below]
    _lists = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names, in the table's order."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command, imported now; while help or a shell lists them all, only its name and its help."""
        found = self.table.get(cmd_name)
        if found is None:
            return None
        if self._lists:
            return TyperCommand(cmd_name, help=found.help)
        return command_of(cmd_name, found)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As any group's, without importing a command."""
        self._lists = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._lists = False

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """As any group's, without importing a command."""
        self._lists = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._lists = False


def command_of(name: str, found: Typed | Below) -> Any:
    """The command or group of this name, imported now."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    if isinstance(found, Below):
        app = typer.Typer(
            name=name,
            help=found.help,
            cls=group_of(found.commands),
            no_args_is_help=True,
            add_completion=False,
            pretty_exceptions_enable=False,
            rich_markup_mode="rich",
        )
        # Without this, an app without commands of its own would not be a group.
        app.callback()(_nothing)
        return get_command(app)
    module, _, function = found.place.partition(":")
    app.command(name)(getattr(import_module(module), function))
    return get_command(app)


def group_of(table: Mapping[str, Typed | Below]) -> type[LazyGroup]:
    """The class of a group with these commands."""
    return type("LazyGroup", (LazyGroup,), {"table": table})


def _nothing() -> None:
    pass
