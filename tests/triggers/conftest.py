"""The demo's parts without Prefect: real service, load, Prometheus and inbox, ticked from the test's own process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from blocks.connections import OpenConnections
from blocks.kit import read_kit
from console.commands.plan_commands import plan_from
from console.home import kit_path
from console.local_stack.stack_kit import write_demo_kit
from demo.prometheus import wait_for_samples
from demo.provision import find_prometheus
from demo.stack import Parts, start_parts, stop_parts
from engine.measuring.references import measure_baseline, measure_wave
from engine.rollback.rollback import prove, roll_back
from engine.rollout.evaluation import Evaluation, evaluate, review_due
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from tests.e2e.waiting import wait_for
from tests.permits import raise_without_evidence
from tidegate.criteria.comparisons.comparison import CountedCriterion
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.in_force import steps
from tidegate.plan.model import Approvals, Plan, When
from tidegate.values.verdict import Verdict

STARTER, APPROVER = "release-engineer@company.com", "commander@company.com"
DAY = timedelta(seconds=60)


@dataclass
class Bench:
    """The running parts and the connections to them."""

    parts: Parts
    via: OpenConnections

    def fault(self, kind: str) -> None:
        """Put a fault of the new path into force."""
        httpx.put(f"{self.parts.service_url}/faults", json={"kind": kind}, timeout=10).raise_for_status()

    def support_says(self, **figures: int) -> None:
        """Let the support desk count these."""
        httpx.put(f"{self.parts.inbox_url}/desk/support", json=figures, timeout=10).raise_for_status()

    def heal(self) -> None:
        """End every fault and complaint, and wait until no alert fires."""
        httpx.delete(f"{self.parts.service_url}/faults", timeout=10).raise_for_status()
        httpx.delete(f"{self.parts.inbox_url}/desk/support", timeout=10).raise_for_status()
        wait_for(lambda: not self.firing(), 60, "no alert fires")

    def firing(self) -> list[str]:
        """The alerts that fire now."""
        found = httpx.get(f"{self.parts.prometheus_url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return [alert["labels"]["alertname"] for alert in found]

    def routed(self) -> float:
        """The service's own count of requests routed to the new path."""
        lines = httpx.get(f"{self.parts.service_url}/metrics", timeout=10).text.splitlines()
        ours = (x for x in lines if x.startswith("batch_patches_total{") and 'path="new"' in x)
        return sum(float(x.rsplit(" ", 1)[1]) for x in ours)

    def messages(self, kind: str) -> list[dict[str, object]]:
        """What the inbox received of this kind."""
        asked = {"kind": kind}
        found: list[dict[str, object]] = httpx.get(f"{self.parts.inbox_url}/messages", params=asked, timeout=10).json()
        return found

    def in_wave(self, number: int, plan: Plan, day: timedelta = DAY) -> OpenRollout:
        """A rollout of this plan whose wave `number` was just raised, the ones before having soaked for a moment."""
        name = f"t-{uuid4().hex[:6]}"
        auto = plan.approvals is Approvals.OPEN
        run = open_rollout(
            self.via, plan, name, started_by=STARTER, pace=day, auto_approve=auto, connection_set="default"
        )
        run.wait_for_claim()
        measure_baseline(run)
        for wave in range(1, number + 1):
            body = {"wave": wave, "attempt": 1, "reason": "", "by": APPROVER, "extension_seconds": 0}
            run.append(body_from_json(Kind.GATE_DECIDED, {**body, "outcome": "go"}))
            raise_without_evidence(run, wave)
            if wave < number:
                self._soak(run, wave)
        return run

    def _soak(self, run: OpenRollout, wave: int) -> None:
        """Wait until what the wave is compared by later has been measured, for the first one; then on."""
        if wave == 1:
            seen = self.routed()
            wait_for(lambda: self.routed() > seen + 40, 60, "wave 1 has seen requests")
            wait_for(lambda: guard(run).seen.metrics[0].value is not None, 60, "and Prometheus has measured them")
        measure_wave(run, wave, utc_now())
        run.append(body_from_json(Kind.SOAKED, {"wave": wave}))


