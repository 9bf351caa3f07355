"""Whom a rollback tells: the status page's one incident, the stakeholders' mail, and who calls the post-mortem."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.channels.status_page import StatusPage
from blocks.errors import Refused, Unreachable
from engine.notices.delivery import deliver, undelivered_messages
from engine.rollback.proof import RollbackProof
from engine.rollback.rollback import _against_promise, roll_back
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.engine.inbox import Inbox
from tests.engine.world import World, no_alerts
from tests.tidegate.builders import ANN, BOB, STARTER
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.texts import post_mortem_task, rolled_back

WORDS = {"title": "Slower than usual", "begun": "We look into a problem.", "over": "All is well again."}
PLAN = {
    "rollback.status_page": WORDS,
    "rollback.stakeholders": ["commander"],
    "rollback.post_mortem": {"role": "lead", "within": "2d"},
}
NOTICE = Notice("e-1", "r-1", Loudness.PAGE, "t", "b", "rollback", public="We look.", public_title="Slow")


@pytest.fixture
def run(tmp_path: Path, prometheus_server: PrometheusServer, inbox: Inbox) -> Iterator[OpenRollout]:
    world = World(tmp_path, prometheus_server, no_alerts(PLAN))
    world.run.connections = replace(world.via, status_page=inbox.status_page, mail=inbox.mail)
    yield world.run
    world.via.close()


def prove(run: OpenRollout) -> None:
    at = run.state.rollback.ordered_at.isoformat() if run.state.rollback else ""
    body = {"proven": True, "counter": 7, "last_request_at": at, "proven_at": at, "sentence": "It stands still."}
    run.append(body_from_json(Kind.PROVEN, body))
    from engine.notices.queueing import notify

    notify(run, rolled_back(run.plan, run.state))
    task = post_mortem_task(run.plan, run.state)
    assert task is not None
    notify(run, task)


def test_customers_stakeholders_and_whoever_calls_the_meeting_are_told(run: OpenRollout, inbox: Inbox) -> None:
    roll_back(run, reason="bad", criterion="by hand", by=ANN)
    assert deliver(run) == 0
    [incident] = inbox.store.all("status")
    assert (incident["name"], incident["status"]) == ("Slower than usual", "investigating")
    prove(run)
    assert deliver(run) == 0
    [incident] = inbox.store.all("status")
    assert (incident["status"], incident["updates"]) == ("resolved", ["We look into a problem.", "All is well again."])
    mails = [(mail["subject"], set(mail["recipients"])) for mail in inbox.store.all("mail")]
    assert [people for title, people in mails if "at zero" in title] == [{STARTER}]
    assert [people for title, people in mails if "proven" in title] == [{STARTER}]
    assert [people for title, people in mails if "post-mortem" in title] == [{ANN, BOB}]


def test_a_status_page_that_is_down_gets_it_later_and_once(run: OpenRollout, inbox: Inbox) -> None:
    inbox.fault["status"] = "errors"
    roll_back(run, reason="bad", criterion="by hand", by=ANN)
    deliver(run)
    assert [due.channel for due in undelivered_messages(run)] == ["status_page"]
    inbox.fault["status"] = "lost"
    deliver(run)
    inbox.fault.clear()
    assert deliver(run) == 0
    assert len(inbox.store.all("status")) == 1


def test_an_incident_is_opened_once_and_only_ours_is_resolved(inbox: Inbox) -> None:
    page = inbox.status_page
    first = page.open(NOTICE)
    assert page.open(NOTICE) == first
    other = page.open(replace(NOTICE, rollout="r-2"))
    assert page.check() == "status page demo with 2 open incidents"
    assert page.resolve(replace(NOTICE, resolves=True)) == first
    assert page.resolve(replace(NOTICE, resolves=True)) == ""
    assert [m["incident"] for m in inbox.store.all("status") if m["status"] != "resolved"] == [other]


def test_a_page_that_is_not_there_or_says_no_is_told_apart(inbox: Inbox) -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        StatusPage(page="demo", api_key="k", url="http://127.0.0.1:9", timeout_seconds=0.5).open(NOTICE)
    with pytest.raises(Refused, match="answered 404"):
        StatusPage(page="demo", api_key="k", url=f"{inbox.url}/nowhere", timeout_seconds=0.5).open(NOTICE)


@pytest.mark.parametrize(("seconds", "late"), [(12, False), (31, True)])
def test_a_proof_that_missed_its_promise_says_so(run: OpenRollout, seconds: float, late: bool) -> None:
    roll_back(run, reason="bad", criterion="by hand", by=ANN)
    assert run.state.rollback is not None
    ordered = run.state.rollback.ordered_at
    proof = RollbackProof(True, 7.0, ordered, ordered + timedelta(seconds=seconds), "It stands still.")
    said = _against_promise(run, proof, ordered).sentence
    assert said == ("It stands still. LATE: the proof took 31.0 s, promised are 30s." if late else "It stands still.")
    assert _against_promise(run, replace(proof, proven=False), ordered).sentence == "It stands still."
