"""The dashboard in a real browser, on real parts: numbers that change, and buttons that end in the journal."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from console.home import kit_path
from demo.provision import CHROMIUM, browser_environment, provide
from engine.gates.gate import decide_gate, open_gate
from engine.gates.read_answer import take_answer
from engine.gates.totp_seeds import add_approver, approvers_path, read_seeds
from engine.rollout.session import OpenRollout, utc_now
from tests.console.dashboards import served
from tests.console.prefect_stand_in import StandIn, prefect_stand_in, resumes
from tests.e2e.conftest import FLAGS
from tests.e2e.waiting import wait_for
from tests.tidegate import recount
from tests.triggers.conftest import APPROVER, Bench, bench, guard, rehearsal
from tidegate.gates.approval import Answer
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import Approvals
from tidegate.values.exposure import ZERO

__all__ = ["bench"]

LEAD = "oncall@company.com"
NOBODY_STATED = (
    ("product-manager", "Customer feedback positive"),
    ("engineering-lead", "Team reviews logs, acknowledges behavior"),
)
PICTURES = os.environ.get("TIDEGATE_SCREENSHOTS", "")
SECONDS = 60_000
MOST_TABS = 80


@pytest.fixture
def page() -> Iterator[Page]:
    os.environ.update(browser_environment())
    expect.set_options(timeout=SECONDS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=provide(CHROMIUM), args=FLAGS, timeout=SECONDS)
        shown = chromium.new_page(viewport={"width": 1280, "height": 900})
        shown.set_default_timeout(SECONDS)
        try:
            yield shown
        finally:
            chromium.close()


@pytest.fixture
def prefect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Where the dashboard hands codes over; the commander and the lead have a seed."""
    monkeypatch.setenv("TIDEGATE_APPROVERS", str(tmp_path / "approvers.json"))
    for person in (APPROVER, LEAD):
        add_approver(approvers_path(), person)
    with prefect_stand_in() as stand_in:
        stand_in.polled = True
        yield stand_in


def code_of(person: str) -> str:
    """What this person's authenticator shows now."""
    return pyotp.TOTP(read_seeds(approvers_path())[person]).now()


def wrong_code(person: str) -> str:
    """Six digits that none of this person's codes around now has."""
    near = {
        pyotp.TOTP(read_seeds(approvers_path())[person]).at(utc_now(), counter_offset=step) for step in range(-3, 4)
    }
    return next(code for code in (f"{digit}" * 6 for digit in range(10)) if code not in near)


def rules_on_answers(run: OpenRollout, wave: int) -> Callable[[dict[str, Any]], None]:
    """What the rollout's run does when it is resumed with an answer: rule on it, and ask anew where it is refused."""

    def resumed(given: dict[str, Any]) -> None:
        gate = run.refresh().gate
        assert gate is not None
        take_answer(run, wave, gate.attempt, given, utc_now())
        answered = run.state.gate
        if answered is not None and answered.answer is not None and not answered.outcome:
            decide_gate(run, wave, answered.attempt, Answer.from_json(answered.answer))
        if run.state.phase is Phase.GATE:
            open_gate(run, wave, gate.flow_run)

    return resumed


