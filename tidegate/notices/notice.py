"""Messages to people, as values: what happened, how loud, and an event id that makes a repeat recognisable."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LOOK = "Look: "  # begins the line with the rollout's address


class Loudness(StrEnum):
    """Where a notice goes: the rollout's own channel, the warnings channel, or people's pagers as well."""

    INFO = "info"
    WARNING = "warning"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message; `event` is unique within the rollout, `problem` names what a page is about (or is resolved).

    `to` are addresses that have it by mail, too.
    """

    event: str
    rollout: str
    loudness: Loudness
    title: str
    body: str
    problem: str = ""
    resolves: bool = False
    to: tuple[str, ...] = ()
    concerns: tuple[str, ...] = ()  # who has it by mail only where Slack stays away; nobody here: the contacts
    acknowledges: bool = False  # somebody has taken the problem's page in hand
    report: str = ""  # the body holds this report, in Markdown
    public: str = ""  # what a status page says; empty: nothing is posted there
    public_title: str = ""
    threaded: bool = True  # entries of older releases, which knew no threads, read False

    @property
    def link(self) -> str:
        """The address at which its body says to look; empty where it names none."""
        lines = (line.removeprefix(LOOK).strip() for line in self.body.splitlines() if line.startswith(LOOK))
        # The last one: ours ends the body, whatever somebody wrote above it.
        return next((line for line in reversed([*lines]) if line.startswith(("http://", "https://"))), "")

    @property
    def link_label(self) -> str:
        """What a button to its address says."""
        return "Open the gate" if self.link.endswith("/gate") else "Open the rollout"

    def to_json(self) -> dict[str, Any]:
        """As queued in the journal."""
        return {
            "event": self.event,
            "rollout": self.rollout,
            "loudness": self.loudness.value,
            "title": self.title,
            "body": self.body,
            "problem": self.problem,
            "resolves": self.resolves,
            "to": list(self.to),
            "concerns": list(self.concerns),
            "acknowledges": self.acknowledges,
            "threaded": self.threaded,
            **({"report": self.report} if self.report else {}),
            **({"public": self.public, "public_title": self.public_title} if self.public else {}),
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Notice":
        """The inverse of `to_json`."""
        people = {field: tuple(body.get(field, ())) for field in ("to", "concerns")}
        return cls(**{"threaded": False, **body, **people, "loudness": Loudness(body["loudness"])})
