"""Who gives an order: an e-mail address where it has to be known, else any name."""

import re

from engine.rollout.open import NotAllowed

_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")


def email(text: str, option: str = "--as") -> str:
    """The address, in lower case; raises NotAllowed for anything else."""
    if _EMAIL.fullmatch(text) is None:
        raise NotAllowed(f"{option}: found {text!r}, allowed is an e-mail address")
    return text.lower()


def some_name(text: str, option: str = "--as") -> str:
    """The name on one line; raises NotAllowed for none at all."""
    name = " ".join(text.split())[:200]
    if not name:
        raise NotAllowed(f"{option}: found nothing, allowed is a name")
    return name
