"""How notices end: an address; and a page with its exposure and one command."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.tidegate.builders import ROLLOUT, T0, Journal, in_wave, opened, plan_of
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.notices.footer import ended_page
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.reminder_texts import held_long, raised_after_rollback
from tidegate.notices.texts import held

PLAN = plan_of()
LINKED = plan_of({"channels": {"dashboard": "https://tidegate.example.com/"}})


def page(loudness: Loudness = Loudness.PAGE, *, resolves: bool = False) -> Notice:
    return Notice("e", ROLLOUT, loudness, "Title", "What broke.", problem="p", resolves=resolves)


def test_a_page_about_an_exposed_flag_names_the_way_back() -> None:
    state = in_wave(1, PLAN).state
    assert ended_page(PLAN, state, page()).body.splitlines() == [
        "What broke.",
        f"Exposure now, by the journal: {state.exposure}.",
        f"If in doubt, roll back: tidegate rollback {ROLLOUT}",
    ]


def test_a_page_at_zero_asks_to_look_and_links_the_dashboard() -> None:
    state = opened(LINKED).state
    assert ended_page(LINKED, state, page()).body.splitlines() == [
        "What broke.",
        "Exposure now, by the journal: 0% (nobody).",
        f"Where it stands: tidegate status {ROLLOUT}",
        f"Look: https://tidegate.example.com/rollouts/{ROLLOUT}",
    ]


@pytest.mark.parametrize("written", [True, False])
def test_a_zero_that_was_not_written_is_never_called_zero(written: bool) -> None:
    body = {} if written else {"zero_at": None}
    state = in_wave(1, PLAN).extend((Kind.ROLLING_BACK, body)).state
    said = ended_page(PLAN, state, page()).body
    assert ("NOT known to be zero" in said) is not written
    assert (f"tidegate rollback {ROLLOUT}" in said) is not written


def test_a_raise_under_way_names_both() -> None:
    journal = in_wave(1, PLAN)
    exposure = PLAN.exposure_at(2)
    state = journal.extend((Kind.RAISING, {"wave": 2, "exposure": exposure.to_json(), "epoch": 1})).state
    assert f"{PLAN.exposure_at(1)}, or {exposure}, which was being written." in ended_page(PLAN, state, page()).body


@pytest.mark.parametrize("journal", [opened, in_wave])
def test_a_flag_that_somebody_else_changed_never_stands_where_the_journal_has_it(
    journal: Callable[[], Journal],
) -> None:
    state = journal().extend((Kind.HELD, {"cause": "drift", "reason": "changed"})).state
    notice = held(PLAN, state, HoldCause.DRIFT, "changed")
    assert ended_page(PLAN, state, notice).body.splitlines() == [
        "changed",
        "Tidegate writes nothing: the flag stands as changed until you set it back or roll back; guarding goes on.",
        f"Exposure now: the journal has {state.exposure}; the flag does NOT, unless it was set back since.",
        f"If in doubt, roll back: tidegate rollback {ROLLOUT}",
    ]
    assert "does NOT" in ended_page(PLAN, state, held_long(PLAN, state, HoldCause.DRIFT, T0)).body
    assert "stays at" not in held_long(PLAN, state, HoldCause.DRIFT, T0).body
    ended = in_wave().extend((Kind.HELD, {"cause": "drift"}), (Kind.RESUMED, {"cause": "drift"})).state
    assert "by the journal: 10% of staff." in ended_page(PLAN, ended, page()).body


def test_a_raise_after_the_rollback_says_how_to_turn_it_off() -> None:
    state = in_wave().extend((Kind.ROLLING_BACK, {}), (Kind.PROVEN, {})).state
    notice = raised_after_rollback(PLAN, state, "50% of everyone", "r9")
    assert ended_page(PLAN, state, notice).body.splitlines()[1:] == [
        "Exposure now: the journal has 0% (nobody); the flag does NOT, unless it was set back since.",
        f"To turn it off: tidegate rollback {ROLLOUT}",
    ]


@pytest.mark.parametrize("notice", [page(Loudness.INFO), page(Loudness.WARNING), page(resolves=True)])
def test_what_is_no_page_or_is_over_stays_as_it_is(notice: Notice) -> None:
    assert ended_page(PLAN, in_wave(1, PLAN).state, notice) == notice


@pytest.mark.parametrize("loudness", [Loudness.INFO, Loudness.WARNING])
def test_every_notice_links_its_rollout_where_the_plan_knows_the_dashboard(loudness: Loudness) -> None:
    state = in_wave(1, LINKED).state
    address = f"Look: https://tidegate.example.com/rollouts/{ROLLOUT}"
    assert ended_page(LINKED, state, page(loudness)).body == f"What broke.\n{address}"
    assert ended_page(LINKED, state, page(resolves=True)).body == f"What broke.\n{address}"
    assert ended_page(PLAN, state, page(loudness)).body == "What broke."
    waiting = in_wave(1, LINKED).extend((Kind.SOAKED, {"wave": 1}), (Kind.GATE_OPENED, {"wave": 2, "attempt": 1}))
    assert ended_page(LINKED, waiting.state, page(loudness)).body == f"What broke.\n{address}/gate"
    report = replace(page(loudness), report="standup")
    linked = ended_page(LINKED, state, replace(report, body="# Stand-up\n"))
    assert (linked.body, linked.link) == (f"# Stand-up\n\n{address}", address.removeprefix("Look: "))
    assert ended_page(PLAN, state, report) == report
