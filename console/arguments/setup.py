"""What a first hour needs, as typed."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from console.options import Json


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print what completes commands, rollouts, plans and waves: `eval "$(tidegate completion bash)"`."""
    from typer._completion_shared import get_completion_script

    print(get_completion_script(prog_name="tidegate", complete_var="_TIDEGATE_COMPLETE", shell=shell))


def doctor(
    send: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="Send a test message to a #channel, an address, pagerduty, teams or webhook; repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what stands between you and a rollout, each with its remedy. Exit code 1 if something would stop it."""
    from console.commands.doctor_command import doctor as act

    act(send or [], as_json=as_json)


def init(
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The answers, as YAML; left out, they are asked.")
    ] = None,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Where plan, kit and snippet are written.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
) -> None:
    """Write a first plan, a kit and the service's lines, from what your Prometheus knows of the service."""
    from console.commands.init_command import init as act

    act(answers, into, force=force)
