"""The demo's service with its flag in Unleash: shares are whole cohorts, a silent server changes nothing, the split is checked."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from blocks.flags.unleash.unleash_rules import render
from demo.batch_patches.cohorts import NAMES, cohort_of_bucket
from demo.batch_patches.flag import FLAG
from demo.stack import FLAG_SYSTEMS
from demo.unleash.flag import UnleashFlag, exposure_in
from demo.unleash.split import wrong_split
from tests.console.conftest import Run, run
from tests.e2e.waiting import wait_for
from tidegate.values.exposure import ZERO, Exposure, Layer

__all__ = ["run"]
USERS = tuple(f"u{number:05}" for number in range(1, 601))
IN = {10: NAMES[:1], 25: NAMES[:2], 50: NAMES[:3], 100: NAMES}


def of(percent: float) -> Exposure:
    layers = (Layer("everyone", None, percent),) if percent else ()
    return Exposure(layers, always_on=("synthetic",), always_off=("synthetic-control",))


def feature(exposure: Exposure | None, epoch: int = 1, *, enabled: bool = True) -> dict[str, Any]:
    strategies = list(render(FLAG, exposure, epoch, "userId")) if exposure is not None else []
    return {"name": FLAG, "type": "release", "enabled": enabled, "strategies": strategies, "variants": []}


class ClientApi(ThreadingHTTPServer):
    """What SDKs ask, answered with the flag as it is set here; while `down`, with 503."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.flag, self.down, self.refused = feature(None, enabled=False), False, 0

    @property
    def body(self) -> dict[str, Any]:
        return {"version": 2, "features": [self.flag], "segments": [], "meta": {"revisionId": 1}}


class _Answers(BaseHTTPRequestHandler):
    server: ClientApi

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == "sdk"
        self.server.refused += self.server.down
        self.send_response(503 if self.server.down else 200 if allowed else 401)
        body = json.dumps(self.server.flag if self.path.endswith(FLAG) else self.server.body).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[ClientApi]:
    with ClientApi() as api:
        thread = threading.Thread(target=api.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield api
        finally:
            api.shutdown()
            thread.join()


@pytest.fixture
def flag(api: ClientApi) -> Iterator[UnleashFlag]:
    flag = UnleashFlag(api.url, "sdk", "development")
    yield flag
    flag.close()


def on(flag: UnleashFlag, group: str = "general") -> set[str]:
    return {user for user in USERS if flag.assign(user, group).on}


def test_a_share_of_the_flag_is_whole_cohorts_and_nobody_leaves(api: ClientApi, flag: UnleashFlag) -> None:
    cohorts = {user: flag.cohort(user, "general") for user in USERS}
    assert not on(flag)
    before: object = None
    for percent, names in IN.items():
        api.flag = feature(of(percent))
        wait_for(lambda b=before: flag.assign("u", "").exposure != b, 10, "it is fetched")
        before = flag.assign("u", "").exposure
        assert on(flag) == {user for user, cohort in cohorts.items() if cohort in names}
        assert on(flag, "synthetic") == set(USERS)
        assert not on(flag, "synthetic-control")
    assert {flag.cohort(user, "synthetic-control") for user in USERS} == {"control"}


def test_a_server_that_is_down_changes_nothing(api: ClientApi, flag: UnleashFlag) -> None:
    api.flag = feature(of(50))
    wait_for(lambda: on(flag), 10, "it is fetched")
    half = on(flag)
    api.down = True
    wait_for(lambda: api.refused >= 2, 20, "it was asked in vain")
    assert on(flag) == half
    api.down, api.flag = False, feature(ZERO, 2, enabled=False)
    wait_for(lambda: not on(flag), 20, "zero is fetched")


def test_a_server_that_never_answered_is_off(api: ClientApi) -> None:
    api.down = True
    flag = UnleashFlag(api.url, "sdk", "development")
    try:
        assert not on(flag)
        assert flag.assign("u", "general").exposure is None
    finally:
        flag.close()


def test_the_exposure_changes_with_what_is_served_and_with_nothing_else() -> None:
    ten = exposure_in(feature(of(10)))
    assert ten == exposure_in(feature(of(10), epoch=7)), "another epoch exposes nobody else"
    assert len({ten, exposure_in(feature(of(25))), exposure_in(feature(of(10), enabled=False))}) == 3
    assert exposure_in(feature(None)) is None
    both = feature(of(25), 2)
    both["strategies"] = [*render(FLAG, of(10), 1, "userId"), *both["strategies"]]
    assert exposure_in(both) == exposure_in(feature(of(25), 2)), "what an older epoch left is no exposure"


@pytest.mark.parametrize("bucket", [0, 101])
def test_a_bucket_that_there_is_not_is_in_no_cohort(bucket: int) -> None:
    assert [cohort_of_bucket(b) for b in (1, 10, 11, 25, 26, 50, 51, 100)] == [n for n in NAMES for _ in (1, 2)]
    with pytest.raises(ValueError, match="found the bucket"):
        cohort_of_bucket(bucket)


@pytest.mark.parametrize(
    ("share", "name", "said"),
    [
        ("25", "flexibleRollout", ""),
        ("12.5", "flexibleRollout", "found the share 12.5"),
        ("101", "flexibleRollout", "found the share 101"),
        ("40%", "flexibleRollout", "found the share 40%"),
        ("25", "default", "found the strategy default"),
    ],
)
def test_the_split_is_checked(share: str, name: str, said: str) -> None:
    flag = feature(of(25))
    flag["strategies"][0] |= {"name": name, "parameters": {**flag["strategies"][0]["parameters"], "rollout": share}}
    assert (said in wrong_split(flag)) if said else wrong_split(flag) == ""


def test_a_flag_that_is_on_for_everybody_by_having_no_strategy_is_no_split() -> None:
    assert "everybody" in wrong_split(feature(None))
    assert wrong_split(feature(None, enabled=False)) == ""
    assert "no split" in wrong_split({"name": FLAG})


def test_the_check_is_a_command_whose_token_is_in_no_argument(api: ClientApi, tmp_path: Path) -> None:
    kept = tmp_path / "secrets.json"
    for token, code, words in (("sdk", 0, "is valid"), ("other", 1, "does not give")):
        kept.write_text(json.dumps({"sdk": token}))
        argv = [sys.executable, "-m", "demo.unleash.split", api.url, str(kept), FLAG]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert (done.returncode, words in done.stdout) == (code, True), done.stdout + done.stderr


@pytest.mark.parametrize("command", ["demo", "up"])
def test_an_unknown_flag_system_is_refused_with_those_there_are(
    run: Run, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(command, "--flags", "sheet")
    assert code == 2, out + err
    assert f"--flags: found 'sheet', allowed are {', '.join(FLAG_SYSTEMS)}" in " ".join(err.split())
    assert list(tmp_path.iterdir()) == []
