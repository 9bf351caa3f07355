"""The flagd file: other flags, other hands, late writers, and what a real provider makes of it."""

import fcntl
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent

from blocks import FlagdFile
from blocks.errors import Fenced, Refused, Unreachable
from blocks.flags.flagd.flagd_fence import Fence
from blocks.flags.flagd.flagd_rules import render
from tests.blocks.flag_files import FLAG, LateWriter, everyone
from tests.permits import put as raised
from tidegate.values.exposure import ZERO, Exposure, Layer

OTHER = {"state": "ENABLED", "variants": {"big": 12.5, "small": 1}, "defaultVariant": "small", "source": "päth"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"flags": {"other": OTHER}, "metadata": {"team": "x"}, "$evaluators": {}}))
    return path


@pytest.fixture
def backend(file: Path) -> FlagdFile:
    backend = FlagdFile(path=str(file), timeout_seconds=0.2)
    backend.fence(FLAG, 1)
    return backend


def definition(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["flags"][FLAG]
    return found


def put(file: Path, flag: dict[str, Any]) -> None:
    document = json.loads(file.read_text())
    document["flags"][FLAG] = flag
    file.write_text(json.dumps(document))


def test_a_file_that_stays_is_read_once_and_every_change_of_it_is_seen(
    file: Path, backend: FlagdFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.flags.flagd.flagd_store._SETTLED_NANOSECONDS", 0)
    raised(backend, FLAG, everyone(10), 1)
    assert backend.read(FLAG).exposure == everyone(10)
    assert backend._parsed() is backend._parsed()
    put(file, render(everyone(25)))  # by hand, into the same file
    assert backend.read(FLAG).exposure is None  # something else, and no longer what it was
    raised(backend, FLAG, everyone(50), 1)
    assert backend.read(FLAG).exposure == everyone(50)
    file.unlink()
    assert backend.read(FLAG).exposure == ZERO


def test_a_file_that_has_just_changed_is_read_each_time(file: Path, backend: FlagdFile) -> None:
    raised(backend, FLAG, everyone(10), 1)
    seen = file.stat()
    assert backend.read(FLAG).exposure == everyone(10)
    assert backend._parsed() is not backend._parsed()
    assert backend._known is None
    assert seen == file.stat()


def test_what_others_keep_in_the_file_stays(backend: FlagdFile, file: Path) -> None:
    put(file, {**render(ZERO), "metadata": {"owner": "team a"}})
    file.chmod(0o640)
    raised(backend, FLAG, everyone(10), 1)
    document = json.loads(file.read_text())
    assert document["flags"]["other"] == OTHER
    assert (document["metadata"], document["$evaluators"]) == ({"team": "x"}, {})
    assert document["flags"][FLAG]["metadata"]["owner"] == "team a"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_from_the_future_is_followed_by_a_newer_one(backend: FlagdFile, file: Path) -> None:
    ahead = time.time() + 3600
    os.utime(file, (ahead, ahead))
    raised(backend, FLAG, everyone(10), 1)
    assert file.stat().st_mtime > ahead


def test_an_equal_write_leaves_the_file_alone(backend: FlagdFile, file: Path) -> None:
    raised(backend, FLAG, everyone(10), 1)
    before = file.stat()
    raised(backend, FLAG, everyone(10), 1)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)
    FlagdFile(path=str(link)).zero(FLAG, None)
    assert link.is_symlink()
    assert definition(file)["targeting"] == {}


@pytest.mark.parametrize(
    "change",
    [
        {"state": "DISABLED"},
        {"targeting": {}},
        {"targeting": {"if": [{"in": [{"var": "group"}, ["a"]]}, "off"]}},
        {"targeting": {"fractional": [["on", 0], ["off", 1000]]}},
    ],
)
def test_a_hand_set_off_is_zero(backend: FlagdFile, file: Path, change: dict[str, Any]) -> None:
    raised(backend, FLAG, everyone(10), 1)
    put(file, {**definition(file), **change})
    assert backend.read(FLAG).exposure == ZERO


@pytest.mark.parametrize(
    "change",
    [
        {"targeting": {"fractional": [["on", 200], ["off", 800]]}},
        {"targeting": {}, "defaultVariant": "on"},
        {"targeting": {"if": [{"in": [{"var": "group"}, ["a"]]}, "on", "off"]}},
        {"targeting": {"$ref": "somebody-elses-rule"}},
        {"variants": {"on": True, "off": True}},
        {"variants": {"on": 1, "off": 0}},
    ],
)
def test_a_foreign_definition_is_no_exposure(backend: FlagdFile, file: Path, change: dict[str, Any]) -> None:
    raised(backend, FLAG, everyone(10), 1)
    before = backend.read(FLAG)
    put(file, {**definition(file), **change})
    reading = backend.read(FLAG)
    assert reading.exposure is None
    assert reading.revision != before.revision
    assert "by hand" in reading.description
    backend.zero(FLAG, 1)
    assert backend.read(FLAG).exposure == ZERO


def test_the_revision_does_not_know_the_epoch(backend: FlagdFile, file: Path) -> None:
    first = raised(backend, FLAG, everyone(10), 1)
    backend.fence(FLAG, 2)
    raised(backend, FLAG, everyone(20), 2)
    assert raised(backend, FLAG, everyone(10), 2) == first
    assert definition(file)["metadata"]["tidegateEpoch"] == 2


@pytest.mark.parametrize("by", ["zero", "write"])
def test_zero_names_the_plans_attribute_and_has_the_revision_of_a_release_that_wrote_another(
    backend: FlagdFile, file: Path, by: str
) -> None:
    raised(backend, FLAG, Exposure((Layer("beta", ("b",), 100.0),), attribute="team"), 1)
    revision = backend.zero(FLAG, 1) if by == "zero" else backend.write(FLAG, ZERO, 1)
    now = definition(file)
    assert json.loads(now["metadata"]["tidegateExposure"]) == {"attribute": "team", "layers": []}
    assert (backend.read(FLAG).exposure, backend.read(FLAG).revision) == (ZERO, revision)
    # As it was written until now, and as journals of rollouts that go on have its revision.
    earlier = {"layers": [], "attribute": "group", "always_on": [], "always_off": []}
    text = json.dumps(earlier, sort_keys=True, separators=(",", ":"))
    put(file, {**now, "metadata": {**now["metadata"], "tidegateExposure": text}})
    assert (backend.read(FLAG).exposure, backend.read(FLAG).revision) == (ZERO, revision)
    before = file.read_bytes()
    assert backend.zero(FLAG, 1) == revision
    assert file.read_bytes() == before


def test_a_flag_that_was_never_raised_is_at_zero_and_names_no_attribute(backend: FlagdFile, file: Path) -> None:
    backend.zero(FLAG, 1)
    assert json.loads(definition(file)["metadata"]["tidegateExposure"]) == {"layers": []}
    assert backend.read(FLAG).description == str(ZERO)


def test_broken_json_is_named_by_file_and_line(backend: FlagdFile, file: Path) -> None:
    file.write_text('{\n  "flags": {\n    "a": }\n}')
    for call in (lambda: backend.read(FLAG), lambda: backend.zero(FLAG, None), backend.check):
        with pytest.raises(Refused, match=r"flags\.json, line 3"):
            call()
    assert file.read_text().startswith("{\n")


def test_a_flag_that_is_not_boolean_is_not_raised(backend: FlagdFile) -> None:
    backend.fence("other", 1)
    with pytest.raises(Refused, match="not boolean"):
        raised(backend, "other", everyone(10), 1)


def test_a_missing_folder(tmp_path: Path) -> None:
    backend = FlagdFile(path=str(tmp_path / "no" / "flags.json"))
    with pytest.raises((Unreachable, Refused)):
        backend.check()


def test_no_flag_name_leads_out_of_the_folder(file: Path) -> None:
    fence = Fence(file)
    for flag in ("..", "../../x", "a/b", "."):
        assert fence.epoch_folder(flag, 1).parent.parent == fence.root
        fence.raise_to(flag, 1)
        assert fence.newest(flag) == 1


def test_two_who_raise_the_fence_at_once_agree(file: Path) -> None:
    fence, failed = Fence(file), []

    def raise_to(epoch: int) -> None:
        try:
            fence.raise_to(FLAG, epoch)
        except Fenced:
            failed.append(epoch)

    for base in range(0, 400, 8):
        threads = [threading.Thread(target=raise_to, args=(base + n,)) for n in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [path.name for path in fence.epoch_folder(FLAG, 1).parent.iterdir()] == [str(base + 8)]
        assert base + 8 not in failed


def test_a_raise_waits_for_the_lock_and_a_zero_goes_ahead(backend: FlagdFile, file: Path) -> None:
    raised(backend, FLAG, everyone(10), 1)
    with (file.with_name("flags.json.tidegate") / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unreachable):
            raised(backend, FLAG, everyone(50), 1)
        backend.zero(FLAG, None)
    assert backend.read(FLAG).exposure == ZERO


@pytest.fixture
def late_writer(request: pytest.FixtureRequest, backend: FlagdFile, file: Path) -> Iterator[LateWriter]:
    flag, place = request.param
    if flag != FLAG:
        raised(backend, FLAG, everyone(10), 1)
    backend.fence(flag, 1)
    with closing(LateWriter(file, flag, place)) as writer:
        yield writer


OURS = [(FLAG, "move"), (FLAG, "read")]


@pytest.mark.parametrize("late_writer", OURS, indirect=True)
def test_without_a_newer_epoch_the_late_writer_succeeds(backend: FlagdFile, late_writer: LateWriter) -> None:
    assert late_writer.go_on() == "written"
    assert backend.read(FLAG).exposure == everyone(50)


@pytest.mark.parametrize("late_writer", OURS, indirect=True)
def test_a_late_writer_fails_after_the_fence(backend: FlagdFile, late_writer: LateWriter) -> None:
    backend.fence(FLAG, 2)
    assert late_writer.go_on() == "Fenced"
    assert backend.read(FLAG).exposure == ZERO


@pytest.mark.parametrize("late_writer", OURS, indirect=True)
def test_a_late_writer_fails_after_a_zero_that_went_ahead(backend: FlagdFile, late_writer: LateWriter) -> None:
    backend.zero(FLAG, None)
    assert late_writer.go_on() == "Fenced"
    assert backend.read(FLAG).exposure == ZERO


@pytest.mark.parametrize("late_writer", [("neighbour", "move"), ("neighbour", "read")], indirect=True)
def test_a_late_writer_of_another_flag_does_not_put_ours_back(backend: FlagdFile, late_writer: LateWriter) -> None:
    assert backend.read(FLAG).exposure == everyone(10)
    # It read the file before our zero, with our flag raised, and its own flag's fence still stands.
    backend.zero(FLAG, None)
    assert late_writer.go_on() == "Unreachable"
    assert backend.read(FLAG).exposure == ZERO
    assert backend.read("neighbour").exposure == ZERO


class Evaluator:
    """A real OpenFeature provider on the file."""

    def __init__(self, file: Path) -> None:
        self._file, self._changed = file, threading.Event()
        api.set_provider(
            FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(file), deadline_ms=50)
        )
        self._client = api.get_client()
        self._client.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, lambda _: self._changed.set())

    def wait(self, exposure: Exposure) -> None:
        """Wait until this is what it evaluates: an event may still be the one of the change before."""
        touched = time.monotonic()
        end = touched + 30
        while time.monotonic() < end:
            self._changed.clear()
            seen = self._client.get_boolean_details(FLAG, False, EvaluationContext("user-1", {})).flag_metadata
            stored = json.loads(str(seen.get("tidegateExposure", "{}")))
            if stored.get("layers") == exposure.to_json()["layers"]:
                return
            if not self._changed.wait(2) and time.monotonic() > touched + 5:
                # A provider that had read the file just before a change, and asked for its time just after, knows of none.
                touched = time.monotonic()
                os.utime(self._file)
        raise AssertionError(f"the provider did not notice the change to {exposure}")

    def users(self, group: str, count: int = 6_000) -> set[int]:
        """Those of the group's users who are on."""
        return {
            user
            for user in range(count)
            if self._client.get_boolean_value(FLAG, False, EvaluationContext(f"user-{user}", {"group": group}))
        }

    def anonymous(self) -> bool:
        return self._client.get_boolean_value(FLAG, False, EvaluationContext(None, {"group": "x"}))


