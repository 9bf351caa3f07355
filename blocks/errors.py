"""What can go wrong with a connection.

ConnectionFault
├── Unreachable       no answer, or not now: asking again may help
├── Refused           the other side said no: asking again will not help
│   ├── RecipientsRefused   a mail server takes the message, but not for everybody
│   └── NotPermitted        it would expose more, and no living permit allows that
├── AmbiguousResult   it may have happened and may not
├── NotTaken          what was read back differs from what was written
│   └── OwnDefault    it is switched off, and each service serves a default that nobody here knows
├── Fenced            a newer epoch exists: this writer has lost
├── Conflict          another entry took this place in the journal
├── ClaimHeld         somebody else holds the claim
└── FlagBusy          the flag belongs to another open rollout
"""

from collections.abc import Mapping


class ConnectionFault(Exception):
    """An outside system did not do what it was asked; the message is a sentence without secrets."""


class Unreachable(ConnectionFault):
    """No answer, or none in time; asking again may help."""


class ChangedMeanwhile(Unreachable):
    """Somebody else changed what is there between our reading and our writing: nothing was written, look again."""


class Refused(ConnectionFault):
    """The other side understood and said no; asking again will not help."""


class RecipientsRefused(Refused):
    """A mail server refused some recipients; the others, who are distinguished, have the message."""

    def __init__(self, reached: tuple[str, ...], refused: Mapping[str, str]) -> None:
        said = "; ".join(f"{address} ({why})" for address, why in sorted(refused.items()))
        rest = f"; {', '.join(reached)} have it" if reached else ""
        super().__init__(f"mail refused for {said}{rest}")
        self.reached = reached
        self.refused = dict(refused)

    def __reduce__(self) -> tuple[type["RecipientsRefused"], tuple[tuple[str, ...], dict[str, str]]]:
        return type(self), (self.reached, self.refused)


class NotPermitted(Refused):
    """The write would expose more than is exposed now, and no living permit allows that."""


class AmbiguousResult(ConnectionFault):
    """The request was sent and its answer was lost: it may have happened."""


class NotTaken(ConnectionFault):
    """What was read back differs from what was written."""


class OwnDefault(NotTaken):
    """The flag is switched off and exposes nobody that is known of: each service now serves its own default."""


class Fenced(ConnectionFault):
    """A newer epoch exists: this writer has lost and must stop."""


class Conflict(ConnectionFault):
    """Another entry took this place in the journal: read again and decide again."""


class ClaimHeld(ConnectionFault):
    """Somebody else holds the claim, and for how long at most."""

    def __init__(self, holder: str, seconds_left: float) -> None:
        super().__init__(f"the claim is held by {holder} for another {seconds_left:.1f} s")
        self.holder = holder
        self.seconds_left = seconds_left

    def __reduce__(self) -> tuple[type["ClaimHeld"], tuple[str, float]]:
        return type(self), (self.holder, self.seconds_left)


class FlagBusy(ConnectionFault):
    """The flag belongs to another open rollout."""

    def __init__(self, flag: str, rollout: str, owner: str) -> None:
        super().__init__(f"flag {flag} belongs to the open rollout {rollout}, started by {owner or 'nobody known'}")
        self.flag = flag
        self.rollout = rollout
        self.owner = owner

    def __reduce__(self) -> tuple[type["FlagBusy"], tuple[str, str, str]]:
        return type(self), (self.flag, self.rollout, self.owner)
