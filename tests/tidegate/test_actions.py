"""What a wave's actions ask of people, when, and that none of them is mere text."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.tidegate.builders import ANN, BOB, PLAN, STARTER, T0, Journal, in_post_rollout, in_wave, plan_of
from tests.tidegate.plan_texts import BASE, load
from tests.tidegate.test_step_back import lower
from tidegate.gates.approval import Answer, Choice, Outcome, decide_answer, human_findings
from tidegate.gates.statements import acknowledgements, statements
from tidegate.journal.kinds import Kind
from tidegate.notices.actions_due import due_notices, due_standbys, standby_notice
from tidegate.notices.notice import Loudness, Notice
from tidegate.plan.fields.action_examples import ACTION_EXAMPLES
from tidegate.plan.fields.actions import Action, DailyStandup, Task
from tidegate.plan.loading.loader import PlanError
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing

READ: TypeAdapter[Action] = TypeAdapter(Action)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PACIFIC = ZoneInfo("America/Los_Angeles")
NOTICE = {"do": "notice", "at": ["9:00", "17:00"], "text": "Sync", "roles": ["lead"]}
TASK = {"do": "task", "role": "lead", "text": "Read the logs"}
STANDBY = {"do": "standby", "role": "commander", "service": "shop", "text": "Stand by"}


def with_actions(*actions: object, wave: int = 0, **changes: Any) -> Plan:
    return plan_of({f"waves.{wave}.actions": list(actions), **changes})


def events(plan: Plan, journal: Journal, now: datetime, pace: Pace | None = None) -> list[str]:
    timing = Timing(plan, pace or Pace(T0))
    return [notice.event for notice in due_notices(plan, journal.state, timing, now)]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PACIFIC).astimezone(UTC)


# The words


@pytest.mark.parametrize("do", ACTION_EXAMPLES)
def test_each_example_is_an_action_of_its_kind(do: str) -> None:
    assert READ.validate_python(yaml.safe_load(ACTION_EXAMPLES[do])).do == do


def test_a_text_of_a_stored_plan_is_a_task_of_the_commander() -> None:
    plan = with_actions("Look at the logs")
    assert plan.waves[0].actions == (Task(do="task", text="Look at the logs", role="incident-commander"),)
    assert Plan.model_validate(plan.to_json()) == plan
    assert [x.role for x in acknowledgements(plan, 2)] == ["incident-commander"]


MISTAKES = {
    "unknown word": ({"do": "dance", "text": "x"}, "actions.0", "found do 'dance', allowed are automatic, notice"),
    "no word": ({"text": "x"}, "actions.0", "do is missing, allowed is do: one of"),
    "unknown part": ({"do": "automatic", "by": "magic", "text": "x"}, "actions.0.by", "found 'magic'"),
    "no text": ({"do": "task"}, "actions.0.text", "missing"),
    "unknown role": ({"do": "task", "role": "leed", "text": "x"}, "actions.0.role", "did you mean 'lead'?"),
    "unknown role of a standby": ({"do": "standby", "role": "x", "text": "x"}, "actions.0.role", "allowed are lead"),
    "unknown role of a notice": (NOTICE | {"roles": ["x"]}, "actions.0.roles.0", "allowed are lead"),
    "no time": (NOTICE | {"at": []}, "actions.0.at", "allowed is at least 1"),
    "no clock": (NOTICE | {"at": ["24:00"]}, "actions.0.at.0", "a time of day such as 17:00"),
    "twice": (NOTICE | {"at": ["9:00", "09:00"]}, "actions.0.at", "allowed is each time once"),
    "monitor without time": ({"do": "automatic", "by": "monitor", "text": "x"}, "actions.0.every", "missing"),
    "a time without monitor": (
        {"do": "automatic", "by": "raise", "every": "5m", "text": "x"},
        "actions.0.every",
        "found with by: raise",
    ),
    "monitor more often than it does": (
        {"do": "automatic", "by": "monitor", "every": "5m", "text": "x"},
        "actions.0.every",
        "allowed is 15m (the interval) or longer",
    ),
    "no synthetic criterion": (
        {"do": "automatic", "by": "synthetic", "text": "x"},
        "actions.0.by",
        "of kind synthetic",
    ),
    "no cost criterion": ({"do": "automatic", "by": "cost", "text": "x"}, "actions.0.by", "of kind cost"),
    "no comparison": ({"do": "automatic", "by": "compare", "text": "x"}, "actions.0.by", "of kind change"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_an_action_gives_one_problem_at_its_place(mistake: str) -> None:
    action, place, words = MISTAKES[mistake]
    text = BASE.replace(
        "    interval: 15m\n",
        f"    interval: 15m\n    actions: [{yaml.safe_dump(action, default_flow_style=True, width=999).strip()}]\n",
        1,
    )
    with pytest.raises(PlanError) as refused:
        load({"plan.yaml": text})
    (problem,) = refused.value.problems
    assert problem.path == f"waves.0.{place}"
    assert words in problem.message


def test_the_post_rollout_time_raises_nothing() -> None:
    with pytest.raises(ValueError, match="found raise, allowed in waves only"):
        plan_of({"post_rollout.actions": [{"do": "automatic", "by": "raise", "text": "x"}]})


# Tasks


def test_the_next_gate_asks_whether_the_tasks_are_done() -> None:
    plan = with_actions("Plain", TASK, {**TASK, "text": "Now", "at_once": True})
    asked = [s for s in statements(plan, 2) if s.key.startswith("task.")]
    assert [(s.key, s.role) for s in asked] == [("task.first.1", "incident-commander"), ("task.first.2", "lead")]
    assert [s for s in statements(plan, 1) if s.key.startswith("task.")] == []
    for keys, outcome in ((["task.first.1"], Outcome.REFUSED), ([s.key for s in asked], Outcome.COUNTED)):
        found = human_findings(plan, 2, dict.fromkeys(keys, ANN))
        ruling = decide_answer(plan, 2, Answer(Choice.GO, ANN), started_by=STARTER, active_approvals=[], findings=found)
        assert ruling.outcome is outcome


def test_tasks_are_handed_over_once_for_each_role() -> None:
    plan = with_actions("Plain", TASK, {**TASK, "text": "Now", "at_once": True})
    journal = in_wave(1, plan)
    plain, own = due_notices(plan, journal.state, Timing(plan, Pace(T0)), journal.now)
    assert (plain.event, plain.to) == ("tasks-1-incident-commander", ())
    assert (own.event, own.to, own.loudness) == ("tasks-1-lead", (ANN, BOB), Loudness.INFO)
    assert own.body == "- Read the logs (asked for at the next gate)\n- Now"
    journal.append(Kind.QUEUED, {"notice": own.to_json()})
    assert events(plan, journal, journal.now) == ["tasks-1-incident-commander"]


def test_after_a_step_back_tasks_and_standbys_are_told_anew() -> None:
    plan = with_actions(TASK, STANDBY, **{"rollback.step_back": True})
    journal = in_wave(2, plan)
    lower(journal, 1)
    assert events(plan, journal, journal.now) == ["tasks-1-lead-2"]
    assert [due.event for due in due_standbys(plan, journal.state)] == ["standby-1-2-2"]


def test_after_the_last_wave_tasks_are_handed_over_and_no_gate_is_promised() -> None:
    plan = plan_of({"post_rollout.actions": [TASK]})
    journal = in_post_rollout(plan)
    (notice,) = due_notices(plan, journal.state, Timing(plan, Pace(T0)), journal.now)
    assert (notice.event, notice.body) == ("tasks-3-lead", "- Read the logs")


# Scheduled notices


def raised_at(text: str, plan: Plan) -> Journal:
    """A rollout whose first wave was raised at this local time."""
    moved = Journal(plan)
    moved.now = at(text)
    for entry in in_wave(1, plan).entries:
        moved.append(entry.kind, entry.json)
    return moved


@pytest.mark.parametrize(
    ("raised", "now", "expected"),
    [
        ("2026-03-02 08:00", "2026-03-02 08:59:59", []),
        ("2026-03-02 08:00", "2026-03-02 09:00:00", ["2026-03-02-0900"]),
        ("2026-03-02 09:00", "2026-03-02 16:59:59", []),
        ("2026-03-02 08:00", "2026-03-02 17:00:00", ["2026-03-02-0900", "2026-03-02-1700"]),
        ("2026-03-02 08:00", "2026-03-03 09:00:00", ["2026-03-02-1700", "2026-03-03-0900"]),
        # After a pause of a week only the newest day is worth a reminder.
        ("2026-03-02 08:00", "2026-03-09 12:00:00", ["2026-03-08-1700", "2026-03-09-0900"]),
        # The clock goes forward on 8 March and back on 1 November 2026.
        ("2026-03-07 18:00", "2026-03-08 08:59:59", []),
        ("2026-03-07 18:00", "2026-03-08 09:00:00", ["2026-03-08-0900"]),
        ("2026-10-31 18:00", "2026-11-01 08:59:59", []),
        ("2026-10-31 18:00", "2026-11-01 09:00:00", ["2026-11-01-0900"]),
    ],
)
def test_reminders_come_at_their_local_time(raised: str, now: str, expected: list[str]) -> None:
    plan = with_actions(NOTICE)
    assert events(plan, raised_at(raised, plan), at(now)) == [f"notice-1-1-{x}" for x in expected]


@pytest.mark.parametrize(
    ("clock", "raised", "instants"),
    [
        # 2:30 does not exist on 8 March: the reminder comes an hour later by the clock, once.
        ("2:30", "2026-03-08 00:00", ["2026-03-08 10:29", "2026-03-08 10:30", "2026-03-08 11:30"]),
        # 1:30 comes twice on 1 November: the reminder comes at the first.
        ("1:30", "2026-11-01 00:00", ["2026-11-01 08:29", "2026-11-01 08:30", "2026-11-01 09:30"]),
    ],
)
def test_a_time_that_a_clock_skips_or_repeats_comes_once(clock: str, raised: str, instants: list[str]) -> None:
    plan = with_actions(NOTICE | {"at": [clock]})
    journal = raised_at(raised, plan)
    seen = [events(plan, journal, datetime.fromisoformat(x).replace(tzinfo=UTC)) for x in instants]
    assert [len(x) for x in seen] == [0, 1, 1]
    assert seen[1] == seen[2]


@given(st.integers(0, 20 * 24 * 60), st.integers(1, 90))
def test_whatever_the_beat_each_occurrence_comes_once(start: int, step: int) -> None:
    plan = with_actions(NOTICE)
    journal = raised_at("2026-02-25 00:00", plan)
    now = at("2026-02-25 00:00") + timedelta(minutes=start)
    before = len(events(plan, journal, now))
    for event in events(plan, journal, now):
        journal.append(Kind.QUEUED, {"notice": Notice(event, "r", Loudness.INFO, "t", "b").to_json()})
    assert events(plan, journal, now) == []
    until = now + timedelta(minutes=step * 16)
    while now < until:
        now += timedelta(minutes=step)
        for event in events(plan, journal, now):
            journal.append(Kind.QUEUED, {"notice": Notice(event, "r", Loudness.INFO, "t", "b").to_json()})
    first = at("2026-02-25 00:00") + timedelta(minutes=start)
    days = [datetime(2026, 2, 20) + timedelta(days=n) for n in range(40)]
    local = [at(f"{day:%Y-%m-%d} {clock}") for day in days for clock in ("09:00", "17:00")]
    assert len(journal.state.notices.queued) - before == sum(first < instant <= now for instant in local)


def test_a_rehearsal_reminds_on_plan_time() -> None:
    plan = with_actions(NOTICE)
    journal = raised_at("2026-03-02 08:00", plan)
    pace = Pace.of(at("2026-03-02 08:00"), timedelta(seconds=24))  # an hour of the plan in a second
    start = at("2026-03-02 08:00")
    assert events(plan, journal, start + timedelta(seconds=0.9), pace) == []
    assert events(plan, journal, start + timedelta(seconds=1), pace) == ["notice-1-1-2026-03-02-0900"]
    (notice,) = due_notices(plan, journal.state, Timing(plan, pace), start + timedelta(seconds=1))
    assert notice.to == (ANN, BOB)
    assert notice.title == "First: Sync (Mon 02 Mar, 09:00)"
    assert notice.body == "Due Monday, 2026-03-02 09:00 (America/Los_Angeles), day 1 of the rollout."


def test_nobody_is_reminded_once_the_rollout_is_rolled_back_or_before_it_began() -> None:
    plan = with_actions(NOTICE, TASK, STANDBY)
    journal = raised_at("2026-03-02 08:00", plan)
    now = at("2026-03-02 12:00")
    assert events(plan, journal, now)
    assert due_standbys(plan, journal.state)
    journal.append(Kind.ROLLING_BACK)
    assert events(plan, journal, now) == []
    assert due_standbys(plan, journal.state) == ()
    assert events(plan, Journal(plan).extend((Kind.OPENED, {}), (Kind.PREFLIGHT, {})), now) == []


# Standby


@pytest.mark.parametrize(
    ("on_call", "problem", "loudness", "words"),
    [
        ("Kim", "", Loudness.INFO, "On call in PagerDuty: Kim."),
        ("", "", Loudness.INFO, f"commander: {STARTER}"),
        ("", "nobody is on call for shop", Loudness.WARNING, "nobody is on call for shop."),
    ],
)
def test_who_stands_by_is_told_and_a_gap_is_a_warning(
    on_call: str, problem: str, loudness: Loudness, words: str
) -> None:
    plan = with_actions(TASK, STANDBY)
    journal = in_wave(1, plan)
    (due,) = due_standbys(plan, journal.state)
    assert due.action.text == "Stand by"
    notice = standby_notice(plan, journal.state, due, on_call, problem)
    assert (notice.event, notice.to, notice.loudness) == ("standby-1-2", (STARTER,), loudness)
    assert words in notice.body
    assert notice.title == "First: Stand by" + (": NOBODY is known to" if problem else "")
    journal.append(Kind.QUEUED, {"notice": notice.to_json()})
    assert due_standbys(plan, journal.state) == ()


def test_an_old_notice_of_the_journal_is_still_read() -> None:
    body = Notice("e", "r", Loudness.INFO, "t", "b").to_json()
    del body["to"]
    assert Notice.from_json(body).to == ()
    assert PLAN.waves[0].actions == ()


def meeting_daily(plan: Plan, journal: Journal, now: datetime, pace: Pace | None = None) -> list[str]:
    timing = Timing(plan, pace or Pace(T0))
    return [n.event for n in due_notices(plan, journal.state, timing, now) if n.report == "standup"]


def test_the_stand_up_comes_in_every_wave_but_not_twice_where_the_wave_meets_itself() -> None:
    daily = {"at": ["9:00"], "roles": ["lead"]}
    for own, expected in (
        ([], ["notice-1-standup-2026-03-02-0900"]),
        ([{**NOTICE, "report": "standup"}], ["notice-1-1-2026-03-02-0900"]),
        ([NOTICE], ["notice-1-standup-2026-03-02-0900"]),
    ):
        plan = plan_of({"waves.0.actions": own}).model_copy(update={"standup": DailyStandup.model_validate(daily)})
        journal = raised_at("2026-03-02 08:00", plan)
        assert meeting_daily(plan, journal, at("2026-03-02 10:00")) == expected


def test_at_the_gate_of_a_rehearsal_the_next_days_meeting_is_the_last() -> None:
    """One plan day takes a minute: an hour at the gate would be sixty meetings."""
    plan = plan_of({"standup": {"at": ["9:00"]}})
    journal = raised_at("2026-03-02 08:00", plan)
    journal.append(Kind.SOAKED, {"wave": 1}, after=MINUTE)
    journal.append(Kind.GATE_OPENED, {"wave": 2, "attempt": 1})
    pace = Pace.of(journal.entries[0].at, MINUTE)
    assert len(meeting_daily(plan, journal, journal.now + MINUTE, pace)) == 1
    later = meeting_daily(plan, journal, journal.now + 60 * MINUTE, pace)
    assert later == meeting_daily(plan, journal, journal.now + MINUTE, pace)
