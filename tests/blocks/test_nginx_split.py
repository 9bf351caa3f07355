"""A real nginx: the split is sticky and true to its share, and a reload drops nobody."""

import http.client
import math
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks import NginxSplit
from blocks.errors import Refused
from tests.blocks.servers import running_nginx

USERS = 3_000


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[tuple[int, NginxSplit]]:
    with running_nginx(tmp_path) as (port, argv):
        yield port, NginxSplit(path=str(tmp_path / "split.conf"), test=(*argv, "-t"), reload=(*argv, "-s", "reload"))


def ask(port: int, users: range) -> dict[int, str]:
    """Where each user is sent, over one kept connection that is opened again where nginx ended it between requests."""
    answers, connection = {}, http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for user in users:
        for last in (False, True):
            try:
                connection.request("GET", "/", headers={"x-user-id": f"user-{user}"})
                answer = connection.getresponse()
                answers[user] = answer.read().decode() if answer.status == 200 else str(answer.status)
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # A reload ends idle connections; a request that was taken is always answered.
                connection.close()
                if last:
                    raise
    connection.close()
    return answers


def in_effect(port: int, percent: float) -> set[int]:
    """The users of the new path among 400, once the workers of before the reload accept no more."""
    for _ in range(200):
        inside = {user for user, path in ask(port, range(400)).items() if path == "new"}
        if abs(len(inside) / 400 - percent / 100) < 0.1 and (percent % 100 or len(inside) == 4 * percent):
            return inside
    raise AssertionError(f"a share of {percent}% never took effect")


