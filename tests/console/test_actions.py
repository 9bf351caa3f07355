"""The effects of a wave's actions: queued once by the tick, sent to whom they concern, looked up where they can be."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.channels.mail import Mail
from blocks.channels.pagerduty import PagerDuty
from blocks.channels.slack import Slack
from engine.notices.actions import carry_out
from engine.notices.delivery import deliver
from engine.rollout.evaluation import evaluate
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.conftest import Answering, Demo
from tests.console.test_without_journal import in_wave_one
from tidegate.journal.kinds import Kind
from tidegate.plan.fields.actions import Standby
from tidegate.plan.model import Plan


def queued(run: OpenRollout, prefix: str) -> list[str]:
    return [event for event in run.refresh().notices.queued if event.startswith(prefix)]


def with_first_actions(run: OpenRollout, *actions: dict[str, Any]) -> OpenRollout:
    body = run.plan.to_json()
    body["waves"][0]["actions"] = list(actions)  # type: ignore[index]
    body.pop("standup")
    run.plan = Plan.model_validate(body)
    return run


STANDBY = {"do": "standby", "role": "incident-commander", "service": "batch-patches", "text": "On standby"}


def test_a_tick_hands_a_task_over_once(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = in_wave_one(tmp_path, prometheus_server)
    for _ in range(3):
        evaluate(run, datetime.now(UTC), review=False)
    assert queued(run, "tasks-") == ["tasks-1-engineering-lead"]
    notices = [e for e in run.connections.journal.entries(run.rollout) if e.kind is Kind.QUEUED]
    assert [e.json["notice"]["event"] for e in notices].count("tasks-1-engineering-lead") == 1


def test_a_tick_that_rolls_back_hands_nothing_over(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = in_wave_one(tmp_path, prometheus_server)
    run.connections.flags.zero(run.flag, None)
    evaluate(run, datetime.now(UTC), review=False)
    assert run.refresh().rollback is not None
    assert queued(run, "tasks-") == []


def test_a_reminder_is_queued_once_on_its_day_and_sent_by_mail_to_its_roles(
    tmp_path: Path,
    prometheus_server: PrometheusServer,
    demo: Demo,
) -> None:
    run = with_first_actions(
        in_wave_one(tmp_path, prometheus_server),
        {"do": "notice", "at": ["0:00", "12:00"], "roles": ["product-manager"], "text": "Review meeting"},
    )
    later = datetime.now(UTC) + timedelta(hours=13)
    run.connections = replace(
        run.connections,
        slack=Slack(token="xoxb-demo", base_url=f"{demo.inbox}/slack/api/"),
        mail=Mail(host="127.0.0.1", port=demo.smtp, starttls=False, sender="tidegate@example.com"),
    )
    for _ in range(3):
        carry_out(run, later)
    events = queued(run, "notice-1-1-")
    assert 1 <= len(events) <= 2
    run.keep_claim()
    assert deliver(run) == 0
    assert deliver(run) == 0
    mails = demo.messages("mail")
    assert [(m["recipients"], "Review meeting" in m["subject"]) for m in mails] == [
        (["product@company.com"], True)
    ] * len(events)
    assert {m["channel"] for m in demo.messages("slack")} == {"releases"}


def test_a_meeting_gets_its_report_in_the_thread_by_mail_and_as_a_file(
    tmp_path: Path, prometheus_server: PrometheusServer, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_KIT", str(tmp_path / "kit.yaml"))
    meeting = {"do": "notice", "at": ["0:00", "12:00"], "roles": ["product-manager"], "text": "Sync"}
    run = with_first_actions(in_wave_one(tmp_path, prometheus_server), {**meeting, "report": "standup"})
    run.connections = replace(
        run.connections,
        slack=Slack(token="xoxb-demo", base_url=f"{demo.inbox}/slack/api/"),
        mail=Mail(host="127.0.0.1", port=demo.smtp, starttls=False, sender="tidegate@example.com"),
    )
    carry_out(run, datetime.now(UTC) + timedelta(hours=13))
    event = queued(run, "notice-1-1-")[-1]
    run.keep_claim()
    assert deliver(run) == 0
    report = (tmp_path / "reports" / run.rollout / f"{event}.md").read_text()
    for part in (
        "# Stand-up: ",
        "## 1. Health",
        "## 2. Issues",
        "## 3. Decision",
        "## 4. Next actions",
        "Next stand-up",
    ):
        assert part in report
    assert report in run.state.notices.queued[event]["body"]
    # One or two meetings, by the time of day at which this runs.
    said = [m["text"] for m in demo.messages("slack") if "3. Decision" in m["text"]]
    assert said
    assert all("*3. Decision*" in text for text in said)
    assert not any(line.startswith(("#", "|", "- [")) for text in said for line in text.splitlines())


@pytest.mark.parametrize(
    ("pagerduty", "loudness", "words"),
    [
        (lambda d, _: None, "info", "commander@company.com"),
        (lambda d, _: {}, "info", "commander@company.com"),
        (
            lambda d, _: {"api_token": "t", "api_url": f"{d.inbox}/pagerduty"},
            "info",
            "On call in PagerDuty: Demo On-Call.",
        ),
        (lambda d, _: {"api_token": "t", "api_url": "http://127.0.0.1:9"}, "warning", "could not be asked"),
        (lambda d, s: {"api_token": "t", "api_url": s.url}, "warning", "knows no service"),
    ],
)
def test_who_stands_by_is_looked_up_and_told(
    tmp_path: Path,
    prometheus_server: PrometheusServer,
    demo: Demo,
    server: Answering,
    pagerduty: Callable[[Demo, Answering], dict[str, Any] | None],
    loudness: str,
    words: str,
) -> None:
    server.answer = lambda *_: (200, b'{"services": [], "oncalls": []}', {})
    run = with_first_actions(in_wave_one(tmp_path, prometheus_server), STANDBY)
    given = pagerduty(demo, server)
    if given is not None:
        run.connections = replace(run.connections, pagerduty=PagerDuty(routing_key="0" * 32, **given))
    carry_out(run, datetime.now(UTC))
    carry_out(run, datetime.now(UTC))
    (event,) = queued(run, "standby-")
    notice = run.state.notices.queued[event]
    assert notice["loudness"] == loudness
    assert words in notice["body"]
    assert notice["to"] == ["commander@company.com"]


def test_a_pagerduty_that_hangs_holds_the_guard_up_once_and_briefly(
    tmp_path: Path,
    prometheus_server: PrometheusServer,
    server: Answering,
) -> None:
    server.answer = lambda *_: None
    run = with_first_actions(in_wave_one(tmp_path, prometheus_server), STANDBY)
    hanging = PagerDuty(routing_key="0" * 32, api_token="t", api_url=server.url)
    run.connections = replace(run.connections, pagerduty=hanging)
    started = time.monotonic()
    carry_out(run, datetime.now(UTC))
    first = time.monotonic() - started
    carry_out(run, datetime.now(UTC))
    assert first < 3.5
    assert time.monotonic() - started - first < 1
    assert run.state.notices.queued["standby-1-1"]["loudness"] == "warning"
    assert isinstance(run.plan.waves[0].actions[0], Standby)
