"""The contract that every flag backend keeps; a new backend is added to `backend`, nowhere else."""

import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from blocks import FlagBackend, FlagdFile
from blocks.errors import Fenced, NotPermitted
from tests.blocks.flag_script import command_flag
from tests.permits import lasting, put
from tidegate.values.exposure import ZERO, Exposure, Layer

FLAG = "batch-patches-v1"
TEN = Exposure((Layer("everyone", None, 10.0),), always_on=("staff",), always_off=("held",))
MORE = Exposure((Layer("beta", ("b1", "b2"), 100.0), Layer("everyone", None, 12.5)), attribute="team")


@pytest.fixture(params=["flagd-file", "command-flag", "command-flag-without-epoch-in-zero"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> FlagBackend:
    """An empty backend of each kind."""
    backends = {
        "flagd-file": lambda: FlagdFile(path=str(tmp_path / "flags.json"), environment="rehearsal"),
        "command-flag": lambda: command_flag(tmp_path),
        "command-flag-without-epoch-in-zero": lambda: command_flag(tmp_path, zero_knows_epochs=False),
    }
    backend: FlagBackend = backends[request.param]()
    return backend


def test_it_is_a_flag_backend(backend: FlagBackend) -> None:
    assert isinstance(backend, FlagBackend)
    assert backend.environment == "rehearsal"
    assert backend.propagation.total_seconds() >= 0
    assert backend.check()


def test_a_flag_that_is_not_there_is_zero(backend: FlagBackend) -> None:
    assert backend.read(FLAG).exposure == ZERO


@pytest.mark.parametrize("exposure", [TEN, MORE, Exposure((Layer("everyone", None, 100.0),)), ZERO])
def test_what_is_written_is_read(backend: FlagBackend, exposure: Exposure) -> None:
    backend.fence(FLAG, 1)
    revision = put(backend, FLAG, exposure, 1)
    reading = backend.read(FLAG)
    assert (reading.exposure, reading.revision) == (exposure, revision)
    assert reading.description


def test_writing_again_changes_nothing(backend: FlagBackend) -> None:
    backend.fence(FLAG, 1)
    first = put(backend, FLAG, TEN, 1)
    assert put(backend, FLAG, TEN, 1) == first
    backend.fence(FLAG, 2)
    assert put(backend, FLAG, TEN, 2) == first
    assert put(backend, FLAG, MORE, 2) != first


def test_an_older_epoch_has_lost(backend: FlagBackend) -> None:
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    backend.fence(FLAG, 2)
    for exposure in (MORE, TEN):
        with pytest.raises(Fenced):
            put(backend, FLAG, exposure, 1)
    with pytest.raises(Fenced):
        backend.fence(FLAG, 1)
    with pytest.raises(Fenced):
        backend.zero(FLAG, 1)
    assert backend.read(FLAG).exposure == TEN
    put(backend, FLAG, MORE, 2)


def test_an_epoch_that_nobody_fenced_may_not_write(backend: FlagBackend) -> None:
    backend.fence(FLAG, 1)
    with pytest.raises(Fenced):
        put(backend, FLAG, TEN, 2)


def test_the_fence_stands_again_and_again(backend: FlagBackend) -> None:
    backend.fence(FLAG, 3)
    backend.fence(FLAG, 3)
    put(backend, FLAG, TEN, 3)
    backend.fence(FLAG, 3)
    put(backend, FLAG, MORE, 3)


def test_zero_needs_nothing_but_the_name(backend: FlagBackend) -> None:
    backend.fence(FLAG, 7)
    put(backend, FLAG, TEN, 7)
    revision = backend.zero(FLAG, None)
    reading = backend.read(FLAG)
    assert (reading.exposure, reading.revision) == (ZERO, revision)
    with pytest.raises(Fenced):
        put(backend, FLAG, TEN, 7)


def test_zero_fences_by_itself(backend: FlagBackend) -> None:
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    backend.zero(FLAG, 5)
    assert backend.read(FLAG).exposure == ZERO
    with pytest.raises(Fenced):
        put(backend, FLAG, TEN, 1)
    assert backend.zero(FLAG, 5) == backend.zero(FLAG, None)


def test_zero_of_a_flag_that_is_not_there(backend: FlagBackend) -> None:
    backend.zero(FLAG, None)
    assert backend.read(FLAG).exposure == ZERO


def test_flags_do_not_touch_each_other(backend: FlagBackend) -> None:
    for flag, exposure in ((FLAG, TEN), ("other", MORE)):
        backend.fence(flag, 1)
        put(backend, flag, exposure, 1)
    backend.zero("other", None)
    assert backend.read(FLAG).exposure == TEN
    put(backend, FLAG, MORE, 1)


def test_the_command_on_the_emergency_card_turns_it_off_for_everybody(backend: FlagBackend) -> None:
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    backend.fence("other", 1)
    put(backend, "other", TEN, 1)
    subprocess.run(["bash", "-c", backend.by_hand(FLAG)], check=True, timeout=30)
    assert backend.read(FLAG).exposure == ZERO
    assert backend.read("other").exposure == TEN


def test_a_raise_needs_a_permit_that_lives_and_is_for_this_very_write(backend: FlagBackend) -> None:
    backend.fence(FLAG, 1)
    with pytest.raises(NotPermitted, match="without a permit"):
        backend.write(FLAG, TEN, 1)
    for permit in (
        replace(lasting(FLAG, TEN, 1), until=time.monotonic()),
        replace(lasting(FLAG, TEN, 1), revoked=lambda: "held by ada"),
        lasting(FLAG, MORE, 1),
        lasting(FLAG, TEN, 2),
        lasting("other", TEN, 1),
    ):
        with pytest.raises(NotPermitted):
            backend.write(FLAG, TEN, 1, permit)
    assert backend.read(FLAG).exposure == ZERO
    put(backend, FLAG, TEN, 1)
    backend.write(FLAG, ZERO, 1)
    assert backend.read(FLAG).exposure == ZERO, "lowering needs none"
