"""The connections: one outside system a file, each a Prefect block; `prefect block register -m blocks` takes all.

Each name is imported when it is asked for: what needs no Prefect must not wait for its import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.cache import Cache
    from blocks.calls.running import CommandResult
    from blocks.channels.mail import Mail
    from blocks.channels.pagerduty import PagerDuty
    from blocks.channels.slack import Slack
    from blocks.channels.status_page import StatusPage
    from blocks.commands import Commands
    from blocks.connections import Connections, OpenConnections, load_connections
    from blocks.evidence import Evidence, FileSeen
    from blocks.flags.backend import FlagBackend, FlagReading
    from blocks.flags.command_flag import CommandFlag
    from blocks.flags.flagd_file import FlagdFile
    from blocks.journal.block import Claim, Journal, RolloutRow
    from blocks.kit import KitError, read_kit, register_kit, write_kit
    from blocks.nginx_split import NginxSplit
    from blocks.prometheus.block import Prometheus
    from blocks.web import Web, WebAnswer

_HOME = {
    "Cache": "blocks.cache",
    "Claim": "blocks.journal.block",
    "CommandFlag": "blocks.flags.command_flag",
    "CommandResult": "blocks.calls.running",
    "Commands": "blocks.commands",
    "Connections": "blocks.connections",
    "Evidence": "blocks.evidence",
    "FileSeen": "blocks.evidence",
    "FlagBackend": "blocks.flags.backend",
    "FlagReading": "blocks.flags.backend",
    "FlagdFile": "blocks.flags.flagd_file",
    "Journal": "blocks.journal.block",
    "KitError": "blocks.kit",
    "Mail": "blocks.channels.mail",
    "NginxSplit": "blocks.nginx_split",
    "OpenConnections": "blocks.connections",
    "PagerDuty": "blocks.channels.pagerduty",
    "Prometheus": "blocks.prometheus.block",
    "RolloutRow": "blocks.journal.block",
    "Slack": "blocks.channels.slack",
    "StatusPage": "blocks.channels.status_page",
    "Web": "blocks.web",
    "WebAnswer": "blocks.web",
    "load_connections": "blocks.connections",
    "read_kit": "blocks.kit",
    "register_kit": "blocks.kit",
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
    "Journal",
    "KitError",
    "Mail",
    "NginxSplit",
    "OpenConnections",
    "PagerDuty",
    "Prometheus",
    "RolloutRow",
    "Slack",
    "StatusPage",
    "Web",
    "WebAnswer",
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
