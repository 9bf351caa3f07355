"""A rollback is proven by points that are newer than it: what is only repeated, or gone, proves nothing."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.rollback.proof import RollbackProof, measure_proof
from tests.conftest import PrometheusServer
from tests.tidegate.builders import plan_of

# By pod: its counter at so many seconds after the rollback, or None where it writes nothing.
Pods = Mapping[str, Callable[[float], float | None]]


class Counter:
    """A counter of routing decisions by pod, written every half second, with a past of a minute."""

    def __init__(self, server: PrometheusServer, tmp_path: Path) -> None:
        self.server, self.name = server, f"routed_{uuid4().hex}"
        proof = {"counter": f'sum({self.name}{{path="new"}})', "quiet": "1s"}
        self.plan = plan_of({"scrape_interval": "1s", "rollback.proof": proof})
        self.via = OpenConnections(
            Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"),
            FlagdFile(path=str(tmp_path / "flags.json")),
            Prometheus(url=server.url),
        )

    def write(self, pod: str, points: list[tuple[float, float]]) -> None:
        self.server.write([({"__name__": self.name, "path": "new", "pod": pod}, points)])

    def proof(self, pods: Pods, stopped: str = "", ahead: timedelta = timedelta(0)) -> RollbackProof:
        zero_at = datetime.now(UTC)
        start = zero_at.timestamp()
        for pod in pods:
            self.write(pod, [(start - 60 + n, float(n)) for n in range(60)])
        with self._writing(pods, start):
            return measure_proof(self.via, self.plan, zero_at + ahead, stopped=stopped)

    @contextmanager
    def _writing(self, pods: Pods, start: float) -> Iterator[None]:
        ended = Event()

        def write() -> None:
            while not ended.wait(0.5):
                for pod, value in pods.items():
                    now = time.time()
                    if (found := value(now - start)) is not None:
                        self.write(pod, [(now, found)])

        writer = Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            ended.set()
            writer.join()


@pytest.fixture
def counter(prometheus_server: PrometheusServer, tmp_path: Path) -> Counter:
    return Counter(prometheus_server, tmp_path)


def still(_: float) -> float:
    return 59.0


def ended(_: float) -> None:
    return None


def test_a_counter_whose_new_points_stand_still_proves_it(counter: Counter) -> None:
    proof = counter.proof({"a": still, "b": still})
    assert proof.proven, proof.sentence


def test_a_zero_written_by_a_clock_that_was_ahead_is_proven_all_the_same(counter: Counter) -> None:
    proof = counter.proof({"a": still}, ahead=timedelta(hours=1))
    assert proof.proven, proof.sentence


def test_metrics_that_stopped_at_the_rollback_prove_nothing(counter: Counter) -> None:
    proof = counter.proof({"a": ended})
    assert not proof.proven
    assert proof.sentence.startswith("Not proven: no fresh samples (0 of 2 points since ")


def test_one_point_proves_no_standing_still(counter: Counter) -> None:
    written = Event()

    def once(seconds: float) -> float | None:
        if seconds < 2 or written.is_set():
            return None
        written.set()
        return 59.0

    proof = counter.proof({"a": once})
    assert not proof.proven
    assert "no fresh samples (1 of 2 points" in proof.sentence


def test_a_pod_that_fell_silent_at_the_rollback_is_not_vouched_for_by_another(counter: Counter) -> None:
    proof = counter.proof({"a": still, "b": ended})
    assert not proof.proven
    assert "no fresh samples (0 of 2 points" in proof.sentence


def test_a_pod_that_goes_on_counting_proves_nothing(counter: Counter) -> None:
    proof = counter.proof({"a": still, "b": lambda seconds: 59.0 + int(seconds)})
    assert not proof.proven
    assert "still moved" in proof.sentence
    assert proof.moved_late


def test_what_was_under_way_may_end_after_the_change(counter: Counter) -> None:
    proof = counter.proof({"a": lambda seconds: 59.0 + min(int(seconds), 2)})
    assert proof.proven, proof.sentence


def test_a_target_that_a_rollback_step_stopped_is_told_apart_and_is_no_proof(counter: Counter) -> None:
    proof = counter.proof({"a": ended}, stopped="Stop the new service")
    assert not proof.proven
    assert proof.sentence.startswith("Not proven: stopped, target down: no fresh samples")
    assert "'Stop the new service'" in proof.sentence


def test_a_pod_that_was_gone_before_is_not_waited_for(counter: Counter) -> None:
    now = datetime.now(UTC) - timedelta(minutes=2)
    counter.write("gone", [(now.timestamp() + n, float(n)) for n in range(30)])
    proof = counter.proof({"a": still})
    assert proof.proven, proof.sentence
