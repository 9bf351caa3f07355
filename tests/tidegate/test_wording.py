"""What people read: nothing that was written to us can pretend to be ours."""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    PLAN,
    T0,
    TIMING,
    Journal,
    approve,
    finding,
    in_post_rollout,
    in_wave,
    opened,
    plan_of,
    raise_wave,
    reviews,
)
from tests.tidegate.test_step_back import lower
from tidegate.criteria.metrics.metric_levels import metric_line
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import RolloutState
from tidegate.journal.success_tally import SuccessTally
from tidegate.notices import texts as wording
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.reminder_texts import broken_throughout, evidence_holds, held_long
from tidegate.pages import gate_form as gate_form_words
from tidegate.pages import tables as table_words
from tidegate.pages.progress_page import progress_page, wave_status
from tidegate.rollout.decision import Advance, Continue, Finish, Hold, Judged, RollBack
from tidegate.values.samples import Sample
from tidegate.values.units import seconds_between
from tidegate.values.verdict import Verdict

NASTY = (
    "fine | ❌ | really\n\n# Finished\r\n| ✅ | All | PASS | good \\| \\\\| <script>alert(1)</script> ![x](http://e/x)"
)
texts = st.one_of(st.text(max_size=60), st.text("|\\\n\r <>#`a\x0b\x85\u2028", max_size=30))


def cells(row: str) -> list[str]:
    """The cells of a table row, as Markdown splits them: at pipes behind an even number of backslashes."""
    found, cell, escaped = [], "", False
    for char in row:
        if char == "|" and not escaped:
            found.append(cell)
            cell = ""
        else:
            cell += char
        escaped = char == "\\" and not escaped
    assert cell == ""
    return [x.strip() for x in found[1:]]


def naive_cells(row: str) -> int:
    """As renderers count that look at one character before the pipe only."""
    return len(re.findall(r"(?<!\\)\|", row)) - 1


@given(st.lists(texts, min_size=1, max_size=5))
def test_a_row_has_as_many_cells_as_were_given_whatever_was_written_in_them(written: list[str]) -> None:
    row = table_words.table_row(*written)
    assert len(row.splitlines()) == 1
    assert len(cells(row)) == naive_cells(row) == len(written)


@given(texts)
def test_a_line_holds_no_tag_and_no_second_line(written: str) -> None:
    line = table_words.one_line(written)
    assert len(line.splitlines()) <= 1
    assert not re.search(r"<[a-zA-Z/!?]", line)


def test_comparisons_stay_readable() -> None:
    assert table_words.table_row("too little when < 1%", "> 10%") == "| too little when < 1% | > 10% |"


def tables(page: str) -> list[list[str]]:
    """The tables of a page, each as its rows."""
    found: list[list[str]] = []
    for before, line in pairwise(["", *page.split("\n")]):
        if line.startswith("|"):
            found.append([*found.pop(), line] if before.startswith("|") else [line])
    return found


def gate_form(refusal: str = "", state: RolloutState | None = None) -> str:
    evidence = [finding(Verdict.PASS), finding(Verdict.FAIL, NASTY)]
    return gate_form_words.gate_form(PLAN, state or opened().state, 1, evidence, refusal)


def test_the_evidence_is_a_list_with_a_line_for_each_finding_since_the_form_cuts_a_table_off() -> None:
    passed, failed, *_ = [line for line in gate_form().splitlines() if line.startswith("- ")]
    assert passed == "- ✓ **PASS** Text of one: Sentence of one"
    assert failed.startswith("- ✖ **FAIL** ")


@given(texts)
def test_a_refusal_stays_on_its_line_and_out_of_the_table(refusal: str) -> None:
    with_refusal, without = gate_form(f"Refused: {refusal}"), gate_form()
    assert tables(with_refusal) == tables(without)
    first, *rest = with_refusal.split("\n")
    assert first.startswith("> **The last answer was refused:** Refused:")
    assert rest[0] == ""
    assert "\n".join(rest[1:]) == without


def test_a_refusal_by_the_nastiest_note_shows_once() -> None:
    form = gate_form(NASTY)
    assert "<script>" not in form
    assert form.count("# Finished") == 1 + gate_form().count("# Finished")
    assert not [line for line in form.splitlines() if line.startswith("# Finished")]