@contextmanager
def bench_of(home: Path, parts: Parts) -> Iterator[Bench]:
    """The running parts with a kit of their own, ended afterwards."""
    before = os.environ.get("TIDEGATE_HOME")
    os.environ["TIDEGATE_HOME"] = str(home)
    try:
        wait_for_samples(parts.prometheus_url, deadline=60)
        write_demo_kit(home, parts)
        via = read_kit(kit_path())
        yield Bench(parts, via)
        via.close()
    finally:
        os.environ.pop("TIDEGATE_HOME")
        if before is not None:
            os.environ["TIDEGATE_HOME"] = before
        stop_parts(parts)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The demo's parts, for one module's tests: what went on beside the next one's would take its processor time."""
    home = tmp_path_factory.mktemp("triggers")
    parts = start_parts(home, home / "flags.json", prometheus=find_prometheus(), day_seconds=DAY.total_seconds())
    with bench_of(home, parts) as opened:
        yield opened


@pytest.fixture(autouse=True)
def tidy(bench: Bench) -> Iterator[None]:
    """No fault and no open rollout before and after each test."""
    tidied(bench)
    yield
    tidied(bench)


def tidied(bench: Bench) -> None:
    """End every open rollout, fault and message."""
    for row in bench.via.journal.rollouts(open_only=True):
        run = OpenRollout(bench.via, row.rollout)
        roll_back(run, reason="the test is over", criterion="by hand", by="test")
        prove(run)
        run.release_claim()
    bench.heal()
    httpx.delete(f"{bench.parts.inbox_url}/messages", timeout=10).raise_for_status()


def rehearsal() -> Plan:
    """The reference plan at demo pace."""
    return plan_from("rehearsal.yaml")


def with_only(plan: Plan, wave: int, text: str) -> Plan:
    """The plan with this trigger of the wave alone: no other one, and no critical bound, can act in its place."""
    waves = []
    for number, step in enumerate(plan.waves, start=1):
        kept = [c for c in step.criteria if When.TRIGGER not in c.when or (number == wave and c.text == text)]
        waves.append(step.model_copy(update={"criteria": tuple(kept), "actions": ()}))
    metrics = {name: metric.model_copy(update={"critical": None}) for name, metric in plan.metrics.items()}
    proof = plan.rollback.proof.model_copy(update={"quiet": timedelta(seconds=1)})
    back = plan.rollback.model_copy(update={"proof": proof})
    return plan.model_copy(update={"waves": tuple(waves), "metrics": metrics, "rollback": back})


def triggers(plan: Plan) -> list[tuple[int, str]]:
    """Every trigger that the release plan itself names, as (wave, text); comparisons are beside them."""
    return [
        (number, criterion.text)
        for number, step in enumerate(steps(plan)[:-1], start=1)
        for criterion in step.criteria
        if When.TRIGGER in criterion.when and not isinstance(criterion, CountedCriterion)
    ]


def guard(run: OpenRollout) -> Evaluation:
    """One look, a review when it is due."""
    now = utc_now()
    return evaluate(run, now, review=review_due(run, now))


def until_quiet(run: OpenRollout, text: str, seconds: float) -> None:
    """Look until this trigger has enough to say that all is well; the others must not act meanwhile."""

    def quiet() -> bool:
        found = {f.text: f.verdict for f in guard(run).seen.judged.triggers}
        assert run.state.rollback is None, run.state.rollback
        return found[text] is Verdict.PASS

    wait_for(quiet, seconds, f"{text!r} is judged and quiet")


def until_rolled_back(run: OpenRollout, seconds: float) -> None:
    """Look at the rollout's own beat until a look has rolled it back."""
    said: list[str] = []

    def rolled_back() -> bool:
        said[:] = [f"{f.verdict}: {f.sentence}" for f in guard(run).seen.judged.triggers]
        return run.state.phase is Phase.ROLLING_BACK

    try:
        wait_for(rolled_back, seconds, f"{run.rollout} is rolled back")
    except AssertionError as late:
        raise AssertionError(f"{late}; the triggers said last: {said}") from None
