"""Upkeep on a real journal and Prometheus: what is done is recorded, kept and told; what breaks is no pass."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.notices.report_files import keep_report
from engine.rollout.open import NotAllowed
from engine.rollout.session import utc_now
from engine.steering.upkeep import keep_up, mark_done, newest_rollouts
from tests.conftest import PrometheusServer
from tests.engine.world import DEAD, World, healthy, no_alerts, unreadable
from tests.tidegate.builders import ANN, STARTER
from tests.tidegate.test_costs import MODEL
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.fields.upkeep import Work
from tidegate.values.verdict import Verdict

MINUTE = timedelta(minutes=1)
UPKEEP = [
    {"text": "Document lessons learned", "role": "lead", "due": "7d"},
    {"text": "Weekly alert threshold review", "role": "lead", "work": "thresholds"},
    {"text": "Monthly cost analysis", "role": "commander", "work": "costs"},
    {"text": "Quarterly security audit", "role": "commander", "work": "security"},
]


@pytest.fixture
def kept(tmp_path: Path, prometheus_server: PrometheusServer, monkeypatch: pytest.MonkeyPatch) -> World:
    """A finished rollout with an hour of traffic on the new path."""
    monkeypatch.setenv("TIDEGATE_KIT", str(tmp_path / "kit.yaml"))
    paid = {**MODEL, "items": {"disks": {"text": "Disks", "amount": 100, "price": "$1.75"}}}
    plan = no_alerts({"upkeep": UPKEEP, "costs": paid, "waves.0.audience": "staff"})
    world = World(tmp_path, prometheus_server, plan)
    run, exposure = world.run, plan.exposure_at(2).to_json()
    world.scrape(world.now + 60 * MINUTE, healthy)
    world.now += 60 * MINUTE
    raised: dict[str, Any] = {"wave": 2, "exposure": exposure, "epoch": 1, "revision": "r"}
    ended = ((Kind.SOAKED, {"wave": 1}), (Kind.RAISED, raised), (Kind.SOAKED, {"wave": 2}))
    for kind, body in (*ended, (Kind.FINISHED, {"reason": "stable"})):
        run.append(body_from_json(kind, body), world.now)
    run.release_claim()
    return world


def upkept(world: World) -> list[tuple[str, str]]:
    entries = world.via.journal.entries(world.run.rollout)
    return [(e.json["work"], e.json["verdict"]) for e in entries if e.kind is Kind.UPKEPT]


def test_the_threshold_review_counts_the_last_week_of_prometheus(kept: World, tmp_path: Path) -> None:
    [done] = keep_up(kept.via, Work.THRESHOLDS, kept.now)
    assert "| Error rate |" in done.page
    assert "0.50%" in done.page  # one error in two hundred
    assert upkept(kept) == [("thresholds", "INCONCLUSIVE")]  # memory was measured by nobody
    [file] = (tmp_path / "reports" / kept.run.rollout).iterdir()
    assert file.read_text() == done.page
    kept.run.refresh()
    assert kept.notified("Weekly alert threshold review") == 1


def test_the_months_costs_are_accounted_for_anew(kept: World) -> None:
    [done] = keep_up(kept.via, Work.COSTS, kept.now)
    assert "$175.00 a month is within the expected $150 to $200" in done.finding.sentence
    assert upkept(kept) == [("costs", "PASS")]
    assert "# Costs:" in done.page


def test_what_was_not_looked_at_or_could_not_be_done_is_no_pass(kept: World) -> None:
    keep_up(kept.via, Work.SECURITY, kept.now)
    assert upkept(kept) == [("security", "INCONCLUSIVE")]  # the role has no proof of its own, only people's lines
    kept.via = kept._with(DEAD)
    [done] = keep_up(kept.via, Work.THRESHOLDS, kept.now)
    assert done.finding.sentence == "Nothing was measured in this time."


def test_a_task_is_asked_for_until_somebody_marks_it_done(kept: World) -> None:
    for _ in range(3):
        assert keep_up(kept.via, Work.PEOPLE, kept.now) == []
    kept.run.refresh()
    assert kept.notified("To do: Document lessons learned") == 1
    with pytest.raises(NotAllowed, match="found 2, allowed are 1"):
        mark_done(kept.run, 2, ANN, "", kept.now)
    assert mark_done(kept.run, 1, ANN, "in the wiki", kept.now) == "Document lessons learned"
    with pytest.raises(NotAllowed, match="nothing is open"):
        mark_done(kept.run, 1, STARTER, "", kept.now)
    assert upkept(kept) == [("people", "PASS")]


def test_only_what_was_released_is_kept_up(kept: World) -> None:
    opening = kept.via.journal.entries(kept.run.rollout)[0].json
    kept.via.journal.open_rollout("newer", kept.run.flag, opening, utc_now())
    assert list(newest_rollouts(kept.via)) == ["newer"]
    assert keep_up(kept.via, Work.COSTS, kept.now) == []


def test_what_cannot_be_read_is_an_error_and_the_others_are_kept_up(kept: World, tmp_path: Path) -> None:
    unreadable(kept, tmp_path)
    done = {each.rollout: each.finding for each in keep_up(kept.via, Work.COSTS, kept.now)}
    assert done[kept.run.rollout].verdict is Verdict.PASS
    assert {rollout for rollout, found in done.items() if found.verdict is Verdict.ERROR} == {
        "later-plan",
        "later-kind",
    }
    assert "of_a_newer_release" in done["later-kind"].sentence
    keep_up(kept.via, Work.PEOPLE, kept.now)
    kept.run.refresh()
    assert kept.notified("To do: Document lessons learned") == 1


def test_reports_lie_where_all_machines_find_them_if_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_KIT", str(tmp_path / "here" / "kit.yaml"))
    assert keep_report("one", "standup", "text") == tmp_path / "here" / "reports" / "one" / "standup.md"
    monkeypatch.setenv("TIDEGATE_REPORTS", str(tmp_path / "shared"))
    kept = keep_report("../one", "standup", "text")
    assert kept == tmp_path / "shared" / "..-one" / "standup.md"
    assert kept.read_text() == "text"
