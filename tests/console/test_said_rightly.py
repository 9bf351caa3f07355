"""Small things that were said wrongly once: who guards, how long, how many, of whom, beyond which bound."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.guard_checks import note_guard_check
from console.commands.explain_command import AS_RECORDED
from console.dashboard.pages import Pages
from console.dashboard.workers import Workers
from console.live.rollout_cache import Board
from engine.rollout.evaluation import _note_bounds
from engine.rollout.session import OpenRollout
from engine.watch.watch_places import WATCH
from tests.console.conftest import Run
from tests.console.test_commands import _open as opened
from tidegate.criteria.metrics.metric_levels import Level, MetricLine
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.evidence_bodies import BoundCrossed
from tidegate.journal.kinds import Kind
from tidegate.plan.in_force import in_force
from tidegate.plan.model import When
from tidegate.values.units import format_duration


def raised(kit: Path) -> OpenRollout:
    """A rollout in its first wave, which is 10% of internal users, as the journal has it."""
    run = opened(kit)
    exposure = {"wave": 1, "exposure": run.plan.exposure_at(1).to_json(), "epoch": 1}
    decided = {"wave": 1, "attempt": 1, "outcome": "go", "reason": "", "by": "a@b.c", "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, decided))
    run.append(body_from_json(Kind.RAISING, exposure))
    run.append(body_from_json(Kind.RAISED, exposure | {"revision": "r1"}))
    return run


def test_an_exposed_rollout_that_nobody_guards_says_what_is_missing(kit: Path, run: Run) -> None:
    rollout = raised(kit)
    for typed in (("status", rollout.rollout), ("status",), ("watch", rollout.rollout, "--once")):
        _, out, _ = run(*typed)
        said = " ".join(out.replace("│", " ").split())
        assert "NOBODY GUARDS IT: no look since it was raised" in said, typed
        assert "tidegate worker tidegate-watch" in said, typed
    assert "NOBODY GUARDS IT" in json.loads(run("status", rollout.rollout, "--json")[1])["unguarded"]
    note_guard_check(rollout.connections.journal, rollout.rollout)
    for typed in (("status", rollout.rollout), ("status",), ("watch", rollout.rollout, "--once")):
        assert "NOBODY GUARDS IT" not in run(*typed)[1]


def asked_at(run: OpenRollout, wave: int) -> OpenRollout:
    """The gate before this wave is open, in a run that nobody knows of."""
    about = {"wave": wave, "attempt": 1, "refusal": "", "flow_run": ""}
    run.append(body_from_json(Kind.GATE_OPENED, {**about, "verdict": "PASS", "findings": []}))
    run.release_claim()
    return run


@pytest.mark.parametrize("wave", [1, 2])
def test_no_gate_is_said_to_wait_for_people_while_nobody_carries_the_rollout(kit: Path, run: Run, wave: int) -> None:
    """Before anybody is exposed the watch has to live, afterwards a guard has to have looked: status, watch and pages."""
    rollout = asked_at(opened(kit) if wave == 1 else raised(kit), wave)
    via, missing = rollout.connections, "NOBODY WATCHES IT" if wave == 1 else "NOBODY GUARDS IT"
    pages = Pages(Board(via, time.monotonic), workers=Workers(lambda: ""))
    session = {"token": "t", "person": "", "outcome": None, "kept": {}, "instance": "i", "open_approvals": ""}
    shown = (lambda: pages.gate(rollout.rollout, **session), lambda: pages.live(rollout.rollout).html)
    for typed in (("status", rollout.rollout), ("watch", rollout.rollout, "--once")):
        assert missing in run(*typed)[1], typed
    assert "DECISION NEEDED" not in run("watch", rollout.rollout, "--once")[1]
    for page in shown:
        assert "NOBODY CARRIES IT" in page()
        assert "DECISION NEEDED" not in page()
    assert "waits" not in pages.live("").html
    if wave == 1:
        via.journal.claim(WATCH, WATCH, "host:1:x", timedelta(minutes=10))
    else:
        note_guard_check(via.journal, rollout.rollout)
    assert missing not in run("status", rollout.rollout)[1]
    assert "DECISION NEEDED" in run("watch", rollout.rollout, "--once")[1]
    left = Workers(lambda: "No worker of tidegate lives: tidegate worker tidegate")
    left.problems()
    left.wait(60)
    for workers, word in ((Workers(lambda: ""), "DECISION NEEDED"), (left, "NOBODY CARRIES IT")):
        again = Pages(Board(via, time.monotonic), workers=workers)
        assert word in again.live(rollout.rollout).html
        assert word in again.gate(rollout.rollout, **session)
        assert word in again.live("").html


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(180.03, "3m"), (179.97, "3m"), (12.34, "12.3s"), (12.04, "12s"), (90.4, "1m30s"), (0, "0s"), (240, "4m")],
)
def test_a_span_is_told_as_people_say_it(seconds: float, said: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == said


def test_one_flag_is_one_flag(tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    for names, said in ((("a",), "with 1 flag"), (("a", "b"), "with 2 flags")):
        flags = {n: {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on"} for n in names}
        file.write_text(json.dumps({"flags": flags}))
        assert FlagdFile(path=str(file)).check().endswith(said)


def test_a_bound_is_told_as_the_one_that_was_crossed(kit: Path) -> None:
    run = raised(kit)

    def look(*levels: Level) -> list[tuple[str, bool]]:
        before = run.state.sequence
        for level in levels:
            line = MetricLine("error_rate", "Error Rate", level, 5.0, "5%", 100.0)
            _note_bounds(run, type("Seen", (), {"metrics": (line,)})(), datetime.now(UTC))  # type: ignore[arg-type]
        entries = run.connections.journal.entries(run.rollout, after=before)
        return [(e.body.level, e.body.crossed) for e in entries if isinstance(e.body, BoundCrossed)]

    assert look(Level.CRITICAL, Level.CRITICAL) == [("critical", True)]
    assert look(Level.WARNING) == [("warning", True), ("critical", False)]
    assert look(Level.NO_DATA, Level.WARNING) == []
    assert look(Level.CRITICAL) == [("critical", True)]
    assert look(Level.ON_TARGET) == [("warning", False), ("critical", False)]
    assert look(Level.WARNING, Level.CRITICAL) == [("warning", True), ("critical", True)]
    titles = [notice["title"] for notice in run.state.notices.queued.values() if "bound" in notice["title"]]
    assert titles == ["Error Rate is beyond its critical bound: 5%", "Error Rate is beyond its warning bound: 5%"]


def test_a_plan_for_machines(kit: Path, run: Run) -> None:
    code, out, _ = run("plan", "show", "rehearsal.yaml", "--json")
    assert (code, json.loads(out)["plan"]["name"]) == (0, "batch-patches-v1-rehearsal")
    assert len(json.loads(out)["plan_hash"]) == 64
    assert run("plan", "show", "rehearsal.yaml", "--json", "--card")[0] == 2


def test_a_rollback_by_a_plain_threshold_is_told_to_machines_and_explained_as_recorded(kit: Path, run: Run) -> None:
    rollout = raised(kit)
    [trigger, *_] = (x for x in in_force(rollout.plan, 1, When.TRIGGER) if x.criterion.kind == "threshold")
    reason, now = f"{trigger.criterion.text}: 12% seen.", datetime.now(UTC).isoformat()
    order = {"reason": reason, "criterion": trigger.id, "by": "tidegate", "ordered_at": now, "zero_at": now}
    rollout.append(body_from_json(Kind.ROLLING_BACK, order))
    code, out, _ = run("postmortem", rollout.rollout, "--json")
    said = json.loads(out)
    assert (code, said["rollout"], said["rollback"]["reason"]) == (0, rollout.rollout, reason)
    assert reason in said["markdown"]
    code, out, _ = run("explain", rollout.rollout)
    assert code == 0
    assert "12% seen." in out
    assert AS_RECORDED in " ".join(out.split())
    assert json.loads(run("explain", rollout.rollout, "--json")[1])["criteria"][0]["verdict"] == "FAIL"
