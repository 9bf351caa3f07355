"""The cost report as people read it."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tidegate.pages.tables import one_line, table_row
from tidegate.reports.costs import dollars


def costs_markdown(report: dict[str, Any]) -> str:
    """The report in Markdown."""
    least, most = (dollars(x) for x in report["expected"])
    parts = [
        f"# Costs: {one_line(report['title'])}",
        f"Rollout `{report['rollout']}` of `{report['flag']}`, up to {report['until'][:16].replace('T', ' ')} UTC.",
        f"**{report['verdict']}**: {report['sentence']}",
        "## A month",
        "\n".join(_items(report)),
        f"Planned: {dollars(report['planned_month'])}. Projected from what is used: "
        f"**{dollars(report['projected_month'])}**. Expected: {least} to {most}. Limit: {dollars(report['limit'])}.",
        "## What each wave has cost",
        *_rehearsal(report["day_seconds"]),
        "\n".join(_waves(report)) if report["waves"] else "Nothing has been raised yet.",
    ]
    if report["months"]:
        rows = [table_row(x["month"], dollars(x["new"]), dollars(x["old"])) for x in report["months"]]
        parts += ["## By month", "\n".join([table_row("Month", "New path", "Old path"), "|---|---|---|", *rows])]
    parts += ["## Is it worth it?", _benefit(report["benefit"])]
    return "\n\n".join(parts) + "\n"


def _rehearsal(day: float) -> Iterator[str]:
    if day != 86_400:
        yield f"A rehearsal: one day of the plan takes {day:g} s, and the hours here are the plan's."


def _items(report: dict[str, Any]) -> Iterator[str]:
    yield table_row("Paid for", "Whose", "Planned", "Used", "Price", "A month")
    yield "|---|---|---|---|---|---|"
    for item in report["items"]:
        used = item["measured"] or (f"unknown ({item['why_not']})" if item["why_not"] else "as planned")
        price = "existing" if item["existing"] else f"{item['price']} per {item['per']}"
        planned = f"{item['planned']} {item['unit'] or ''}".strip()
        yield table_row(item["text"], item["path"], planned, used, price, dollars(item["month"]))


def _waves(report: dict[str, Any]) -> Iterator[str]:
    yield table_row("Wave", "Hours", "Requests on the new path", "New path", "Old path", "For 1000 requests")
    yield "|---|---|---|---|---|---|"
    for x in report["waves"]:
        requests = "not counted" if x["requests_new"] is None else f"{x['requests_new']:.0f} ({x['share_percent']}%)"
        each = "unknown" if x["per_1000_requests"] is None else f"${x['per_1000_requests']}"
        yield table_row(x["title"], x["hours"], requests, dollars(x["new"]), dollars(x["old"]), each)
    total = report["total"]
    yield table_row("All", "", "", dollars(total["new"]), dollars(total["old"]), "")


def _benefit(benefit: dict[str, Any] | None) -> str:
    if benefit is None:
        return "The plan names no benefit."
    once = f", and {dollars(benefit['once'])} once before" if Decimal(benefit["once"]) else ""
    words = f"{one_line(benefit['text'])}: worth {dollars(benefit['month'])} a month{once}."
    if benefit["left"] is None:
        return f"{words} When it has paid for itself cannot be determined while the cost is unknown."
    days = benefit["break_even_days"]
    even = "It never pays for itself at this cost." if days is None else f"It pays for itself after {days:g} days"
    if days is not None and benefit["expected"] is not None:
        least, most = benefit["expected"]
        even += f"; expected were {least} to {most}{'' if benefit['as_expected'] else ', so it takes TOO LONG'}"
    return f"{words} A month leaves {dollars(benefit['left'])}. {even}{'' if days is None else '.'}"
