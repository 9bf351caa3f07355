"""A real HAProxy as the load balancer of a full rollback: everybody to legacy at once, and after a restart, too."""

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks import HaproxySplit
from blocks.balancers.traffic_split import TrafficSplit
from blocks.errors import Refused, Unreachable
from tests.blocks.servers import running_haproxy
from tests.blocks.split_flags import paths

USERS = [f"user-{number}" for number in range(300)]


def at(folder: Path, **fields: str) -> HaproxySplit:
    return HaproxySplit(**{"path": f"{folder}/split.map", "socket": f"{folder}/admin.sock", **fields})  # type: ignore[arg-type]


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[tuple[int, HaproxySplit]]:
    with running_haproxy(tmp_path, "new") as port:
        yield port, at(tmp_path)


def inside(port: int) -> set[str]:
    return {user for user, path in paths(port, USERS).items() if path == "new"}


def test_shares_are_true_nobody_leaves_and_all_go_to_legacy(haproxy: tuple[int, HaproxySplit]) -> None:
    port, split = haproxy
    assert isinstance(split, TrafficSplit)
    assert split.read().percent is None, "an empty map is nothing we wrote"
    before: set[str] = set()
    for percent in (12.5, 50, 100):
        assert split.split(percent).percent == percent
        now = inside(port)
        assert abs(100 * len(now) / len(USERS) - percent) <= 4 * math.sqrt(percent * (100 - percent) / len(USERS)) + 1
        assert before <= now
        before = now
    assert split.all_to_legacy().description == "everybody goes to legacy"
    assert split.all_to_legacy().percent == 0
    assert inside(port) == set()
    assert "everybody goes to legacy" in split.check()


def test_a_haproxy_that_is_started_again_comes_up_with_legacy(tmp_path: Path) -> None:
    split = at(tmp_path)
    with running_haproxy(tmp_path, "new"):
        split.split(100)
    with pytest.raises(Unreachable):
        split.all_to_legacy()
    with running_haproxy(tmp_path, "new") as port:
        assert inside(port) == set()
        assert split.read().percent == 0


def test_what_runs_otherwise_than_the_file_is_said(haproxy: tuple[int, HaproxySplit]) -> None:
    _, split = haproxy
    split.split(10)
    split._runtime.replace_map(split.path, {"new": "9000"})
    found = split.read()
    assert (found.percent, "the running HAProxy has 90%" in found.description) == (None, True)
    split._runtime.replace_map(split.path, {"new": "-1"})
    assert split.read().percent is None
    assert split.all_to_legacy().percent == 0


def test_by_hand_everybody_is_sent_to_legacy(haproxy: tuple[int, HaproxySplit]) -> None:
    port, split = haproxy
    split.split(100)
    for _ in range(2):
        subprocess.run(["bash", "-c", split.by_hand()], check=True, timeout=30)
        assert inside(port) == set()
        assert split.read().percent == 0


@pytest.mark.parametrize("text", ["theirs 1\n", "# Written by Tidegate.\nnew 5\ntheirs 1\n", "# kept\n"])
def test_a_file_that_is_somebody_elses_is_refused_and_left(haproxy: tuple[int, HaproxySplit], text: str) -> None:
    port, split = haproxy
    split.split(100)
    Path(split.path).write_text(text)
    for verb in (split.all_to_legacy, split.check):
        with pytest.raises(Refused, match="that Tidegate did not write; it is left as it is"):
            verb()
    assert Path(split.path).read_text() == text
    assert inside(port) == set(USERS)


@pytest.mark.parametrize("percent", [-1, 100.1, math.nan])
def test_a_share_that_is_none_is_refused(tmp_path: Path, percent: float) -> None:
    with pytest.raises(Refused, match="allowed is 0% to 100%"):
        at(tmp_path).split(percent)


@pytest.mark.parametrize(
    ("field", "value"),
    [("key", "new 1; shutdown"), ("key", "a\nb"), ("path", "/x\n"), ("path", "/a b"), ("socket", "x")],
)
def test_nothing_can_be_smuggled_into_a_command(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        at(tmp_path, **{field: value})
