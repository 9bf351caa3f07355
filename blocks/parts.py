"""The parts of a kit, and the block types that serve as each: the one list of connections. Needs no Prefect.

The kit file, the connections block, what is registered with Prefect, zero's two parts and the table on the page derive
from it; a type that another package adds (`blocks/flags/installed.py`) stands in none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class BlockType:
    """A connection's type: its slug in kits and on Prefect's server, and where its class is, as `module:Class`."""

    slug: str
    home: str
    store: str = ""  # its verbs without Prefect, for zero

    @property
    def connection(self) -> Any:
        """The connection's class, imported now."""
        return _at(self.home)

    @property
    def verbs(self) -> Any:
        """What zero uses in its place, imported now; raises LookupError where zero needs no such thing."""
        if not self.store:
            raise LookupError(f"{self.slug} is nothing that zero needs")
        return _at(self.store)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a kit: what it is for, and the types that serve as it, the usual one first."""

    what: str
    types: tuple[BlockType, ...]
    required: bool = False
    base: str = ""  # the class that each of several types is of
    is_any: str = ""  # whatever has the verbs of this protocol serves, too, such as another package's

    @property
    def usual(self) -> BlockType:
        """The type of a kit that names none."""
        return self.types[0]

    @property
    def serves(self) -> Any:
        """The class or protocol that a connection must be, imported now."""
        place = self.is_any or self.base
        return _at(place) if place else self.usual.connection


def _at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


PARTS: Mapping[str, Part] = {
    "journal": Part(
        "where rollouts are recorded, in SQLite or PostgreSQL",
        (BlockType("tidegate-journal", "blocks.journal.block:Journal", "blocks.journal.store:JournalStore"),),
        required=True,
    ),
    "flags": Part(
        "the feature flags that are raised and taken to zero",
        (
            BlockType(
                "tidegate-flagd-file",
                "blocks.flags.flagd.flagd_file:FlagdFile",
                "blocks.flags.flagd.flagd_store:FlagdStore",
            ),
            BlockType(
                "tidegate-command-flag",
                "blocks.flags.command_flag:CommandFlag",
                "blocks.flags.command_store:CommandStore",
            ),
            BlockType(
                "tidegate-http-flag",
                "blocks.flags.http.http_flag:HttpFlag",
                "blocks.flags.http.http_store:HttpStore",
            ),
            BlockType(
                "tidegate-haproxy-flag",
                "blocks.flags.splits.haproxy_flag:HaproxyFlag",
                "blocks.flags.splits.haproxy_store:HaproxyStore",
            ),
            BlockType(
                "tidegate-nginx-flag",
                "blocks.flags.splits.nginx_flag:NginxFlag",
                "blocks.flags.splits.nginx_store:NginxStore",
            ),
            BlockType(
                "tidegate-launchdarkly",
                "blocks.flags.launchdarkly.launchdarkly:LaunchDarkly",
                "blocks.flags.launchdarkly.launchdarkly_store:LaunchDarklyStore",
            ),
            BlockType(
                "tidegate-growthbook",
                "blocks.flags.growthbook.growthbook:GrowthBook",
                "blocks.flags.growthbook.growthbook_store:GrowthBookStore",
            ),
            BlockType(
                "tidegate-unleash",
                "blocks.flags.unleash.unleash:Unleash",
                "blocks.flags.unleash.unleash_store:UnleashStore",
            ),
        ),
        required=True,
        is_any="blocks.flags.backend:FlagBackend",
    ),
    "prometheus": Part(
        "what is measured, and which alerts fire",
        (BlockType("tidegate-prometheus", "blocks.prometheus.block:Prometheus"),),
        required=True,
    ),
    "slack": Part("notices in channels", (BlockType("tidegate-slack", "blocks.channels.slack:Slack"),)),
    "pagerduty": Part(
        "pages, and who is on call", (BlockType("tidegate-pagerduty", "blocks.channels.pagerduty:PagerDuty"),)
    ),
    "mail": Part("notices by mail", (BlockType("tidegate-mail", "blocks.channels.mail:Mail"),)),
    "teams": Part("notices in a channel of Teams", (BlockType("tidegate-teams", "blocks.channels.teams:Teams"),)),
    "webhook": Part(
        "notices to any service that takes JSON", (BlockType("tidegate-webhook", "blocks.channels.webhook:Webhook"),)
    ),
    "commands": Part("what plans may have run, by name", (BlockType("tidegate-commands", "blocks.commands:Commands"),)),
    "web": Part("what plans may ask over HTTP, by name", (BlockType("tidegate-web", "blocks.web:Web"),)),
    "evidence": Part(
        "the folder of reports and documents", (BlockType("tidegate-evidence", "blocks.evidence:Evidence"),)
    ),
    "plans": Part("the folder of plans, instead of `plans/`", (BlockType("tidegate-plans", "blocks.plans:Plans"),)),
    "load_balancer": Part(
        "the share of requests that a load balancer sends to the new path",
        (
            BlockType("tidegate-nginx-split", "blocks.balancers.nginx_split:NginxSplit"),
            BlockType("tidegate-haproxy-split", "blocks.balancers.haproxy_split:HaproxySplit"),
        ),
        base="blocks.balancers.traffic_split:TrafficSplit",
    ),
    "cache": Part("the cache that a full rollback empties", (BlockType("tidegate-cache", "blocks.cache:Cache"),)),
    "ofrep": Part(
        "what a flag service serves a user now (OpenFeature's remote evaluation)",
        (BlockType("tidegate-ofrep", "blocks.ofrep:Ofrep"),),
    ),
    "sign_in": Part("how people sign in to the dashboard", (BlockType("tidegate-sign-in", "blocks.sign_in:SignIn"),)),
    "status_page": Part(
        "what customers read at a rollback",
        (BlockType("tidegate-status-page", "blocks.channels.status_page:StatusPage"),),
    ),
}
REQUIRED = tuple(name for name, part in PARTS.items() if part.required)


def block_types() -> Iterator[BlockType]:
    """Every type of Tidegate's own."""
    for part in PARTS.values():
        yield from part.types


def known_type(slug: str) -> BlockType | None:
    """Tidegate's own type of this slug."""
    return next((found for found in block_types() if found.slug == slug), None)


def parts_table() -> str:
    """The parts as the page has them, in Markdown."""
    rows = ["| part | what it is | block type |", "| --- | --- | --- |"]
    for name, part in PARTS.items():
        types = [f"`{found.slug}`" for found in part.types] + (["an installed package's"] if part.is_any else [])
        rows.append(f"| `{name}`{' (needed)' if part.required else ''} | {part.what} | {', '.join(types)} |")
    return "\n".join(rows) + "\n"
