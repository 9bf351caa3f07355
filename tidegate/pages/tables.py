"""Text for tables and lines: one row, one line, verdicts with their marks."""

import re
from collections.abc import Iterable, Sequence

from tidegate.checklist.judge import section_verdicts
from tidegate.criteria.metrics.metric_levels import MetricLine
from tidegate.plan.model import Plan
from tidegate.values.names import on_one_line
from tidegate.values.verdict import Finding, Verdict

# Not every machine has a font with emoji.
MARKS = {
    Verdict.PASS: "✓",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "⚠",
    Verdict.FAIL: "✖",
    Verdict.NOT_APPLICABLE: "–",
}


_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_LINK = "]("  # of a link or a picture, to wherever whoever wrote it wants


def sentence(text: str) -> str:
    """What somebody wrote, in one line that ends as a sentence does, so that another can follow."""
    line = one_line(text).rstrip()
    return line if not line or line.endswith((".", "!", "?", ":")) else f"{line}."


def table_row(*cells: object) -> str:
    """A Markdown table row; what people or servers wrote cannot break out of its cell."""
    # A backslash of theirs would undo the one that keeps a pipe in its cell.
    cleaned = (_without_tags(cell).replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(map(_without_links, cleaned)) + " |"


def one_line(text: object) -> str:
    """What people or servers wrote, as one line of Markdown: without HTML, links and pictures of theirs."""
    return _without_links(_without_tags(text))


def _without_tags(text: object) -> str:
    return _TAG.sub("&lt;", on_one_line(text))


def _without_links(text: str) -> str:
    return text.replace(_LINK, "]\\(")


def evidence_table(findings: Iterable[Finding]) -> str:
    """The findings as a Markdown table."""
    rows = [table_row("", "Criterion", "Verdict", "What was seen"), "|---|---|---|---|"]
    rows += [table_row(MARKS[f.verdict], f.text, f.verdict.value, f.sentence) for f in findings]
    return "\n".join(rows)


def evidence_list(findings: Iterable[Finding]) -> str:
    """The findings as a Markdown list, which wraps where a table is cut off: in a form's small window."""
    return "\n".join(f"- {MARKS[f.verdict]} **{f.verdict.value}** {_said(f)}" for f in findings)


def evidence_text(findings: Iterable[Finding]) -> str:
    """The findings as plain lines, for what shows no Markdown."""
    return "\n".join(f"{MARKS[f.verdict]} {f.verdict.value} {_said(f)}" for f in findings)


def _said(finding: Finding) -> str:
    return f"{one_line(finding.text)}: {one_line(finding.sentence)}"


def section_table(plan: Plan, findings: Sequence[Finding]) -> str:
    """The verdict of each section of the checklist, in Markdown."""
    rows = [table_row("", "Checklist", "Verdict"), "|---|---|---|"]
    rows += [table_row(MARKS[said], name, said.value) for name, said in section_verdicts(plan, findings).items()]
    return "\n".join(rows) if plan.checklist else ""


def metrics_table(lines: Sequence[MetricLine]) -> str:
    """The metrics table as measured, in Markdown."""
    rows = [table_row("Metric", "Now", "Level", "Requests"), "|---|---|---|---|"]
    rows += [table_row(x.title, x.shown, x.level.value, "" if x.n is None else f"{x.n:.0f}") for x in lines]
    return "\n".join(rows)
