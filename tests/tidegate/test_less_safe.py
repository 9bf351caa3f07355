"""What makes a rollout less safe stands at the top of a change of its plan; what makes it stricter does not."""

from typing import Any

import pytest

from tests.tidegate.builders import PLAN, plan_of
from tidegate.journal.state import LESS_SAFE
from tidegate.rollout.amendment import plan_changes

FIRST: Any = PLAN.to_json()["waves"][0]["criteria"]  # type: ignore[index]
WAVES: Any = PLAN.to_json()["waves"]
TOO_MANY, TOO_SLOW = FIRST[3], FIRST[4]
IN_TURN = {"waves.1.gate": {"approvers": ["lead"], "quorum": 2, "on_timeout": {"after": "72h", "then": "roll_back"}}}
BUSY = {"raising": {"days": ["mon", "tue"], "from": "09:00", "until": "17:00"}}
FREEZE = {"first": "2026-12-20", "last": "2027-01-03", "reason": "Christmas"}


def first(*criteria: dict[str, Any]) -> dict[str, Any]:
    """The first wave's criteria, all but the last two of them as they are."""
    return {"waves.0.criteria": [*FIRST[:3], *criteria]}


LESS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("a trigger dropped", {}, first(TOO_MANY), "waves[first].criteria[Too slow]: dropped (trigger)"),
    ("a criterion dropped", {}, {"waves.0.criteria": FIRST[1:]}, "waves[first].criteria[The team is there]: dropped"),
    ("a trigger loosened", {}, first({**TOO_MANY, "above": "25%"}, TOO_SLOW), "10% -> 25% (looser)"),
    ("a bound for going on loosened", {}, {"waves.0.criteria.1.below": "5%"}, "2% -> 5% (looser)"),
    ("a trigger that waits longer", {}, first(TOO_MANY, {**TOO_SLOW, "for": "1h"}), "15m -> 1h (more)"),
    ("a trigger that begins to wait", {}, first({**TOO_MANY, "for": "1h"}, TOO_SLOW), "for: (new) -> 1h"),
    ("a trigger that only shows", {}, first({**TOO_MANY, "dry_run": True}, TOO_SLOW), "False -> True (less cautious)"),
    ("another metric", {}, first({**TOO_SLOW, "text": "Too many errors"}, TOO_SLOW), "errors -> latency (changed)"),
    ("a trigger no more", {}, {"waves.0.criteria.3.when": "during"}, "(changed)"),
    ("a shorter soak", {}, {"waves.1.soak": "1h"}, "waves[second].soak: 2h -> 1h (less)"),
    ("a shorter soak at the end", {}, {"post_rollout.soak": "1d"}, "post_rollout.soak: 48h -> 24h (less)"),
    ("more unhealthy reviews", {}, {"waves.1.tolerance": 5}, "tolerance: 1 -> 5 (more)"),
    ("rarer reviews", {}, {"waves.1.interval": "1h"}, "interval: 10m -> 1h (more)"),
    ("a larger step", {}, {"waves.1.percent": "50%"}, "percent: 25% -> 50% (more)"),
    ("an earlier day", {}, {"waves.1.starts": "day 2"}, "starts: day 3 -> day 2 (earlier)"),
    ("a smaller quorum", {}, {"waves.1.gate.quorum": 1}, "gate.quorum: 2 -> 1 (less)"),
    ("other approvers", {}, {"waves.1.gate.approvers": ["lead", "commander"]}, "(changed)"),
    ("other people", {}, {"roles.lead": ["ann@example.com", "eve@example.com"]}, "roles.lead: "),
    ("a time-out that holds", IN_TURN, {**IN_TURN, "waves.1.gate.on_timeout.then": "hold"}, "roll_back -> hold (less"),
    ("a rarer guard check", {}, {"guard": "1m"}, "guard: 10s -> 1m (more)"),
    ("longer without data", {}, {"no_data_budget": "1h"}, "no_data_budget: 15m -> 1h (more)"),
    (
        "no rollback without data",
        {"on_no_data": "roll_back"},
        {"on_no_data": "hold"},
        "roll_back -> hold (less cautious)",
    ),
    ("approvals that last", {}, {"approval_ttl": "10d"}, "approval_ttl: 24h -> 10d (more)"),
    ("a longer hold", {}, {"hold_max": "3d"}, "hold_max: 24h -> 72h (more)"),
    ("more days to raise on", BUSY, {**BUSY, "raising.days": ["mon", "sat"]}, "raising.days: "),
    ("longer hours", BUSY, {**BUSY, "raising.until": "23:00"}, "raising.until: 17:00 -> 23:00"),
    ("a freeze dropped", {"raising": {"freezes": [FREEZE]}}, {"raising": {}}, "raising.freezes"),
    ("a critical bound loosened", {}, {"metrics.errors.critical.above": "20%"}, "10% -> 20% (looser)"),
    ("a warning dropped", {}, {"metrics.latency.warning": None}, "metrics.latency.warning.above: 600ms -> (removed)"),
    ("another query", {}, {"metrics.memory.query": "sum(other{ {{ path }} })"}, "metrics.memory.query: "),
    ("fewer events needed", {}, {"metrics.errors.min_samples": 1}, "min_samples: 20 -> 1 (changed)"),
    ("a trigger that waits for more events", {}, {"metrics.errors.min_samples": 9_000}, "min_samples: 20 -> 9000"),
    ("a checklist line dropped", {}, {"checklist.Code": [{"text": "Tested", "role": "lead"}]}, "[Reviewed]: dropped"),
    ("nobody notified any more", {}, {"channels": "none"}, "channels.critical: "),
    ("another counter to prove it by", {}, {"rollback.proof.counter": "sum(other_total)"}, "rollback.proof.counter"),
]


