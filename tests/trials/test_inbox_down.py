"""Three days at a gate with Slack, PagerDuty and mail really away: stopped, and started again."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from blocks.channels.mail import Mail
from blocks.channels.pagerduty import PagerDuty
from blocks.channels.slack import Slack
from demo.processes import Process, free_ports, start_process, stop_processes, wait_ready
from tests.engine.test_waiting import HOUR, Waiting, numbers
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Phase


class RealInbox:
    """The demo's inbox as a process of its own, at the same address whenever it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder, (self.port, self.smtp) = folder, free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Process | None = None
        key = SecretStr("demo")
        self.slack = Slack(token=key, base_url=f"{self.url}/slack/api/", timeout_seconds=1)
        self.pagerduty = PagerDuty(routing_key=key, url=f"{self.url}/pagerduty", timeout_seconds=1)
        self.mail = Mail(host="127.0.0.1", port=self.smtp, starttls=False, sender="tidegate@example.com")

    def start(self) -> None:
        store = self.folder / "inbox.jsonl"
        argv = [sys.executable, "-P", "-m", "demo.inbox", "--port", str(self.port)]
        argv += ["--smtp-port", str(self.smtp), "--store", str(store)]
        self.process = start_process("inbox", argv, {}, self.folder / "inbox.log")
        wait_ready(f"{self.url}/health", 60, self.process)

    def stop(self) -> None:
        if self.process is not None:
            stop_processes([self.process])

    def all(self, kind: str) -> list[dict[str, object]]:
        found = httpx.get(f"{self.url}/messages", params={"kind": kind}, timeout=10).json()
        return list(found)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[RealInbox]:
    opened = RealInbox(tmp_path)
    opened.start()
    yield opened
    opened.stop()


@pytest.mark.timeout(300)
def test_three_days_without_slack_lose_no_reminder_and_double_none(tmp_path: Path, inbox: RealInbox) -> None:
    waiting = Waiting(tmp_path, inbox, {})  # type: ignore[arg-type]
    waiting.wait(5 * HOUR, HOUR)
    assert numbers(reminders(inbox)) == [1]
    inbox.stop()
    for _ in range(3):
        waiting.wait(22 * HOUR, HOUR)
        waiting.restart()
    inbox.start()
    waiting.wait(4 * HOUR, HOUR)
    assert numbers(reminders(inbox)) == list(range(1, 18))
    told = [(message["channel"], event(message)) for message in inbox.all("slack")]
    assert len(told) == len(set(told)), told
    critical = [e for m in inbox.all("slack") if m["channel"] == "alerts-critical" and (e := event(m))]
    assert len([e for e in critical if e.startswith("held-gate_timeout")]) == 1
    paged = sorted(str(m["dedup_key"]) for m in inbox.all("pagerduty"))
    # With Slack and mail away the pager was all that was left to say so: once for each of them, and late itself.
    assert [key.split("-silent-")[0] for key in paged] == ["n-1/gate_timeout", "n-1/mail", "n-1/slack"], paged
    assert (waiting.run.state.phase, set(waiting.run.state.holds)) == (Phase.GATE, {HoldCause.GATE_TIMEOUT})
    assert waiting.via.journal.verify("n-1") == []


def reminders(inbox: RealInbox) -> list[str]:
    """The reminders in the rollout's thread, as they came."""
    found = [event(message) for message in inbox.all("slack") if message["channel"] == "releases"]
    return [name for name in found if name.startswith("remind-")]


def event(message: dict[str, object]) -> str:
    """The event id in a message's metadata."""
    metadata = message["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["event_payload"]["event"])
