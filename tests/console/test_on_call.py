"""What somebody on call reads and presses, on a desk and on a phone: the real pages over a real journal, in Chromium."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from blocks.journal.guard_checks import note_guard_check
from engine.rollout.session import OpenRollout
from engine.watch.watch_places import WATCH
from tests.console.dashboards import served
from tests.console.prefect_stand_in import StandIn
from tests.console.showcase import (
    LEAD,
    Course,
    Showcase,
    asked,
    begun,
    held,
    plan_for,
    showcase,
    soaking,
)
from tests.console.test_pages_seen import SECONDS, chromium
from tests.tidegate.builders import PLAN, STARTER, answer_body
from tidegate.criteria.base import When
from tidegate.gates.statements import field_name, lines_behind, people_of, statements
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.pages.progress_page import progress_page
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan

__all__ = ["chromium"]

FORMS = {"desktop": (1280, 900), "phone": (390, 844)}
NARROWEST = 320
PRODUCT = "product@company.com"
RED = "rgb(179, 20, 29)"
FAVICONS = {"good": "#1a6b32", "warn": "#b07a00", "bad": "#b3141d", "idle": "#57606a"}
# A promise, since the pages allow no text to be run later, as a polled expression would be.
FIRST_WORD = """deadline => !live || texts.html !== '' || new Promise((heard, silent) => {
  document.addEventListener("renewed", () => heard(true), { once: true });
  setTimeout(() => silent(new Error("the dashboard said nothing")), deadline);
})"""
FLOW_RUN = "6f9b1c0e-5a0d-4c3e-9b1f-2f6f3f0c9a77"


@pytest.fixture(params=FORMS)
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A desk's page, and a phone's."""
    width, height = FORMS[request.param]
    shown = chromium.new_page(viewport={"width": width, "height": height})
    shown.set_default_timeout(SECONDS)
    expect.set_options(timeout=SECONDS)
    yield shown
    shown.close()


@pytest.fixture
def made(tmp_path: Path, prefect: StandIn) -> Showcase:
    """An empty journal; Prefect's workers live, and so does the watch."""
    prefect.polled = True
    shown = showcase(tmp_path, ())
    shown.connections.journal.claim(WATCH, WATCH, "host:1:x", timedelta(minutes=10))
    return shown


def go(page: Page, url: str) -> None:
    """Opens it and waits for the dashboard's first word, which draws it anew over whoever is reading it."""
    page.goto(url)
    page.evaluate(FIRST_WORD, SECONDS)


@contextmanager
def opened(made: Showcase, page: Page, course: Course, path: str = "") -> Iterator[OpenRollout]:
    """The rollout's page, open over this course of it, somebody guarding; gives the rollout."""
    run = made.write(course, lately=course.journal.state.phase.is_open)
    note_guard_check(made.connections.journal, run.rollout)
    with served(made.connections) as url:
        go(page, f"{url}/rollouts/{run.rollout}{path}")
        yield run


def is_a_phone(page: Page) -> bool:
    return (page.viewport_size or {})["width"] == FORMS["phone"][0]


def picture(page: Page, name: str) -> None:
    if pictures := os.environ.get("TIDEGATE_SCREENSHOTS", ""):
        form = "-phone" if is_a_phone(page) else ""
        page.screenshot(path=Path(pictures) / f"on-call-{name}{form}.png", full_page=True)


def assert_fits(page: Page) -> None:
    """Nothing is wider than the window; on a phone not even on the narrowest one."""
    size = page.viewport_size or {}
    for width in (size["width"], *([NARROWEST] if is_a_phone(page) else [])):
        page.set_viewport_size({"width": width, "height": size["height"]})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": size["width"], "height": size["height"]})


def fact(page: Page, name: str) -> Locator:
    """What the status card says of this."""
    return page.locator("#live .facts > div", has=page.locator("dt", has_text=re.compile(f"^{name}$"))).locator("dd")


def favicon(page: Page) -> str:
    return unquote(page.locator("#icon").get_attribute("href") or "")