@pytest.mark.parametrize(("name", "was", "now", "line"), LESS, ids=[case[0] for case in LESS])
def test_what_lets_more_through_stands_at_the_top(name: str, was: Any, now: Any, line: str) -> None:
    lines = plan_changes(plan_of(was).to_json(), plan_of(now).to_json())
    assert lines[0].startswith(LESS_SAFE), name
    assert any(line in told for told in lines if told.startswith(LESS_SAFE)), lines[:3]


STRICTER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("the other way round, " + name, now, was)
    for name, was, now, line in LESS
    if line.endswith(("(less)", "(more)", "(looser)", "(earlier)", "(less cautious)", "(less", "dropped (trigger)"))
] + [
    ("a longer soak", {}, {"waves.1.soak": "4h"}),
    ("one more trigger", {}, first(*FIRST[3:], {**TOO_SLOW, "above": "500ms", "text": "Slow"})),
    (
        "one more line to state",
        {},
        {"checklist.People": [*PLAN.to_json()["checklist"]["People"], {"text": "Told", "role": "lead"}]},
    ),  # type: ignore[index]
    ("a freeze", {"raising": {}}, {"raising": {"freezes": [FREEZE]}}),
    ("fewer days", BUSY, {**BUSY, "raising.days": ["mon"]}),
    ("words", {}, {"summary": "Why", "waves.1.title": "Two", "waves.1.target": "Some"}),
    ("nothing", {}, {}),
]


@pytest.mark.parametrize(("name", "was", "now"), STRICTER, ids=[case[0] for case in STRICTER])
def test_what_is_stricter_or_only_words_is_not_called_less_safe(name: str, was: Any, now: Any) -> None:
    lines = plan_changes(plan_of(was).to_json(), plan_of(now).to_json())
    assert [line for line in lines if line.startswith(LESS_SAFE)] == [], name


def test_a_wave_between_is_stricter_and_a_wave_dropped_is_not() -> None:
    between = {**WAVES[1], "name": "between", "title": "Between", "percent": "15%"}
    more = plan_of({"waves": [WAVES[0], between, WAVES[1]]}).to_json()
    assert [line for line in plan_changes(PLAN.to_json(), more) if line.startswith(LESS_SAFE)] == []
    told = [line for line in plan_changes(more, PLAN.to_json()) if line.startswith(LESS_SAFE)]
    assert told == [f"{LESS_SAFE}waves[between]: dropped"]
