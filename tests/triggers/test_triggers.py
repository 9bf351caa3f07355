"""Each rollback trigger of the reference plan is provoked for real, and none fires on a healthy release."""

from datetime import timedelta

import pytest

from demo.batch_patches.faults import BLUNT
from engine.notices.delivery import deliver
from engine.rollback.rollback import prove
from tests.e2e.test_faults import WHY, WITH_PREFECT
from tests.e2e.waiting import wait_for
from tests.triggers.conftest import DAY, Bench, guard, rehearsal, triggers, until_quiet, until_rolled_back, with_only
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Verdict

PROVOKED_BY: dict[tuple[int, str], str | dict[str, int]] = {
    (1, "ANY CRITICAL alert"): "alert",
    (1, "Error rate > 10% for > 5min"): "errors",
    (1, "Memory leak detected"): "leak",
    (1, "Customer data corruption detected"): "corruption",
    (2, "CRITICAL alert appears"): "alert",
    (2, "Error rate increases > 5% from Wave 1"): "errors",
    (2, "Customer-reported data loss / corruption"): {"data_loss_reports": 1},
    (2, "Performance degradation > 50%"): "latency",
    (3, "Any CRITICAL alert"): "alert",
    (3, "Error rate > 10%"): "errors",
    (3, "Unexpected resource usage spike"): "leak",
    (3, "Customer escalations > 5"): {"escalations": 6},
    (4, "Any CRITICAL alert"): "alert",
    (4, "Multiple simultaneous customer issues"): {"issues": 2},
    (4, "Data integrity issues"): "corruption",
    (4, "System performance below SLO"): "latency",
}
# A leak is told by the same hour of the day before, so that its day must pass twice.
PACE = {(1, "Memory leak detected"): timedelta(seconds=15)}


def test_every_trigger_of_the_reference_plan_is_provoked() -> None:
    assert sorted(PROVOKED_BY) == sorted(triggers(rehearsal()))
    assert len(PROVOKED_BY) == 16


@pytest.mark.parametrize(("wave", "text"), PROVOKED_BY, ids=str)
def test_a_trigger_that_is_provoked_turns_the_rollout_back(bench: Bench, wave: int, text: str) -> None:
    by = PROVOKED_BY[wave, text]
    run = bench.in_wave(wave, with_only(rehearsal(), wave, text), PACE.get((wave, text), DAY))
    until_quiet(run, text, 60)
    if isinstance(by, str):
        bench.fault(by)
    else:
        bench.support_says(**by)
    until_rolled_back(run, 45)
    assert bench.via.flags.read(run.flag).exposure == ZERO
    back = run.state.rollback
    assert back is not None
    assert back.reason.startswith(f"{text}: "), back.reason
    proof = prove(run)
    assert proof is not None
    assert proof.proven
    assert run.state.phase is Phase.ROLLED_BACK
    before = bench.routed()
    wait_for(lambda: bench.routed() == before, 1, "the new path's own counter stands still")


@pytest.mark.parametrize("fault", [kind for kind in BLUNT if kind not in WITH_PREFECT])
def test_a_bad_release_is_rolled_back_and_people_are_told(bench: Bench, fault: str) -> None:
    run = bench.in_wave(1, rehearsal())
    bench.fault(fault)
    until_rolled_back(run, 45)
    prove(run)
    deliver(run)
    assert bench.via.flags.read(run.flag).exposure == ZERO
    back = run.state.rollback
    assert back is not None
    assert back.proven_at is not None
    assert any(word in back.reason for word in WHY[fault]), back.reason
    assert (back.proven_at - back.ordered_at).total_seconds() < run.plan.rollback.within.total_seconds()
    assert len(bench.messages("pagerduty")) == 1
    told = [str(message["text"]) for message in bench.messages("slack")]
    assert any("Rolled back" in text for text in told), told
    assert any("proven" in text for text in told), told


def test_no_trigger_fires_on_a_healthy_release(bench: Bench) -> None:
    plan = rehearsal()
    run = bench.in_wave(len(plan.waves), plan)
    for _ in range(8):
        judged = guard(run).seen.judged
        assert [f.sentence for f in judged.triggers if f.verdict is Verdict.FAIL] == []
        assert run.state.phase is Phase.WAVE