@pytest.fixture
def evaluator(backend: FlagdFile, file: Path) -> Iterator[Evaluator]:
    raised(backend, FLAG, ZERO, 1)
    yield Evaluator(file)
    api.shutdown()


def test_real_evaluation(backend: FlagdFile, evaluator: Evaluator) -> None:
    def serve(exposure: Exposure) -> None:
        raised(backend, FLAG, exposure, 1)
        evaluator.wait(exposure)

    before: set[int] = set()
    for percent in (10.0, 12.5, 25.0, 50.0, 100.0):
        serve(everyone(percent))
        now = evaluator.users("x")
        assert abs(len(now) / 6_000 - percent / 100) < 0.022
        assert before <= now
        before = now
    assert not backend.read(FLAG).description.startswith("0%")

    serve(
        Exposure(
            (Layer("beta", ("b",), 100.0), Layer("trial", ("t", "b"), 50.0), Layer("everyone", None, 10.0)),
            always_on=("staff",),
            always_off=("held",),
        )
    )
    tenth, half = evaluator.users("x"), evaluator.users("t")
    assert tenth < half < set(range(6_000))
    assert (len(evaluator.users("b", 500)), len(evaluator.users("staff", 500)), len(evaluator.users("held", 500))) == (
        500,
        500,
        0,
    )
    assert not evaluator.anonymous()

    backend.zero(FLAG, None)
    evaluator.wait(ZERO)
    assert not any(evaluator.users(group, 500) for group in ("x", "t", "b", "staff", "held"))
