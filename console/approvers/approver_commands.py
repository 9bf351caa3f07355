"""Commands for the approvers' seeds, to be run on the worker as its user."""

import json
import sys

import segno
from rich.console import Console

from console.who import email
from engine.gates.totp_seeds import add_approver, approvers_path, read_seeds, remove_approver

out = Console(highlight=False)


def add(person: str, show_uri: bool = False) -> None:
    """Make a seed and show it once, as a QR code for the person's authenticator."""
    path = approvers_path()
    uri = add_approver(path, email(person, "EMAIL"))
    segno.make(uri, micro=False).terminal(out=sys.stdout, compact=True)
    if show_uri:
        print(uri)
    out.print(
        f"{email(person)} scans this now; it is not shown again. The seed lies in {path}", markup=False, soft_wrap=True
    )


def show(as_json: bool = False) -> None:
    """List who has a seed on this worker."""
    people = sorted(read_seeds(approvers_path()))
    if as_json:
        print(json.dumps({"approvers": people}))
    else:
        out.print("\n".join(people) or f"nobody has a seed yet ({approvers_path()})", markup=False)


def remove(person: str) -> None:
    """Forget a person's seed; their codes prove nothing from now on."""
    remove_approver(approvers_path(), email(person, "EMAIL"))
    out.print(f"{email(person)} has no seed any more", markup=False)
