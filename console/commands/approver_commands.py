"""Commands for the approvers' seeds, to be run on the worker as its user."""

import json
import sys
from typing import Annotated

import segno
import typer
from rich.console import Console

from console.commands.rollout_commands import email
from console.options import Json
from engine.gates.totp_seeds import add_approver, approvers_path, read_seeds, remove_approver

out = Console(highlight=False)
Person = Annotated[str, typer.Argument(metavar="EMAIL", help="Whose one-time codes are meant.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    approver = typer.Typer(help="One-time codes of approvers; the seeds lie on this worker only.", no_args_is_help=True)
    approver.command("add")(add)
    approver.command("list")(show)
    approver.command("remove")(remove)
    app.add_typer(approver, name="approver")


def add(
    person: Person,
    show_uri: Annotated[bool, typer.Option("--show-uri", help="Print the otpauth URI as text, too.")] = False,
) -> None:
    """Make a seed and show it once, as a QR code for the person's authenticator."""
    path = approvers_path()
    uri = add_approver(path, email(person, "EMAIL"))
    segno.make(uri, micro=False).terminal(out=sys.stdout, compact=True)
    if show_uri:
        print(uri)
    out.print(
        f"{email(person)} scans this now; it is not shown again. The seed lies in {path}", markup=False, soft_wrap=True
    )


def show(as_json: Json = False) -> None:
    """List who has a seed on this worker."""
    people = sorted(read_seeds(approvers_path()))
    if as_json:
        print(json.dumps({"approvers": people}))
    else:
        out.print("\n".join(people) or f"nobody has a seed yet ({approvers_path()})", markup=False)


def remove(person: Person) -> None:
    """Forget a person's seed; their codes prove nothing from now on."""
    remove_approver(approvers_path(), email(person, "EMAIL"))
    out.print(f"{email(person)} has no seed any more", markup=False)