@contextmanager
def guarded(run: OpenRollout) -> Iterator[None]:
    """Somebody ticks the rollout meanwhile, as its run does."""
    ended = threading.Event()

    def ticks() -> None:
        while not ended.is_set() and run.state.phase in (Phase.WAVE, Phase.RAISING):
            guard(run)
            ended.wait(1)

    thread = threading.Thread(target=ticks, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


def picture(page: Page, name: str, shown: str = "") -> None:
    """Keep the page as it is, for a desk and for a phone, where somebody asked for pictures; `shown` is scrolled to."""
    if not PICTURES:
        return
    for width, form in ((1280, ""), (390, "-phone")):
        page.set_viewport_size({"width": width, "height": 900})
        if shown:
            page.locator(shown).evaluate("x => x.scrollIntoView({block: 'start'})")
        page.screenshot(path=Path(PICTURES) / f"{name}{form}.png")
    page.set_viewport_size({"width": 1280, "height": 900})


def tab_to(page: Page, control: Locator) -> None:
    """Press Tab until the control has the focus, as somebody without a mouse does."""
    for _ in range(MOST_TABS):
        if control.evaluate("x => x === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{MOST_TABS} presses of Tab do not lead to {control}")


def order(page: Page, summary: str, button: str, who: str, **fields: str) -> None:
    """Load the page, find an order from its top, unfold it, fill it in and press its button: by the keyboard alone."""
    page.reload()
    form = page.locator("details.order", has=page.locator("summary", has_text=summary))
    tab_to(page, form.locator("summary").first)
    page.keyboard.press("Enter")
    for name, value in {"name": who, **fields}.items():
        tab_to(page, form.locator(f"input[name={name}]"))
        page.keyboard.type(value)
    tab_to(page, form.get_by_role("button", name=button))
    page.keyboard.press("Enter")


def values_shown(page: Page) -> list[str]:
    """The value of each metric on the page."""
    return page.locator(".metric .number").all_inner_texts()


def check_that_only_the_page_may_order(page: Page, address: str, **form: str) -> None:
    """What comes from another page, without the page's token or with a wrong one, is refused."""
    token = page.locator("input[name=token]").first.get_attribute("value")
    origin = address.split("/rollouts", maxsplit=1)[0]
    untold = {"name": "somebody", **form}
    named = untold | {"token": str(token)}
    refused = [
        page.request.post(address, form=named, headers={"Origin": "https://evil.example"}),
        page.request.post(address, form=untold, headers={"Origin": origin}),
        page.request.post(address, form=named | {"token": "0" * 64}, headers={"Origin": origin}),
    ]
    assert [answer.status for answer in refused] == [403, 403, 403]


def say_go(page: Page, person: str, code: str, *, state: bool = True, shot: str = "") -> None:
    """Answer the gate as an approver, with a code, making every statement or none."""
    gate = page.locator("#order-answer")
    # What a refused answer said is kept, in a form that is still open.
    if gate.get_attribute("open") is None:
        gate.locator("summary").first.click()
    gate.get_by_label("Go: begin this wave").check()
    for box in gate.locator("input[type=checkbox]").all():
        box.set_checked(state)
    gate.locator("input[name=name]").fill(person)
    gate.locator("input[name=code]").fill(code)
    gate.locator("input[name=note]").fill("clicked on the dashboard")
    if shot:
        picture(page, shot, "#order-answer")
    gate.get_by_role("button", name="Answer the gate").click()
    expect(page.locator("#outcome")).to_be_visible()


def check_refusal(page: Page, seen: OpenRollout, why: str) -> None:
    """The page says why, in what it tells and in the form, and the gate waits for the next answer."""
    expect(page.locator("#outcome")).to_contain_text(f"Refused: {why}")
    expect(page.locator("#order-answer")).to_contain_text(f"The last answer was refused: {why}")
    assert (seen.refresh().phase, seen.state.votes.approved_wave) == (Phase.GATE, 1)


def hold_and_go_on(page: Page, seen: OpenRollout) -> None:
    """Anybody pauses; only an approver with a right code lets it go on."""
    order(page, "PAUSE", "PAUSE now", "Ann on call", reason="a look at the logs")
    expect(page.locator("#outcome")).to_contain_text("Held")
    assert HoldCause.OPERATOR in seen.refresh().holds
    expect(page.locator("#live .status").first).to_contain_text("HELD")
    picture(page, "dashboard-held")
    order(page, "CONTINUE", "CONTINUE", "stranger@company.com", code="123456")
    expect(page.locator("#outcome")).to_contain_text("may not resume")
    order(page, "CONTINUE", "CONTINUE", APPROVER, code=wrong_code(APPROVER))
    expect(page.locator("#outcome")).to_contain_text("was wrong or too old")
    assert HoldCause.OPERATOR in seen.refresh().holds
    order(page, "CONTINUE", "CONTINUE", APPROVER, code=code_of(APPROVER), reason="nothing found")
    expect(page.locator("#outcome")).to_contain_text("Resumed")
    assert HoldCause.OPERATOR not in seen.refresh().holds


def answer_the_gate(page: Page, run: OpenRollout, seen: OpenRollout, address: str) -> None:
    """A wrong code and a used one are refused, and so is another page; a go without statements leaves them to others."""
    open_gate(run, 2, "00000000-0000-0000-0000-000000000000")
    page.reload()
    check_that_only_the_page_may_order(page, f"{address}/answer", decision="go", wave="2", attempt="1")
    say_go(page, LEAD, wrong_code(LEAD), shot="dashboard-gate")
    check_refusal(page, seen, f"the code of {LEAD} was wrong or too old")
    picture(page, "dashboard-refused", "#outcome")
    used = code_of(LEAD)
    say_go(page, LEAD, used, state=False)
    expect(page.locator("#outcome")).to_contain_text("Not begun: ")
    expect(page.locator("#outcome")).to_contain_text(" missing (")
    expect(page.locator("#outcome")).to_contain_text(f"; 1 of 1 approvals ({LEAD}); ")
    for left in NOBODY_STATED:
        expect(page.locator("#outcome")).to_contain_text(f"{left[0]} has not stated yet")
        expect(page.locator("#outcome")).to_contain_text(left[1])
    assert (seen.refresh().phase, seen.state.votes.approved_wave) == (Phase.GATE, 1)
    say_go(page, LEAD, used)
    check_refusal(page, seen, f"the code of {LEAD} was used already")
    # Who states everything passes the gate, to which both have said go.
    say_go(page, APPROVER, code_of(APPROVER))
    expect(page.locator("#outcome")).to_contain_text(f"Go: go by {APPROVER}, {LEAD}")
    answers = [e.json for e in run.connections.journal.entries(run.rollout) if e.kind is Kind.ANSWERED]
    assert [bool(answer["proof"]["problem"]) for answer in answers] == [True, False, True, False]
    assert (answers[-1]["answer"]["decision"], answers[-1]["answer"]["approver"]) == ("go", APPROVER)
    assert seen.refresh().votes.approved_wave == 2


def told(*arguments: str) -> str:
    """What the command prints."""
    argv = [sys.executable, "-m", "console", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def rows_of(rollout: str) -> list[recount.Row]:
    """The journal's own rows, read past all of our code."""
    [file] = kit_path().parent.glob("*.db")
    with closing(sqlite3.connect(file)) as journal:
        found = journal.execute("SELECT at, kind, body FROM entries WHERE rollout = ? ORDER BY sequence", [rollout])
        return [recount.Row(datetime.fromisoformat(at), kind, json.loads(body)) for at, kind, body in found]


def check_the_reports(rollout: str) -> None:
    """What the commands print of a rollout that was rolled back, counted again from the rows that stood there before."""
    before = rows_of(rollout)
    recount.check_stand_up(json.loads(told("report", rollout, "standup", "--json")), before)
    recount.check_postmortem(told("postmortem", rollout), before)
    recount.check_costs(json.loads(told("report", rollout, "costs", "--json")), rows_of(rollout))
    before = rows_of(rollout)
    recount.check_close_out(json.loads(told("report", rollout, "close-out", "--json")), before)
    told("report", rollout, "close-out", "--verify")
    if keep := os.environ.get("TIDEGATE_KEEP_REPORTS"):
        for which in ("standup", "costs", "close-out"):
            (Path(keep) / f"{which}.md").write_text(told("report", rollout, which))
        (Path(keep) / "postmortem.md").write_text(told("postmortem", rollout))


@pytest.mark.timeout(300)
def test_the_dashboard_is_driven_through_a_rehearsal(bench: Bench, page: Page, prefect: StandIn) -> None:
    run = bench.in_wave(1, rehearsal().model_copy(update={"approvals": Approvals.CODES}))
    seen = OpenRollout(bench.via, run.rollout)
    prefect.orders["resume"], prefect.worker = resumes(seen), rules_on_answers(run, 2)
    with served(bench.via) as url:
        address = f"{url}/rollouts/{run.rollout}"
        with guarded(run):
            page.goto(url)
            page.get_by_role("link", name=run.rollout).first.click()
            expect(page.locator("#live .status").first).to_have_text("✓ HEALTHY")
            expect(page.get_by_text("work pool")).to_have_count(0)

            # Measured values change by themselves within ten seconds, and the page is never loaded anew.
            page.evaluate("window.stayed = true")
            before = values_shown(page)
            wait_for(lambda: values_shown(page) != before, 10, "a metric's value changes")
            assert page.evaluate("window.stayed")

            check_that_only_the_page_may_order(page, f"{address}/rollback")
            assert seen.refresh().rollback is None

            hold_and_go_on(page, seen)
            page.goto(address)
            wait_for(lambda: len(seen.refresh().waves[1].reviews) >= 12, 60, "there is something to draw")
            picture(page, "dashboard-wave")
            wait_for(lambda: seen.refresh().phase is Phase.SOAKED, 120, "wave 1 has soaked")

        page.goto(address)
        answer_the_gate(page, run, seen, address)

        order(page, "ROLLBACK", "ROLLBACK now", "Ann on call", reason="customers call")
        expect(page.locator("#outcome")).to_contain_text("is at zero")
        assert bench.via.flags.read(run.flag).exposure == ZERO
        wait_for(lambda: seen.refresh().phase is Phase.ROLLED_BACK, 60, "the rollback is proven")
        expect(page.locator("#live .status").first).to_contain_text("ROLLED BACK")
        picture(page, "dashboard-rolled-back")
        page.goto(url)
        picture(page, "dashboard-list")
        still = bench.routed()
        wait_for(lambda: page.request.get(f"{url}/metrics").ok, 10, "the engine's metrics")
        assert bench.routed() == still
    run.release_claim()
    check_the_reports(run.rollout)
