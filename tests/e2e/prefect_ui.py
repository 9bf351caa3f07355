"""Prefect's V1 UI as a person uses it: pages, forms and buttons, found by what is written on them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, Response, expect
from playwright.sync_api import TimeoutError as TooLate

# A page may wait for a server whose SQLite file is locked for a minute.
SECONDS = 90
_FORM = ".schema-form-property"


def _answers_submit(response: Response) -> bool:
    last = response.url.endswith(("/create_flow_run", "/resume"))
    return response.request.method == "POST" and (last or (not response.ok and "/ui/schemas/" in response.url))


@dataclass(frozen=True)
class Form:
    """A form made from a schema: a run's parameters, or a gate's questions."""

    root: Locator

    def field(self, label: str) -> Locator:
        """The field with this label, whether or not the UI calls it optional."""
        exact = re.compile(rf"^\s*{re.escape(label)}( \(Optional\))?\s*$")
        return self.root.locator(_FORM, has=self.root.page.locator(f"{_FORM}__label", has_text=exact))

    def labels(self) -> list[str]:
        """Every field's label, in order."""
        return [text.strip() for text in self.root.locator(f"{_FORM}__label").all_inner_texts()]

    def fill(self, texts: Mapping[str, str]) -> None:
        """Type into text fields."""
        for label, text in texts.items():
            self.field(label).locator("textarea, input").first.fill(text)

    def choose(self, label: str, option: str) -> None:
        """Pick one of a list."""
        field = self.field(label)
        wanted = self.root.page.get_by_role("option", name=option, exact=True)
        for _ in range(5):
            # Clicks in the middle of the box did not open the list (3.8.8, why is not known); one on its arrow did.
            field.locator(".p-select-button__icon").click()
            try:
                wanted.click(timeout=5_000)
                break
            except TooLate:
                continue
        expect(field.locator(".p-select-button__value")).to_have_text(option)

    def switches(self) -> int:
        """How many switches there are."""
        return self.root.get_by_role("switch").count()

    def switch_all_on(self) -> None:
        """Turn every switch on."""
        for switch in self.root.get_by_role("switch").all():
            switch.click()
            expect(switch).to_have_attribute("aria-checked", "true")

    def submit(self) -> None:
        """Press Submit, again where the server on SQLite was too busy, as it tells with 503, or where nothing was sent."""
        page, button = self.root.page, self.root.get_by_role("button", name="Submit")
        for attempt in range(6):
            try:
                with page.expect_response(_answers_submit, timeout=SECONDS * 1000 / 3) as found:
                    # By the keyboard: the message about a busy server covers the button.
                    button.press("Enter")
            except TooLate:
                # A page that is short of processor time may overlook a key.
                if attempt == 5:
                    raise
                continue
            if found.value.status != httpx.codes.SERVICE_UNAVAILABLE:
                break
        assert found.value.ok, found.value.text()
        self.root.wait_for(state="hidden")


@dataclass(frozen=True)
class PrefectUi:
    """The UI of the server at `url`."""

    page: Page
    url: str

    def open(self) -> None:
        """What a person gets who types the bare address."""
        self.page.goto(self.url)
        self.page.get_by_role("button", name="Deployments").wait_for()

    def run_form(self, deployment: str) -> Form:
        """From a deployment's page to the form of a custom run; the list of deployments shows only its first page."""
        found = httpx.get(f"{self.url}/api/deployments/name/{deployment}/{deployment}", timeout=SECONDS)
        self.page.goto(f"{self.url}/deployments/deployment/{found.raise_for_status().json()['id']}")
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_text("Custom run").click()
        form = self.page.locator("form", has=self.page.locator(_FORM))
        form.locator(_FORM).first.wait_for()
        return Form(form)

    def run_page(self, flow_run: str) -> None:
        """The page of a run."""
        self.page.goto(f"{self.url}/runs/flow-run/{flow_run}")

    def open_tab(self, name: str) -> None:
        """One of the tabs of the page."""
        self.page.locator(".p-tab").filter(has_text=name).click()

    def gate_form(self, flow_run: str) -> Form:
        """The form of a suspended run, by its Resume button."""
        self.run_page(flow_run)
        for _ in range(5):
            self.page.get_by_role("button", name="Resume").click()
            dialog = self.page.get_by_role("dialog")
            try:
                dialog.locator(_FORM).first.wait_for(timeout=10_000)
            except TooLate:
                # The run shows as suspended a moment before its form is stored.
                self.page.reload()
            else:
                return Form(dialog)
        raise AssertionError(f"the gate of run {flow_run} shows no form")

    def picture(self, name: str) -> None:
        """Keep the page as it is, where somebody asked for pictures."""
        if folder := os.environ.get("TIDEGATE_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def has(self, text: str) -> None:
        """Wait until this can be read on the page, be it further down."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def show(self, text: str) -> None:
        """Wait until this can be read on the page, and bring it on the screen."""
        self.has(text)
        self.page.get_by_text(text).first.scroll_into_view_if_needed()

    def see(self, text: str) -> None:
        """Wait until this can be read on the screen (not merely in a box of no height)."""
        expect(self.page.get_by_text(text).first).to_be_in_viewport()