def append(run: OpenRollout, kind: Kind, body: dict[str, Any]) -> None:
    run.append(body_from_json(kind, body))


# 13, 14: signing


def to_sign(name: str) -> Course:
    """Asked before wave 1; the product manager has signed."""
    stored = json.loads(json.dumps(plan_for(name).to_json(), sort_keys=True))  # as the journal has it
    course = begun(Plan.model_validate(stored), timedelta(hours=2))
    signed = [s.key for s in statements(course.journal.plan, 1) if s.role == "product-manager" and s.is_signature]
    given, about = answer_body("go", PRODUCT) | {"stated": signed}, {"wave": 1, "attempt": 1}
    course.journal.append(Kind.GATE_OPENED, about)
    course.journal.append(Kind.ANSWERED, about | {"answer": given})
    course.journal.append(Kind.GATE_DECIDED, about | {"by": PRODUCT, "outcome": "counted", "stated": signed})
    course.journal.append(Kind.GATE_OPENED, about | {"attempt": 2})
    return course


def test_every_line_to_sign_is_read_with_its_owner_and_who_has_signed(made: Showcase, page: Page) -> None:
    with opened(made, page, to_sign("to-sign"), "/gate") as run:
        boxes, lines = statements(run.plan, 1), lines_behind(run.plan)
        expect(page.locator("#live, h1").first).to_contain_text("May Wave 1")
        form = page.locator("#order-answer")
        read = " ".join(form.inner_text().replace("\u200b", "").split())
        assert len(boxes) > len(lines) - 1 > 1
        for box in boxes:
            signed = box.role == "product-manager" and box.is_signature
            of = ", ".join(people_of(run.plan, box.role))
            said = f"stated by {of}" if signed else f"{of}; nobody has stated it yet"
            whose = f"({box.role}, {said})" if signed else f"({box.role}: {said})"
            listed = "".join(f" {line}" for line in lines.get(box.key, ()))
            assert f"{box.text} {whose}{listed}" in read
            assert form.locator(f"input[name={field_name(box.key)}]").count() == (0 if signed else 1)
        assert "Business requirements met" in read
        # The words are the box's own: who touches them ticks it.
        form.get_by_text("Sign-off, incident-commander").click()
        assert form.locator("input[type=checkbox]:checked").count() == 1
        assert_fits(page)
        picture(page, "to-sign")


def asked_first(plan: Plan) -> Course:
    """Asked before wave 1, which people alone decide."""
    course = begun(plan, timedelta(hours=2))
    course.journal.append(Kind.GATE_OPENED, {"wave": 1, "attempt": 1})
    return course


def test_a_go_with_lines_missing_says_whose_and_keeps_its_form(made: Showcase, page: Page) -> None:
    with opened(made, page, asked_first(PLAN)) as run:
        status, form, boxes = page.locator("#live .status").first, page.locator("#order-answer"), statements(PLAN, 1)
        expect(status).to_have_text("◆ DECISION NEEDED")
        form.locator("summary").first.click()
        form.get_by_label("Go: begin this wave").check()
        form.locator("input[name=name]").fill(STARTER)
        form.locator("input[name=note]").fill("looks good")
        # Only the lead can state it: it is missing still.
        others = form.locator(f"input[name={field_name(boxes[0].key)}]")
        others.check()
        form.get_by_role("button", name="Answer the gate").click()
        outcome = page.locator("#outcome")
        expect(outcome).to_contain_text("▮▮ Not begun: 3 statements missing (lead 2, commander 1); 1 of 1 approvals")
        expect(outcome).to_contain_text(f"{STARTER} cannot state anything for lead")
        expect(outcome).to_have_class(re.compile("warn"))
        expect(outcome).not_to_contain_text("✓")
        expect(page.locator("#live .status").first).to_have_text("… ANSWER GIVEN")
        expect(page.locator("#live")).not_to_contain_text("DECISION NEEDED")
        mine = form.locator(f"input[name={field_name(boxes[2].key)}]")

        def assert_kept(*ticked: Locator) -> None:
            expect(form).to_have_attribute("open", "")
            assert form.get_by_label("Go: begin this wave").is_checked()
            assert all(one.is_checked() for one in ticked)
            assert form.locator("input[name=name]").input_value() == STARTER
            assert form.locator("input[name=note]").input_value() == "looks good"

        assert_kept(others)
        # A fuller answer while that one waits is refused, and its ticks are kept as well.
        mine.check()
        form.get_by_role("button", name="Answer the gate").click()
        expect(outcome).to_contain_text(re.compile("✖ (Refused|Not done): "))
        assert_kept(others, mine)
        assert run.refresh().votes.approved_wave == 0
        assert_fits(page)
        picture(page, "not-begun")


