"""Evidence on real traffic: harm that no bound sees, a flag that does nothing, a split that is not as asked.

A thousand requests a second (fewer on a busy machine), of which one in a hundred fails on either path.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from demo.batch_patches.flag import FLAG
from demo.idle_flags import idle_flags
from demo.prometheus import query
from demo.provision import find_prometheus
from demo.stack import start_parts
from engine.exposure.raise_exposure import raise_exposure
from engine.gates.gate import automatic_answer, decide_gate, give_answer, open_gate
from engine.measuring.measure import entry_findings
from engine.notices.delivery import deliver
from engine.rollback.rollback import prove
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from tests.e2e.waiting import wait_for
from tests.triggers.conftest import STARTER, Bench, bench_of, guard, rehearsal, tidied
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Plan
from tidegate.rollout.next_step import Ask, Preflight, RunWave, next_step
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Finding, Verdict

RATE, BASE = 1000, 0.01
REHEARSAL = timedelta(seconds=15)
DAY = timedelta(seconds=60)
# How the cohorts compare is taken from the day before the wave. In one minute there are about 100 errors on the smaller
# side, which leaves too much open; in production it is a day.
LONG_DAY = timedelta(minutes=3)
FLAGS = idle_flags(10)
HARM = "More errors on the new path than beside it"
SPLIT = "Users arrive on each path in the planned shares"
FINE = (Verdict.PASS, Verdict.NOT_APPLICABLE)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The demo's parts under much load, with flags that do nothing, and a plan day of traffic behind them."""
    home = tmp_path_factory.mktemp("evidence")
    options = ("--error-rate", BASE, "--idle-flags", len(FLAGS))
    parts = start_parts(
        home,
        home / "flags.json",
        prometheus=find_prometheus(),
        day_seconds=DAY.total_seconds(),
        rate=RATE,
        service_options=options,
        # On a busy machine fewer are sent, instead of queueing before Prometheus' own request.
        load_options=("--in-flight", 120),
    )
    with bench_of(home, parts) as opened:
        seconds = LONG_DAY.total_seconds()
        wait_for(lambda: _scraped(parts.prometheus_url) > seconds, seconds + 60, "a plan day of traffic lies behind")
        yield opened


@pytest.fixture(autouse=True)
def tidy_crowd(crowd: Bench) -> Iterator[None]:
    """Nothing that one test left open stands in the way of the next."""
    yield
    tidied(crowd)


def _scraped(prometheus: str) -> float:
    found = query(prometheus, 'count_over_time(up{job="batch-patches"}[10m])')
    return float(found[0]["value"][1]) if found else 0.0


def decisive(plan: Plan, *texts: str) -> Plan:
    """The plan in which these criteria decide, as after a look at a back-test; all the others stay as they are."""
    waves = [
        wave.model_copy(
            update={
                "criteria": tuple(
                    c.model_copy(update={"dry_run": False}) if c.text in texts else c for c in wave.criteria
                )
            }
        )
        for wave in plan.waves
    ]
    return plan.model_copy(update={"waves": tuple(waves)})


def found(run: OpenRollout, text: str) -> Finding:
    """What a look finds of this criterion, a review when it is due."""
    judged = guard(run).seen.judged
    return next(f for f in (*judged.during, *judged.triggers) if f.text == text)


def carry_on(run: OpenRollout) -> bool:
    """One step of a rollout as its flow takes it; true when it has nothing more to do."""
    match next_step(run.refresh()):
        case Preflight():
            run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": []}), fenced=True)
        case Ask(wave) if _may_be_asked(run, wave):
            gate = open_gate(run, wave, "")
            answer = automatic_answer(run, wave)
            give_answer(run, wave, gate.attempt, answer, "auto")
            decide_gate(run, wave, gate.attempt, answer)
        case RunWave(wave) if run.state.phase is Phase.RAISING:
            raise_exposure(run, wave)
        case _:
            if run.state.phase.is_open:
                guard(run)
    return not run.state.phase.is_open or run.state.rollback is not None


def _may_be_asked(run: OpenRollout, wave: int) -> bool:
    run.wait_for_claim()
    now = utc_now()
    due = run.timing.may_raise_from(wave, run.state.first_raise_at, now) <= now
    return due and all(f.verdict in FINE for f in entry_findings(run, wave, now))


