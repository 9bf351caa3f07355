"""The page of a rollout that has ended: what is over does not read as if it stood, and what is late comes first."""

import re
from datetime import timedelta

from console.dashboard.pages import _environment
from tests.tidegate.builders import ANN, TIMING, Journal, in_post_rollout, in_wave
from tests.tidegate.test_upkeep import KEPT, done
from tests.tidegate.test_view import finding, review
from tidegate.journal.kinds import Kind
from tidegate.pages.tables import one_line
from tidegate.views.course import follow_course
from tidegate.views.view import rollout_view


def page(journal: Journal, after: timedelta = timedelta(0)) -> str:
    """Both changing parts of the page, as a reader meets them."""
    view = rollout_view(journal.plan, journal.state, TIMING, journal.now + after, follow_course(journal.entries))
    made = _environment()
    now = made.get_template("now.html").render(view=view, stale="", workers="")
    return now + made.get_template("more.html").render(view=view)


def fact(html: str, name: str) -> str:
    found = re.search(rf"<dt>{name}</dt><dd>(.*?)</dd>", html)
    assert found, name
    return found[1]


def test_a_healthy_page_says_of_its_last_issue_that_it_is_over() -> None:
    journal = review(in_wave(), verdict="INCONCLUSIVE", healthy=False, findings=[finding("INCONCLUSIVE")])
    assert "not healthy" in fact(page(journal), "Last issue")
    assert not fact(page(journal), "Last issue").startswith("None")
    assert "HEALTHY" in page(review(journal))
    assert fact(page(journal), "Last issue").startswith("None now. Over since ")
    finished = in_post_rollout()
    review(review(finished, verdict="INCONCLUSIVE", healthy=False, findings=[finding("INCONCLUSIVE")]))
    ended = page(finished.extend((Kind.FINISHED, {})))
    assert "FINISHED" in ended
    assert fact(ended, "Last issue").startswith("None now. Over since ")


def test_an_ended_page_shows_no_hold_no_soak_and_no_growing_day() -> None:
    held = review(in_wave()).extend((Kind.HELD, {"cause": "operator", "reason": "look at it", "by": ANN}))
    assert "operator: look at it" in page(held)
    assert "<dt>Soak</dt>" in page(held)
    ended = held.extend((Kind.CLOSED, {}))
    for after in (timedelta(0), timedelta(days=30)):
        html = page(ended, after)
        assert "Held (" not in html
        assert "<dt>Soak</dt>" not in html
        assert fact(html, "Time") == "Day 1"


def test_upkeep_of_an_ended_rollout_stands_above_its_charts_and_begins_with_what_is_late() -> None:
    journal = done(in_post_rollout(KEPT), 1)
    # Of the open one, due after 28 days, and of the weekly one, which is on its schedule.
    ended = page(journal.extend((Kind.FINISHED, {})), timedelta(days=29))
    assert ended.index('id="upkeep-title"') < ended.index('id="metrics-title"')
    assert "✖ 1 open, 1 late" in ended
    rows = re.findall(r'<tr><th scope="row">(\d)\. ', ended[ended.index('id="upkeep-title"') :])
    assert rows[:3] == ["2", "1", "3"]
    assert "late</p>" not in page(journal, timedelta(days=8))
    open_page = page(in_post_rollout(KEPT))
    assert open_page.index('id="upkeep-title"') > open_page.index('id="metrics-title"')
    assert open_page.count('id="upkeep-title"') == 1
    assert one_line(KEPT.upkeep[1].text) in open_page