def test_the_form_says_what_is_asked_and_on_which_evidence() -> None:
    journal = in_wave()
    passed = finding(Verdict.PASS, "before").to_json()
    journal.append(Kind.REVIEWED, {"wave": 1, "credit": 900.0, "healthy": True, "findings": [passed]})
    journal.append(Kind.SOAKED, {"wave": 1})
    journal.append(Kind.GATE_OPENED, {"wave": 2, "attempt": 1})
    journal.append(Kind.GATE_DECIDED, {"wave": 2, "attempt": 1, "outcome": "counted", "by": BOB})
    form = gate_form_words.gate_form(PLAN, journal.state, 2, [finding(Verdict.PASS)], "")
    for part in (
        "May Second (25% of all) begin?",
        "now at **10% of staff**",
        f"Approvals: 1 of 2 ({BOB})",
        wording.OPEN_APPROVALS,
        PLAN.hash[:12],
        journal.state.head[:12],
    ):
        assert part in form


def test_a_plan_with_codes_says_so_and_how_to_give_one() -> None:
    plan = plan_of({"approvals": "codes"})
    told = wording.gate_waiting(plan, opened(plan).state, 1, 1, [ANN], "").body
    form = gate_form_words.gate_form(plan, opened(plan).state, 1, [], "")
    assert "--decision go --code CODE" in told
    assert wording.PROVEN_APPROVALS in told
    assert wording.PROVEN_APPROVALS in form
    assert wording.OPEN_APPROVALS not in told + form


def test_every_verdict_has_its_own_mark() -> None:
    assert set(table_words.MARKS) == set(Verdict)
    assert len(set(table_words.MARKS.values())) == len(Verdict)


# Notices


def rolled_back() -> RolloutState:
    journal = in_wave()
    journal.append(Kind.ROLLING_BACK, {"zero_at": (T0 + timedelta(seconds=2.3)).isoformat()})
    proof = {"proven_at": (T0 + timedelta(seconds=9)).isoformat(), "last_request_at": (T0 + MINUTE / 15).isoformat()}
    journal.append(Kind.PROVEN, proof)
    return journal.state


def held(sequence_more: int = 0) -> RolloutState:
    journal = in_wave()
    for _ in range(sequence_more + 1):
        journal.append(Kind.HELD)
    return journal.state


def soaked() -> RolloutState:
    journal = in_wave()
    reviews(journal, 1, [True] * 4, 15 * MINUTE)
    journal.append(Kind.SOAKED, {"wave": 1})
    return journal.state


LINE = metric_line("errors", PLAN.metrics["errors"], Sample(6.0, T0, 300))
NOTICES: dict[str, Callable[[], Notice]] = {
    "gate-1-1": lambda: wording.gate_waiting(PLAN, opened().state, 1, 1, [ANN], ""),
    "gate-1-2": lambda: wording.gate_waiting(PLAN, opened().state, 1, 2, [ANN], "no name was given"),
    "break-glass-2-1": lambda: wording.glass_broken(PLAN, in_wave().state, 2, 1, f"{ANN} and {BOB}", "phones are down"),
    "raised-1": lambda: wording.raised(PLAN, in_wave().state),
    "raised-2": lambda: wording.raised(PLAN, in_wave(2).state),
    "soaked-1-0": lambda: wording.soaked(PLAN, soaked(), 1),
    "held-drift-8": lambda: wording.held(PLAN, held(), HoldCause.DRIFT, "changed"),
    "held-drift-9": lambda: wording.held(PLAN, held(1), HoldCause.DRIFT, "changed"),
    "held-operator-8": lambda: wording.held(PLAN, held(), HoldCause.OPERATOR, "wait"),
    "crossed-errors-1": lambda: wording.bound_crossed(PLAN, in_wave().state, LINE),
    "rolling-back": lambda: wording.rolling_back(PLAN, rolled_back(), ""),
    "rolling-back-failed": lambda: wording.rolling_back(PLAN, rolled_back(), "no answer"),
    "rollback-proven": lambda: wording.rolled_back(PLAN, rolled_back()),
    "proof-missing-9": lambda: wording.proof_missing(PLAN, rolled_back()),
    "finished": lambda: wording.finished(PLAN, in_post_rollout().extend((Kind.FINISHED, {})).state),
    "closed": lambda: wording.closed(PLAN, opened().extend((Kind.CLOSED, {})).state),
}
PAGES = {"held-drift-8", "held-drift-9", "held-operator-8", "rolling-back", "rolling-back-failed", "proof-missing-9"}
PAGES |= {"rollback-proven", "break-glass-2-1"}


