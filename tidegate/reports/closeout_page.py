"""The closing report as people read it; its hash is over the data, not over this page."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tidegate.pages.tables import one_line, sentence, table_row
from tidegate.reports.closeout import sha256_of
from tidegate.reports.costs_page import costs_markdown
from tidegate.reports.decisions import MEASURED
from tidegate.values.units import Unit
from tidegate.values.verdict import Verdict


def closeout_markdown(report: dict[str, Any]) -> str:
    """The report for people; its hash is over the JSON."""
    parts = [
        f"# Close-out: {one_line(report['title'])}",
        f"Rollout `{report['rollout']}` of `{report['flag']}`: **{report['outcome'].replace('_', ' ')}**. "
        f"{sentence(report['reason'])}\n\nStarted by {one_line(report['started_by'])} at {_at(report['opened_at'])}, "
        f"ended {_at(report['ended_at']) or 'not yet'}. Plan `{report['plan']}` {report['plan_hash'][:12]}.",
        "## Who was exposed when",
        _table(
            ("Exposure", "From", "Until"),
            [(x["exposure"], _at(x["from"]), _at(x["until"]) or "still") for x in report["exposure"]],
        ),
        "## Who decided",
        _table(
            ("When", "What", "Who", "Why", "Evidence shown"),
            [(_at(x["at"]), x["what"], _who(x), _why(x), _shown(x)) for x in report["decisions"]],
        ),
        "## Who stated what",
        _table(
            ("When", "Before", "Role", "Who", "Statement"),
            [(_at(x["at"]), x["before"], x["role"], x["by"], x["text"]) for x in report["stated"]],
        ),
        "## What was judged",
    ]
    for wave in report["judged"]:
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in wave["verdicts"].items()) or "none"
        parts.append(f"### {one_line(wave['title'])}\n\n{wave['reviews']} reviews: {verdicts}.")
        criteria = [(c["text"], _worst_of(c), c["last"]) for c in wave["criteria"]]
        parts.append(_table(("Criterion", "Worst answer", "Last answer"), criteria))
    if report["spells"]:
        rows = [
            (_at(x["start"]), _at(x["end"]) or "still", "CRITICAL" if x["critical"] else "", x["what"])
            for x in report["spells"]
        ]
        parts += ["## What went wrong", _table(("From", "Until", "How bad", "What"), rows)]
    if (back := report["rollback"]) is not None:
        parts.append(
            f"## Rollback\n\nOrdered by {one_line(back['by'])} at {_at(back['ordered_at'])}: "
            f"{sentence(back['reason'])} "
            f"Zero after {back['zero']}, last request after {back['last_request']}, proof after {back['proof']}."
        )
    success = [(x["text"], x["verdict"], x["sentence"]) for x in report["success"]]
    parts += ["## Success criteria", _table(("Criterion", "Verdict", "Evidence"), success)]
    parts += ["## Performance against the baseline", _table(*_performance(report))]
    if report["costs"] is not None:
        # One level below this page's own headings.
        parts.append(
            costs_markdown(report["costs"]).strip().replace("\n## ", "\n### ").replace("# Costs", "## Costs", 1)
        )
    parts += ["## What remains", "\n".join(f"- {one_line(x)}" for x in report["remains"]) or "Nothing."]
    journal = report["journal"]
    parts.append(
        f"Journal: {journal['entries']} entries, head `{journal['head'][:12]}`. SHA-256 `{sha256_of(report)}`."
    )
    return "\n\n".join(parts) + "\n"


def _performance(report: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Each metric: the baseline, every wave, and the last one's change."""
    waves = [w["wave"] for w in report["judged"]]
    rows = []
    for line in report["performance"]:
        unit = Unit(line["unit"])
        values = [line["baseline"], *(line["waves"].get(str(n)) for n in waves)]
        change = "-" if line["change_percent"] is None else f"{line['change_percent']:+g}%"
        rows.append((line["title"], *("-" if v is None else unit.format(v) for v in values), change))
    titles = (w["title"].split(":")[0] for w in report["judged"])
    return ("Metric", "Baseline", *titles, "Last against baseline"), rows


def _at(text: str | None) -> str:
    """To the second; the JSON has it exactly."""
    return f"{text[:19].replace('T', ' ')} UTC" if text else ""


def _who(decision: dict[str, Any]) -> str:
    """The name, and what was proven of it."""
    return f"{decision['by']} ({decision['proven']})" if decision["proven"] else str(decision["by"])


def _why(decision: dict[str, Any]) -> str:
    """What was said of it; of a change of the plan also who proposed it, why, and what it changes."""
    if not decision.get("changes"):
        return str(decision["reason"])
    proposed = f"proposed by {decision['proposed_by']} ({decision['proposed_because']})"
    return f"{decision['reason']}; {proposed}: {'; '.join(decision['changes'])}"


def _shown(decision: dict[str, Any]) -> str:
    """How many of each verdict, and how many lines people had to state; looked at again, as last measured."""
    # A box that was still open when people were asked is no evidence against their go.
    shown = [f for f in decision["evidence"] if not f["by_people"] or f["verdict"] == Verdict.PASS]
    counted, open_boxes = Counter(f["verdict"] for f in shown), len(decision["evidence"]) - len(shown)
    parts = [f"{count} {verdict}" for verdict, count in sorted(counted.items())]
    parts += [f"{open_boxes} for people to state"] if open_boxes else []
    verdicts = ", ".join(parts)
    later = decision["evidence_is"] == MEASURED
    return f"{verdicts} ({MEASURED} {_at(decision['evidence_at'])})" if later else verdicts


def _worst_of(criterion: dict[str, Any]) -> str:
    """`INCONCLUSIVE (1 of 220)`: how bad it was, and how often of how often it was asked."""
    return f"{criterion['worst']} ({criterion['worst_times']} of {criterion['asked']})"


def _table(headings: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> str:
    if not rows:
        return "Nothing."
    return "\n".join((table_row(*headings), "|" + "---|" * len(headings), *(table_row(*row) for row in rows)))
