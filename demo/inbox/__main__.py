"""Runs the inbox until it is told to end."""

import argparse
from pathlib import Path

import uvicorn

from demo.inbox.app import create_app
from demo.inbox.store import Store


def main() -> None:
    """Run the inbox."""
    parser = argparse.ArgumentParser(prog="python -m demo.inbox", description="Receives Slack, PagerDuty and mail.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True, help="JSON lines file that keeps the messages")
    options = parser.parse_args()
    uvicorn.run(
        create_app(Store(options.store), options.smtp_port),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