@pytest.mark.timeout(600)
def test_ten_rollouts_of_a_flag_that_does_nothing_go_through_at_rehearsal_pace(crowd: Bench, tmp_path: Path) -> None:
    text = (Path(__file__).parent / "idle-flag.yaml").read_text(encoding="utf-8")
    runs = []
    for key in FLAGS:
        file = tmp_path / f"{key}.yaml"
        file.write_text(text.replace("idle-0", key), encoding="utf-8")
        plan = load_plan(file, Path.read_bytes)
        runs.append(
            open_rollout(
                crowd.via,
                plan,
                f"{key}-1",
                started_by=STARTER,
                pace=REHEARSAL,
                auto_approve=True,
                connection_set="default",
            )
        )
    for run in runs:
        run.wait_for_claim()
    wait_for(lambda: sum(not carry_on(run) for run in runs) == 0, 240, "all ten have ended")
    ended = {run.rollout: (run.state.phase, run.state.rollback and run.state.rollback.reason) for run in runs}
    assert ended == {f"{key}-1": (Phase.FINISHED, None) for key in FLAGS}
    # What was compared, and that it was much: some thousand requests on either side of each flag.
    for run in runs:
        counted = [
            row for rows in run.state.evidence.counts["error_rate/5m/labelled"].values() for row in rows.values()
        ]
        assert sum(row.n_canary for row in counted) > 2000, run.rollout
        assert sum(row.bad_canary for row in counted) > 10, run.rollout


@pytest.mark.timeout(300)
def test_twice_the_errors_that_no_bound_sees_are_held_and_then_rolled_back_by_comparison(crowd: Bench) -> None:
    """As the rehearsal's plan stands: nobody has to let its comparisons decide."""
    crowd.heal()
    run = crowd.in_wave(2, rehearsal(), LONG_DAY)
    crowd.fault("errors-twofold")
    said: dict[str, Finding] = {}
    held: list[str] = []

    def rolled_back() -> bool:
        judged = guard(run).seen.judged
        said.update({f.text: f for f in (*judged.triggers, *judged.during)})
        held.extend(
            f.sentence for f in judged.triggers if f.text == HARM and f.verdict is Verdict.INCONCLUSIVE and f.required
        )
        # No bound may have seen it. How slow a busy machine makes both paths is another matter, and a doubling from
        # 1 % rises by just what is too much for the trend.
        others = {text: f.sentence for text, f in said.items() if f.verdict is Verdict.FAIL and text != HARM}
        aside = ("latency", "trending")
        assert [f"{text}: {found}" for text, found in others.items() if not any(word in text for word in aside)] == []
        return run.state.phase is Phase.ROLLING_BACK

    try:
        wait_for(rolled_back, 120, "rolled back")
    except AssertionError as late:
        raise AssertionError(f"{late}; said last: {said.get(HARM)}") from None
    assert held, "it was held before"
    assert "so the soak waits and nothing is raised" in held[0]
    back = run.state.rollback
    assert back is not None
    assert back.by == "tidegate"
    assert back.reason.startswith(f"{HARM}: On the new path "), back.reason
    assert "times as many errors as on the old one" in back.reason
    # 1 in 100 for both changes that decide together.
    assert "Fewer than 1 of 200" in back.reason
    assert crowd.via.flags.read(FLAG).exposure == ZERO
    proof = prove(run)
    assert proof is not None
    assert proof.proven
    # The error rate that was seen stayed under each of the plan's bounds: 2 % is twice of 1 %.
    share = query(
        crowd.parts.prometheus_url,
        'sum(increase(batch_patches_requests_total{path="new",outcome="error"}[2m]))'
        ' / sum(increase(batch_patches_requests_total{path="new"}[2m]))',
    )
    assert 0.01 < float(share[0]["value"][1]) < 0.04


@pytest.mark.timeout(300)
def test_a_load_balancer_that_sends_half_of_what_was_asked_holds_as_a_mismatch(crowd: Bench) -> None:
    crowd.heal()
    crowd.fault("wrong-split")
    run = crowd.in_wave(1, decisive(rehearsal(), SPLIT), timedelta(seconds=15))
    wait_for(lambda: found(run, SPLIT).verdict is Verdict.FAIL, 60, "the split is found to be wrong")
    finding = found(run, SPLIT)
    assert "users came to the new path, 10% was asked (sample ratio mismatch)" in finding.sentence
    assert 3 < float(finding.sentence.split("%")[0]) < 7
    # Held for longer than the wave's soak, and never rolled back.
    since = utc_now()
    soak = run.timing.soak(1)
    wait_for(
        lambda: found(run, SPLIT).verdict is Verdict.FAIL and utc_now() - since > soak * 1.5, 60, "time has passed"
    )
    assert run.state.phase is Phase.WAVE
    assert run.state.rollback is None
    assert run.state.waves[1].soaked(soak, 0)[0] < soak
    deliver(run)
    told = [str(message["text"]) for message in crowd.messages("slack")]
    assert any("on hold by a statistical test" in text and "sample ratio mismatch" in text for text in told), told
    crowd.heal()
