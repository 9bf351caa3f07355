"""HAProxy and nginx as flags, both real: shares true and sticky, groups as asked, nobody leaves, zero at once."""

import fcntl
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks import HaproxyFlag, NginxFlag
from blocks.errors import ChangedMeanwhile, Fenced, Refused, Unreachable
from tests.blocks.servers import running_haproxy
from tests.blocks.split_flags import FLAG, paths, running_nginx_flag
from tests.permits import put
from tidegate.values.exposure import ZERO, Exposure, Layer

USERS = [f"user-{number}" for number in range(400)]
TEN = Exposure((Layer("everyone", None, 10.0),))


def everyone(percent: float, **more: Any) -> Exposure:
    return Exposure((Layer("everyone", None, percent),), **more)


@pytest.fixture(params=["haproxy", "nginx"])
def split(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, Any]]:
    """A load balancer of each kind: its port, and the connection."""
    if request.param == "nginx":
        with running_nginx_flag(tmp_path) as running:
            yield running
        return
    with running_haproxy(tmp_path, FLAG) as port:
        yield port, HaproxyFlag(path=f"{tmp_path}/split.map", socket=f"{tmp_path}/admin.sock", timeout_seconds=5)


def until(look: Callable[[], bool]) -> None:
    """Return once it is so: nginx's old workers end after its reload has."""
    end = time.monotonic() + 20
    while not look():
        assert time.monotonic() < end, "it never came to be"


def inside(port: int, group: str = "") -> set[str]:
    return {user for user, path in paths(port, USERS, group).items() if path == "new"}


def test_shares_are_true_and_sticky_and_nobody_leaves(split: tuple[int, Any]) -> None:
    port, backend = split
    backend.fence(FLAG, 1)
    before: set[str] = set()
    for percent in (10, 12.55, 50, 100):
        put(backend, FLAG, everyone(percent), 1)
        bound = 4 * math.sqrt(percent * (100 - percent) / len(USERS)) + 1
        until(lambda p=percent, b=bound: abs(100 * len(inside(port)) / len(USERS) - p) <= b)  # type: ignore[misc]
        now = inside(port)
        assert before <= now
        before = now
    backend.zero(FLAG, None)
    until(lambda: inside(port) == set())


def test_groups_are_on_or_off_as_asked(split: tuple[int, Any]) -> None:
    port, backend = split
    backend.fence(FLAG, 1)
    layers = (Layer("beta", ("beta@example.com",), 100.0), Layer("everyone", None, 0.0))
    exposure = Exposure(layers, always_on=("default", "größe|x"), always_off=("held",))
    put(backend, FLAG, exposure, 1)
    wanted = {"beta@example.com": True, "default": True, "held": False, "": False, "other": False}
    until(lambda: {g: set(paths(port, USERS[:20], g).values()) == {"new"} for g in wanted} == wanted)
    assert backend.read(FLAG).exposure == exposure


def test_the_file_keeps_it_over_a_restart(tmp_path: Path) -> None:
    backend = HaproxyFlag(path=f"{tmp_path}/split.map", socket=f"{tmp_path}/admin.sock", timeout_seconds=5)
    with running_haproxy(tmp_path, FLAG):
        backend.fence(FLAG, 1)
        put(backend, FLAG, everyone(100), 1)
    with pytest.raises(Unreachable):
        backend.read(FLAG)
    with running_haproxy(tmp_path, FLAG) as port:
        assert backend.read(FLAG).exposure == everyone(100)
        assert len(inside(port)) == len(USERS)


def test_what_runs_otherwise_than_the_file_is_no_exposure(tmp_path: Path) -> None:
    with running_haproxy(tmp_path, FLAG):
        backend = HaproxyFlag(path=f"{tmp_path}/split.map", socket=f"{tmp_path}/admin.sock", timeout_seconds=5)
        backend.fence(FLAG, 1)
        put(backend, FLAG, TEN, 1)
        backend._runtime.replace_map(backend.path, {FLAG: "9000"})
        seen = backend.read(FLAG)
        assert (seen.exposure, "the running HAProxy has {'batch-patches-v1': '9000'}" in seen.description) == (
            None,
            True,
        )
        with pytest.raises(Refused, match="the running HAProxy has"):
            backend.check()
        backend.zero(FLAG, None)
        assert backend.read(FLAG).exposure == ZERO


def test_a_late_writer_that_had_read_before_is_not_let_through(split: tuple[int, Any]) -> None:
    _, backend = split
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    prepared = backend.look(FLAG)
    backend.fence(FLAG, 2, TEN)
    with pytest.raises(ChangedMeanwhile):
        backend.store(FLAG, everyone(100), 1, prepared)
    with pytest.raises(Fenced):
        put(backend, FLAG, everyone(100), 1)
    assert backend.read(FLAG).exposure == TEN


def test_a_zero_does_not_wait_for_who_holds_the_lock(split: tuple[int, Any]) -> None:
    _, backend = split
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    lock = Path(backend.path).with_name(f".{Path(backend.path).name}.lock")
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        backend.turn_off(FLAG, 2)
        assert time.monotonic() - began < 10
    assert backend.read(FLAG).exposure == ZERO


