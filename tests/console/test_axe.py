"""axe looks at one full page of the dashboard; at every page it looks in tests/trials/test_axe_everywhere.py."""

from pathlib import Path

from playwright.sync_api import Browser

from tests.console.axe import axe_finds
from tests.console.dashboards import served
from tests.console.showcase import showcase
from tests.console.test_pages_seen import chromium
from tests.console.test_rollout_pages import no_prefect

__all__ = ["chromium", "no_prefect"]
UNLABELLED = "document.querySelector('#rollback-name').removeAttribute('id')"


def test_axe_finds_nothing_of_weight_on_a_rollouts_page(tmp_path: Path, chromium: Browser) -> None:
    made = showcase(tmp_path, ("held",))
    with served(made.connections) as url:
        assert axe_finds(chromium, url, ["/rollouts/held"]) == []
        # And it would have.
        found = axe_finds(chromium, url, ["/rollouts/held/decide"], prepare=lambda page: page.evaluate(UNLABELLED))
        assert {one.split(": ")[1].split()[0] for one in found} == {"critical"}