@pytest.mark.parametrize("event", NOTICES)
def test_a_notice_has_the_same_event_id_each_time_it_is_made(event: str) -> None:
    first, again = NOTICES[event](), NOTICES[event]()
    assert first == again
    assert (first.event, first.rollout) == (event, "small-1")
    assert first.title
    assert "\n" not in first.title
    assert (first.loudness is Loudness.PAGE) == (event in PAGES) == bool(first.problem)


@pytest.mark.parametrize("event", NOTICES)
def test_a_notice_is_read_back_from_the_journal(event: str) -> None:
    notice = NOTICES[event]()
    assert Notice.from_json(json.loads(json.dumps(notice.to_json()))) == notice


def test_a_notice_carries_nothing_but_its_words() -> None:
    words = {"event", "rollout", "loudness", "title", "body", "problem", "resolves"}
    assert {f.name for f in fields(Notice)} == words | {
        "to",
        "concerns",
        "acknowledges",
        "threaded",
        "public",
        "public_title",
        "report",
    }
    said = json.dumps([NOTICES[event]().to_json() for event in NOTICES]).lower()
    assert not re.search(r"secret|token|passw|api.?key|routing.?key|seed|https?://", said)


def test_only_the_proof_resolves_the_page_of_a_rollback() -> None:
    resolving = {event for event in NOTICES if NOTICES[event]().resolves}
    assert resolving == {"rollback-proven"}
    assert NOTICES["rollback-proven"]().problem == NOTICES["rolling-back"]().problem


def test_a_hold_for_legacy_is_ended_by_no_resume() -> None:
    state = in_wave().extend((Kind.HELD, {"cause": "legacy", "reason": "NOT rolled back"})).state
    told = held_long(PLAN, state, HoldCause.LEGACY, T0).body
    assert "tidegate resume" not in told
    assert "`tidegate rollback small-1 --anyway`" in told


def test_after_the_last_wave_no_notice_counts_on() -> None:
    promised = {"kind": "throughout", "text": "Few errors", "metric": "errors", "below": "2%", "events": 100}
    plan = plan_of({"success": [promised]})
    kept = SuccessTally(broken_at=T0, broken_value=3.0)
    for state, where in ((in_wave(2, plan).state, "wave 2"), (in_post_rollout(plan).state, "the post-rollout days")):
        assert f" in {where} of small-1;" in broken_throughout(plan, state, 1, kept).body
    told = evidence_holds(plan, in_post_rollout(plan).state, finding(Verdict.FAIL))
    assert told.title.startswith("new-path: Post-rollout (25% of all) on hold by a statistical test: ")


def test_only_what_raised_nothing_is_called_not_started() -> None:
    closing = (Kind.CLOSED, {"reason": f"Closed by {ANN}: enough", "by": ANN})
    unstarted = wording.closed(PLAN, opened().extend(closing).state)
    assert (unstarted.title, unstarted.body) == ("A small plan: not started", f"Closed by {ANN}: enough")
    exposed = in_wave().extend(closing).state
    left = wording.closed(PLAN, exposed)
    assert left.title == "A small plan: closed"
    assert left.body.splitlines() == [
        f"Closed by {ANN}: enough",
        f"Exposure STAYS at {PLAN.exposure_at(1)} and nobody watches it. To roll back: tidegate rollback small-1",
    ]
    assert wording.closed(PLAN, exposed, superseded=True).title == "A small plan: superseded"


def test_a_raise_that_was_under_way_may_have_been_written() -> None:
    exposure = PLAN.exposure_at(1)
    journal = opened().extend((Kind.RAISING, {"wave": 1, "exposure": exposure.to_json()}), (Kind.CLOSED, {}))
    told = wording.closed(PLAN, journal.state)
    assert told.title == "A small plan: closed"
    assert f"STAYS at 0% (nobody), or {exposure}, which was being written," in told.body


def test_an_extended_wave_that_soaks_again_is_news() -> None:
    state = soaked()
    first = wording.soaked(PLAN, state, 1)
    state.waves[1].extension += 30 * MINUTE
    assert wording.soaked(PLAN, state, 1).event != first.event


