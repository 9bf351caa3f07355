"""A rollout after a rollback says in its preflight what it takes over and what is taken anew."""

from datetime import timedelta
from pathlib import Path

import pytest

from engine.preflight.reuse import reuse_check
from engine.rollback.rollback import roll_back
from engine.rollout.session import utc_now
from tests.conftest import PrometheusServer
from tests.engine.world import World, no_alerts
from tests.tidegate.builders import ANN
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.values.verdict import Verdict

DRILL = {"proof": "drill", "text": "Rollback tested", "role": "lead"}


@pytest.fixture
def world(tmp_path: Path, prometheus_server: PrometheusServer) -> World:
    return World(tmp_path, prometheus_server, no_alerts({"checklist": {"Rollback": [DRILL]}}))


def rolled_back(world: World) -> None:
    roll_back(world.run, reason="bad", criterion="by hand", by=ANN)
    body = {"proven": True, "counter": 7, "last_request_at": None, "proven_at": None, "sentence": "still"}
    world.run.append(body_from_json(Kind.PROVEN, body))


def drilled(world: World) -> None:
    at = utc_now().isoformat()
    flag, name = world.run.flag, f"drill-{world.run.flag}-1"
    opened = {"plan": world.plan.to_json(), "plan_hash": "", "started_by": ANN, "pace_seconds": None}
    opened |= {"connections": "default", "approve": "ask", "environment": "production"}
    journal = world.via.journal
    first = journal.open_rollout(name, flag, opened, utc_now())
    body = {"flag": flag, "by": ANN, "ordered_at": at, "zero_at": at, "proven": True, "proven_at": at, "seconds": 12.0}
    body |= {"requests": 900, "sentence": "proven"}
    second = journal.append(name, Kind.DRILLED, body, utc_now(), 2, first.hash)
    journal.append(name, Kind.CLOSED, {"reason": "drill", "by": ANN}, utc_now(), 3, second.hash)


def said(world: World, *, later: timedelta = timedelta(0), hash_of: object = None) -> tuple[Verdict, str]:
    plan = world.plan if hash_of is None else world.plan.model_copy(update={"title": "Another"})
    finding = reuse_check(world.via, plan, utc_now() + later).look()
    return finding.verdict, finding.sentence


def test_without_an_earlier_rollback_there_is_nothing_to_say(world: World) -> None:
    assert said(world)[0] is Verdict.NOT_APPLICABLE


def test_the_plan_before_the_drill_and_what_is_done_anew_are_named(world: World) -> None:
    rolled_back(world)
    verdict, sentence = said(world)
    assert verdict is Verdict.PASS
    assert "under the same plan. No drill is reused. Proofs, baseline and sign-offs are taken anew." in sentence
    drilled(world)
    assert "Reused: the drill of" in said(world)[1]
    assert "too old to be reused" in said(world, later=timedelta(days=31))[1]
    assert "under another plan (hash" in said(world, hash_of="another")[1]
