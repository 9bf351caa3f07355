"""The inbox takes what the real clients send and shows it."""

import smtplib
import urllib.request
import warnings
from email.message import EmailMessage
from pathlib import Path

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from demo.inbox.store import Store
from tests.demo.conftest import Stack

with warnings.catch_warnings():
    # It announces its own end at import; the choice of client is not this test's.
    warnings.simplefilter("ignore", UserWarning)
    from pdpyras import APISession, EventsAPISession, PDHTTPError


@pytest.fixture(autouse=True)
def _empty_inbox(stack: Stack) -> None:
    stack.call("DELETE", f"{stack.parts.inbox_url}/messages")


def test_slack_messages_threads_and_updates(stack: Stack) -> None:
    slack = WebClient(token="xoxb-demo", base_url=stack.parts.slack_url, timeout=5)
    assert slack.auth_test()["ok"]
    metadata = {"event_type": "notice", "event_payload": {"id": "n-1"}}
    first = slack.chat_postMessage(channel="#alerts-critical", text="Rolled back <now>", metadata=metadata)
    slack.chat_postMessage(channel="#alerts-critical", text="It stands still", thread_ts=first["ts"])
    slack.chat_update(channel=first["channel"], ts=first["ts"], text="Rolled back & proven")
    thread = slack.conversations_replies(channel=first["channel"], ts=first["ts"], include_all_metadata=True)[
        "messages"
    ]
    assert [message["text"] for message in thread] == ["Rolled back & proven", "It stands still"]
    assert thread[0]["metadata"] == metadata
    plain = slack.conversations_history(channel=first["channel"])["messages"]
    assert ["metadata" in message for message in plain] == [False]
    assert not slack.conversations_history(channel=first["channel"], oldest=f"{float(first['ts']) + 1:f}")["messages"]
    channels = slack.conversations_list()["channels"]
    assert {"alerts-critical", "alerts-warnings"} <= {channel["name"] for channel in channels}
    assert slack.conversations_info(channel=first["channel"])["channel"]["name"] == "alerts-critical"
    with pytest.raises(SlackApiError, match="message_not_found"):
        slack.chat_update(channel=first["channel"], ts="1.1", text="?")
    kept = stack.call("GET", f"{stack.parts.inbox_url}/messages?kind=slack")
    assert [message["channel"] for message in kept] == ["alerts-critical"] * 2


def test_slack_without_a_token_is_refused(stack: Stack) -> None:
    with pytest.raises(SlackApiError, match="not_authed"):
        WebClient(base_url=stack.parts.slack_url, timeout=5).auth_test()


def test_pagerduty_events_of_one_key_are_one_incident(stack: Stack) -> None:
    events = EventsAPISession("routing-key")
    events.url = stack.parts.pagerduty_url
    for _ in range(2):
        assert events.trigger("Error rate above 10 %", "tidegate", dedup_key="rollout-1") == "rollout-1"
    events.acknowledge("rollout-1")
    events.resolve("rollout-1")
    (incident,) = stack.call("GET", f"{stack.parts.inbox_url}/messages?kind=pagerduty")
    assert (incident["status"], len(incident["events"])) == ("resolved", 4)
    assert "routing-key" not in str(incident)
    events.trigger("Again", "tidegate", dedup_key="rollout-1")
    assert len(stack.call("GET", f"{stack.parts.inbox_url}/messages?kind=pagerduty")) == 2
    with pytest.raises(PDHTTPError):
        events.trigger("Odd", "tidegate", severity="dreadful")


def test_pagerduty_can_be_checked(stack: Stack) -> None:
    session = APISession("key")
    session.url = stack.parts.pagerduty_url
    assert session.rget("abilities")
    assert session.list_all("services")[0]["name"] == "batch-patches"
    assert session.list_all("oncalls")[0]["user"]["name"] == "Demo On-Call"
    assert session.list_all("incidents", params={"statuses[]": ["triggered"]}) == []


def test_mail(stack: Stack) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "tidegate@example.com", "owner@example.com", "Größe – zurück"
    mail.set_content("Exposure is zero.\n")
    with smtplib.SMTP(stack.parts.smtp_host, stack.parts.smtp_port, timeout=5) as server:
        server.send_message(mail)
    (kept,) = stack.call("GET", f"{stack.parts.inbox_url}/messages?kind=mail")
    assert (kept["subject"], kept["recipients"]) == ("Größe – zurück", ["owner@example.com"])
    assert kept["text"].strip() == "Exposure is zero."


def test_the_page_escapes_what_was_sent(stack: Stack) -> None:
    slack = WebClient(token="xoxb-demo", base_url=stack.parts.slack_url, timeout=5)
    slack.chat_postMessage(channel="#alerts-warnings", text="<script>alert(1)</script>")
    with urllib.request.urlopen(stack.parts.inbox_url, timeout=5) as answer:
        page = answer.read().decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_messages_outlive_the_process(tmp_path: Path) -> None:
    store = Store(tmp_path / "inbox.jsonl")
    message = store.add("mail", subject="a")
    store.change(message, subject="b")
    again = Store(tmp_path / "inbox.jsonl")
    assert [m["subject"] for m in again.all()] == ["b"]
    assert again.add("mail", subject="c")["id"] == 2