def test_a_wave_that_is_visited_again_after_a_step_back_is_news_again() -> None:
    plan = plan_of({"rollback.step_back": True})

    def told(journal: Journal, wave: int) -> list[str]:
        state = journal.state
        evidence = evidence_holds(plan, state, finding(Verdict.FAIL))
        notices = wording.raised(plan, state), wording.soaked(plan, state, wave)
        return [n.event for n in (*notices, wording.bound_crossed(plan, state, LINE), evidence)]

    first = in_wave(2, plan)
    assert told(first, 2) == ["raised-2", "soaked-2-0", "crossed-errors-2", "evidence-2-one"]
    lower(first, 1)
    assert told(first, 1)[1:] == ["soaked-1-0-2", "crossed-errors-1-2", "evidence-1-one-2"]
    first.append(Kind.SOAKED, {"wave": 1})
    approve(first, 2, ANN, BOB)
    raise_wave(first, 2)
    assert told(first, 2) == ["raised-2-2", "soaked-2-0-2", "crossed-errors-2-2", "evidence-2-one-2"]
    first.append(Kind.SOAKED, {"wave": 2})
    assert wording.bound_crossed(plan, first.state, LINE).event == "crossed-errors-3-2"


def test_a_rollback_tells_how_long_it_took() -> None:
    notice = wording.rolled_back(PLAN, rolled_back())
    for part in ("Order to zero: 2.3 s", "last request on the new path: 4.0 s", "to the proof: 9.0 s", "within 30 s"):
        assert part in notice.body


def test_what_was_never_rolled_back_is_not_proven() -> None:
    with pytest.raises(ValueError, match="not rolled back"):
        wording.rolled_back(PLAN, in_wave().state)


def test_a_missing_end_is_told_as_such() -> None:
    assert seconds_between(T0, None) == seconds_between(None, T0) == "?"


# Progress


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Continue("soak 5 s of 10 s"), "First: FAIL (Sentence of bad); soak 5 s of 10 s"),
        (Advance(1), "First: FAIL (Sentence of bad); soaked"),
        (Hold(HoldCause.DRIFT, "changed"), "First: FAIL (Sentence of bad); hold (drift): changed"),
        (RollBack("bad", "why"), "First: FAIL (Sentence of bad); ROLLBACK: why"),
        (Finish("stable"), "First: FAIL (Sentence of bad); stable"),
    ],
)
def test_a_review_is_one_line(decision: Continue | Advance | Hold | RollBack | Finish, words: str) -> None:
    judged = Judged(T0, (), (finding(Verdict.PASS), finding(Verdict.FAIL, "bad")))
    assert wording.review_line(PLAN, in_wave().state, judged, decision) == words
    assert wording.review_line(PLAN, in_post_rollout().state, judged, decision).startswith("Post-rollout: ")


def test_the_progress_page_shows_every_wave_whatever_people_wrote() -> None:
    journal = in_wave()
    journal.append(Kind.HELD, {"reason": NASTY})
    journal.append(
        Kind.REVIEWED,
        {"wave": 1, "credit": 900.0, "healthy": True, "findings": [finding(Verdict.FAIL, NASTY).to_json()]},
    )
    journal.append(Kind.ROLLING_BACK, {"reason": NASTY})
    journal.append(Kind.PROVEN, {})
    journal.append(Kind.CLOSED, {"reason": NASTY})
    page = progress_page(PLAN, journal.state, TIMING, T0)
    waves, review = tables(page)
    assert [len(cells(row)) for row in waves] == [5] * 5
    assert [len(cells(row)) for row in review] == [4] * 3
    assert [cells(row)[0] for row in waves[2:]] == ["First", "Second", "Post-rollout"]
    assert "<script>" not in page
    assert not [line for line in page.splitlines() if line.startswith("# Finished")]


def test_a_closed_rollout_soaks_no_more() -> None:
    assert wave_status(in_wave().state, TIMING, 1)[0] == "soaking"
    closed = in_wave(2).extend((Kind.CLOSED, {})).state
    assert [wave_status(closed, TIMING, number)[0] for number in (1, 2, 3)] == ["done", "closed", "-"]
    after = in_post_rollout().extend((Kind.CLOSED, {})).state
    assert [wave_status(after, TIMING, number)[0] for number in (2, 3)] == ["done", "closed"]


def test_the_metrics_table_has_a_row_for_each_metric() -> None:
    [table] = tables(table_words.metrics_table([LINE]))
    assert cells(table[2]) == ["Error rate", "6%", "warning", "300"]
