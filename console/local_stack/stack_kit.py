"""The kit file of the local stack: every part's connection, all of them for rehearsals."""

from pathlib import Path
from typing import Any

from blocks.kit import write_kit
from console.home import kit_path
from demo.stack import Parts, named_commands, named_sources
from demo.unleash.server import ENVIRONMENT, UnleashPart


def write_demo_kit(folder: Path, parts: Parts) -> None:
    """The stack's connections, all marked as rehearsal; the inbox takes any token."""
    rehearsal = {"environment": "rehearsal"}
    write_kit(
        kit_path(),
        {
            "journal": {"url": f"sqlite:///{folder / 'journal.db'}", **rehearsal},
            "flags": {**(_unleash(parts.unleash) if parts.unleash else {"path": parts.flag_file}), **rehearsal},
            "prometheus": {"url": parts.prometheus_url, **rehearsal},
            "slack": {"token": "xoxb-demo", "base_url": parts.slack_url, **rehearsal},
            "pagerduty": {
                "routing_key": "0" * 32,
                "url": parts.pagerduty_url,
                "api_token": "demo",
                "api_url": parts.pagerduty_url,
                **rehearsal,
            },
            "mail": {
                "host": parts.smtp_host,
                "port": parts.smtp_port,
                "starttls": False,
                "sender": "tidegate@example.com",
                **rehearsal,
            },
            "status_page": {"page": "demo", "api_key": "demo", "url": f"{parts.inbox_url}/status", **rehearsal},
            "commands": {"commands": named_commands(parts), "folder": str(folder), "timeout_seconds": 600, **rehearsal},
            "web": {"sources": named_sources(parts), **rehearsal},
            "evidence": {"folder": parts.evidence, **rehearsal},
        },
    )


def _unleash(part: UnleashPart) -> dict[str, Any]:
    return {
        "block": "tidegate-unleash",
        "url": part.url,
        "environment_name": ENVIRONMENT,
        "token": part.tidegate_token,
        # The demo's service asks each second; the server itself takes up to one to notice a change.
        "propagation_seconds": 3,
        "timeout_seconds": 5,
    }
