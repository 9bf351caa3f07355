"""The connections: one outside system a file, each a Prefect block; `prefect block register -m blocks` takes all."""

from blocks.cache import Cache
from blocks.command_flag import CommandFlag
from blocks.commands import Commands
from blocks.connections import Connections, OpenConnections, load_connections
from blocks.evidence import Evidence, FileSeen
from blocks.flag_backend import FlagBackend, FlagReading
from blocks.flagd_file import FlagdFile
from blocks.journal import Claim, Journal, RolloutRow
from blocks.kit import KitError, read_kit, register_kit, write_kit
from blocks.mail import Mail
from blocks.nginx_split import NginxSplit
from blocks.pagerduty import PagerDuty
from blocks.prometheus import Prometheus
from blocks.running import CommandResult
from blocks.slack import Slack
from blocks.web import Web, WebAnswer

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
    "Web",
    "WebAnswer",
    "load_connections",
    "read_kit",
    "register_kit",
    "write_kit",
]
