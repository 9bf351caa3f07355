"""axe looks at every page of the dashboard, in every state whose pages differ, and finds nothing of weight."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from blocks.sign_in import SignIn
from console.dashboard import pages
from console.dashboard.doctor_page import DoctorPage
from console.dashboard.pages import Pages
from console.dashboard.sign_ins import RETURN_PATH
from console.live.rollout_cache import Board
from engine.doctor.lines import DoctorLine, State
from tests.console.axe import axe_finds
from tests.console.dashboards import served
from tests.console.showcase import STATES, Showcase, showcase
from tests.console.test_pages_seen import chromium
from tests.console.test_rollout_pages import no_prefect

__all__ = ["chromium", "no_prefect"]


@pytest.fixture
def made(tmp_path: Path) -> Showcase:
    return showcase(tmp_path, ("soaking",))


@pytest.mark.parametrize("state", STATES)
def test_on_the_pages_of_a_rollout(tmp_path: Path, chromium: Browser, state: str) -> None:
    paths = ["/", f"/rollouts/{state}", f"/rollouts/{state}/gate", f"/rollouts/{state}/decide", "/rollouts/nothing"]
    with served(showcase(tmp_path, (state,)).connections) as url:
        assert axe_finds(chromium, url, paths) == []


def test_on_a_form_that_came_too_late(made: Showcase, chromium: Browser) -> None:
    def pressed(page: Page) -> None:
        page.locator("details.order.back summary").click()
        page.locator("#rollback-name").fill("ann@example.com")
        page.locator("#rollback-reason").fill("customers call")
        page.evaluate("document.querySelectorAll('input[name=token]').forEach((x) => { x.value = 'old'; })")
        page.get_by_role("button", name="↩ ROLLBACK now").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Press once more")

    with served(made.connections) as url:
        assert axe_finds(chromium, url, ["/rollouts/soaking/decide"], prepare=pressed) == []


def test_on_the_doctors_page(made: Showcase, chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tuple(DoctorLine(s.value, s, f"{s.value}: seen", "do this") for s in State)
    monkeypatch.setattr(pages, "DoctorPage", lambda: DoctorPage(lambda: lines))
    with served(made.connections) as url:
        assert axe_finds(chromium, url, ["/doctor"]) == []


def test_on_the_pages_around_a_sign_in(made: Showcase, chromium: Browser) -> None:
    sign_in = SignIn(issuer="https://sign-in.example.com", client_id="tidegate", client_secret=SecretStr("s" * 32))
    signed_out = Pages(Board(made.connections)).signed_out("https://sign-in.example.com/out")

    def out(page: Page) -> None:
        page.evaluate("html => { document.open(); document.write(html); document.close(); }", signed_out)
        expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")

    with served(replace(made.connections, sign_in=sign_in)) as url:
        refused = f"{RETURN_PATH}?error=access_denied"
        assert axe_finds(chromium, url, [refused]) == []
        assert axe_finds(chromium, url, [refused], prepare=out) == []
