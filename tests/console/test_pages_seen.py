"""The pages as a browser shows them: narrow, dark, on paper, and by keyboard."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.provision import CHROMIUM, browser_environment, provide
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.dashboards import served
from tests.console.test_dashboard import gated
from tests.e2e.conftest import FLAGS

SECONDS = 60_000
LEAST_CONTRAST = 4.5  # WCAG 2.2, AA, for text of usual size
# Of each element that has text of its own: its colour against the nearest background that is not transparent.
CONTRASTS = """() => {
  const parts = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const behind = (x) => { for (; x; x = x.parentElement) { const c = parts(getComputedStyle(x).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const worst = [];
  for (const x of document.querySelectorAll("body *")) {
    const own = [...x.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !x.checkVisibility() || x.closest("svg, .hidden, .skip")) continue;
    const [a, b] = [light(parts(getComputedStyle(x).color)), light(behind(x))].sort((p, q) => q - p);
    worst.push([(a + .05) / (b + .05), x.textContent.trim().slice(0, 60)]);
  }
  return worst.sort((p, q) => p[0] - q[0]).slice(0, 3);
}"""

# Words of the strip that stand on two lines, though a space, a hyphen or the place after an @ would do.
BROKEN_WORDS = """() => {
  const found = [], texts = document.createTreeWalker(document.querySelector(".strip"), NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode())
    for (const word of node.data.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((x) => Math.round(x.top))).size > 1) found.push(word[0]);
    }
  return found;
}"""


@pytest.fixture
def run(tmp_path: Path, prometheus_server: PrometheusServer) -> OpenRollout:
    """The reference plan, asked before its last wave."""
    return gated(tmp_path, prometheus_server)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    os.environ.update(browser_environment())
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=provide(CHROMIUM), args=FLAGS, timeout=SECONDS)
        try:
            yield made
        finally:
            made.close()


def shown(chromium: Browser, width: int, scheme: str = "light") -> Page:
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.set_default_timeout(SECONDS)
    return page


def test_pages_are_read_narrow_dark_on_paper_and_by_keyboard(run: OpenRollout, chromium: Browser) -> None:
    name = run.rollout
    with served(run.connections) as url:
        for scheme in ("light", "dark"):
            page = shown(chromium, 320, scheme)
            for path in ("/", f"/rollouts/{name}", f"/rollouts/{name}/gate", f"/rollouts/{name}/decide"):
                page.goto(url + path)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= 320, f"{path} is {wide} px wide"
                for ratio, text in page.evaluate(CONTRASTS):
                    assert ratio >= LEAST_CONTRAST, f"{scheme} {path}: {text!r} has {ratio:.1f}"
            page.close()
        page = shown(chromium, 1280)
        page.goto(f"{url}/rollouts/{name}")
        for width in (390, 700, 1000, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(BROKEN_WORDS) == [], f"at {width} px"
        expect(page.locator(".strip .step")).to_have_count(1 + len(run.plan.waves))
        expect(page.locator('.step[aria-current="step"]')).to_contain_text("gate")
        if pictures := os.environ.get("TIDEGATE_SCREENSHOTS", ""):
            page.screenshot(path=Path(pictures) / "dashboard-ramp.png", full_page=True)
        rollback = page.locator("details.order.back")
        rollback.locator("summary").click()
        page.locator("#rollback-reason").fill("customers call")
        page.keyboard.press("Escape")
        expect(rollback).not_to_have_attribute("open", "")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert page.locator("#rollback-reason").input_value() == "customers call"
        page.emulate_media(media="print")
        expect(page.locator("#decide")).to_be_hidden()
        expect(page.locator("#ramp-title")).to_be_visible()
        page.emulate_media(media="screen")
        page.goto(f"{url}/rollouts/{name}/gate")
        expect(page.get_by_role("heading", level=1)).to_contain_text("May Wave 4")
        expect(page.locator("#order-answer")).to_have_attribute("open", "")
        if pictures:
            page.screenshot(path=Path(pictures) / "dashboard-gate-page.png", full_page=True)
