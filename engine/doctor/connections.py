"""The kit's connections: each answers, may do what it must, and its clock agrees. Nothing is changed."""

from pathlib import Path

from sqlalchemy.engine import make_url

from blocks.connections import OpenConnections
from blocks.errors import Refused
from engine.doctor.lines import DoctorLine, Look, State
from engine.measuring.clocks import clocks_ahead
from tidegate.values.clock_skew import MOST, skew_sentence
from tidegate.values.units import format_duration

REMEDIES = {
    "journal": "look at journal.url in the kit; whoever types this needs to write there, too",
    "flags": "look at flags in the kit; the user of the workers needs to read and write there",
    "prometheus": "look at prometheus in the kit: its address, and its token or log-in",
    "slack": "look at slack.token in the kit; it needs the scope chat:write",
    "pagerduty": "look at pagerduty in the kit: routing_key and api_token",
    "teams": "look at teams.url in the kit: the workflow's address",
    "webhook": "look at webhook in the kit: url, body and signing_secret",
    "mail": "look at mail in the kit: host, port, log-in and sender",
}
CHANNELS = ("slack", "pagerduty", "teams", "webhook", "mail", "status_page")


def connection_looks(via: OpenConnections) -> tuple[Look, ...]:
    """A look at each connection by its own check, then at channels and clocks."""
    parts = tuple(
        Look(part, REMEDIES.get(part, f"look at {part} in the kit"), connection.check)
        for part, connection in via.present()
    )
    return (
        *parts,
        Look("channels", "", lambda: _channels(via)),
        Look("clocks", "let NTP or chrony set the clocks", lambda: _clocks(via)),
    )


def written_folders(via: OpenConnections) -> tuple[Path, ...]:
    """Where on this machine journal and flags lie, as far as they are files."""
    found = []
    url = make_url(via.journal.url.get_secret_value())
    if url.drivername == "sqlite" and url.database:
        found.append(Path(url.database).parent)
    if path := getattr(via.flags, "path", ""):
        found.append(Path(path).parent)
    return tuple(found)


def _channels(via: OpenConnections) -> str | DoctorLine:
    there = [part for part in CHANNELS if getattr(via, part) is not None]
    if there:
        return f"notices go by {', '.join(there)}"
    nobody = "the kit has no channel, so only plans that say `channels: none` can start"
    return DoctorLine(
        "channels",
        State.NOTE,
        nobody,
        "add slack, teams, pagerduty, a webhook or mail to the kit (docs/connections.md)",
    )


def _clocks(via: OpenConnections) -> str:
    via.prometheus.check()  # its answer is what tells its clock
    ahead = clocks_ahead(via)
    if apart := skew_sentence(ahead):
        raise Refused(apart)
    if unknown := [name for name, skew in ahead.items() if skew is None]:
        raise Refused(f"nothing tells the clock of {' and '.join(unknown)}")
    return f"{' and '.join(ahead)}: within {format_duration(MOST)} of ours"