# 15, 16: what stands there is so


def test_a_page_that_hears_nothing_says_so_wherever_it_is_scrolled_to(made: Showcase, page: Page) -> None:
    page.clock.install()
    with opened(made, page, soaking("soaking")) as run:
        expect(page.locator("#live .status").first).to_have_text("✓ HEALTHY")
        expect(page.locator("#icon")).to_have_attribute("href", re.compile("svg"))
        assert FAVICONS["good"] in favicon(page)
        append(run, Kind.HELD, {"cause": "operator", "reason": "customers call", "by": "ann@example.com"})
        expect(page).to_have_title("▮▮ HELD - soaking")
        assert FAVICONS["warn"] in favicon(page)
        expect(page.locator("#connection")).to_be_hidden()
    # No process answers any more.
    old, seconds = page.locator("#connection"), []
    for _ in range(2):
        page.clock.fast_forward(30_000)
        expect(old).to_contain_text("on your clock")
        expect(old).to_contain_text("tidegate rollback")
        found = re.search(r"OLD: nothing heard for (\d+) s, since \d\d:\d\d:\d\d", old.inner_text())
        assert found
        seconds.append(int(found[1]))
    assert seconds[1] >= seconds[0] + 30 >= 55
    expect(page).to_have_title("✖ OLD - ▮▮ HELD - soaking")
    assert FAVICONS["idle"] in favicon(page)
    expect(page.locator("#live .card")).to_have_css("filter", "grayscale(1)")
    expect(old).to_have_css("background-color", RED)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    box = old.bounding_box()
    assert page.evaluate("window.scrollY") > 0
    assert box is not None
    assert box["y"] == 0
    assert_fits(page)
    picture(page, "old")


def test_healthy_never_stands_beside_an_issue_that_is_not_over(made: Showcase, page: Page) -> None:
    course = soaking("soaking")
    course.review(1, verdict="INCONCLUSIVE", healthy=False)
    with opened(made, page, course) as run:
        status, issue = page.locator("#live .status").first, fact(page, "Last issue")
        expect(status).to_have_text("? UNSURE")
        expect(page).to_have_title("? UNSURE - soaking")
        expect(issue).to_contain_text("INCONCLUSIVE, not healthy")
        expect(page.locator("#live")).not_to_contain_text("HEALTHY")
        course.review(1)
        append(run, Kind.REVIEWED, dict(course.journal.entries[-1].json))
        expect(status).to_have_text("✓ HEALTHY")
        expect(issue).to_contain_text(re.compile("^None now. Over since .* UTC: "))
        # One word, one number.
        counted = sum(e.json["wave"] == 2 for e in course.journal.entries if e.kind is Kind.REVIEWED)
        row = page.locator("[aria-labelledby=waves-title] tr", has_text="Wave 2")
        expect(row.locator("td").last).to_have_text(str(counted))
        assert page.request.get(f"{page.url}/json").json()["waves"][1]["reviews"] == counted
        assert_fits(page)


