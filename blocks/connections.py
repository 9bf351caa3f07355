"""The set of connections that a rollout uses. Needs no Prefect."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.connection import Connection
from blocks.errors import Refused
from blocks.parts import PARTS

if TYPE_CHECKING:
    from blocks.balancers.traffic_split import TrafficSplit
    from blocks.cache import Cache
    from blocks.channels.mail import Mail
    from blocks.channels.pagerduty import PagerDuty
    from blocks.channels.slack import Slack
    from blocks.channels.status_page import StatusPage
    from blocks.channels.teams import Teams
    from blocks.channels.webhook import Webhook
    from blocks.commands import Commands
    from blocks.evidence import Evidence
    from blocks.flags.backend import FlagBackend
    from blocks.journal.block import Journal
    from blocks.ofrep import Ofrep
    from blocks.plans import Plans
    from blocks.prometheus.block import Prometheus
    from blocks.sign_in import SignIn
    from blocks.web import Web


@dataclass(frozen=True)
class OpenConnections:
    """The connections themselves, ready for use."""

    journal: "Journal"
    flags: "FlagBackend"
    prometheus: "Prometheus"
    slack: "Slack | None" = None
    pagerduty: "PagerDuty | None" = None
    mail: "Mail | None" = None
    teams: "Teams | None" = None
    webhook: "Webhook | None" = None
    commands: "Commands | None" = None
    web: "Web | None" = None
    evidence: "Evidence | None" = None
    plans: "Plans | None" = None
    load_balancer: "TrafficSplit | None" = None
    cache: "Cache | None" = None
    status_page: "StatusPage | None" = None
    ofrep: "Ofrep | None" = None
    sign_in: "SignIn | None" = None

    def present(self) -> Iterator[tuple[str, Connection]]:
        """Every connection there is, with the name of its part."""
        for part in PARTS:
            connection = getattr(self, part)
            if connection is not None:
                yield part, connection

    @property
    def is_rehearsal(self) -> bool:
        """Whether every connection says rehearsal."""
        return all(connection.environment == "rehearsal" for _, connection in self.present())

    def close(self) -> None:
        """Close what is kept open between uses."""
        self.journal.close()
        self.prometheus.close()
        if self.web is not None:
            self.web.close()


def must_be(part: str, connection: object, where: str) -> object:
    """The connection, if it can serve as that part; raises Refused."""
    if not isinstance(connection, PARTS[part].serves) or not isinstance(connection, Connection):
        raise Refused(f"{where}: found a {type(connection).__name__}, which cannot serve as {part}")
    return connection
