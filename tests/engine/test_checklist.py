"""The checklist's looks on real parts: evidence is fetched, trouble is a finding, and nothing is waited for without end."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks import Commands, Evidence, FlagdFile, Journal, OpenConnections, PagerDuty, Prometheus, Slack, Web
from engine.preflight.checklist import ChecklistSources, line_looks, newest_drill, within_seconds
from engine.preflight.checks import Check, preflight_checks, run_checks
from tests.blocks.conftest import Answer, LocalServer, Request, local_server
from tests.conftest import PrometheusServer
from tests.tidegate.builders import STARTER, plan_of
from tidegate.plan.pace import Pace, Timing
from tidegate.values.verdict import Finding, Verdict

__all__ = ["local_server"]  # the fixture
NOW = datetime.now(UTC)
P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741


@pytest.fixture
def via(tmp_path: Path) -> Iterator[OpenConnections]:
    """Connections with nothing that a checklist needs."""
    bare = OpenConnections(
        Journal(url=SecretStr(f"sqlite:///{tmp_path}/journal.db")),
        FlagdFile(path=str(tmp_path / "flags.json")),
        Prometheus(url="http://127.0.0.1:9", timeout_seconds=1),
    )
    yield bare
    bare.close()


def with_parts(via: OpenConnections, **parts: Any) -> OpenConnections:
    return OpenConnections(via.journal, via.flags, parts.pop("prometheus", via.prometheus), **parts)


def looked(via: OpenConnections, *items: dict[str, Any]) -> list[Finding]:
    lines = [{"text": "The line", "role": "lead", **item} for item in items]
    plan = plan_of({"checklist": {"Section": lines}})
    return [look() for _, look in line_looks(ChecklistSources(via, plan, Timing(plan, Pace(NOW)), NOW))]


def looked_once(via: OpenConnections, item: dict[str, Any]) -> Finding:
    [found] = looked(via, item)
    assert (found.criterion, found.text) == ("checklist.1.1", "Section: The line")
    return found


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"proof": "command", "command": "audit"}, "add a part commands"),
        ({"proof": "load_balancer", "command": "check"}, "add a part commands"),
        ({"proof": "reviews", "command": "reviews"}, "add a part commands"),
        ({"proof": "http", "source": "grafana"}, "add a part web"),
        ({"proof": "backup", "source": "backups", "fresh": "26h"}, "add a part web"),
        ({"proof": "slack"}, "add a part slack"),
        ({"proof": "pagerduty", "asks": "integration", "service": "shop"}, "add a part pagerduty"),
    ],
)
def test_a_part_that_the_kit_lacks_is_named(via: OpenConnections, item: dict[str, Any], words: str) -> None:
    found = looked_once(via, item)
    assert found.verdict is E
    assert words in found.sentence
    assert "kit" in found.sentence


def test_pagerduty_without_a_rest_key_is_told(via: OpenConnections) -> None:
    has = with_parts(via, pagerduty=PagerDuty(routing_key=SecretStr("r"), url="http://127.0.0.1:9"))
    found = looked_once(has, {"proof": "pagerduty", "asks": "on_call", "service": "shop"})
    assert found.verdict is E
    assert "add api_token to pagerduty" in found.sentence


def test_without_a_folder_of_evidence_the_project_is_it(via: OpenConnections) -> None:
    here, gone = looked(via, {"proof": "files", "paths": ["README.md"]}, {"proof": "files", "paths": ["NO.md"]})
    assert (here.verdict, gone.verdict) == (P, F)


def test_files_reports_and_backups_are_read_from_the_folder(via: OpenConnections, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "one").write_text("x")
    (tmp_path / "r.xml").write_text("<testsuite><testcase/></testsuite>")
    (tmp_path / "r.json").write_text(json.dumps({"ms": 2, "who": ["ann", "bob"]}))
    has = with_parts(via, evidence=Evidence(folder=str(tmp_path)))
    found = looked(
        has,
        {"proof": "junit", "report": "r.xml", "fresh": "1d"},
        {"proof": "junit", "report": "gone.xml", "fresh": "1d"},
        {"proof": "reviews", "file": "r.json", "at": "/who"},
        {"proof": "benchmark", "file": "r.json", "at": "/ms", "unit": "ms", "below": "5ms", "fresh": "1d"},
        {"proof": "benchmark", "file": "gone.json", "unit": "ms", "below": "5ms", "fresh": "1d"},
        {"proof": "backup", "folder": "backups", "fresh": "1d"},
        {"proof": "backup", "folder": "gone", "fresh": "1d"},
        {"proof": "files", "paths": ["backups"]},
    )
    assert [f.verdict for f in found] == [P, I, P, P, I, P, I, E]


def test_commands_are_run_and_what_they_print_is_read(via: OpenConnections, tmp_path: Path) -> None:
    figures = json.dumps({"ms": 3.5, "at": NOW.isoformat(), "n": 2})
    named = {
        "ok": ["true"],
        "bad": ["sh", "-c", "echo 2 findings; exit 3"],
        "figures": ["sh", "-c", f"echo noise >&2; echo '{figures}'"],
        "missing": ["no-such-program"],
    }
    has = with_parts(via, commands=Commands(commands=named, folder=str(tmp_path)))
    bench = {"proof": "benchmark", "at": "/ms", "measured": "/at", "unit": "ms", "below": "5ms", "fresh": "1d"}
    found = looked(
        has,
        {"proof": "command", "command": "ok"},
        {"proof": "load_balancer", "command": "bad"},
        {"proof": "command", "command": "missing"},
        {"proof": "command", "command": "unknown"},
        {**bench, "command": "figures"},
        {**bench, "command": "bad"},
        {"proof": "reviews", "command": "figures", "at": "/n"},
        {"proof": "backup", "command": "figures", "at": "/at", "fresh": "1h"},
        {"proof": "backup", "command": "ok", "at": "/at", "fresh": "1h"},
    )
    assert [f.verdict for f in found] == [P, F, E, E, P, E, P, P, E]
    assert "2 findings" in found[1].sentence
    assert "allowed are bad, figures, missing, ok" in found[3].sentence


def test_a_command_that_hangs_ends_with_its_time_out(via: OpenConnections, tmp_path: Path) -> None:
    has = with_parts(via, commands=Commands(commands={"hang": ["sleep", "60"]}, folder=str(tmp_path)))
    started = time.monotonic()
    found = looked_once(has, {"proof": "command", "command": "hang", "timeout": "1s"})
    assert found.verdict is E
    assert "did not end within 1 s" in found.sentence
    assert time.monotonic() - started < 4


def test_web_sources_are_asked(via: OpenConnections, local_server: LocalServer) -> None:
    def answers(request: Request) -> Answer | None:
        body = json.dumps({"database": "ok", "at": NOW.isoformat()}).encode()
        given: dict[str, Answer | None] = {"/g/health": (200, {}, body), "/b": (200, {}, body), "/hang": None}
        return given.get(request.path, (404, {}, b""))

    local_server.answer = answers
    sources = {"g": f"{local_server.url}/g", "b": f"{local_server.url}/b", "hang": f"{local_server.url}/hang"}
    has = with_parts(via, web=Web(sources=sources))
    found = looked(
        has,
        {"proof": "http", "source": "g", "path": "/health", "at": "/database", "equals": "ok"},
        {"proof": "http", "source": "g"},
        {"proof": "http", "source": "hang", "timeout": "1s"},
        {"proof": "http", "source": "unknown"},
        {"proof": "backup", "source": "b", "at": "/at", "fresh": "1h"},
        {"proof": "backup", "source": "g", "at": "/at", "fresh": "1h"},
    )
    has.close()
    assert [f.verdict for f in found] == [P, F, E, E, P, E]


def test_slack_and_pagerduty_are_asked(via: OpenConnections, local_server: LocalServer) -> None:
    policy = {"id": "PPOL123"}

    def answers(request: Request) -> Answer:
        path = request.path.split("?")[0]
        bodies: dict[str, dict[str, Any]] = {
            "/slack/conversations.list": {"ok": True, "channels": [{"name": "alerts-critical", "is_member": True}]},
            "/services": {
                "services": [
                    {"id": "P1", "name": "shop", "status": "active", "escalation_policy": policy},
                    {"id": "P2", "name": "off", "status": "disabled", "escalation_policy": policy},
                    {"id": "P3", "name": "alone", "status": "active", "escalation_policy": None},
                ]
            },
            "/oncalls": {"oncalls": [{"escalation_level": 1, "user": {"summary": "Ann"}, "start": None, "end": None}]},
            "/v2/enqueue": {"status": "success", "dedup_key": "k"},
        }
        return 202 if path == "/v2/enqueue" else 200, {}, json.dumps(bodies[path]).encode()

    local_server.answer = answers
    url = local_server.url
    has = with_parts(
        via,
        slack=Slack(token=SecretStr("t"), base_url=f"{url}/slack/"),
        pagerduty=PagerDuty(routing_key=SecretStr("r"), url=url, api_url=url, api_token=SecretStr("k")),
    )
    duty = {"proof": "pagerduty", "asks": "integration"}
    found = looked(
        has,
        {"proof": "slack", "channels": ["#alerts-critical"]},
        {"proof": "slack"},  # the plan's warnings channel is not there
        {**duty, "service": "shop"},
        {**duty, "service": "off"},
        {**duty, "service": "none"},
        {**duty, "service": "shop", "asks": "on_call"},
        {**duty, "service": "alone", "asks": "on_call"},
    )
    assert [f.verdict for f in found] == [P, F, P, F, F, P, F], [f.sentence for f in found]
    assert "#alerts-warnings is not there" in found[1].sentence


def test_prometheus_is_asked(via: OpenConnections, prometheus_server: PrometheusServer) -> None:
    now = NOW.timestamp()
    prometheus_server.write([({"__name__": "checklist_up", "job": n}, [(now - 1, 1.0)]) for n in "ab"])
    has = with_parts(via, prometheus=Prometheus(url=prometheus_server.url))
    ask = {"proof": "prometheus", "query": "sum(checklist_up)"}
    found = looked(has, {**ask, "above": 1}, {**ask, "above": 2}, {**ask, "query": "sum(checklist_none)", "above": 0})
    assert [f.verdict for f in found] == [P, F, E]
    assert looked_once(via, {**ask, "above": 1}).verdict is E


def test_names_are_resolved(via: OpenConnections) -> None:
    here, gone = looked(via, {"proof": "dns", "names": ["localhost"]}, {"proof": "dns", "names": ["no-such.invalid"]})
    assert here.verdict is P
    assert gone.verdict in (F, E)  # E where no resolver answers


def test_there_is_no_drill_yet(via: OpenConnections) -> None:
    assert newest_drill(via, "new-path") is None
    found = looked_once(via, {"proof": "drill", "fresh": "30d"})
    assert (found.verdict, found.sentence) == (
        F,
        "no drill of this flag in the last 30 days: run `tidegate drill PLAN --as EMAIL`",
    )


def test_what_people_state_or_does_not_apply_is_not_looked_at(via: OpenConnections) -> None:
    found = looked(via, {}, {"proof": "http", "source": "x", "not_applicable": "no dashboards"})
    assert [f.verdict for f in found] == [N, N]


def test_a_look_is_not_waited_for_without_end() -> None:
    never = threading.Event()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        within_seconds(0.2, never.wait)
    assert time.monotonic() - started < 3
    never.set()
    assert within_seconds(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within_seconds(5, lambda: 1 / 0)


def test_checks_run_side_by_side_and_are_told_as_they_are_known() -> None:
    together = threading.Barrier(4, timeout=10)

    def look() -> Finding:
        together.wait()
        return Finding("a", "A", P, "There.")

    told: list[Finding] = []
    found = run_checks(tuple(Check(str(n), "A", look) for n in range(4)), told.append)
    assert [f.verdict for f in found] == [P] * 4
    assert len(told) == 4


def test_preflight_has_every_line_of_the_checklist(via: OpenConnections) -> None:
    plan = plan_of(
        {"checklist": {"A": [{"text": "x", "role": "lead", "proof": "drill"}], "B": [{"text": "y", "role": "lead"}]}}
    )
    checks = preflight_checks(via, plan, Timing(plan, Pace(NOW)), started_by=STARTER, now=NOW)
    lines = {c.name: c.text for c in checks if c.name.startswith("checklist.")}
    assert lines == {"checklist.1.1": "A: x", "checklist.2.1": "B: y"}


def test_on_call_is_asked_for_the_waves_and_not_for_the_days_after_them(
    via: OpenConnections, local_server: LocalServer
) -> None:
    service = {"id": "P1", "name": "shop", "status": "active", "escalation_policy": {"id": "PPOL123"}}
    # The small plan's waves take until two hours into day 3.
    end = NOW + timedelta(days=2, hours=2)
    until = [end + timedelta(minutes=1), end - timedelta(minutes=1)]

    def answers(request: Request) -> Answer:
        if request.path.startswith("/services"):
            return 200, {}, json.dumps({"services": [service]}).encode()
        shift = {"escalation_level": 1, "user": {"summary": "Ann"}, "start": None, "end": until.pop(0).isoformat()}
        return 200, {}, json.dumps({"oncalls": [shift]}).encode()

    local_server.answer = answers
    url = local_server.url
    has = with_parts(
        via, pagerduty=PagerDuty(routing_key=SecretStr("r"), url=url, api_url=url, api_token=SecretStr("k"))
    )
    ask = {"proof": "pagerduty", "asks": "on_call", "service": "shop"}
    assert [f.verdict for f in looked(has, ask, ask)] == [P, F]