def test_a_file_of_somebody_else_is_left_alone(split: tuple[int, Any]) -> None:
    _, backend = split
    Path(backend.path).write_text("theirs 1\n")
    calls: list[Any] = [lambda: backend.read(FLAG), lambda: backend.zero(FLAG, None)]
    for call in calls:
        with pytest.raises(Refused, match="did not write"):
            call()
    assert Path(backend.path).read_text() == "theirs 1\n"


def test_what_cannot_be_said_is_refused_before_anybody_is_exposed(tmp_path: Path) -> None:
    haproxy = HaproxyFlag(path=f"{tmp_path}/split.map", socket=f"{tmp_path}/admin.sock")
    with pytest.raises(Refused, match="found the group 'a b'"):
        haproxy.question(FLAG, Exposure(always_on=("a b",)))
    nginx = NginxFlag(path=f"{tmp_path}/split.conf")
    with pytest.raises(Refused, match="found the groups 'Beta' and 'beta'"):
        nginx.question(FLAG, Exposure(always_on=("Beta",), always_off=("beta",)))


def test_a_configuration_that_nginx_refuses_is_taken_back(tmp_path: Path) -> None:
    with running_nginx_flag(tmp_path) as (_, backend):
        backend.fence(FLAG, 1)
        put(backend, FLAG, TEN, 1)
        before = Path(backend.path).read_text()
        broken = backend.model_copy(update={"test": ("false",)})
        with pytest.raises(Refused, match="test of nginx's configuration failed"):
            put(broken, FLAG, everyone(50), 1)
        assert Path(backend.path).read_text() == before


def test_a_zero_that_nginx_has_not_taken_over_is_not_read_as_one(tmp_path: Path) -> None:
    with running_nginx_flag(tmp_path) as (port, backend):
        backend.fence(FLAG, 1)
        put(backend, FLAG, everyone(100), 1)
        until(lambda: len(inside(port)) == len(USERS))
        with pytest.raises(Refused, match="nginx's reload failed"):
            backend.model_copy(update={"reload": ("false",)}).zero(FLAG, 2)
        seen = backend.read(FLAG)
        assert (seen.exposure, seen.description) == (None, "nginx was not seen to take over what the file says")
        assert len(inside(port)) == len(USERS)
        backend.zero(FLAG, 2)
        assert backend.read(FLAG).exposure == ZERO
        until(lambda: inside(port) == set())


def test_what_another_writes_while_nginx_reloads_is_not_written_over(tmp_path: Path) -> None:
    with running_nginx_flag(tmp_path) as (_, backend):
        for flag in (FLAG, "other"):
            backend.fence(flag, 1)
            put(backend, flag, TEN, 1)

        class Meanwhile(type(backend)):  # type: ignore[misc]
            def _run(self, argv: tuple[str, ...], what: str) -> None:
                super()._run(argv, what)
                if what == "nginx's reload":
                    backend.zero("other", 2)

        late = Meanwhile(**backend.model_dump())
        late.turn_off(FLAG, 2)
        assert [backend.read(flag).exposure for flag in (FLAG, "other")] == [ZERO, ZERO]


def test_a_zero_stays_in_the_file_where_the_rest_of_nginx_is_refused(tmp_path: Path) -> None:
    with running_nginx_flag(tmp_path) as (port, backend):
        backend.fence(FLAG, 1)
        put(backend, FLAG, everyone(100), 1)
        rest = tmp_path / "nginx.conf"
        sound = rest.read_text()
        rest.write_text(f"{sound}\nno_such_directive;\n")
        with pytest.raises(Refused, match="test of nginx's configuration failed"):
            backend.zero(FLAG, 2)
        # Whoever mends it knows nothing of a flag.
        rest.write_text(sound)
        backend._run(backend.reload, "a reload by hand")
        until(lambda: inside(port) == set())


def test_a_zero_whose_own_lines_are_refused_is_taken_back(tmp_path: Path) -> None:
    with running_nginx_flag(tmp_path) as (_, backend):
        backend.fence(FLAG, 1)
        put(backend, FLAG, TEN, 1)
        before = Path(backend.path).read_text()
        no_zero = ("sh", "-c", 'grep -q split_clients "$0"', backend.path)
        with pytest.raises(Refused, match="test of nginx's configuration failed"):
            backend.model_copy(update={"test": no_zero}).zero(FLAG, 2)
        assert Path(backend.path).read_text() == before


def test_the_state_stands_in_the_file_beside_what_is_read_from_it(split: tuple[int, Any]) -> None:
    _, backend = split
    backend.fence(FLAG, 3)
    put(backend, FLAG, TEN, 3)
    line = next(line for line in Path(backend.path).read_text().splitlines() if line.startswith("# tidegate "))
    assert json.loads(line.removeprefix("# tidegate ")) == {"flag": FLAG, "epoch": 3, "exposure": TEN.to_json()}
