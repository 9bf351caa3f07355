"""A page that stays open while the dashboard is away and started anew, in a real browser."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from demo.provision import CHROMIUM, browser_environment, provide
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.dashboards import served
from tests.console.test_without_journal import in_wave_one
from tests.e2e.conftest import FLAGS
from tidegate.values.exposure import ZERO

pytestmark = pytest.mark.e2e
SECONDS = 60_000


@pytest.fixture
def run(tmp_path: Path, prometheus_server: PrometheusServer) -> OpenRollout:
    """The reference plan in wave 1; no claim is held."""
    made = in_wave_one(tmp_path, prometheus_server)
    made.release_claim()
    return made


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = request.param
    os.environ.update(browser_environment())
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=provide(CHROMIUM), args=FLAGS, timeout=SECONDS)
        shown = chromium.new_page(viewport={"width": width, "height": height})
        shown.set_default_timeout(SECONDS)
        try:
            yield shown
        finally:
            chromium.close()


def test_an_open_page_shows_that_it_is_old_and_rolls_back_once_the_dashboard_is_there_again(
    run: OpenRollout, page: Page
) -> None:
    with served(run.connections) as url:
        page.goto(f"{url}/rollouts/{run.rollout}")
        expect(page.locator("#connection")).to_be_hidden()
        title, instance = page.title(), page.locator("#live").get_attribute("data-instance")
        assert title.endswith(run.rollout)
        page.get_by_text("↩ ROLLBACK", exact=True).click()
        page.locator("#rollback-name").fill("Ann on call")
        page.locator("#rollback-reason").fill("customers call")
    # No process answers any more.
    old = page.locator("#connection")
    expect(old).to_be_visible(timeout=SECONDS)
    expect(old).to_contain_text("OLD: nothing heard for")
    assert page.title() == f"✖ OLD - {title}"
    assert page.evaluate("getComputedStyle(document.getElementById('connection')).position") == "sticky"
    assert "grayscale" in page.evaluate("getComputedStyle(document.querySelector('.card')).filter")
    if pictures := os.environ.get("TIDEGATE_SCREENSHOTS", ""):
        page.screenshot(path=Path(pictures) / "dashboard-old.png")
    with served(run.connections, urlsplit(url).port or 0):
        expect(old).to_be_hidden(timeout=SECONDS)
        assert page.title() == title
        expect(page.locator("#live")).not_to_have_attribute("data-instance", instance or "")
        assert page.locator("#rollback-reason").input_value() == "customers call", "what was typed is still there"
        page.get_by_role("button", name="↩ ROLLBACK now").click()
        expect(page.locator("#outcome")).to_contain_text("is at zero after", timeout=SECONDS)
    assert run.connections.flags.read(run.flag).exposure == ZERO