def test_an_ended_page_stands_still_and_begins_with_what_is_left_to_do(made: Showcase, page: Page) -> None:
    through = begun(plan_for("finished"), timedelta(days=40))
    for wave in (1, 2, 3, 4):
        through.begin(wave)
        through.review(3)
        through.soaked()
    through.journal.append(Kind.FINISHED, {"reason": "It is stable."})
    closed = held("closed")
    closed.journal.append(Kind.CLOSED, {})
    made.write(closed)
    with opened(made, page, through):
        for name, word in (("finished", "■ FINISHED"), ("closed", "■ CLOSED")):
            go(page, page.url.replace("finished", name))
            expect(page.locator("#live .status").first).to_have_text(word)
            live = page.locator("#live").inner_text()
            assert "Held (" not in live
            assert "Soak\n" not in live
            # As many days as it lasted, not as many as have gone by.
            expect(fact(page, "Time")).to_have_text(re.compile("^Day [12]$"))
            assert_fits(page)
        go(page, page.url.replace("closed", "finished"))
        top = "document.getElementById('{}-title').getBoundingClientRect().top"
        assert page.evaluate(f"{top.format('upkeep')} < {top.format('metrics')}")
        kept = page.locator("[aria-labelledby=upkeep-title]")
        said = re.search(r"✖ (\d+) open, (\d+) late", kept.inner_text())
        assert said
        states = kept.locator("tbody tr td:last-child").all_inner_texts()
        late = [text.startswith("✖") for text in states]
        assert sum(late) == int(said[2]) > 0
        assert late == sorted(late, reverse=True)
        picture(page, "finished")


# 21, 23: what would stop it, and the way back


def test_what_would_stop_the_wave_stands_in_the_plans_words_nearest_first(made: Showcase, page: Page) -> None:
    course = soaking("soaking")
    course.judged, course.worse = True, 3.4
    course.review(1)
    with opened(made, page, course) as run:
        stops = page.locator("[aria-labelledby=stoppers-title]")
        expect(stops.get_by_role("heading", level=3)).to_have_text(["Rolls back at once", "Holds it here"])
        for head, when in (("Rolls back at once", When.TRIGGER), ("Holds it here", When.DURING)):
            group = stops.get_by_role("region", name=head)
            listed = [text.splitlines()[0] for text in group.locator("tbody th").all_inner_texts()]
            wanted = [item.criterion.text for item in in_force(run.plan, 2, when)]
            assert sorted(re.sub(r"^\W+ ", "", text) for text in listed) == sorted(wanted)
            left = [
                found[1]
                for text in group.locator("tbody td:last-child").all_inner_texts()
                if (found := re.search(r"(\d+)% left", text))
            ]
            assert len(left) > 1
            assert [*map(int, left)] == sorted(map(int, left))
        # One line of it, whole.
        errors = {line["name"]: line["value"] for line in course.journal.entries[-1].json["metrics"]}["error_rate"]
        row = stops.get_by_role("region", name="Holds it here").locator("tbody tr", has_text="Error rate < 5%")
        cells = row.locator("td")
        expect(cells.nth(0)).to_have_text(run.plan.metrics["error_rate"].unit.format(errors))
        expect(cells.nth(1)).to_have_text("below 5%")
        expect(cells.nth(2)).to_contain_text(f"{100 - errors * 20:.0f}% left")
        assert float(cells.nth(2).locator("progress").get_attribute("value") or 0) == pytest.approx(
            errors * 20, abs=0.1
        )
        # Without sideways scrolling, even within the table.
        assert_fits(page)
        for table in stops.locator(".wide").all():
            assert table.evaluate("x => x.scrollWidth <= x.clientWidth")
        stops.scroll_into_view_if_needed()
        picture(page, "stoppers")


def compared(course: Course) -> Course:
    """A last review whose comparisons tell what stands behind them: the first on dry run, the second on the way to a hold."""
    body = dict(course.journal.entries[-1].json)
    told = iter((("Dry run, would be PASS: As it should be.", 0.5), ("As it should be.", 2.3)))
    for found in body["findings"]:
        if found.get("ratio") and (one := next(told, None)):
            found |= {"sentence": one[0], "observed": one[1], "bound": "log evidence 4.61"}
    course.journal.append(Kind.REVIEWED, body, after=timedelta(minutes=15))
    return course


