"""What a reader without statistics is told: every sentence of the comparisons, on tile, terminal, gate and close-out."""

import html
import io
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from console.dashboard.pages import _environment
from console.live.dashboard_panel import rollout_box
from tests.tidegate.builders import TIMING, Journal, in_wave
from tests.tidegate.test_comparison import BROKEN, FIVEFOLD, GONE, HEALTHY, TWICE, counts, example
from tests.tidegate.test_comparison import TERMS as ASKED
from tests.tidegate.test_comparison import judged as of_kind
from tests.tidegate.test_evidence_terms import with_comparisons
from tidegate.criteria.comparisons.counts import Counted
from tidegate.criteria.comparisons.versus_control import judge_no_bound, judge_versus_control
from tidegate.journal.kinds import Kind
from tidegate.pages.gate_form import gate_form
from tidegate.reports.closeout import closeout
from tidegate.reports.closeout_page import closeout_markdown
from tidegate.statistics.cohorts import ASSUMED, Cohorts
from tidegate.values.verdict import Finding, Verdict
from tidegate.views.course import follow_course
from tidegate.views.view import RolloutView, rollout_view

MORE = "More errors on the new path than beside it"


@dataclass(frozen=True)
class Told:
    """Counts, and all that is said of them; without a head there is no tile."""

    name: str
    kind: str
    counted: Counted
    sentence: str
    head: str = ""
    dry_run: bool = False

    @property
    def finding(self) -> Finding:
        """As it is judged."""
        return of_kind(example(self.kind, dry_run=self.dry_run), self.counted)


def known_as(counted: Counted, cohorts: Cohorts, **more: Any) -> Counted:
    return replace(counted, waves=tuple(replace(wave, cohorts=cohorts) for wave in counted.waves), **more)


RARE = "Fewer than 1 of 100 healthy rollouts ever look like this"
HELD = "Fewer than 1 of 20 healthy rollouts ever look like this, so the soak waits and nothing is raised until more than 1 of 10 would again"
NOBODY = "Nobody knows how these users compared before (no `cohorts` whose labels select anything)"

