"""What approvers and their codes need, as typed."""

from pathlib import Path
from typing import Annotated

import typer

from console.options import Json, Person


def add(
    person: Person,
    show_uri: Annotated[bool, typer.Option("--show-uri", help="Print the otpauth URI as text, too.")] = False,
) -> None:
    """Make a seed and show it once, as a QR code for the person's authenticator."""
    from console.approvers.approver_commands import add as act

    act(person=person, show_uri=show_uri)


def show(as_json: Json = False) -> None:
    """List who has a seed on this worker."""
    from console.approvers.approver_commands import show as act

    act(as_json=as_json)


def remove(person: Person) -> None:
    """Forget a person's seed; their codes prove nothing from now on."""
    from console.approvers.approver_commands import remove as act

    act(person=person)


def serve(
    socket: Annotated[
        Path, typer.Option("--socket", help="The unix socket to listen on; only we may write its folder.")
    ],
    group: Annotated[str, typer.Option("--group", help="The workers' group; without it, only our own user.")] = "",
) -> None:
    """Judge codes until it is ended; workers find it by TIDEGATE_CODES_SOCKET."""
    from console.approvers.codes_command import serve as act

    act(socket=socket, group=group)
