"""A report's Markdown as each channel shows it: as plain lines, in Slack's own marks, and as HTML."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby

from tidegate.notices.notice import Notice

_CODE, _BOLD, _SLANTED = re.compile(r"`([^`]+)`"), re.compile(r"\*\*(.+?)\*\*"), re.compile(r"(?<!\w)_([^_]+)_(?!\w)")
_PIPE = re.compile(r"(?<!\\)(?:\\\\)*\|")
_RULE = re.compile(r"\|(?:---\|)+")
_BOXES = {"[ ] ": "☐ ", "[x] ": "☑ "}


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A line of what the reports are written in: `heading`, `item`, `row` or `text`; a row has its cells."""

    kind: str
    text: str
    cells: tuple[str, ...] = ()
    depth: int = 0


def report_lines(markdown: str) -> Iterator[ReportLine]:
    """The lines that say something, freed of the marks that kept other people's words in their places."""
    for line in markdown.splitlines():
        if not line.strip() or _RULE.fullmatch(line.strip()):
            continue
        if line.startswith("#"):
            marks, _, text = line.partition(" ")
            yield ReportLine("heading", _freed(text), depth=len(marks))
        elif line.startswith("- "):
            text = line[2:]
            for box, mark in _BOXES.items():
                text = mark + text.removeprefix(box) if text.startswith(box) else text
            yield ReportLine("item", _freed(text))
        elif line.startswith("|"):
            yield ReportLine("row", line, tuple(_cells(line)))
        else:
            yield ReportLine("text", _freed(line))


def plain_text(notice: Notice) -> str:
    """The body for what shows text alone; only a report is in Markdown."""
    return "\n".join(_blocks(notice.body, _plain)) if notice.report else notice.body


def slack_text(notice: Notice, escaped: Callable[[str], str]) -> str:
    """The body in Slack's marks; a table is a line for each row, which a phone can show."""
    if not notice.report:
        return escaped(notice.body)
    return "\n".join(_blocks(notice.body, lambda part: _slack(part, escaped)))


def html_text(notice: Notice) -> str:
    """The body as HTML."""
    if not notice.report:
        return f'<p style="white-space:pre-wrap">{escape(notice.body)}</p>'
    return "\n".join(_html(kind, lines) for kind, lines in _grouped(notice.body))


def _grouped(markdown: str) -> Iterator[tuple[str, list[ReportLine]]]:
    """Lines that belong together: the rows of a table, the items of a list."""
    for kind, lines in groupby(report_lines(markdown), key=lambda line: line.kind):
        yield kind, list(lines)


def _blocks(markdown: str, shown: Callable[[list[ReportLine]], Iterable[str]]) -> Iterator[str]:
    """The lines of each group, an empty one before each heading."""
    for number, (kind, lines) in enumerate(_grouped(markdown)):
        if kind == "heading" and number:
            yield ""
        yield from shown(lines)


def _plain(lines: list[ReportLine]) -> Iterator[str]:
    match lines[0].kind:
        case "heading":
            yield from (_unmarked(line.text).upper() for line in lines)
        case "row":
            yield from _aligned([[_unmarked(cell) for cell in line.cells] for line in lines])
        case "item":
            yield from (f"- {_unmarked(line.text)}" for line in lines)
        case _:
            yield from (_unmarked(line.text) for line in lines)


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=False)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()


def _slack(lines: list[ReportLine], escaped: Callable[[str], str]) -> Iterator[str]:
    def marked(text: str) -> str:
        return _BOLD.sub(r"*\1*", escaped(text))

    match lines[0].kind:
        case "heading":
            yield from (f"*{escaped(_unmarked(line.text))}*" for line in lines)
        case "row":
            headings, *rows = (line.cells for line in lines)
            for row in rows:
                named = [f"{h}: {c}" if h else c for h, c in zip(headings[1:], row[1:], strict=False) if c]
                yield f"• *{escaped(_unmarked(row[0]))}* {marked('; '.join(named))}".rstrip()
        case "item":
            yield from (f"• {marked(line.text)}" for line in lines)
        case _:
            yield from (marked(line.text) for line in lines)


def _html(kind: str, lines: list[ReportLine]) -> str:
    match kind:
        case "heading":
            return "\n".join(f"<h{line.depth + 1}>{_marked(line.text)}</h{line.depth + 1}>" for line in lines)
        case "row":
            headings, *rows = (line.cells for line in lines)
            head = "".join(f'<th align="left">{_marked(cell)}</th>' for cell in headings)
            body = "".join("<tr>" + "".join(f"<td>{_marked(cell)}</td>" for cell in row) + "</tr>" for row in rows)
            return f'<table cellpadding="6"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        case "item":
            return "<ul>" + "".join(f"<li>{_marked(line.text)}</li>" for line in lines) + "</ul>"
        case _:
            return "\n".join(f"<p>{_marked(line.text)}</p>" for line in lines)


def _marked(text: str) -> str:
    """Escaped, with the marks that the reports use themselves as elements."""
    made = _CODE.sub(r"<code>\1</code>", escape(text))
    return _SLANTED.sub(r"<em>\1</em>", _BOLD.sub(r"<strong>\1</strong>", made))


def _unmarked(text: str) -> str:
    return _SLANTED.sub(r"\1", _BOLD.sub(r"\1", _CODE.sub(r"\1", text)))


def _cells(row: str) -> Iterator[str]:
    """The cells between pipes that are no part of what somebody wrote."""
    inner, start = row.strip().removeprefix("|"), 0
    for pipe in _PIPE.finditer(inner):
        yield _freed(re.sub(r"\\([\\|])", r"\1", inner[start : pipe.end() - 1])).strip()
        start = pipe.end()


def _freed(text: str) -> str:
    """Other people's words as they wrote them: each channel escapes what it has to itself."""
    return text.replace("]\\(", "](").replace("&lt;", "<")