def test_new_against_old_comes_first_with_its_interval_limit_and_evidence(made: Showcase, page: Page) -> None:
    with opened(made, page, compared(soaking("soaking"))):
        against = page.locator("[aria-labelledby=comparisons-title]")
        metrics = page.locator("[aria-labelledby=metrics-title]")
        expect(against).to_be_visible()
        assert (against.bounding_box() or {})["y"] < (metrics.bounding_box() or {})["y"]
        tiles = against.locator("li.metric")
        errors, slow = tiles.nth(0), tiles.nth(1)
        expect(errors.locator("p.value")).to_contain_text("2 times as many errors, with little doubt")
        expect(errors.locator(".tag")).to_have_text("dry run: decides nothing")
        expect(errors).to_contain_text("evidence 0.5 of 4.6")
        expect(slow).to_contain_text("evidence 2.3 of 4.6 that roll back")
        assert slow.locator("progress").evaluate("x => x.value / x.max") == pytest.approx(0.5, abs=0.01)
        expect(slow.locator(".tag")).to_have_count(0)
        for tile in (errors, slow):
            chart = tile.locator("svg.chart")
            expect(chart.locator("polygon.interval")).to_have_count(1)
            dotted = chart.locator("line.alike").first
            assert dotted.evaluate("x => getComputedStyle(x).strokeDasharray") not in ("none", "")
            # The estimate lies within what is not ruled out.
            value, between = (
                chart.locator("circle.value").bounding_box(),
                chart.locator("polygon.interval").bounding_box(),
            )
            assert value is not None
            assert between is not None
            assert between["y"] <= value["y"] + value["height"] / 2 <= between["y"] + between["height"]
        assert_fits(page)
        against.scroll_into_view_if_needed()
        picture(page, "against")


def in_sight(page: Page, one: Locator) -> bool:
    """Whether the whole of it is in the window, and nothing lies over it."""
    box, size = one.bounding_box(), page.viewport_size or {}
    if box is None or box["y"] < 0 or box["y"] + box["height"] > size["height"]:
        return False
    at = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    return bool(one.evaluate("(x, [left, top]) => x.contains(document.elementFromPoint(left, top))", at))


def test_the_rollback_is_in_sight_wherever_the_page_is_scrolled_to(made: Showcase, page: Page) -> None:
    course = asked("asked")
    ordered = course.journal.now
    drilled = {"flag": "asked", "by": LEAD, "ordered_at": ordered.isoformat(), "zero_at": ordered.isoformat()}
    proven = (ordered + timedelta(seconds=7.3)).isoformat()
    drilled |= {"proven": True, "proven_at": proven, "seconds": 7.3, "requests": 40, "sentence": "Zero after 0.1 s."}
    course.journal.append(Kind.DRILLED, drilled)
    with opened(made, page, course):
        bar = page.locator("details.order.back summary")
        known = f"Proven within 30s; needs a name alone; last drill {ordered:%Y-%m-%d}: proven after 7.3 s."
        expect(page.locator(".back-bar > p")).to_have_text(known)
        # With a long form open beside it, too.
        for path in ("", "/gate", "/decide"):
            go(page, page.url.removesuffix("/gate").removesuffix("/decide") + path)
            if not path:
                page.locator("#order-answer summary").first.click()
            for part in (0, 0.5, 1):
                page.evaluate("part => window.scrollTo(0, part * document.body.scrollHeight)", part)
                assert in_sight(page, bar), f"at {part} of the page{path}"
        bar.click()
        page.locator("#rollback-name").fill("Ann on call")
        button = page.get_by_role("button", name="ROLLBACK now")
        button.scroll_into_view_if_needed()
        assert in_sight(page, button)
        assert_fits(page)
        picture(page, "rollback-bar")


