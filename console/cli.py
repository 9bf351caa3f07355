"""The `tidegate` command: exit codes 0 done, 1 no-go or rolled back, 2 bad input, 3 a part is unreachable."""

import sys
from typing import Any

import typer
from rich.console import Console

from console import (
    approver_commands,
    backtest_command,
    dashboard_commands,
    demo_commands,
    drill_command,
    gate_commands,
    graduation_commands,
    journal_commands,
    plan_commands,
    report_commands,
    rollback_command,
    rollout_commands,
    stack_commands,
    steering_commands,
    watch_commands,
)
from console.exits import explain

app = typer.Typer(
    name="tidegate",
    help="Run a production rollout the way its release plan describes it. Exit codes: 0 done, 1 no-go or rolled "
    "back, 2 bad input (nothing changed), 3 a part is unreachable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
plan_commands.add_to(app)
rollout_commands.add_to(app)
rollback_command.add_to(app)
drill_command.add_to(app)
backtest_command.add_to(app)
gate_commands.add_to(app)
steering_commands.add_to(app)
approver_commands.add_to(app)
graduation_commands.add_to(app)
watch_commands.add_to(app)
report_commands.add_to(app)
dashboard_commands.add_to(app)
journal_commands.add_to(app)
stack_commands.add_to(app)
demo_commands.add_to(app)


def main() -> None:
    """Run the command; what goes wrong is one sentence and an exit code, never a traceback for bad input."""
    try:
        result: Any = app(standalone_mode=True)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped")
        sys.exit(130)
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        sentence, code = explained
        Console(stderr=True, highlight=False, soft_wrap=True).print(sentence, markup=False)
        sys.exit(code)
    sys.exit(result or 0)
