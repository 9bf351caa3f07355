"""The contract that every flag backend keeps; a new one is a line of `BACKENDS`.

Another package's test file imports all of this and has a fixture `backend` of its own.
"""

import subprocess
import time
from collections.abc import Callable
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
MORE = Exposure((Layer("beta", ("b1", "b2"), 100.0), Layer("everyone", None, 12.0)), attribute="team")


def listed(file: Path, text: str) -> FlagdFile:
    """A flag file in the list form."""
    file.write_text(text)
    return FlagdFile(path=str(file), environment="rehearsal")


# One line a backend.
BACKENDS: dict[str, Callable[[Path], FlagBackend]] = {
    "flagd-file": lambda folder: FlagdFile(path=str(folder / "flags.json"), environment="rehearsal"),
    "flagd-yaml": lambda folder: FlagdFile(path=str(folder / "flags.yaml"), environment="rehearsal"),
    "flagd-list": lambda folder: listed(folder / "flags.json", '{"flags": []}'),
    "flagd-yaml-list": lambda folder: listed(folder / "flags.yml", "flags:\n- key: theirs # their comment\n"),
    "command-flag": command_flag,
    "command-flag-without-epoch-in-zero": lambda folder: command_flag(folder, zero_knows_epochs=False),
}


# A backend of a server: the name of the fixture in conftest.py that has it, with the contract's flags in it.
SERVERS = {"http-etag": "http_etag", "http-version": "http_version", "http-plain": "http_plain"}
SERVERS |= {"haproxy": "haproxy", "nginx": "nginx_flag"}


@pytest.fixture(params=[*BACKENDS, *SERVERS])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> FlagBackend:
    """An empty backend of each kind."""
    if request.param in SERVERS:
        found: FlagBackend = request.getfixturevalue(SERVERS[request.param])
        return found
    return BACKENDS[request.param](tmp_path)


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
