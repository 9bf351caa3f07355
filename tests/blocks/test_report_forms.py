"""A report as each channel shows it: no raw Markdown, nothing lost, and nobody's words become a mark of ours."""

from html.parser import HTMLParser

import pytest

from blocks.channels.mail import Mail
from blocks.channels.slack import Slack
from blocks.channels.teams import _card
from tests.tidegate.builders import TIMING, in_wave, plan_of
from tests.tidegate.test_reports import failed, line, review
from tidegate.notices.footer import ended_page
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.report_forms import html_text, plain_text, report_lines, slack_text
from tidegate.pages.tables import one_line, table_row
from tidegate.reports.standup import standup, standup_markdown

LINKED = plan_of({"channels": {"dashboard": "https://tide.example.com"}})
NASTY = "a | b <b>x</b> & \\ ](http://evil) end"


def stand_up() -> Notice:
    """The daily stand-up as it is queued, with an issue in it."""
    journal = failed(review(in_wave(1, LINKED), line(1.0)))
    state = journal.state
    text = standup_markdown(standup(LINKED, state, TIMING, journal.now, journal.entries), LINKED)
    due = f"Due Monday.\n\n{text}"
    notice = Notice("notice-1-1", state.rollout, Loudness.INFO, "Stand-up", due, report="standup")
    return ended_page(LINKED, state, notice)


def reported(markdown: str) -> Notice:
    return Notice("e", "small-1", Loudness.INFO, "Title", markdown, report="standup")


class Page(HTMLParser):
    """Which elements there are, and the text in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def is_raw(text: str) -> list[str]:
    return [x for x in text.splitlines() if x.startswith(("#", "|", "- [")) or "**" in x]


def test_slack_has_headings_rows_and_boxes_in_its_own_marks_and_a_button() -> None:
    said = Slack(token="xoxb-x")._message("#releases", stand_up())
    text = "".join(one["text"]["text"] for one in said["blocks"] if one["type"] == "section")
    assert text == said["text"]
    assert is_raw(text) == []
    assert "*3. Decision*" in text
    assert "• *Error rate* Today: 4%; Yesterday: -; against yesterday: unknown;" in text
    assert "• ☐ rollback" in text
    [button] = said["blocks"][-1]["elements"]
    assert (button["text"]["text"], button["url"]) == ("Open the rollout", "https://tide.example.com/rollouts/small-1")


def test_mail_has_a_table_and_a_button_and_plain_lines_beside_them() -> None:
    message = Mail(host="127.0.0.1", sender="tidegate@example.com")._message(("ann@example.com",), stand_up())
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    text = plain.get_content()
    assert is_raw(text) == []
    assert "3. DECISION" in text
    rows = [x for x in text.splitlines() if x.startswith(("Metric ", "Error rate ", "Latency "))]
    assert len(rows) == 3
    assert len({x.index("unknown") for x in rows[1:]}) == 1, "columns stand below each other"
    page = Page(html.get_content())
    assert {"h2", "h3", "table", "th", "td", "ul", "li", "a"} <= {*page.tags}
    assert is_raw(page.text) == []
    assert 'href="https://tide.example.com/rollouts/small-1"' in html.get_content()


def test_a_report_without_an_address_is_a_page_all_the_same() -> None:
    message = Mail(host="127.0.0.1", sender="t@example.com")._message(("a@example.com",), reported("# A\n\n- b"))
    html = message.get_body(("html",))
    assert html is not None
    assert "<li>b</li>" in html.get_content()
    assert "<a " not in html.get_content()


def test_teams_has_plain_lines() -> None:
    card = _card(stand_up())["content"]
    assert is_raw("\n".join(run["text"] for block in card["body"] for run in block["inlines"])) == []
    assert card["actions"][0]["title"] == "Open the rollout"


@pytest.mark.parametrize("written", [table_row("H", "I"), f"- {one_line(NASTY)}", f"# {one_line(NASTY)}"])
def test_what_somebody_wrote_is_read_as_written_and_is_no_element(written: str) -> None:
    body = f"{written}\n|---|---|\n{table_row(NASTY, 'x')}"
    html = html_text(reported(body))
    assert not {"b", "a", "img"} & {*Page(html).tags}
    assert NASTY in Page(html).text
    assert NASTY.upper() in plain_text(reported(body)).upper()
    slack = slack_text(
        reported(body), lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )
    assert "<b>" not in slack
    assert "a | b &lt;b&gt;x&lt;/b&gt; &amp; \\ ](http://evil) end" in slack


def test_cells_are_those_that_were_written() -> None:
    [row] = report_lines(table_row("a|b", "c\\", "", "\\|d"))
    assert row.cells == ("a|b", "c\\", "", "\\|d")


def test_what_is_no_report_stays_as_it_is() -> None:
    plain = Notice("e", "small-1", Loudness.INFO, "Title", "# not a heading\n| no | table |")
    assert plain_text(plain) == slack_text(plain, str) == plain.body


def test_the_button_leads_where_our_own_last_line_does() -> None:
    notice = Notice(
        "e", "r", Loudness.INFO, "T", "why\nLook: https://evil.example.com/\nLook: https://tide.example.com/x"
    )
    assert notice.link == "https://tide.example.com/x"
