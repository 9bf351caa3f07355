"""The charts in a browser: one crosshair over all of them, by mouse, finger and keys, and marks that open evidence."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from console.dashboard.changes import changes
from engine.rollout.session import OpenRollout
from tests.console.dashboards import served
from tests.console.showcase import Showcase, showcase
from tests.console.test_pages_seen import SECONDS, chromium, shown
from tests.console.test_rollout_pages import no_prefect
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind

__all__ = ["chromium", "no_prefect"]
MINUTES = "[...document.querySelectorAll('.readout')].map((x) => x.textContent.slice(0, 16))"
PAIRS = (("a\nb 1 c\nd", "a\nb 22 c\nd"), ("a\n😀 1\nz", "n\na\n😀 2\nz"), ("", "x\ny"), ("x\ny\nz", "z"))


def minutes(page: Page) -> set[str]:
    """What the charts of the metrics say when they are read."""
    return set(page.evaluate(MINUTES))


def picture(page: Page, name: str) -> None:
    if pictures := os.environ.get("TIDEGATE_SCREENSHOTS", ""):
        page.screenshot(path=Path(pictures) / f"{name}.png")


@pytest.fixture
def made(tmp_path: Path) -> Showcase:
    return showcase(tmp_path, ("held",))


@pytest.fixture
def address(made: Showcase) -> Iterator[str]:
    with served(made.connections) as url:
        yield f"{url}/rollouts/held"


def latency(page: Page) -> Locator:
    return page.locator("li.metric", has=page.get_by_role("heading", name="P95 Latency", exact=True))


def test_all_charts_are_read_at_one_instant(made: Showcase, address: str, chromium: Browser) -> None:
    page = shown(chromium, 1280)
    page.goto(address)
    charts, tile = page.locator("svg.chart[data-points]"), latency(page)
    expect(charts.first).to_have_attribute("role", "slider")
    newest = minutes(page)
    expect(tile.locator(".readout")).to_contain_text("n 4,000, old path")
    expect(tile.locator(".chip")).to_contain_text("critical > 1000 ms")
    # By mouse.
    tile.locator("svg").hover(position={"x": 120, "y": 60})
    assert page.locator(".cross").count() == charts.count()
    of_metrics = page.locator("[aria-labelledby=metrics-title] .readout").all_text_contents()
    assert len({said[:16] for said in of_metrics}) == 1
    assert minutes(page) != newest
    page.locator("h1").hover()
    expect(page.locator(".cross")).to_have_count(0)
    assert minutes(page) == newest
    # By keys: one stop for all charts, left and right go in time.
    assert page.locator('svg.chart[tabindex="0"]').count() == 1
    tile.locator("svg").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    before = tile.locator("svg").get_attribute("aria-valuetext") or ""
    page.keyboard.press("ArrowLeft")
    reading = tile.locator("svg").get_attribute("aria-valuetext") or ""
    assert reading < before
    expect(tile.locator(".readout")).to_have_text(reading)
    picture(page, "dashboard-crosshair")
    # What comes while somebody reads takes neither the crosshair nor the focus away.
    body = {"cause": "operator", "reason": "the phone rings", "by": "ann@example.com"}
    OpenRollout(made.connections, "held").append(body_from_json(Kind.HELD, body))
    expect(page.locator("#more .timeline").first).to_contain_text("the phone rings", timeout=SECONDS)
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == reading
    page.keyboard.press("Escape")
    expect(page.locator(".cross")).to_have_count(0)
    for old, new in PAIRS:
        assert page.evaluate("([a, b]) => spliced(a, b)", [old, changes(old, new)]) == new


def test_marks_open_their_evidence(address: str, chromium: Browser) -> None:
    page = shown(chromium, 1280)
    page.goto(address)
    tile, opened = latency(page), page.locator(".timeline li:focus")
    expect(tile.locator("svg")).to_have_attribute("role", "slider")
    tile.locator("a.event", has_text="▲").last.click(force=True)
    expect(opened).to_contain_text("wave 2: exposure 25%")
    expect(tile.locator("a.event", has_text="▮▮").locator("title")).to_contain_text("beyond its warning bound")
    tile.locator("svg").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(opened).to_contain_text("customers call")
    page.close()
    # On a phone, in the dark, by finger.
    phone = chromium.new_page(viewport={"width": 390, "height": 800}, has_touch=True, color_scheme="dark")
    phone.set_default_timeout(SECONDS)
    phone.goto(address)
    expect(phone.locator("svg.chart").first).to_have_attribute("role", "slider")
    latest = minutes(phone)
    latency(phone).locator("svg").tap(position={"x": 60, "y": 60})
    assert minutes(phone) != latest
    picture(phone, "dashboard-crosshair-phone")
