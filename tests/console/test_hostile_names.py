"""Names that others gave, shown to people: on a Markdown page they are text, and to a terminal they do nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from blocks.kit import read_kit
from engine.rollout.open import open_rollout
from tests.console.conftest import Run
from tests.engine.world import no_alerts
from tidegate.journal.bodies.hold_bodies import Held, HoldCause
from tidegate.pages.plan_document import plan_document
from tidegate.pages.plan_sentences import markdown_row, markdown_text
from tidegate.pages.progress_page import progress_page
from tidegate.pages.tables import evidence_list, evidence_table, one_line
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.pace import Pace, Timing
from tidegate.values.names import group
from tidegate.values.verdict import Finding, Verdict

# Each is a group that a flag system may have.
GROUPS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[here](javascript:alert(1))",
    "[here](http://evil.example)",
    "![seen](http://evil.example/x.png)",
    "\\[here](http://evil.example)",
    "a | b | c",
    "`code` **bold**",
    "[/red] [bold]x[/bold] [link=http://evil.example]",
    "{{ 7 * 7 }} {% raw %}",
    "$(rm -rf /) `id`; reboot",
    "<!--",
)
# What no group of a plan can be called, and what an API may answer all the same.
CONTROLS = ("\x1b[2J\x1b]0;evil\x07", "a\rb", "\x9b31m", "\u202egnihton", "\0")


def html(page: str) -> str:
    """The page as a browser would be given it by whatever shows Markdown and lets HTML through."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(page)


def assert_is_text(page: str) -> None:
    shown = html(page)
    for live in ("<script", "<img", "<!--", 'href="javascript', 'href="http://evil'):
        assert live not in shown, shown
    assert not any(sign in page for controls in CONTROLS for sign in controls if sign in "\x1b\x07\r\x9b\u202e\0"), page


@pytest.mark.parametrize("name", [*GROUPS, *CONTROLS], ids=repr)
def test_on_a_page_they_are_text(name: str) -> None:
    sentence = f"It is changed by hand to 10% where group IN {name}, allowed is what Tidegate wrote."
    finding = Finding("flag", f"The flag of {name}", Verdict.ERROR, sentence)
    table = evidence_table([finding])
    for page in (
        table,
        evidence_list([finding]),
        f"- {one_line(name)}",
        markdown_text(name),
        f"{markdown_row('', '')}\n|---|---|\n{markdown_row(name, name)}",
    ):
        assert_is_text(page)
    assert html(table).count("<td>") == 4, "nothing breaks out of its cell"


def test_the_pages_can_show_what_is_live() -> None:
    """The judge of these tests knows one when it sees it."""
    with pytest.raises(AssertionError):
        assert_is_text("[here](http://evil.example)")
    assert 'href="http://evil' in html("[here](http://evil.example)")
    assert "<img" in html("![seen](http://evil.example/x.png)")


@pytest.mark.parametrize("name", GROUPS, ids=repr)
def test_from_the_plan_to_the_terminal_they_do_nothing(name: str, kit: Path, run: Run, tmp_path: Path) -> None:
    plan = no_alerts({"flag.always_on": [group(name)], "flag.always_off": [group(f"{name} too")]})
    path = tmp_path / "plan.yaml"
    path.write_text(plan.model_dump_json(by_alias=True, exclude_none=True))
    assert load_plan(path, Path.read_bytes).flag.always_on == (name,)
    for command in (("check",), ("show",), ("show", "--card")):
        code, out, err = run("plan", command[0], str(path), *command[1:])
        assert code == 0, err
        assert "\x1b" not in out
    via = read_kit(kit)
    opened = open_rollout(
        via, plan, "hostile", started_by="ada@example.com", pace=None, auto_approve=False, connection_set="default"
    )
    why = f"{plan.flag.key}: changed by hand to 10% where group IN {name} {''.join(CONTROLS)}"
    opened.append(Held(HoldCause.DRIFT, why, "tidegate"))
    now = datetime.now(UTC)
    assert_is_text(progress_page(plan, opened.state, Timing(plan, Pace.of(now, None)), now))
    assert_is_text(plan_document(plan))
    for line in (("status", "hostile"), ("status",), ("journal", "hostile")):
        code, out, err = run(*line)
        assert code == 0, err
        assert not {"\x1b", "\x07", "\x9b", "\u202e", "\0"} & set(out), out
    code, out, _ = run("journal", "hostile")
    assert " ".join(name.split()) in " ".join(out.split()), out
