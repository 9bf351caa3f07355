"""`tidegate doctor` against a real Prefect server and a real Prometheus: each line, broken once, with its remedy."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.kit import read_kit, write_kit
from blocks.prefect_blocks.register_kit import register_kit
from console.dashboard import doctor_page
from demo.processes import free_port
from engine.doctor.how_installed import put_right
from engine.doctor.lines import DoctorLine, Look, State, looked_at
from engine.doctor.prefect_side import PROJECT
from engine.doctor.this_machine import _mismatch
from engine.prefect_api.work_pools import CARRIES
from tests.conftest import PrometheusServer
from tests.console.conftest import Demo, Run
from tests.console.dashboards import browser
from tests.console.test_workers import gone, heard

DECLARED = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]


@pytest.fixture(scope="module")
def deployed(prefect_server: None) -> None:
    """Pools with a worker each, and every deployment as prefect.yaml has it."""
    with get_client(sync_client=True) as client:
        for pool in CARRIES:
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            heard(pool)
        for one in DECLARED:
            flow = client.create_flow_from_name(one["entrypoint"].partition(":")[2])
            client.create_deployment(
                flow, one["name"], entrypoint=one["entrypoint"], work_pool_name=one["work_pool"]["name"],
                parameters=one.get("parameters") or {},
            )  # fmt: skip


@pytest.fixture
def whole(kit: Path, deployed: None, prometheus_server: PrometheusServer) -> Iterator[dict[str, Any]]:
    """The values of a kit that is registered as it stands."""
    values: dict[str, Any] = {
        "journal": {"url": f"sqlite:///{kit.parent / 'journal.db'}"},
        "flags": {"path": str(kit.parent / "flags.json")},
        "prometheus": {"url": prometheus_server.url, "timeout_seconds": 5},
    }
    write_kit(kit, values)
    register_kit(kit)
    return values


@pytest.fixture
def nowhere() -> int:
    """A port at which nobody listens."""
    return free_port()


def told(run: Run, *more: str) -> tuple[int, dict[str, dict[str, str]]]:
    code, out, err = run("doctor", "--json", *more)
    body = json.loads(out)
    assert body["stops"] is (code == 1), err
    lines = {line["name"]: line for line in body["lines"]}
    assert all(line["remedy"] for line in lines.values() if line["state"] != "ok")
    return code, lines


def test_where_all_is_well_nothing_stops(whole: dict[str, Any], run: Run) -> None:
    code, lines = told(run)
    assert (code, [line for line in lines.values() if line["state"] == "stops"]) == (0, [])
    seen = {
        "kit",
        "variables",
        "versions",
        "codes",
        "journal",
        "flags",
        "prometheus",
        "clocks",
        "server",
        "deployments",
    }
    assert seen | {f"workers of {pool}" for pool in CARRIES} | {"blocks", "pages", "channels"} <= lines.keys()
    assert lines["channels"]["state"] == lines["codes"]["state"] == "note"
    assert lines["blocks"]["sentence"] == "the blocks of `default` equal the kit's 3 parts"
    assert lines["deployments"]["sentence"].startswith(f"{len(DECLARED)} deployments")
    code, out, _ = run("doctor")
    assert (code, out.splitlines()[-1]) == (0, "nothing here would stop a rollout")


def test_each_thing_that_would_stop_a_rollout_is_told_with_its_remedy(
    whole: dict[str, Any], kit: Path, run: Run, nowhere: int
) -> None:
    pool = next(iter(CARRIES))
    gone(pool)
    try:
        write_kit(kit, whole | {"prometheus": {"url": f"http://127.0.0.1:{nowhere}", "token": "s3cr3t"}})
        code, lines = told(run)
    finally:
        heard(pool)
    assert code == 1
    wrong = {name: line for name, line in lines.items() if line["state"] == "stops"}
    assert set(wrong) == {f"workers of {pool}", "prometheus", "clocks", "blocks"}
    assert wrong[f"workers of {pool}"]["remedy"] == f"tidegate worker {pool}"
    assert wrong["blocks"]["sentence"] == "the blocks differ from the kit in prometheus.token, prometheus.url"
    assert wrong["blocks"]["remedy"] == "tidegate deploy"
    assert "s3cr3t" not in json.dumps(lines)


def test_what_is_deployed_otherwise_is_told(whole: dict[str, Any], run: Run) -> None:
    one = DECLARED[0]
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name(one["entrypoint"].partition(":")[2])
        client.create_deployment(
            flow, one["name"], entrypoint=one["entrypoint"], work_pool_name="tidegate-watch",
            parameters=one.get("parameters") or {},
        )  # fmt: skip
        try:
            code, lines = told(run)
        finally:
            client.create_deployment(
                flow, one["name"], entrypoint=one["entrypoint"], work_pool_name=one["work_pool"]["name"],
                parameters=one.get("parameters") or {},
            )  # fmt: skip
    assert code == 1
    assert lines["deployments"]["sentence"] == f"deployed otherwise than prefect.yaml says: {one['name']}"


def test_a_bad_kit_is_the_first_line_and_the_rest_is_looked_at(whole: dict[str, Any], kit: Path, run: Run) -> None:
    kit.chmod(0o644)
    code, lines = told(run)
    assert (code, next(iter(lines)), lines["kit"]["state"]) == (1, "kit", "stops")
    assert "0600" in lines["kit"]["sentence"]
    assert lines["server"]["state"] == "ok"
    assert "journal" not in lines
    kit.unlink()
    assert "there is no kit file" in told(run)[1]["kit"]["sentence"]


def test_without_a_server_it_ends_quickly_and_says_what_to_set(
    whole: dict[str, Any], run: Run, nowhere: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{nowhere}/api")
    refresh_global_settings_context()
    try:
        code, lines = told(run)
    finally:
        monkeypatch.undo()
        refresh_global_settings_context()
    assert code == 1
    assert lines["server"]["state"] == "stops"
    assert "PREFECT_API_URL" in lines["server"]["remedy"]
    assert lines["journal"]["state"] == "ok"
    # One thing is missing, and one line says so.
    assert [name for name, line in lines.items() if line["state"] == "stops"] == ["server"]
    assert "not looked at without it: pages, workers of tidegate, " in lines["server"]["sentence"]


def test_one_variable_that_is_missing_is_one_line(
    whole: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        code, lines = told(run)
    assert (code, [name for name, line in lines.items() if line["state"] == "stops"]) == (1, ["variables"])
    assert "PREFECT_API_URL: found nothing" in lines["variables"]["sentence"]
    assert "nothing of Prefect's side was looked at" in lines["variables"]["sentence"]
    assert {"journal", "flags", "prometheus"} <= lines.keys()


@pytest.fixture
def for_every_thread(whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Prefect's server as a process of its own has it: by its environment, and not in this thread's context alone."""
    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    refresh_global_settings_context()
    yield
    monkeypatch.undo()
    refresh_global_settings_context()


