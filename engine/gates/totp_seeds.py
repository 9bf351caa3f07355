"""The approvers' seeds: one file on the worker that nobody else may read, and nowhere else."""

import os
from collections.abc import Mapping
from pathlib import Path

import pyotp

from engine.gates.private_json import PrivateFileError, read_private, write_private
from tidegate.gates.codes import SEED_BITS, seed_problem

_LETTERS = SEED_BITS // 5
_ISSUER = "Tidegate"


class ApproversError(ValueError):
    """A file of seeds that cannot be used, or an order it does not allow; one sentence, never a seed."""


def approvers_path() -> Path:
    """The file of seeds: TIDEGATE_APPROVERS, else approvers.json in the Tidegate home."""
    home = os.environ.get("TIDEGATE_HOME") or ".tidegate"
    return Path(os.environ.get("TIDEGATE_APPROVERS") or Path(home) / "approvers.json").absolute()


def read_seeds(path: Path) -> dict[str, str]:
    """The seeds by e-mail address, none where there is no file yet; raises ApproversError."""
    try:
        values = read_private(path, "seeds")
    except PrivateFileError as error:
        raise ApproversError(str(error)) from None
    for person, seed in values.items():
        if why := seed_problem(seed):
            raise ApproversError(f"{path}: {person}: {why}")
    return {person.lower(): seed for person, seed in values.items()}


def add_approver(path: Path, person: str) -> str:
    """Make a seed for this person and return the otpauth URI that an authenticator takes; raises ApproversError."""
    seeds = read_seeds(path)
    if person in seeds:
        raise ApproversError(f"{person} has a seed already; `tidegate approver remove {person}` makes it worthless")
    seed = pyotp.random_base32(_LETTERS)
    _write(path, seeds | {person: seed})
    return pyotp.TOTP(seed, name=person, issuer=_ISSUER).provisioning_uri()


def remove_approver(path: Path, person: str) -> None:
    """Forget this person's seed; raises ApproversError where there is none."""
    seeds = read_seeds(path)
    if person not in seeds:
        raise ApproversError(f"found no seed of {person}, allowed are {', '.join(sorted(seeds)) or 'none yet'}")
    _write(path, {other: seed for other, seed in seeds.items() if other != person})


def _write(path: Path, seeds: Mapping[str, str]) -> None:
    try:
        write_private(path, seeds)
    except PrivateFileError as error:
        raise ApproversError(str(error)) from error
