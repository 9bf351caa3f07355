"""The dashboard in a real browser, on real parts: numbers that change, and buttons that end in the journal."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from prefect.context import refresh_global_settings_context

from demo.provision import CHROMIUM, browser_environment, provide
from tasks.gates import open_gate
from tasks.open_rollout import OpenRollout
from tests.console.dashboards import served
from tests.e2e.test_browser import FLAGS
from tests.e2e.waiting import wait_for
from tests.triggers.conftest import APPROVER, Bench, bench, guard, rehearsal
from tidegate.entries import Kind
from tidegate.exposure import ZERO
from tidegate.rollout_state import HoldCause, Phase

__all__ = ["bench"]

PICTURES = os.environ.get("TIDEGATE_SCREENSHOTS", "")
SECONDS = 60_000


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    # No Prefect server answers here: an answer is in the journal all the same.
    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    refresh_global_settings_context()
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
            monkeypatch.undo()
            refresh_global_settings_context()


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


def picture(page: Page, name: str) -> None:
    """Keep the page as it is, for a desk and for a phone, where somebody asked for pictures."""
    if not PICTURES:
        return
    for width, form in ((1280, ""), (390, "-phone")):
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=Path(PICTURES) / f"{name}{form}.png")
    page.set_viewport_size({"width": 1280, "height": 900})


def order(page: Page, summary: str, button: str, who: str, **fields: str) -> None:
    """Unfold an order, fill it in and press its button, by the keyboard."""
    form = page.locator("details.order", has=page.locator("summary", has_text=summary))
    form.locator("summary").first.focus()
    page.keyboard.press("Enter")
    form.locator("input[name=name]").fill(who)
    for name, value in fields.items():
        form.locator(f"input[name={name}]").fill(value)
    form.get_by_role("button", name=button).focus()
    page.keyboard.press("Enter")


def check_that_only_the_page_may_order(page: Page, address: str) -> None:
    """What comes from another page, without the page's token or with a wrong one, is refused."""
    token = page.locator("input[name=token]").first.get_attribute("value")
    origin = address.split("/rollouts", maxsplit=1)[0]
    named = {"name": "somebody", "token": str(token)}
    refused = [
        page.request.post(address, form=named, headers={"Origin": "https://evil.example"}),
        page.request.post(address, form={"name": "somebody"}, headers={"Origin": origin}),
        page.request.post(address, form=named | {"token": "0" * 64}, headers={"Origin": origin}),
    ]
    assert [answer.status for answer in refused] == [403, 403, 403]


def say_go(page: Page) -> None:
    """Answer the gate as an approver who makes every statement."""
    gate = page.locator("#order-answer")
    gate.locator("summary").first.click()
    picture(page, "dashboard-gate")
    gate.get_by_label("Go: begin this wave").check()
    for box in gate.locator("input[type=checkbox]").all():
        box.check()
    gate.locator("input[name=name]").fill(APPROVER)
    gate.locator("input[name=note]").fill("clicked on the dashboard")
    gate.get_by_role("button", name="Answer the gate").click()
    expect(page.locator("#told")).to_be_visible()


@pytest.mark.timeout(300)
def test_the_dashboard_is_driven_through_a_rehearsal(bench: Bench, page: Page) -> None:
    run = bench.in_wave(1, rehearsal())
    seen = OpenRollout(bench.via, run.rollout)
    with served(bench.via) as url:
        with guarded(run):
            page.goto(url)
            page.get_by_role("link", name=run.rollout).first.click()
            expect(page.locator("#live .status").first).to_have_text("✓ HEALTHY")

            # Numbers change by themselves within ten seconds, and the page is never loaded anew.
            page.evaluate("window.stayed = true")
            before = page.locator("#live").inner_text()
            wait_for(lambda: page.locator("#live").inner_text() != before, 10, "the numbers change")
            assert page.evaluate("window.stayed")
            picture(page, "dashboard-wave")

            check_that_only_the_page_may_order(page, f"{url}/rollouts/{run.rollout}/rollback")
            assert seen.refresh().rollback is None

            order(page, "PAUSE", "PAUSE now", "Ann on call", reason="a look at the logs")
            expect(page.locator("#told")).to_contain_text("Held")
            assert HoldCause.OPERATOR in seen.refresh().holds
            expect(page.locator("#live .status").first).to_contain_text("HELD")
            picture(page, "dashboard-held")
            order(page, "CONTINUE", "CONTINUE", "stranger@company.com")
            expect(page.locator("#told")).to_contain_text("may not resume")
            order(page, "CONTINUE", "CONTINUE", APPROVER, reason="nothing found")
            expect(page.locator("#told")).to_contain_text("Resumed")
            assert seen.refresh().holds == {}
            wait_for(lambda: seen.refresh().phase is Phase.SOAKED, 120, "wave 1 has soaked")

        # A gate: who may not approve is refused, and a go of an approver with its statements is in the journal.
        open_gate(run, 2, "00000000-0000-0000-0000-000000000000")
        page.goto(f"{url}/rollouts/{run.rollout}")
        say_go(page)
        [answer] = [e.body["answer"] for e in bench.via.journal.entries(run.rollout) if e.kind is Kind.ANSWERED]
        assert (answer["decision"], answer["approver"]) == ("go", APPROVER)

        order(page, "ROLLBACK", "ROLLBACK now", "Ann on call", reason="customers call")
        expect(page.locator("#told")).to_contain_text("is at zero")
        assert bench.via.flags.read(run.flag).exposure == ZERO
        wait_for(lambda: seen.refresh().phase is Phase.ROLLED_BACK, 60, "the way back is proven")
        expect(page.locator("#live .status").first).to_contain_text("ROLLED BACK")
        picture(page, "dashboard-rolled-back")
        page.goto(url)
        picture(page, "dashboard-list")
        still = bench.routed()
        wait_for(lambda: page.request.get(f"{url}/metrics").ok, 10, "the engine's metrics")
        assert bench.routed() == still
    run.release_claim()
