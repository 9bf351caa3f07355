"""Prefect's V1 UI as a person uses it: pages, forms and buttons, found by what is written on them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, TimeoutError, expect

# A page may wait for a server whose SQLite file is locked for a minute.
SECONDS = 90
_FORM = ".schema-form-property"


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
        field.locator("button.p-select-button__control").click()
        self.root.page.locator(".p-select-option").filter(has_text=re.compile(rf"^\s*{option}\s*$")).click()
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
        """Press Submit."""
        self.root.get_by_role("button", name="Submit").click()


@dataclass(frozen=True)
class PrefectUi:
    """The UI of the server at `url`."""

    page: Page
    url: str

    def open(self) -> None:
        """What a person gets who types the bare address."""
        self.page.goto(self.url)
        self.page.get_by_role("link", name="Deployments").first.wait_for()

    def run_form(self, deployment: str) -> Form:
        """From the list of deployments to the form of a custom run."""
        self.page.goto(f"{self.url}/deployments")
        self.page.get_by_role("link", name=deployment, exact=True).last.click()
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_text("Custom run").click()
        self.page.get_by_role("heading", name="Parameters").or_(
            self.page.get_by_text("Parameters", exact=True)
        ).wait_for()
        return Form(self.page.locator("form"))

    def run_page(self, flow_run: str) -> None:
        """The page of a run."""
        self.page.goto(f"{self.url}/runs/flow-run/{flow_run}")

    def gate_form(self, flow_run: str) -> Form:
        """The form of a suspended run, by its Resume button."""
        self.run_page(flow_run)
        for _ in range(5):
            self.page.get_by_role("button", name="Resume").click()
            dialog = self.page.get_by_role("dialog")
            try:
                dialog.locator(_FORM).first.wait_for(timeout=10_000)
            except TimeoutError:
                # The run shows as suspended a moment before its form is stored.
                self.page.reload()
            else:
                return Form(dialog)
        raise AssertionError(f"the gate of run {flow_run} shows no form")

    def see(self, text: str | re.Pattern[str]) -> None:
        """Wait until this can be read on the screen (not merely in a box of no height)."""
        expect(self.page.get_by_text(text).first).to_be_in_viewport()
