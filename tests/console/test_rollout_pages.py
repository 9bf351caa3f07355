"""What a rollout's pages show beside its status: the ramp, what would stop it, charts to scale, the gate's own page."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.context import refresh_global_settings_context

from console.dashboard.charts.metric_chart import chart
from tests.conftest import PrometheusServer
from tests.console.dashboards import browser
from tests.console.test_dashboard import gated
from tests.console.test_without_journal import in_wave_one
from tests.tidegate.builders import T0
from tidegate.criteria.metrics.metric_levels import Level
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Limit, Metric
from tidegate.views.course import Event, Point
from tidegate.views.metrics import metric_view


@pytest.fixture(autouse=True)
def no_prefect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No server answers, and none is started."""
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    refresh_global_settings_context()
    yield
    monkeypatch.undo()
    refresh_global_settings_context()


def section(page: str, name: str) -> str:
    found = re.search(rf'<section aria-labelledby="{name}-title">(.*?)</section>', page, re.DOTALL)
    assert found, name
    return found[1]


def test_the_page_shows_the_ramp_and_what_would_stop_the_wave(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = in_wave_one(tmp_path, prometheus_server)
    run.release_claim()
    page = browser(run.connections).page(f"/rollouts/{run.rollout}")
    strip = section(page, "ramp")
    assert strip.count("<li") == 1 + len(run.plan.waves)
    assert re.search(r'<li class="step now" aria-current="step"><strong>.*?10% of internal', strip)
    assert "approved by commander@<wbr>company.com" in strip, "a long address is broken after its @, if at all"
    stops = section(page, "stoppers")
    assert "Rolls back at once" in stops
    assert "Holds it here" in stops
    promise = page[page.index("ROLLBACK</summary>") :]
    assert "Promised: zero and its proof within" in promise
    assert "Needs the flag and nothing else" in promise
    body = json.loads(browser(run.connections).page(f"/rollouts/{run.rollout}/json"))
    assert len(body["ramp"]) == 1 + len(run.plan.waves)
    assert body["stepper"] == []


def test_the_gate_has_a_page_with_its_evidence_open(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = gated(tmp_path, prometheus_server)
    page = browser(run.connections).page(f"/rollouts/{run.rollout}/gate")
    assert "<h1>May Wave 4: Full Production (100% of production) begin?</h1>" in page
    assert "<details open><summary>Evidence (" in page
    assert '<details class="order go" id="order-answer" open>' in page
    assert "Operations team confident in monitoring" in page
    assert 'http-equiv="refresh"' not in page
    assert section(page, "since").strip()
    assert browser(run.connections).http.get(f"/rollouts/{run.rollout}/nothing").status_code == 404
    assert browser(run.connections).http.get("/rollouts/nothing/gate").status_code == 404


def metric(
    values: list[float], critical: str = "1000ms", baseline: float | None = None, level: str = "on target"
) -> str:
    made = Metric(title="p95", unit="ms", query="latency{ {{ selector }} }", critical=Limit(above=critical))
    points = [Point(T0 + timedelta(minutes=i), value, level) for i, value in enumerate(values)]
    return chart(metric_view("p95", made, points, baseline))


def heights(svg: str) -> list[float]:
    [line] = re.findall(r'<polyline class="value" points="([^"]+)"', svg)
    return [float(pair.split(",")[1]) for pair in line.split()]


def test_a_doubling_is_seen_however_far_off_the_bound_is() -> None:
    svg = metric([60, 60, 120])
    first, *_, last = heights(svg)
    assert first - last > 60, "of the 100 there are"
    assert "↑ critical &gt; 1000 ms, 8 times" in svg
    assert 'class="bound critical"' not in svg


def test_a_bound_that_is_near_is_drawn_where_it_is() -> None:
    svg = metric([600, 900], level=Level.WARNING)
    assert 'class="bound critical"' in svg
    assert "chip" not in svg


def test_a_line_that_hardly_moves_is_not_blown_up() -> None:
    low, high = min(heights(metric([100, 101, 100]))), max(heights(metric([100, 101, 100])))
    assert high - low < 20


def test_the_baseline_is_drawn_and_what_was_done_is_marked() -> None:
    made = Metric(title="p95", unit="ms", query="latency{ {{ selector }} }")
    points = [Point(T0 + timedelta(minutes=i), 50.0 + i, "on target") for i in range(5)]
    row = metric_view("p95", made, points, 51.0)
    asked = Event(1, T0 + timedelta(minutes=2), Kind.GATE_OPENED, "people are asked", mark="◆")
    raised = Event(2, T0 + timedelta(minutes=2), Kind.RAISED, "wave 2: <25%>", mark="▲")
    before = Event(3, T0 - timedelta(minutes=2), Kind.RAISED, "long ago", mark="▲")
    said = Event(4, T0 + timedelta(minutes=3), Kind.DRILLED, "not drawn")
    svg = chart(row, [said, raised, asked, before])
    assert 'class="baseline"' in svg
    # What happened at one place is one mark, which leads to what came of it.
    assert svg.count('<a class="event"') == 1
    assert 'href="#e2"' in svg
    assert "people are asked\n" in svg
    assert "wave 2: &lt;25%&gt;</title>" in svg


def test_what_was_drawn_stays_where_it_is_while_reviews_come() -> None:
    made = Metric(title="p95", unit="ms", query="latency{ {{ selector }} }")
    points = [Point(T0 + timedelta(minutes=15 * i), 50.0 + i % 3, "on target") for i in range(300)]

    def line(count: int) -> str:
        [found] = re.findall(
            r'<polyline class="value" points="([^"]+)"', chart(metric_view("p95", made, points[:count]))
        )
        return str(found)

    # The axis ends at the end of its step: whatever is not newest is drawn as it was.
    assert line(267).startswith(line(266).rsplit(" ", 1)[0])
    assert len(line(300).split()) <= 120
