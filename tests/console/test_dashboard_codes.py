"""Codes typed on the dashboard, against a real server: the worker judges them, and the page says what it made of them."""

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from engine.rollout.evaluation import hold
from engine.rollout.session import utc_now
from tests.console.dashboards import Browser, served
from tests.console.prefect_stand_in import StandIn, resumes
from tests.engine.conftest import seeds
from tests.engine.gate_world import GateWorld
from tests.engine.test_answering import other_code
from tests.tidegate.builders import ANN, BOB
from tidegate.gates.statements import field_name, statements
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase

__all__ = ["seeds"]


@pytest.fixture
def world(tmp_path: Path, seeds: Path, prefect: StandIn) -> GateWorld:
    """A gate that waits, and its run on a worker that rules on what comes back from the form, and asks anew."""
    found = GateWorld(tmp_path, seeds)

    def rules(given: dict[str, object]) -> None:
        outcome, _ = found.answer(given)
        if outcome == "refused":
            found.open()

    prefect.worker, prefect.asks = rules, found.run
    prefect.orders["resume"] = resumes(found.run)
    found.open()
    return found


@pytest.fixture
def page(world: GateWorld) -> Iterator[Browser]:
    with served(world.run.connections) as url, httpx.Client(base_url=url, timeout=20) as http:
        yield Browser(http, origin=url)


def form(world: GateWorld, code: str, **changes: str) -> dict[str, str]:
    """The gate's form as Ann fills it in."""
    attempt = world.open()
    stated = {field_name(s.key): "on" for s in statements(world.run.plan, 1)}
    return {"decision": "go", "wave": "1", "attempt": str(attempt), "name": ANN, "code": code, **stated, **changes}


def told(page: Browser, world: GateWorld, code: str, **changes: str) -> str:
    """What the page says after the form was sent."""
    shown = page.order(world.run.rollout, "answer", **form(world, code, **changes))
    found = re.search(r'id="outcome">([^<]+)<', shown)
    assert found is not None
    return html.unescape(found[1])


def must_still_ask(page: Browser, world: GateWorld, attempt: int, why: str) -> None:
    """The gate is open, its next attempt waits, and the page says why the last answer was refused."""
    state = world.run.refresh()
    assert (state.phase, state.votes.approved_wave) == (Phase.GATE, 0)
    assert world.open() == attempt
    shown = html.unescape(page.page(f"/rollouts/{world.run.rollout}"))
    assert f"The last answer was refused: {why}" in shown
    assert 'name="code"' in shown


def test_the_right_code_passes_the_gate_and_stands_nowhere(world: GateWorld, page: Browser, prefect: StandIn) -> None:
    code = world.code(ANN, utc_now())
    assert told(page, world, code) == f"✓ Go: go by {ANN}"
    assert world.run.refresh().phase is Phase.RAISING
    [answer] = [e.json for e in world.run.connections.journal.entries(world.run.rollout) if e.kind is Kind.ANSWERED]
    assert (answer["answer"]["approver"], answer["proof"]["problem"]) == (ANN, "")
    assert answer["proof"]["step"] is not None
    assert [given["code"] for given in prefect.given] == [code]
    assert "code" not in answer["answer"]
    assert code not in page.page(f"/rollouts/{world.run.rollout}")


def test_a_wrong_an_old_and_somebody_elses_code_are_refused_and_the_gate_stays_open(
    world: GateWorld, page: Browser
) -> None:
    now = utc_now()
    codes = (other_code(world, now), world.code(ANN, now - timedelta(seconds=95)), world.code(BOB, now))
    for attempt, code in enumerate(codes, start=2):
        said = told(page, world, code)
        assert said.startswith(f"✖ Refused: the code of {ANN} was wrong or too old")
        must_still_ask(page, world, attempt, f"the code of {ANN} was wrong or too old")


def test_a_code_counts_once(world: GateWorld, page: Browser) -> None:
    code = world.code(ANN, utc_now())
    refused = told(page, world, code, decision="extend", extension="12h")
    assert refused == "✖ Refused: nothing can be extended before wave 1"
    why = f"the code of {ANN} was used already; wait for the next one"
    assert told(page, world, code) == f"✖ Refused: {why}"
    must_still_ask(page, world, 3, why)


def test_after_five_wrong_codes_not_even_the_right_one_counts_and_a_hold_does(world: GateWorld, page: Browser) -> None:
    for _ in range(5):
        assert "wrong or too old" in told(page, world, other_code(world, utc_now()))
    assert f"after 5 wrong codes {ANN} is not believed until" in told(page, world, world.code(ANN, utc_now()))
    must_still_ask(page, world, 7, f"after 5 wrong codes {ANN} is not believed until")
    assert told(page, world, "", decision="hold").startswith("✓ Held")


def test_without_a_code_nothing_is_handed_over(world: GateWorld, page: Browser, prefect: StandIn) -> None:
    before = world.run.refresh().sequence
    assert told(page, world, "") == "✖ Refused: go and extend need the one-time code of their approver."
    [entry] = world.run.connections.journal.entries(world.run.rollout, after=before)
    assert (prefect.given, entry.json["refused"]) == ([], "go and extend need the one-time code of their approver")


def test_a_right_code_from_elsewhere_is_refused(world: GateWorld, page: Browser, prefect: StandIn) -> None:
    page.page(f"/rollouts/{world.run.rollout}")
    right = form(world, world.code(ANN, utc_now()))
    answers = [
        page.press(world.run.rollout, "answer", origin="https://evil.example", **right),
        page.press(world.run.rollout, "answer", origin="", **right),
        page.press(world.run.rollout, "answer", **right, token=""),
        page.press(world.run.rollout, "answer", **right, token="0" * 64),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert (prefect.given, world.run.refresh().phase) == ([], Phase.GATE)


def test_a_hold_is_ended_with_the_code_of_an_approver_only(world: GateWorld, page: Browser) -> None:
    run = world.run
    hold(run, "somebody", "wait")
    asked = {"name": ANN, "reason": "fine again"}
    wrong = page.order(run.rollout, "continue", **asked, code=other_code(world, utc_now()))
    assert f"Not done: the code of {ANN} was wrong or too old" in wrong
    assert "Not done: no code was given" in page.order(run.rollout, "continue", **asked)
    assert HoldCause.OPERATOR in run.refresh().holds
    code = world.code(ANN, utc_now())
    assert "Resumed (operator)" in page.order(run.rollout, "continue", **asked, code=code)
    assert run.refresh().holds == {}
    hold(run, "somebody", "wait")
    assert f"the code of {ANN} was used already" in page.order(run.rollout, "continue", **asked, code=code)
    assert HoldCause.OPERATOR in run.refresh().holds
