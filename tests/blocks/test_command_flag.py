"""A flag system behind commands: what it prints is judged, what it refuses is told, a late writer is set back."""

import json
import time
from pathlib import Path

import pytest

from blocks import CommandFlag
from blocks.errors import Fenced, NotTaken, Refused, Unreachable
from tests.blocks.flag_script import command_flag
from tests.permits import put
from tidegate.values.exposure import ZERO, Exposure, Layer

FLAG = "batch-patches-v1"
TEN = Exposure((Layer("everyone", None, 10.0),))
HALF = Exposure((Layer("everyone", None, 50.0),))
OTHERS = Exposure((Layer("beta", ("beta",), 100.0),))


def late_write(folder: Path, exposure: Exposure, epoch: int) -> None:
    (folder / FLAG).write_text(json.dumps({"exposure": exposure.to_json(), "epoch": epoch}))


@pytest.mark.parametrize(
    ("late", "allowed", "found"),
    [(HALF, ZERO, ZERO), (HALF, TEN, TEN), (TEN, TEN, TEN), (OTHERS, TEN, ZERO), (None, HALF, ZERO)],
    ids=["after a rollback", "more", "the same", "neither contains the other", "unreadable"],
)
def test_a_late_writer_is_set_back_only_downwards(
    tmp_path: Path, late: Exposure | None, allowed: Exposure, found: Exposure
) -> None:
    backend = command_flag(tmp_path)
    backend.fence(FLAG, 3)
    body = '{"exposure": "half", "epoch": 2}' if late is None else json.dumps({"exposure": late.to_json(), "epoch": 2})
    (tmp_path / FLAG).write_text(body)
    fresh = command_flag(tmp_path)  # of a process that has written nothing itself
    assert fresh.read(FLAG).exposure == late
    seen, was = fresh.set_back(FLAG, allowed, 3)
    assert was is not None
    assert (seen.exposure, was.exposure) == (found, late)
    assert json.loads((tmp_path / FLAG).read_text())["epoch"] == 3
    assert fresh.set_back(FLAG, allowed, 3) == (seen, None)


@pytest.mark.parametrize("late", [TEN, ZERO])
def test_an_older_value_that_exposes_fewer_is_left_for_people(tmp_path: Path, late: Exposure) -> None:
    backend = command_flag(tmp_path)
    backend.fence(FLAG, 3)
    late_write(tmp_path, late, 2)
    before = (tmp_path / FLAG).read_text()
    seen, was = backend.set_back(FLAG, HALF, 3)
    assert (seen.exposure, was) == (late, None)
    assert (tmp_path / FLAG).read_text() == before


@pytest.mark.parametrize(
    ("standing", "allowed", "found"),
    [(HALF, TEN, TEN), (TEN, HALF, TEN), (TEN, ZERO, ZERO), (OTHERS, TEN, ZERO), (ZERO, HALF, ZERO)],
)
def test_a_taker_never_raises_by_writing_anew(
    tmp_path: Path, standing: Exposure, allowed: Exposure, found: Exposure
) -> None:
    backend = command_flag(tmp_path)
    late_write(tmp_path, standing, 1)
    backend.fence(FLAG, 2, allowed)
    assert backend.read(FLAG).exposure == found
    assert json.loads((tmp_path / FLAG).read_text())["epoch"] == 2


def test_a_taker_takes_to_zero_what_an_older_epoch_wrote_unreadably(tmp_path: Path) -> None:
    backend = command_flag(tmp_path)
    (tmp_path / FLAG).write_text('{"exposure": "half", "epoch": 1}')
    backend.fence(FLAG, 2, TEN)
    assert backend.read(FLAG).exposure == ZERO


def test_a_taker_fences_the_loser(tmp_path: Path) -> None:
    loser, taker = command_flag(tmp_path), command_flag(tmp_path)
    loser.fence(FLAG, 1)
    put(loser, FLAG, TEN, 1)
    taker.fence(FLAG, 2, TEN)
    late_write(tmp_path, HALF, 1)
    assert taker.set_back(FLAG, TEN, 2)[0].exposure == TEN
    with pytest.raises(Fenced):
        put(loser, FLAG, HALF, 1)


def test_what_somebody_else_wrote_is_shown_and_not_fought(tmp_path: Path) -> None:
    backend = command_flag(tmp_path)
    backend.zero(FLAG, 3)
    late_write(tmp_path, HALF, 4)
    assert backend.read(FLAG).exposure == HALF
    (tmp_path / FLAG).write_text('{"exposure": {"layers": "all"}, "epoch": 0}')
    assert backend.read(FLAG).exposure is None
    with pytest.raises(Refused, match="not written over"):
        backend.fence(FLAG, 9)


@pytest.mark.parametrize(
    "printed", ["", "no json", "[]", '"on"', '{"exposure": {}, "epoch": "1"}', '{"epoch": -1}', '{"epoch": true}']
)
def test_what_cannot_be_understood_is_never_zero(tmp_path: Path, printed: str) -> None:
    backend = command_flag(tmp_path)
    (tmp_path / FLAG).write_text(printed)
    with pytest.raises(Refused):
        backend.read(FLAG)
    backend.zero(FLAG, None)
    assert backend.read(FLAG).exposure == ZERO


def test_zero_needs_neither_a_reading_nor_the_set_command(tmp_path: Path) -> None:
    backend = command_flag(tmp_path)
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    (tmp_path / "broken-read").touch()
    with pytest.raises(Unreachable, match="ended with 22. HTTP 500 from read"):
        backend.zero(FLAG, 2)
    (tmp_path / "broken-read").unlink()
    assert backend.read(FLAG).exposure == ZERO
    (tmp_path / "broken-set").touch()
    backend.zero(FLAG, 5)
    backend.fence(FLAG, 6)
    with pytest.raises(Unreachable, match="set of batch-patches-v1 ended with 22"):
        put(backend, FLAG, TEN, 6)


def test_a_zero_that_does_not_take_is_told(tmp_path: Path) -> None:
    backend = command_flag(tmp_path)
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    with pytest.raises(NotTaken, match="should serve nobody, found 10% of everyone"):
        backend.model_copy(update={"zero_command": ("true",)}).zero(FLAG, 2)


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    backend = command_flag(tmp_path).model_copy(update={"read_command": ("sleep", "60"), "timeout_seconds": 0.3})
    started = time.monotonic()
    with pytest.raises(Unreachable, match="did not end within 0.3 s"):
        backend.read(FLAG)
    assert time.monotonic() - started < 5


def test_check_and_bad_fields(tmp_path: Path) -> None:
    backend = command_flag(tmp_path)
    assert "answers" in backend.check()
    (tmp_path / "broken").touch()
    with pytest.raises(Unreachable):
        backend.check()
    with pytest.raises(Refused, match="no such program: /nowhere"):
        backend.model_copy(update={"zero_command": ("/nowhere",)}).check()
    for field, argv in (("zero_command", ()), ("set_command", ("x", "{token}")), ("read_command", ("",))):
        given = {"read_command": ("a",), "set_command": ("a",), "zero_command": ("a",), field: argv}
        with pytest.raises(ValueError, match=field):
            CommandFlag(**given)
