"""The daily retrospective: the stand-up's figures, asked backwards: what went well, what did not, what is changed."""

from collections.abc import Iterator
from typing import Any

from tidegate.pages.tables import one_line
from tidegate.plan.model import Plan
from tidegate.reports.standup import issue_line, moment


def retrospective_markdown(report: dict[str, Any], plan: Plan) -> str:
    """The page of a `standup` report as a retrospective."""
    day = f"day {report['day']}" if report["day"] else "not begun"
    parts = [
        f"# Retrospective: {one_line(report['title'])}",
        f"Rollout `{report['rollout']}`, {day}, wave {report['wave']}, exposure {report['exposure']}. "
        f"{moment(report['at'], plan)}.",
        "## What went well",
        "\n".join(_well(report, plan)) or "Nothing that the journal could tell.",
        "## What did not",
        "\n".join(_badly(report, plan)) or "Nothing since yesterday.",
        "## What is changed, and by whom",
        "\n".join(f"- {one_line(x['text'])}: {one_line(x['owner'])}" for x in report["next_actions"]) or "Nothing yet.",
    ]
    if report["next_meeting"]:
        parts.append(f"Next meeting: {moment(report['next_meeting'], plan)}.")
    return "\n\n".join(parts) + "\n"


def _well(report: dict[str, Any], plan: Plan) -> Iterator[str]:
    done = report["reviews"]["today"]
    if done["passed"]:
        yield f"- {done['passed']} of {done['recorded']} reviews passed since yesterday."
    yield from _moved(report, plan, "better")


def _badly(report: dict[str, Any], plan: Plan) -> Iterator[str]:
    yield from _moved(report, plan, "worse")
    yield from (issue_line(issue, plan) for issue in report["issues"])


def _moved(report: dict[str, Any], plan: Plan, how: str) -> Iterator[str]:
    for line in report["health"]:
        unit = plan.metrics[line["metric"]].unit
        for then in ("yesterday", "baseline"):
            if line[f"against_{then}"] == how:
                was, now = unit.format(line[then]), unit.format(line["today"])
                than = "the baseline" if then == "baseline" else then
                yield f"- {line['title']} is {how} than {than}: {now}, was {was}."
