"""Late rollbacks: while everybody is exposed legacy is watched, a rollback asks first while it is ill, and ends with it."""

import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from blocks import Web
from blocks.kit import write_kit
from engine.rollback.rollback import record_rollback
from engine.rollback.rollback_possible import RollbackImpossible, StableNotReady, check_rollback_possible
from engine.rollback.stable_readiness import look_now, retire
from engine.rollback.zero import Zeroed
from engine.rollout.evaluation import evaluate
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.orphans import Orphans
from engine.watch.supervisor import Carriers, _guard
from engine.watch.unguarded import Unguarded
from tests.blocks.conftest import LocalServer, local_server
from tests.conftest import PrometheusServer
from tests.e2e.waiting import wait_for
from tests.engine.world import World, healthy, no_alerts
from tests.permits import put
from tests.tidegate.builders import ANN, STARTER
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

__all__ = ["local_server"]
ILL = (503, {}, b"")


@dataclass
class Late:
    """Everybody is exposed, and legacy answers as the test says."""

    world: World
    legacy: LocalServer

    @property
    def run(self) -> OpenRollout:
        return self.world.run

    def look(self, well: bool) -> None:
        self.legacy.answer = lambda _: (200, {}, b"ok") if well else ILL
        look_now(self.run)

    def kit(self, folder: Path) -> Path:
        journal = {"url": self.world.via.journal.url.get_secret_value()}
        flags = {"path": self.world.via.flags.path}  # type: ignore[attr-defined]
        write_kit(
            folder / "kit.yaml", {"journal": journal, "flags": flags, "prometheus": {"url": "http://127.0.0.1:9"}}
        )
        return folder / "kit.yaml"


@pytest.fixture
def late(tmp_path: Path, prometheus_server: PrometheusServer, local_server: LocalServer) -> Late:
    plan = no_alerts({"rollback.legacy_ready": {"source": "legacy"}, "waves.1.percent": "100%"})
    world = World(tmp_path, prometheus_server, plan)
    world.via = replace(world.via, web=Web(sources={"legacy": local_server.url}))
    run = world.run
    run.connections, claim = world.via, run.keep_claim()
    run.append(body_from_json(Kind.SOAKED, {"wave": 1}), world.now)
    decided = {"wave": 2, "attempt": 1, "outcome": "go", "reason": "", "by": ANN, "extension_seconds": 0}
    run.append(body_from_json(Kind.GATE_DECIDED, decided), world.now)
    exposure = plan.exposure_at(2)
    revision = put(world.via.flags, run.flag, exposure, claim.epoch)
    body = {"wave": 2, "exposure": exposure.to_json(), "epoch": claim.epoch, "revision": revision}
    run.append(body_from_json(Kind.RAISED, body), world.now)
    return Late(world, local_server)


def test_what_changes_is_written_once_and_told(late: Late) -> None:
    for well in (True, True, False, False, True):
        late.look(well)
    looked = [
        e.json["ready"] for e in late.run.connections.journal.entries(late.run.rollout) if e.kind is Kind.LEGACY_LOOKED
    ]
    assert looked == [True, False, True]
    assert late.world.notified("could NOT take everybody back") == 1


def test_an_order_asks_first_and_is_done_when_somebody_says_so(late: Late, tmp_path: Path) -> None:
    late.look(well=False)
    journal, flag = late.world.via.journal, late.run.flag
    with pytest.raises(StableNotReady, match="legacy answered 503"):
        check_rollback_possible(journal, flag=flag)
    environment = {"TIDEGATE_KIT": str(late.kit(tmp_path)), "PATH": "/usr/bin:/bin"}
    argv = [sys.executable, "-m", "console", "rollback", "--flag", flag, "--as", "me"]
    asked = subprocess.run(argv, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert asked.returncode == 2, asked.stderr
    assert "--anyway" in asked.stderr
    assert late.world.via.flags.read(flag).exposure == late.world.plan.exposure_at(2)
    check_rollback_possible(journal, flag=flag, anyway=True)
    late.look(well=True)
    check_rollback_possible(journal, flag=flag)


def test_a_trigger_holds_and_pages_while_legacy_is_ill_and_rolls_back_once_it_is_well(late: Late) -> None:
    late.look(well=False)
    world, run = late.world, late.run

    def bad(at: object) -> dict[str, float | None]:
        return {**healthy(at), "new_errors": 100.0}  # type: ignore[arg-type]

    world.pass_time(timedelta(minutes=12), bad)
    assert HoldCause.LEGACY in run.state.holds
    assert run.state.rollback is None
    assert world.notified("is held (legacy)") == 1
    assert world.via.flags.read(run.flag).exposure != ZERO
    # What fired stays fired, also when it eases before legacy is well.
    world.pass_time(timedelta(minutes=30), healthy)
    assert HoldCause.LEGACY in run.state.holds
    late.look(well=True)
    evaluate(run, world.now, review=False)
    assert run.state.phase is Phase.ROLLING_BACK
    assert run.state.rollback is not None
    assert run.state.rollback.criterion != "legacy"
    assert world.via.flags.read(run.flag).exposure == ZERO


def test_the_old_path_is_retired_after_the_end_only_by_an_approver_and_then_nothing_leads_back(late: Late) -> None:
    run, journal = late.run, late.world.via.journal
    with pytest.raises(NotAllowed, match="allowed is a finished rollout"):
        retire(run, ANN, "deleted")
    run.append(body_from_json(Kind.FINISHED, {"reason": "stable"}))
    with pytest.raises(NotAllowed, match="may not retire the old path"):
        retire(run, "stranger@example.com", "deleted")
    retire(run, ANN, "change 4711 deleted the old code")
    with pytest.raises(NotAllowed, match="retired already"):
        retire(run, STARTER, "again")
    for order in ({"rollout": run.rollout}, {"flag": run.flag}):
        with pytest.raises(RollbackImpossible, match="change 4711 deleted the old code"):
            check_rollback_possible(journal, **order, anyway=True)
    assert late.world.notified("the old path is retired") == 1
    assert run.state.recovery.retired.startswith(ANN)


def test_a_late_rollback_whose_process_is_gone_is_carried_on_by_the_watch(late: Late) -> None:
    run, via = late.run, late.world.via
    run.append(body_from_json(Kind.FINISHED, {"reason": "stable"}))
    assert not any(row.is_open for row in via.journal.rollouts(flag=run.flag))
    claim = via.journal.seize(run.flag, run.rollout, "host:2:x", timedelta(seconds=1))
    failed = Zeroed(utc_now(), None, "", claim, "the flag system answered 503")
    record_rollback(run, failed, reason="smoke", criterion="by hand", by=ANN)
    [row] = via.journal.rollouts(flag=run.flag, open_only=True)
    assert row.rollout == run.rollout
    via.journal.release(claim)
    watching, orphans = OpenRollout(via, run.rollout), Orphans()

    def at_zero() -> bool:
        return (
            _guard(watching, utc_now(), Carriers(orphans), Unguarded(via)) and via.flags.read(run.flag).exposure == ZERO
        )

    wait_for(at_zero, 20, "zero is written")
    proven = {"proven": True, "counter": 1.0, "last_request_at": None, "proven_at": utc_now().isoformat()}
    watching.append(body_from_json(Kind.PROVEN, proven | {"sentence": "The new path is chosen no more."}))
    assert not any(row.is_open for row in via.journal.rollouts(flag=run.flag))
