"""The evaluating service as a second witness of a rollback: whom it still serves refutes the proof, its silence does not."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from blocks import FlagdFile, Ofrep
from tests.blocks.test_ofrep import flagd
from tests.conftest import PrometheusServer
from tests.engine.test_proof_points import Counter, still
from tests.permits import put
from tidegate.values.exposure import Exposure, Layer

__all__ = ["flagd"]


@pytest.fixture
def counter(prometheus_server: PrometheusServer, tmp_path: Path, flagd: tuple[Ofrep, FlagdFile]) -> Counter:
    """A counter that stands still, and a service that evaluates the plan's flag."""
    (tmp_path / "own").mkdir()
    counter, (ofrep, flags) = Counter(prometheus_server, tmp_path / "own"), flagd
    # A slow machine is no silence.
    patient = ofrep.model_copy(update={"timeout_seconds": 20})
    counter.via = replace(counter.via, flags=flags, ofrep=patient)
    flags.fence(counter.plan.flag.key, 1)
    return counter


def expose(counter: Counter) -> None:
    put(counter.via.flags, counter.plan.flag.key, Exposure((Layer("everyone", None, 50.0),)), 1)


def test_who_is_served_by_nobody_is_said(counter: Counter) -> None:
    counter.via.flags.zero(counter.plan.flag.key, 2)
    proof = counter.proof({"a": still})
    assert proof.proven, proof.sentence
    assert proof.sentence.endswith("The evaluating service serves none of 20 made-up users the new path.")


def test_who_is_still_served_refutes_a_counter_that_stands_still(counter: Counter) -> None:
    expose(counter)
    proof = counter.proof({"a": still})
    assert not proof.proven
    assert proof.sentence.startswith("Not proven: the evaluating service still serves the new path to ")
    assert proof.sentence.endswith(" of 20 made-up users.")


def test_it_is_asked_until_it_serves_nobody(counter: Counter) -> None:
    expose(counter)
    late = threading.Timer(3.0, lambda: counter.via.flags.zero(counter.plan.flag.key, 2))
    late.start()
    try:
        proof = counter.proof({"a": still})
    finally:
        late.join()
    assert proof.proven, proof.sentence


def test_a_service_that_does_not_answer_refutes_nothing_and_is_said(counter: Counter) -> None:
    assert counter.via.ofrep is not None
    gone = counter.via.ofrep.model_copy(update={"url": "http://127.0.0.1:9"})
    counter.via = replace(counter.via, ofrep=gone)
    proof = counter.proof({"a": still})
    assert proof.proven, proof.sentence
    assert "was asked and did not say: OFREP at" in proof.sentence


def test_a_flag_that_it_does_not_have_refutes_nothing(counter: Counter) -> None:
    Path(counter.via.flags.path).write_text('{"flags": {}}')  # type: ignore[attr-defined]
    proof = counter.proof({"a": still})
    assert proof.proven, proof.sentence
    assert "has no flag" in proof.sentence