ALL = (
    Told(
        "healthy", "versus_control", counts(*[HEALTHY] * 100),
        "On the new path about as many errors as on the old one (Error rate: 100 of 20,000 against 900 of 180,000); in this wave, "
        "with little doubt, 0.7 to 1.4 times as many. Many healthy rollouts look like this, and nothing is held.",
        "about as many errors, with little doubt 0.7 to 1.4",
    ),
    Told(
        "on dry run", "versus_control", counts(*[HEALTHY] * 100),
        "Dry run, would be PASS: On the new path about as many errors as on the old one (Error rate: 100 of 20,000 against "
        "900 of 180,000); in this wave, with little doubt, 0.7 to 1.4 times as many. Many healthy rollouts look like this, and "
        "nothing is held.",
        "about as many errors, with little doubt 0.7 to 1.4 (dry run)",
        dry_run=True,
    ),
    Told(
        "neither has any", "versus_control", counts((0, 200, 0, 1800)),
        "Neither path has any errors (Error rate: 0 of 200 against 0 of 1,800). Many healthy rollouts look like this, and nothing is held.",
    ),
    Told(
        "some", "versus_control", counts(*[(3, 200, 9, 1800)] * 3),
        "On the new path 3 times as many errors as on the old one (Error rate: 9 of 600 against 27 of 5,400); in this wave, with "
        "little doubt, 0.9 to 7.9 times as many. Up to 1 of 8 healthy rollouts ever looks like this: nothing is held yet (held "
        "from 1 of 20 on).",
        "3 times as many errors, with little doubt 0.9 to 7.9",
    ),
    Told(
        "held", "versus_control", counts(*[(3, 200, 9, 1800)] * 5),
        "On the new path 3 times as many errors as on the old one (Error rate: 15 of 1,000 against 45 of 9,000); in this wave, with "
        f"little doubt, 1.2 to 6.5 times as many. {HELD}. It is rolled back once fewer than 1 of 100 would.",
        "3 times as many errors, with little doubt 1.2 to 6.5: held",
    ),
    Told(
        "held on dry run", "versus_control", counts(*[(3, 200, 9, 1800)] * 5),
        "Dry run, would be INCONCLUSIVE: On the new path 3 times as many errors as on the old one (Error rate: 15 of 1,000 against 45 of "
        f"9,000); in this wave, with little doubt, 1.2 to 6.5 times as many. {HELD}. It is rolled back once fewer than 1 of 100 would.",
        "3 times as many errors, with little doubt 1.2 to 6.5 (dry run, would be held)",
        dry_run=True,
    ),
    Told(
        "one count", "versus_control", counts((8, 200, 3, 1800)),
        "On the new path 24 times as many errors as on the old one (Error rate: 8 of 200 against 3 of 1,800); in this wave, with little "
        f"doubt, 4.3 to 380 times as many. {HELD}. Nearly all of this comes from a few counts, so it is not rolled back yet: "
        "the next ones tell.",
        "24 times as many errors, with little doubt 4.3 to 380: held",
    ),
    Told(
        "held, nobody labelled", "versus_control", known_as(counts(*[(3, 200, 9, 1800)] * 6), replace(ASSUMED, phi=1.0), measured=False),
        "On the new path 3 times as many errors as on the old one (Error rate: 18 of 1,200 against 54 of 10,800); in this wave, with little "
        f"doubt, 1.3 to 6.4 times as many. {HELD}. {NOBODY}, so this never rolls back. How these users compared before the rollout is not "
        "known; they are taken to be alike.",
        "3 times as many errors, with little doubt 1.3 to 6.4: held",
    ),
    Told(
        "rolled back", "versus_control", counts(*[FIVEFOLD] * 10),
        "On the new path 5 times as many errors as on the old one (Error rate: 50 of 2,000 against 90 of 18,000); in this wave, with "
        f"little doubt, 2.9 to 8.3 times as many. {RARE}, so it is rolled back.",
        "5 times as many errors, with little doubt 2.9 to 8.3: rolled back",
    ),
    Told(
        "rolled back on dry run", "versus_control", counts(*[FIVEFOLD] * 10),
        "Dry run, would be FAIL: On the new path 5 times as many errors as on the old one (Error rate: 50 of 2,000 against 90 of 18,000); in "
        f"this wave, with little doubt, 2.9 to 8.3 times as many. {RARE}, so it is rolled back.",
        "5 times as many errors, with little doubt 2.9 to 8.3 (dry run, would be rolled back)",
        dry_run=True,
    ),
    Told(
        "none on the old path", "versus_control", counts(*[(30, 200, 0, 1800)] * 2),
        "On the new path there are errors, on the old one none (Error rate: 60 of 400 against 0 of 3,600); in this wave, with little "
        f"doubt, more than 110 times as many. {RARE}, so it is rolled back.",
    ),
    Told(
        "shown, nobody labelled", "versus_control", known_as(counts(*[FIVEFOLD] * 40), replace(ASSUMED, phi=1.0), measured=False),
        "On the new path 5 times as many errors as on the old one (Error rate: 200 of 8,000 against 360 of 72,000); in this wave, with "
        f"little doubt, 3.3 to 7.5 times as many. {RARE}. {NOBODY}, so this holds and does not roll back. How these users compared "
        "before the rollout is not known; they are taken to be alike.",
        "5 times as many errors, with little doubt 3.3 to 7.5: held",
    ),
    Told(
        "too small to matter", "versus_control", counts(*[(40, 200_000, 180, 1_800_000)] * 40),
        "On the new path 2 times as many errors as on the old one (Error rate: 1,600 of 8,000,000 against 7,200 of 72,000,000); in this "
        f"wave, with little doubt, 1.8 to 2.2 times as many. {RARE}. 0.01 percentage points are too few to roll back (under 0.1%), so "
        "the wave is held.",
        "2 times as many errors, with little doubt 1.8 to 2.2: held",
    ),
    Told(
        "clusters", "versus_control", known_as(counts(*[HEALTHY] * 100), Cohorts(0.0, 0.05, 4.5)),
        "On the new path about as many errors as on the old one (Error rate: 100 of 20,000 against 900 of 180,000); in this wave, "
        "with little doubt, 0.5 to 1.8 times as many. Many healthy rollouts look like this, and nothing is held. Errors come in clusters "
        "(before it), so that 4.5 of them count as one.",
        "about as many errors, with little doubt 0.5 to 1.8",
    ),
    Told("nothing yet", "versus_control", counts(), "No counts: no tick with requests on both sides yet."),
    Told("no data", "versus_control", counts(HEALTHY, trouble=GONE), "No counts: unreachable: ConnectError."),
    Told(
        "safe", "go_evidence", counts(*[HEALTHY] * 400),
        "On the new path about as many errors as on the old one (Error rate: 400 of 80,000 against 3,600 of 720,000). It is shown to be "
        "less than 1.5 times as bad: only 1 of 100 releases that bad would ever look so good.",
    ),
    Told(
        "not safe yet", "go_evidence", counts(*[HEALTHY] * 50),
        "On the new path about as many errors as on the old one (Error rate: 50 of 10,000 against 450 of 90,000). It is not shown yet to "
        "be less than 1.5 times as bad: some 67% of the evidence that takes is there, so the soak waits.",
    ),
    Told(
        "users as asked", "sample_ratio", counts(*[(0, 100, 0, 900)] * 10),
        "10.00% of 10,000 users came to the new path, 10% was asked.",
    ),
    Told(
        "users not as asked", "sample_ratio", counts(*[(0, 50, 0, 950)] * 10),
        "5.00% of 10,000 users came to the new path, 10% was asked (sample ratio mismatch). Fewer than 1 of 1,000 right splits ever look like "
        "this: who is compared is not who was meant, so the wave is held.",
    ),
    Told(
        "few errors", "breaker", counts(HEALTHY),
        "Error rate at the new path is 0.5% (1 of 200 in a tick); rolls back above 10% twice.",
    ),
    Told(
        "broken", "breaker", counts(BROKEN, BROKEN),
        "Error rate at the new path is 25.0% (50 of 200 in a tick), twice in a row; rolls back above 10% twice.",
    ),
)  # fmt: skip


