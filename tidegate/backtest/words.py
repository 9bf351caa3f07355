"""A back-test in words: a page of Markdown for the run and for people."""

from collections.abc import Iterator, Mapping

from tidegate.backtest.result import BacktestResult, CriterionResult
from tidegate.pages.plan_sentences import markdown_row


def backtest_markdown(result: BacktestResult) -> str:
    """The page: what would have become of each wave, and each of its criteria."""
    return "\n".join(_page(result)) + "\n"


def _page(result: BacktestResult) -> Iterator[str]:
    yield f"# Back-test of {result.plan}"
    yield f"\n{result.start:%Y-%m-%d %H:%M} to {result.end:%Y-%m-%d %H:%M} UTC, a look each {result.look_seconds:g} s."
    yield "In brackets the 95 % interval (Wilson), for which waves that overlap count once."
    if result.compared is not None:
        yield ""
        yield from result.compared.sentences
    for wave in result.waves:
        yield f"\n## {wave.title}\n\nRolled back in {wave.rolled_back.words}{_by(wave.by)}."
        if wave.held_without_data:
            yield f"Held without data in {wave.held_without_data} more."
        yield ""
        yield markdown_row("criterion", "decides", "fired", "no data", "unsure", "harm put in")
        yield markdown_row("---", "---", "---", "--:", "--:", "---")
        yield from (criterion_row(row) for row in result.criteria if row.wave == wave.wave)
    for words in result.left_out:
        yield f"\nNot replayed: {words}."


def _by(by: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{count} by {name}' for name, count in by.items())})" if by else ""


def criterion_row(row: CriterionResult) -> str:
    """One line of the table; what was not replayed says why."""
    decides = f"{row.when}, dry run" if row.dry_run else row.when
    return markdown_row(row.text, decides, *cells(row))


def cells(row: CriterionResult) -> tuple[str, str, str, str]:
    """What happened, the shares without data and unsure, and how soon harm was found."""
    if row.fired is None:
        return f"not replayed: {row.reason}", "", "", ""
    return row.fired.words, f"{row.no_data:.1f}%", f"{row.unsure:.1f}%", "; ".join(found.words for found in row.found)
