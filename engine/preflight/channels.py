"""Preflight of the channels: whoever the plan pages can be reached before anybody is exposed."""

from blocks.connection import Connection
from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from tidegate.notices.routing import MAIL, PAGERDUTY, PART_NAMES, SLACK, TEAMS, WEBHOOK
from tidegate.plan.model import Contact, Plan
from tidegate.values.verdict import Finding, Verdict

CHANNELS = "channels"
CHANNELS_TEXT = "Whoever is paged can be reached"
_MEND = (
    "Add to the kit `pagerduty: { routing_key: KEY }`, `slack: { token: xoxb-TOKEN }` or "
    "`mail: { host: smtp.example.com, sender: tidegate@example.com }`, "
    "or write `channels: none` into the plan if nobody is to be notified."
)


def paged_reachable(connections: OpenConnections, plan: Plan) -> Finding:
    """PASS where each role that is paged has a connection whose check passed; nothing is sent.

    A page goes to PagerDuty, Slack, Teams and the webhook for everybody, and by mail to each contact's own address.
    """
    if plan.channels.silent:
        nobody = "Nobody is notified of anything: the plan says `channels: none`."
        return Finding(CHANNELS, CHANNELS_TEXT, Verdict.NOT_APPLICABLE, nobody)
    parts: dict[str, Connection | None] = {
        PAGERDUTY: connections.pagerduty,
        SLACK: connections.slack,
        TEAMS: connections.teams,
        WEBHOOK: connections.webhook,
        MAIL: connections.mail,
    }
    # What few have is not missed.
    parts = {part: found for part, found in parts.items() if found is not None or part not in (TEAMS, WEBHOOK)}
    problems: list[str] = []
    ways = [part for part, connection in parts.items() if _works(part, connection, problems)]
    mailed = _mailed(connections, plan, problems) if MAIL in ways else []
    if not mailed and MAIL in ways:
        ways.remove(MAIL)
    everybody = any(part in ways for part in (PAGERDUTY, SLACK, TEAMS, WEBHOOK))
    unreached = [] if everybody else [contact for contact in plan.contacts if contact not in mailed]
    if unreached or not ways:
        said = " ".join([f"Nothing reaches {_roles(unreached)}.", *problems, _MEND])
        return Finding(CHANNELS, CHANNELS_TEXT, Verdict.FAIL, said)
    by = " and ".join(PART_NAMES[part] for part in ways)
    return Finding(CHANNELS, CHANNELS_TEXT, Verdict.PASS, " ".join([f"Pages go by {by}.", *problems]))


def _works(part: str, connection: Connection | None, problems: list[str]) -> bool:
    if connection is None:
        problems.append(f"The kit has no {PART_NAMES[part]}.")
        return False
    try:
        connection.check()
    except ConnectionFault as fault:
        problems.append(f"{fault}.")
        return False
    return True


def _mailed(connections: OpenConnections, plan: Plan, problems: list[str]) -> list[Contact]:
    """The contacts whom mail reaches; none where that cannot be determined."""
    if connections.mail is None or not plan.contacts:
        problems.append("Mail has nobody to go to: the plan has no `contacts`.")
        return []
    try:
        refused = connections.mail.refused_of(tuple(contact.email for contact in plan.contacts))
    except ConnectionFault as fault:
        problems.append(f"{fault}.")
        return []
    problems.extend(f"Mail does not reach {address}: {said}." for address, said in refused.items())
    return [contact for contact in plan.contacts if contact.email not in refused]


def _roles(unreached: list[Contact]) -> str:
    return ", ".join(f"{contact.title} ({contact.email})" for contact in unreached) or "anybody"