def test_a_rollback_is_followed_step_by_step_with_its_seconds(made: Showcase, page: Page) -> None:
    course = soaking("soaking")
    with opened(made, page, course) as run:
        now = course.journal.now
        at = {
            name: (now + timedelta(seconds=s)).isoformat()
            for name, s in (("zero", 0.4), ("last", 0.3), ("proven", 9.1))
        }
        ordered = {
            "by": "Ann on call",
            "criterion": "by hand",
            "reason": "customers call",
            "epoch": 2,
            "ordered_at": now.isoformat(),
        }
        steps = page.locator("[aria-labelledby=stepper-title] .step")
        append(run, Kind.ROLLING_BACK, ordered | {"zero_at": None, "problem": "the flag file is locked"})
        expect(steps).to_have_count(4)
        expect(steps.nth(0)).to_contain_text(f"✓ Ordered {now:%H:%M:%S} UTC by Ann on call")
        expect(steps.nth(1)).to_contain_text("… Zero for everybody not written yet")
        expect(page.locator("#live .status").first).to_have_text("✖ ROLLBACK NOT WRITTEN")
        append(run, Kind.ROLLING_BACK, ordered | {"zero_at": at["zero"], "revision": "zero"})
        expect(steps.nth(1)).to_contain_text("✓ Zero for everybody 0.4 s after the order")
        expect(steps.nth(2)).to_contain_text("○ Last request on the new path not known yet")
        expect(steps.nth(3)).to_contain_text("… Proven by the counter of the new path")
        told = {"proven": True, "counter": 7, "last_request_at": at["last"], "proven_at": at["proven"]}
        append(run, Kind.PROVEN, told | {"sentence": "The new path is chosen no more."})
        expect(steps.nth(2)).to_contain_text("✓ Last request on the new path 0.3 s after the order")
        expect(steps.nth(3)).to_contain_text("✓ Proven 9.1 s after the order")
        expect(page).to_have_title("↩ ROLLED BACK - soaking")
        assert FAVICONS["bad"] in favicon(page)
        expect(page.locator(".back-bar")).to_have_count(0)
        assert_fits(page)
        picture(page, "rolled-back")


# 22, 24: the gate's page, and between it and Prefect


def test_a_gates_page_says_what_it_costs_and_leads_to_prefect_and_back(made: Showcase, page: Page) -> None:
    course = asked("asked")
    course.journal.append(Kind.CARRIED, {"flow_run": FLOW_RUN})
    with opened(made, page, course) as run:
        # As a page in Prefect links it.
        markdown = progress_page(run.plan, run.state, run.timing, course.journal.now)
        link = re.search(r"\[Its page[^]]*\]\(([^)]+)\)", markdown)
        assert link
        assert link[1].startswith(f"{run.plan.channels.dashboard}/")
        go(page, "{0.scheme}://{0.netloc}".format(urlsplit(page.url)) + urlsplit(link[1]).path)
        expect(page.locator("h1")).to_contain_text("May Wave 4")
        expect(page.locator("#order-answer details")).to_have_attribute("open", "")
        expect(page.locator("[aria-labelledby=since-title] li").first).to_be_visible()
        costs = page.locator("[aria-labelledby=costs-title]")
        for what, known in (
            ("A go", f"{run.state.exposure} becomes 100% of production, for 48h of healthy time at least."),
            ("Waiting", f"{run.state.exposure} stays, guarded; unanswered after "),
            ("So far", " since the first users were exposed. 25.0% of the audience's requests took the new path"),
            ("Money", "It is not known what a month costs; expected are $150 to $200, the limit is $300."),
            ("Error rate < 2% throughout", "Highest so far: 0.5"),
        ):
            line = costs.locator("div", has=page.locator("dt", has_text=what))
            expect(line.locator("dd")).to_contain_text(known)
        assert FAVICONS["warn"] in favicon(page)
        for _ in ("the gate's page", "the rollout's"):
            there = page.get_by_role("link", name="Its run in Prefect")
            assert (there.get_attribute("href") or "").endswith(f"/runs/flow-run/{FLOW_RUN}")
            picture(page, "gate-costs") if page.url.endswith("/gate") else None
            assert_fits(page)
            page.get_by_role("link", name="All of asked").click() if page.url.endswith("/gate") else None
