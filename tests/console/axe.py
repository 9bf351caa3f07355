"""What axe finds on pages of the dashboard: on a desk and on a phone, light and dark, everything unfolded."""

from collections.abc import Iterable, Iterator
from typing import Any

from playwright.sync_api import Browser, Page

from demo.web_parts import provide_axe
from tests.console.test_pages_seen import shown

WIDTHS = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")
_LESS_THAN_MODERATE = "minor"
_LEAST_LOOKED_AT = 10  # rules that passed; of fewer, axe has not seen the page


def axe_finds(chromium: Browser, url: str, paths: Iterable[str], *, prepare: Any = lambda page: None) -> list[str]:
    """Each rule that is broken on these pages, how badly, and by what; `prepare` is done to each page before."""
    axe, page = provide_axe().read_text(encoding="utf-8"), shown(chromium, WIDTHS["desktop"])
    found = []
    for path in paths:
        page.goto(url + path)
        prepare(page)
        page.evaluate("document.querySelectorAll('details').forEach((x) => { x.open = true; })")
        page.evaluate(axe)
        for form, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                found += [f"{path} ({form}, {scheme}): {one}" for one in _found(page)]
    page.close()
    return found


def _found(page: Page) -> Iterator[str]:
    result: dict[str, Any] = page.evaluate("async () => await axe.run(document, {resultTypes: ['violations']})")
    assert len(result["passes"]) >= _LEAST_LOOKED_AT, f"axe looked at little: {len(result['passes'])} rules passed"
    for rule in result["violations"]:
        if rule["impact"] != _LESS_THAN_MODERATE:
            yield from (f"{rule['impact']} {rule['id']}: {rule['help']}: {x['html'][:160]}" for x in rule["nodes"])
