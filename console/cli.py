"""The `tidegate` command: exit codes 0 done, 1 no-go or rolled back, 2 bad input, 3 a part is unreachable.

A command imports what it needs when it is typed, and nothing for its help: `rollback` is typed when seconds count.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from console.command_table import COMMANDS
from console.lazy_group import group_of


def make_cli() -> typer.Typer:
    """The command with all its commands, none of them imported yet."""
    app = typer.Typer(
        name="tidegate",
        help="Run a production rollout the way its release plan describes it. Exit codes: 0 done, 1 no-go or rolled "
        "back, 2 bad input (nothing changed), 3 a part is unreachable.",
        cls=group_of(COMMANDS),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_common)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        # Imported here: a rollback does not wait for it.
        from importlib.metadata import version

        typer.echo(f"tidegate {version('tidegate')}")
        raise typer.Exit


def _use_plans(folder: Path | None) -> None:
    if folder is not None:
        # What else this command starts looks for plans there, too.
        os.environ["TIDEGATE_PLANS"] = str(folder.absolute())


def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    plans: Annotated[
        Path | None,
        typer.Option(
            "--plans",
            metavar="FOLDER",
            callback=_use_plans,
            file_okay=False,
            exists=True,
            help="Where plans are looked for by their name (else TIDEGATE_PLANS, else the kit's).",
        ),
    ] = None,
) -> None:
    pass


def main() -> None:
    """Run the command; what goes wrong is one sentence and an exit code, never a traceback for bad input."""
    try:
        if "_TIDEGATE_COMPLETE" in os.environ:
            # A shell asks; the app's own options for that are one command here, `tidegate completion`.
            from typer._completion_classes import completion_init

            completion_init()
        result = make_cli()(prog_name="tidegate", standalone_mode=True)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        from console.exits import sentence_and_exit

        explained = sentence_and_exit(error)
        if explained is None:
            raise
        sentence, code = explained
        print(sentence, file=sys.stderr)
        sys.exit(code)
    sys.exit(result or 0)