def rolled_back_by(finding: Finding) -> Journal:
    """A rollout whose review found that, and that was rolled back for it."""
    journal = in_wave(plan=with_comparisons(1))
    body = {"wave": 1, "credit": 0.0, "healthy": False, "verdict": finding.verdict.value}
    journal.append(Kind.REVIEWED, {**body, "findings": [finding.to_json()]}, after=timedelta(minutes=15))
    reason = f"{finding.text}: {finding.sentence}"
    return journal.extend((Kind.ROLLING_BACK, {"criterion": finding.criterion, "reason": reason}))


def seen(journal: Journal) -> RolloutView:
    return rollout_view(journal.plan, journal.state, TIMING, journal.now, follow_course(journal.entries))


def on_terminal(view: RolloutView) -> str:
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(rollout_box(view))
    return console.export_text()


def joined(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("told", ALL, ids=[told.name for told in ALL])
def test_every_sentence_is_said_in_plain_words_wherever_it_is_read(told: Told) -> None:
    finding = replace(told.finding, criterion="c0", text=MORE)
    assert finding.sentence == told.sentence
    journal = rolled_back_by(finding)
    view = seen(journal)
    assert joined(told.sentence.replace("`", "")) in joined(
        gate_form(journal.plan, journal.state, 2, [finding], "").replace("`", "").replace("\\", "")
    ) or told.sentence[:60] in gate_form(journal.plan, journal.state, 2, [finding], "")
    page = closeout_markdown(closeout(journal.plan, journal.entries))
    assert told.sentence.split(".")[0] in joined(page)
    tile = html.unescape(_environment().get_template("more.html").render(view=view))
    assert [one.head for one in view.comparisons] == ([told.head] if told.head else [])
    lines = [
        line.strip("│ ") for line in on_terminal(view).splitlines() if line.strip("│ ")[1:].startswith(f" {MORE}: ")
    ]
    if not told.head:
        assert lines == []
        return
    mark = "✓" if finding.verdict is Verdict.PASS or "would be PASS" in finding.sentence else "⚠"
    assert lines == [f"{mark} {MORE}: {told.head}"]
    assert f'<p class="value"><span aria-hidden="true">{mark}</span> {told.head}</p>' in tile
    assert f'<p class="quiet">{told.sentence}</p>' in tile
    assert f'<li class="metric {"on-target" if mark == "✓" else "warning"}">' in tile
    assert tile.count("<svg") == 1
    assert f"{told.head}; at 1 both paths are alike" in tile
    assert '<line class="alike"' in tile


def test_no_word_of_statistics_is_left_in_what_people_read() -> None:
    for told in ALL:
        for word in ("log ", "e-value", "evidence of harm", "odds", "p-value", "significan", "null"):
            assert word not in told.sentence, told.name


def test_without_a_bound_that_tells_anything_that_is_said() -> None:
    item = example("versus_control", metric=None, histogram="shop_seconds", bounds=["0.1", "2"], dry_run=False)
    assert judge_no_bound("c0", item).sentence == (
        "Nothing is compared: none of the bounds (0.1, 2) had 0.2 to 30% slower requests in the week before the first wave."
    )
    slow = [replace(counts(*[TWICE] * 40), what="slower than 0.5", noun="slow requests")]
    found = judge_versus_control("c0", item, slow, ASKED).sentence
    assert found.startswith(
        "On the new path 2 times as many slow requests as on the old one (slower than 0.5: 80 of 8,000 against 360"
    )
