"""The `tidegate` command: exit codes 0 done, 1 no-go or rolled back, 2 bad input, 3 a part is unreachable.

A rollback is typed when seconds count: for it nothing else is imported than what writes zero.
"""

import sys
from importlib import import_module
from typing import Annotated

import typer

from console.rollback import rollback_command

_OTHERS = (
    "commands.plan_commands",
    "commands.amend_commands",
    "commands.rollout_commands",
    "rollback.drill_command",
    "commands.backtest_command",
    "commands.explain_command",
    "commands.gate_commands",
    "commands.steering_commands",
    "commands.approver_commands",
    "commands.codes_command",
    "commands.graduation_commands",
    "live.watch_commands",
    "commands.report_commands",
    "commands.upkeep_command",
    "commands.dashboard_commands",
    "commands.journal_commands",
    "local_stack.stack_commands",
    "local_stack.demo_commands",
)


def make_app(*, rollback_alone: bool = False) -> typer.Typer:
    """The command with all its commands, or with `rollback` alone."""
    app = typer.Typer(
        name="tidegate",
        help="Run a production rollout the way its release plan describes it. Exit codes: 0 done, 1 no-go or rolled "
        "back, 2 bad input (nothing changed), 3 a part is unreachable.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    # Without this, an app of one command would not expect the command's name.
    app.callback()(_common)
    rollback_command.add_to(app)
    for name in () if rollback_alone else _OTHERS:
        import_module(f"console.{name}").add_to(app)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        # Imported here: a rollback does not wait for it.
        from importlib.metadata import version

        typer.echo(f"tidegate {version('tidegate')}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; what goes wrong is one sentence and an exit code, never a traceback for bad input."""
    try:
        result = make_app(rollback_alone=sys.argv[1:2] == ["rollback"])(standalone_mode=True)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        from console.exits import explain

        explained = explain(error)
        if explained is None:
            raise
        sentence, code = explained
        print(sentence, file=sys.stderr)
        sys.exit(code)
    sys.exit(result or 0)