def test_a_reload_drops_nobody_and_everybody_is_sent_to_legacy(nginx: tuple[int, NginxSplit]) -> None:
    port, split = nginx
    assert split.split(25).description == "25% of the users go to new"
    split.split(25)
    in_effect(port, 25)
    found: dict[int, dict[int, str]] = {}
    half = threading.Barrier(5)

    def client(number: int) -> None:
        users = range(number, USERS, 4)
        # Before, across and after the reload: the first third is asked before it begins.
        first = ask(port, users[: len(users) // 3])
        half.wait()
        found[number] = first | ask(port, users[len(users) // 3 :])

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    half.wait()
    assert split.all_to_legacy().percent == 0
    for thread in threads:
        thread.join()
    answers = Counter(path for each in found.values() for path in each.values())
    assert sum(answers.values()) == USERS
    assert set(answers) <= {"new", "legacy"}
    before = Counter(
        path for n, each in found.items() for u, path in each.items() if u in set(range(n, USERS, 4)[:250])
    )
    assert abs(before["new"] / 1_000 - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 1_000)
    in_effect(port, 0)
    assert set(ask(port, range(USERS)).values()) == {"legacy"}


def test_nobody_leaves_while_the_share_rises(nginx: tuple[int, NginxSplit]) -> None:
    port, split = nginx
    inside: set[int] = set()
    for percent in (0, 12.5, 50, 100):
        split.split(percent)
        now = in_effect(port, percent)
        assert inside <= now
        inside = now


def test_what_nginx_refuses_is_taken_back(nginx: tuple[int, NginxSplit], tmp_path: Path) -> None:
    port, split = nginx
    split.split(50)
    before = (tmp_path / "split.conf").read_text()
    wrong = split.model_copy(update={"variable": "$other"})
    with pytest.raises(Refused, match='unknown "tidegate_path" variable'):
        wrong.split(10)
    assert (tmp_path / "split.conf").read_text() == before
    assert split.read().percent == 50
    assert set(ask(port, range(50)).values()) <= {"new", "legacy"}
    assert list(tmp_path.glob(".split*")) == []


@pytest.mark.parametrize("percent", [-1, 100.1, math.nan])
def test_a_share_that_is_none_is_refused(nginx: tuple[int, NginxSplit], percent: float) -> None:
    with pytest.raises(Refused, match="allowed is 0% to 100%"):
        nginx[1].split(percent)


def test_a_split_of_somebody_else_is_not_read_as_ours(nginx: tuple[int, NginxSplit], tmp_path: Path) -> None:
    split = nginx[1]
    assert split.read().percent is None  # ours, of another key
    (tmp_path / "split.conf").write_text(split._text(10).replace("* legacy", "* elsewhere"))
    assert split.read().percent is None
    split.all_to_legacy()
    assert "everybody goes to legacy" in split.check()


def test_a_reload_that_cannot_be_run_is_told(nginx: tuple[int, NginxSplit]) -> None:
    with pytest.raises(Refused, match="cannot be started"):
        nginx[1].model_copy(update={"reload": ("/nowhere/nginx",)}).all_to_legacy()
    with pytest.raises(Refused, match="nginx's reload failed"):
        nginx[1].model_copy(update={"reload": ("false",)}).all_to_legacy()


def test_nothing_of_the_configuration_can_be_smuggled_in() -> None:
    for field in ("new", "legacy", "salt"):
        with pytest.raises(ValueError, match=field):
            NginxSplit(path="/x", **{field: "a; } server { listen 1"})


def test_by_hand_everybody_is_sent_to_legacy(tmp_path: Path) -> None:
    split = NginxSplit(path=str(tmp_path / "split.conf"), test=("true",), reload=("true",))
    split.split(10)
    subprocess.run(["bash", "-c", split.by_hand()], check=True, timeout=30)
    assert split.read().percent == 0


# What people keep in the file that a connection names by mistake: a site, a file of ours that they went on with.
SITE = """upstream legacy { server 127.0.0.1:%(legacy)d; }
server {
    listen 127.0.0.1:%(port)d;
    location / { return 200 "site"; }
}
"""
SOMEBODYS = {
    "a site": SITE % {"legacy": 1, "port": 2},
    "a split of their own": 'split_clients "x" $tidegate_path { * legacy; }\n',
    "ours with a server below": '# Written by Tidegate.\nsplit_clients "x" $tidegate_path {\n    * legacy;\n}\nserver {}\n',
    "ours with a comment above": '# kept\n# Written by Tidegate.\nsplit_clients "x" $tidegate_path {\n    * legacy;\n}\n',
    "a comment": "# nothing yet\n",
}


@pytest.mark.parametrize("text", SOMEBODYS.values(), ids=SOMEBODYS)
def test_a_file_that_is_somebody_elses_is_refused_and_left(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.conf"
    path.write_text(text)
    split = NginxSplit(path=str(path), test=("true",), reload=("touch", str(tmp_path / "reloaded")))
    for verb in (split.all_to_legacy, split.check):
        with pytest.raises(Refused, match="that Tidegate did not write; it is left as it is"):
            verb()
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["a site", "a split of their own", "ours with a comment above"])
def test_by_hand_it_is_left_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.conf"
    path.write_text(SOMEBODYS[text])
    split = NginxSplit(path=str(path), test=("true",), reload=("true",))
    assert subprocess.run(["bash", "-c", split.by_hand()], timeout=30, check=False).returncode != 0
    assert path.read_text() == SOMEBODYS[text]


def test_a_file_that_cannot_be_read_is_left_and_an_empty_one_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "split.conf"
    split = NginxSplit(path=str(path), test=("true",), reload=("true",))
    path.write_bytes(b"server_name \xff;")
    with pytest.raises(Refused, match="cannot be read"):
        split.all_to_legacy()
    assert path.read_bytes() == b"server_name \xff;"
    for ready in (lambda: path.write_text("\n"), path.unlink):
        ready()
        assert split.all_to_legacy().percent == 0


def test_with_a_real_nginx_the_site_goes_on_serving(tmp_path: Path) -> None:
    with running_nginx(tmp_path) as (port, argv):
        site = tmp_path / "nginx.conf"
        before = site.read_text()
        split = NginxSplit(path=str(site), test=(*argv, "-t"), reload=(*argv, "-s", "reload"))
        with pytest.raises(Refused, match="did not write"):
            split.all_to_legacy()
        assert site.read_text() == before
        assert set(ask(port, range(20)).values()) <= {"new", "legacy"}


def test_all_to_legacy_stays_in_the_file_where_the_rest_of_nginx_is_refused(
    nginx: tuple[int, NginxSplit], tmp_path: Path
) -> None:
    port, split = nginx
    split.split(100)
    in_effect(port, 100)
    rest = tmp_path / "nginx.conf"
    sound = rest.read_text()
    rest.write_text(f"{sound}\nno_such_directive;\n")
    with pytest.raises(Refused, match="test of nginx's configuration failed"):
        split.all_to_legacy()
    with pytest.raises(Refused, match="test of nginx's configuration failed"):
        split.split(50)
    # Whoever mends it knows nothing of a rollout.
    rest.write_text(sound)
    split._run(split.reload, "a reload by hand")
    in_effect(port, 0)
