"""The set of connections that a rollout uses, by the names of their blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from prefect.blocks.core import Block, UnknownBlockType
from pydantic import Field

from blocks.cache import Cache
from blocks.channels.mail import Mail
from blocks.channels.pagerduty import PagerDuty
from blocks.channels.slack import Slack
from blocks.channels.status_page import StatusPage
from blocks.commands import Commands
from blocks.connection import Connection
from blocks.errors import Refused, Unreachable
from blocks.evidence import Evidence
from blocks.flags.backend import FlagBackend
from blocks.flags.command_flag import CommandFlag
from blocks.flags.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.nginx_split import NginxSplit
from blocks.prometheus.block import Prometheus
from blocks.web import Web

_REFERENCE = r"^[a-z0-9-]+/[a-zA-Z0-9_-]+$"


@dataclass(frozen=True)
class OpenConnections:
    """The connections themselves, ready for use."""

    journal: Journal
    flags: FlagBackend
    prometheus: Prometheus
    slack: Slack | None = None
    pagerduty: PagerDuty | None = None
    mail: Mail | None = None
    commands: Commands | None = None
    web: Web | None = None
    evidence: Evidence | None = None
    load_balancer: NginxSplit | None = None
    cache: Cache | None = None
    status_page: StatusPage | None = None

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


# What each part must be; a flag backend is any block with the right verbs.
PARTS: dict[str, type] = {
    "journal": Journal,
    "flags": FlagBackend,
    "prometheus": Prometheus,
    "slack": Slack,
    "pagerduty": PagerDuty,
    "mail": Mail,
    "commands": Commands,
    "web": Web,
    "evidence": Evidence,
    "load_balancer": NginxSplit,
    "cache": Cache,
    "status_page": StatusPage,
}
REQUIRED = ("journal", "flags", "prometheus")
FLAG_BACKENDS = (FlagdFile, CommandFlag)  # known to Prefect by their slugs once they are imported


class Connections(Block):
    """The connections that a rollout uses; plans and flows name this block and never hold a secret."""

    _block_type_name: ClassVar[str | None] = "Tidegate Connections"
    _block_type_slug: ClassVar[str | None] = "tidegate-connections"
    _description: ClassVar[str | None] = "The set of connections that a rollout uses, by the names of their blocks."

    journal: str = Field(description="The journal's block, as type/name (tidegate-journal/team).", pattern=_REFERENCE)
    flags: str = Field(description="The flag backend's block, as type/name.", pattern=_REFERENCE)
    prometheus: str = Field(description="The Prometheus block, as type/name.", pattern=_REFERENCE)
    slack: str | None = Field(default=None, description="The Slack block, as type/name.", pattern=_REFERENCE)
    pagerduty: str | None = Field(default=None, description="The PagerDuty block, as type/name.", pattern=_REFERENCE)
    mail: str | None = Field(default=None, description="The mail block, as type/name.", pattern=_REFERENCE)
    commands: str | None = Field(default=None, description="The commands block, as type/name.", pattern=_REFERENCE)
    web: str | None = Field(default=None, description="The web sources' block, as type/name.", pattern=_REFERENCE)
    evidence: str | None = Field(default=None, description="The evidence folder's block.", pattern=_REFERENCE)
    load_balancer: str | None = Field(
        default=None, description="The load balancer's block, as type/name.", pattern=_REFERENCE
    )
    cache: str | None = Field(default=None, description="The cache's block, as type/name.", pattern=_REFERENCE)
    status_page: str | None = Field(
        default=None, description="The status page's block, as type/name.", pattern=_REFERENCE
    )

    def open(self) -> OpenConnections:
        """Load every named block; raises Unreachable or Refused."""
        loaded: dict[str, Any] = {}
        for part in PARTS:
            reference = getattr(self, part)
            if reference is not None:
                loaded[part] = must_be(part, _load(Block, reference), f"block {reference}")
        return OpenConnections(**loaded)


def load_connections(name: str) -> OpenConnections:
    """The connections of the block document `name`; raises Unreachable or Refused."""
    return cast(Connections, _load(Connections, name)).open()


def must_be(part: str, connection: object, where: str) -> object:
    """The connection, if it can serve as that part; raises Refused."""
    if not isinstance(connection, PARTS[part]) or not isinstance(connection, Connection):
        raise Refused(f"{where}: found a {type(connection).__name__}, which cannot serve as {part}")
    return connection


def _load(kind: type[Block], name: str) -> object:
    import httpx

    try:
        return kind.load(name, _sync=True)  # type: ignore[call-arg]
    except httpx.HTTPError as error:
        raise Unreachable(f"block {name}: Prefect's server does not answer ({type(error).__name__})") from error
    except (ValueError, RuntimeError, UnknownBlockType) as error:
        # Only the kind is shown: a validation error repeats the values, secrets included.
        raise Refused(f"block {name}: there is none, or it cannot be read ({type(error).__name__})") from error
