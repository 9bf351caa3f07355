"""The connections: one outside system a file. The Prefect block of each is made of it (`blocks.prefect_blocks`).

Each name is imported when it is asked for: what needs no Prefect must not wait for its import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from blocks.parts import block_types

if TYPE_CHECKING:
    from blocks.balancers.haproxy_split import HaproxySplit
    from blocks.balancers.nginx_split import NginxSplit
    from blocks.cache import Cache
    from blocks.calls.running import CommandResult
    from blocks.channels.mail import Mail
    from blocks.channels.pagerduty import PagerDuty
    from blocks.channels.slack import Slack
    from blocks.channels.status_page import StatusPage
    from blocks.channels.teams import Teams
    from blocks.channels.webhook import Webhook
    from blocks.commands import Commands
    from blocks.connections import OpenConnections
    from blocks.evidence import Evidence, FileSeen
    from blocks.flags.backend import FlagBackend, FlagReading
    from blocks.flags.command_flag import CommandFlag
    from blocks.flags.flagd.flagd_file import FlagdFile
    from blocks.flags.growthbook.growthbook import GrowthBook
    from blocks.flags.http.http_flag import HttpFlag
    from blocks.flags.launchdarkly.launchdarkly import LaunchDarkly
    from blocks.flags.splits.haproxy_flag import HaproxyFlag
    from blocks.flags.splits.nginx_flag import NginxFlag
    from blocks.flags.unleash.unleash import Unleash
    from blocks.journal.block import Claim, Journal, RolloutRow
    from blocks.kit import KitError, read_kit, write_kit
    from blocks.ofrep import Ofrep
    from blocks.plans import Plans
    from blocks.prefect_blocks.connections_block import Connections, load_connections
    from blocks.prefect_blocks.register_kit import register_kit
    from blocks.prometheus.block import Prometheus
    from blocks.sign_in import SignIn
    from blocks.web import Web, WebAnswer

_HOME = {name: module for module, _, name in (found.home.partition(":") for found in block_types())} | {
    "Claim": "blocks.journal.block",
    "CommandResult": "blocks.calls.running",
    "Connections": "blocks.prefect_blocks.connections_block",
    "FileSeen": "blocks.evidence",
    "FlagBackend": "blocks.flags.backend",
    "FlagReading": "blocks.flags.backend",
    "KitError": "blocks.kit",
    "OpenConnections": "blocks.connections",
    "RolloutRow": "blocks.journal.block",
    "WebAnswer": "blocks.web",
    "load_connections": "blocks.prefect_blocks.connections_block",
    "read_kit": "blocks.kit",
    "register_kit": "blocks.prefect_blocks.register_kit",
    "write_kit": "blocks.kit",
}

__all__ = [
    "Cache",
    "Claim",
    "CommandFlag",
    "CommandResult",
    "Commands",
    "Connections",
    "Evidence",
    "FileSeen",
    "FlagBackend",
    "FlagReading",
    "FlagdFile",
    "GrowthBook",
    "HaproxyFlag",
    "HaproxySplit",
    "HttpFlag",
    "Journal",
    "KitError",
    "LaunchDarkly",
    "Mail",
    "NginxFlag",
    "NginxSplit",
    "Ofrep",
    "OpenConnections",
    "PagerDuty",
    "Plans",
    "Prometheus",
    "RolloutRow",
    "SignIn",
    "Slack",
    "StatusPage",
    "Teams",
    "Unleash",
    "Web",
    "WebAnswer",
    "Webhook",
    "load_connections",
    "read_kit",
    "register_kit",
    "write_kit",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