@pytest.mark.usefixtures("for_every_thread")
def test_the_dashboard_shows_the_same(kit: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_page, "FRESH_SECONDS", 3600.0)
    via = read_kit(kit)
    page = browser(via)
    assert 'href="/doctor"' in page.page("/")
    text = page.page("/doctor")
    assert "✓ Nothing here would stop a rollout" in text
    assert all(f"</span> {name}</strong>" in text for name in told(run)[1])
    kit.chmod(0o644)
    assert "Nothing here would stop a rollout" in page.page("/doctor"), "looked at anew before its time"
    monkeypatch.setattr(doctor_page, "FRESH_SECONDS", 0.0)
    fresh = page.page("/doctor")
    assert "would stop a rollout</p>" in fresh
    assert '<strong><span aria-hidden="true">✖</span> kit</strong>' in fresh


def test_messages_are_sent_only_where_asked(whole: dict[str, Any], kit: Path, run: Run, parts: Demo) -> None:
    values = {
        "slack": {"token": "xoxb-demo", "base_url": f"{parts.inbox}/slack/api/"},
        "pagerduty": {"routing_key": "0" * 32, "url": f"{parts.inbox}/pagerduty"},
    }
    write_kit(kit, whole | values)
    before = {kind: len(parts.messages(kind)) for kind in ("slack", "pagerduty")}
    told(run)
    assert {kind: len(parts.messages(kind)) for kind in before} == before
    _, lines = told(run, "--send", "#releases", "--send", "pagerduty", "--send", "ann@example.com")
    assert lines["message to #releases"]["state"] == lines["message to pagerduty"]["state"] == "ok"
    assert lines["message to ann@example.com"]["sentence"] == "the kit has no mail"
    assert len(parts.messages("slack")) == before["slack"] + 1
    assert [page["status"] for page in parts.messages("pagerduty")[before["pagerduty"] :]] == ["resolved"]
    assert run("doctor", "--send", "nowhere")[0] == 2


def test_a_look_that_breaks_would_stop_a_rollout() -> None:
    def broken() -> str:
        raise ZeroDivisionError("half a\nsentence")

    assert looked_at([Look("it", "mend it", broken)]) == (DoctorLine("it", State.STOPS, "half a sentence", "mend it"),)


def test_a_dependency_of_another_version_is_told() -> None:
    from packaging.requirements import Requirement

    pinned = next(
        d for d in tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"] if "==" in d
    )
    assert _mismatch(Requirement(pinned)) == ""
    assert "(allowed ==0.0.1)" in _mismatch(Requirement("prefect==0.0.1"))
    assert "is not installed" in _mismatch(Requirement("tidegate-no-such-thing>=1"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("project/pyproject.toml",), "`make setup` in "),
        (("prefix/uv-receipt.toml",), "`uv tool install --reinstall tidegate-"),
        (("prefix/pipx_metadata.json",), "`pipx install --force tidegate-"),
        ((), "/bin/python -m pip install --force-reinstall tidegate-"),
    ],
)
def test_what_mends_a_dependency_fits_how_tidegate_was_installed(
    files: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    remedy = put_right(tmp_path / "project", tmp_path / "prefix")
    assert said in remedy
    assert ("make setup" in remedy) is bool(files and files[0].startswith("project/"))
