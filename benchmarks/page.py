"""A rollout's page at its largest: how soon it opens, and what an update sends: `python benchmarks/page.py [--json]`.

Ten waves, twenty metrics, three weeks of reviews a quarter of an hour apart.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from figures import Figure, table
from playwright.sync_api import sync_playwright

from console.commands.plan_commands import plan_from
from console.dashboard.app import LOOK_SECONDS
from demo.provision import CHROMIUM, browser_environment, provide
from engine.rollout.session import OpenRollout
from tests.console.dashboards import served
from tests.console.showcase import INTERVAL, Course, Showcase, begun, showcase
from tests.e2e.conftest import FLAGS
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan

WAVES, METRICS, WEEKS = 10, 20, 3
NAME = "largest"
_OPENED = """() => {
  const [all] = performance.getEntriesByType("navigation");
  return [all.responseStart, all.domInteractive, all.loadEventEnd];
}"""


def largest_plan() -> Plan:
    """The reference plan with more waves, each with its first wave's questions, and more metrics."""
    body: dict[str, Any] = json.loads(json.dumps(plan_from("batch-patches-v1.yaml").to_json()))
    body["flag"]["key"] = body["service"] = NAME
    known = list(body["metrics"].items())
    for number in range(METRICS - len(known)):
        name, metric = known[number % len(known)]
        body["metrics"][f"{name}_{number}"] = metric | {"title": f"{metric['title']} {number}"}
    first, *_, last = body["waves"]
    waves, asked = [first], [c for c in first["criteria"] if c["kind"] == "threshold" and c["when"] == ["during"]]
    for number in range(2, WAVES + 1):
        kept = [*asked, *(c for c in last["criteria"] if c["kind"] in ("human", "threshold"))]
        changed = {"name": f"wave-{number}", "title": f"Wave {number}", "percent": f"{number * 10}%"}
        waves.append(last | changed | {"starts": f"day {2 * number - 1}", "criteria": kept})
    body["waves"] = waves
    body["post_rollout"]["criteria"] = [c for c in body["post_rollout"]["criteria"] if c["kind"] != "earlier_waves"]
    return Plan.model_validate(body)


def three_weeks(plan: Plan) -> Course:
    """In its last wave, every wave as long as the others."""
    reviews = round(timedelta(weeks=WEEKS) / INTERVAL)
    course = begun(plan, timedelta(weeks=WEEKS))
    for wave in range(1, WAVES + 1):
        course.begin(wave)
        course.review(reviews // WAVES)
        if wave < WAVES:
            course.soaked()
    return course


def measure(times: int) -> list[Figure]:
    """The figures."""
    os.environ.update(PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="false", PREFECT_API_URL="http://127.0.0.1:9/api")
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
        os.environ["TIDEGATE_HOME"] = folder
        made, course = showcase(Path(folder), ()), three_weeks(largest_plan())
        made.write(course)
        with served(made.connections) as url:
            return [*_opened(f"{url}/rollouts/{NAME}", times), *_told(url, made, course, times)]


def _opened(address: str, times: int) -> Iterator[Figure]:
    os.environ.update(browser_environment())
    began = time.perf_counter()
    page_size = len(httpx.get(address, timeout=60).content)
    yield Figure(
        "first answer after the dashboard's start", "s", (time.perf_counter() - began,), "", "reads the journal"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=provide(CHROMIUM), args=FLAGS)
        taken = []
        for _ in range(times):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address)
            taken.append(page.evaluate(_OPENED))
            page.close()
        browser.close()
    yield Figure("the page opened: until its first byte", "s", tuple(each[0] / 1000 for each in taken))
    yield Figure("the page opened: until it is read", "s", tuple(each[1] / 1000 for each in taken))
    yield Figure("the page opened: until all of it is there", "s", tuple(each[2] / 1000 for each in taken), "< 1")
    yield Figure("size of the page", "kB", (page_size / 1000,))


def _told(url: str, made: Showcase, course: Course, times: int) -> Iterator[Figure]:
    run = OpenRollout(made.connections, NAME)
    reviewed: list[float] = []
    calm: list[float] = []
    with httpx.Client(base_url=url, timeout=60) as http, http.stream("GET", f"/rollouts/{NAME}/events") as stream:
        events = (line for line in stream.iter_lines() if line.startswith("data: "))
        first, whole = next(events), stream.num_bytes_downloaded
        sent = stream.num_bytes_downloaded
        for _ in range(times):
            course.review(1)
            run.append(body_from_json(Kind.REVIEWED, course.journal.entries[-1].json))
            for taken in (reviewed, calm):
                next(events)
                before, sent = sent, stream.num_bytes_downloaded
                taken.append((sent - before) / 1000)
    yield Figure("first event of a page", "kB", (whole / 1000,), "", f"{len(first.encode()) / 1000:.0f} kB unpacked")
    yield Figure("event after a review", "kB", tuple(reviewed), "a few", f"looked for each {LOOK_SECONDS:g} s")
    yield Figure("event of a clock that went on", "kB", tuple(calm), "a few", "each 10 s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9, help="how often each is taken")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.times)
    print(json.dumps([figure.to_json() for figure in figures], indent=1) if options.json else table(figures))


if __name__ == "__main__":
    main()
