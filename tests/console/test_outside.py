"""What asks something other than Prometheus, against real servers, commands and the demo's own parts."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.channels.slack import Slack
from blocks.commands import Commands
from blocks.flags.backend import FlagBackend
from blocks.web import Web
from engine.measuring.judge import context_of, measure
from engine.measuring.sources import MetricSnapshot, Read
from engine.preflight.checks import Check, preflight_checks, run_check, run_checks
from engine.preflight.external_sources import outside_looks
from engine.rollout.evaluation import evaluate
from engine.rollout.session import OpenRollout, utc_now
from tests.conftest import PrometheusServer
from tests.console.conftest import Answering, Demo, all_is_well
from tests.console.test_without_journal import in_wave_one, opened
from tests.permits import put
from tests.tidegate.test_outside import example
from tidegate.criteria.alerting.alarm_test import AlarmTest
from tidegate.criteria.external.cost import Cost
from tidegate.criteria.external.count import Count
from tidegate.criteria.external.synthetic import Synthetic
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.plan.in_force import InForce
from tidegate.plan.loading.loader import load_plan
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Finding, Verdict

PLANS = Path(__file__).parents[2] / "plans"
P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741


def asked(run: OpenRollout, criterion: Any, id_: str = "x.1", later: timedelta = timedelta(0)) -> Finding:
    unread: Future[Read] = Future()  # no metric is asked for
    unread.set_result(Read({}, {}, {}, None))
    seen, item = MetricSnapshot(run, max(run.state.wave, 1), utc_now() + later, unread), InForce(id_, criterion)
    return measure(seen, item, context_of(seen, item))[0]


def of_plan(run: OpenRollout, kind: type, text: str = "") -> Any:
    found = (c for step in (*run.plan.waves, run.plan.post_rollout) for c in step.criteria)
    return next(c for c in found if isinstance(c, kind) and text in c.text)


def connected(run: OpenRollout, **parts: Any) -> OpenRollout:
    run.connections = replace(run.connections, **parts)
    return run


# Counts and costs


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        ((200, b'{"n": 0}', {}), P, "none occurred"),
        ((200, b'{"n": 5}', {}), P, "counts 5"),
        ((200, b'{"n": 6}', {}), F, "counts 6; rolls back when above 5"),
        ((200, b'{"n": "6"}', {}), E, "no number"),
        ((200, b'{"n": NaN}', {}), E, "nan"),
        ((200, b'{"m": 6}', {}), E, "has no 'n'"),
        ((503, b'{"n": 0}', {}), E, "HTTP 503"),
        ((200, b"x" * 1_000_001, {}), E, "1,000,000 bytes"),
        (None, E, "did not answer within"),
    ],
)
def test_a_count_is_asked_of_a_real_source(
    tmp_path: Path, prometheus_server: PrometheusServer, server: Answering, answer: Any, expected: Verdict, words: str
) -> None:
    server.answer = lambda *_: answer
    run = connected(opened(tmp_path, prometheus_server), web=Web(sources={"desk": server.url}, timeout_seconds=30))
    started = time.monotonic()
    found = asked(run, example("count", source="desk", pointer="/n"))
    assert found.verdict is expected
    assert words in found.sentence or (answer is None and "does not answer" in found.sentence)
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("web", "words"),
    [
        (None, "add a part `web` with the source 'escalations' to the kit"),
        (Web(sources={"other": "http://127.0.0.1:9"}), "add it to the part `web` of the kit"),
        (Web(sources={"escalations": "http://127.0.0.1:9"}), "does not answer"),
    ],
)
def test_a_source_that_is_not_there_is_an_error_that_says_what_to_do(
    tmp_path: Path, prometheus_server: PrometheusServer, web: Web | None, words: str
) -> None:
    found = asked(connected(opened(tmp_path, prometheus_server), web=web), example("count"))
    assert found.verdict is E
    assert words in found.sentence


def test_a_source_that_drips_is_given_up(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                try:
                    while True:
                        peer.sendall(b" ")
                        threading.Event().wait(0.1)
                except OSError:
                    pass

        threading.Thread(target=drip, daemon=True).start()
        web = Web(sources={"escalations": f"http://127.0.0.1:{listening.getsockname()[1]}"}, timeout_seconds=1)
        started = time.monotonic()
        found = asked(connected(opened(tmp_path, prometheus_server), web=web), example("count"))
    assert found.verdict is E
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("kind", "text", "report", "figure", "bad"),
    [
        (Count, "Customer escalations", "support", "escalations", 6),
        (Count, "Multiple simultaneous", "support", "issues", 2),
        (Count, "Customer-reported data loss", "support", "data_loss_reports", 1),
    ],
)
def test_the_reference_plans_figures_are_told_by_the_demos_desk(
    tmp_path: Path,
    prometheus_server: PrometheusServer,
    demo: Demo,
    kind: type,
    text: str,
    report: str,
    figure: str,
    bad: float,
) -> None:
    run = connected(opened(tmp_path, prometheus_server), web=demo.web)
    criterion = of_plan(run, kind, text)
    assert asked(run, criterion).verdict is P
    httpx.put(f"{demo.inbox}/desk/{report}", json={figure: bad}, timeout=5).raise_for_status()
    assert asked(run, criterion).verdict is F
    assert httpx.put(f"{demo.inbox}/desk/{report}", json={"x": 1}, timeout=5).status_code == 422


def test_what_nobody_answers_is_looked_at_again_by_preflight_and_not_held_to_be_wrong(
    tmp_path: Path, prometheus_server: PrometheusServer, server: Answering
) -> None:
    def read(path: Path) -> bytes:
        return path.read_bytes().replace(b"batch_patches_build_info", b"preflight_build_info")

    plan = load_plan(PLANS / "batch-patches-v1.yaml", read)
    names = ("grafana", "logs", "support-desk", "batch-patches", "legacy-health", "batch-patches-requests")
    run = connected(opened(tmp_path, prometheus_server), web=Web(sources=dict.fromkeys(names, server.url)))

    def verdicts() -> dict[str, Verdict]:
        looks = outside_looks(run.connections, plan)
        found = {name.split(".")[0]: run_check(Check(name, text, look)).verdict for name, text, look in looks}
        return {kind: found[kind] for kind in ("figure", "known", "amount")}

    server.answer = lambda *_: (503, b"{}", {})
    assert verdicts() == {"figure": E, "known": E, "amount": E}
    server.answer = lambda *_: (200, b"[]", {})
    prometheus_server.write(
        [({"__name__": "preflight_build_info", "path": "new", "instance": "a"}, [(time.time(), 1)])]
    )
    assert verdicts() == {"figure": E, "known": E, "amount": P}


def test_a_cost_is_worked_out_from_prometheus(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = opened(tmp_path, prometheus_server)
    now = time.time()
    prometheus_server.write([({"__name__": "outside_instances", "zone": z}, [(now, 3.0)]) for z in "ab"])
    assert asked(run, example("cost", query="sum(outside_instances)", price="$40")).verdict is P
    assert asked(run, example("cost", query="sum(outside_instances)", price="$50")).verdict is F
    assert asked(run, example("cost", query="sum(outside_nothing)")).verdict is E
    assert asked(run, example("cost", query="outside_instances")).verdict is E


def test_a_cost_is_that_of_the_plans_own_model(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = opened(tmp_path, prometheus_server)
    analysis, limit = of_plan(run, Cost, "Cost analysis"), of_plan(run, Cost, "Cost < $300")
    assert asked(run, analysis).verdict is E
    for instances, expected in ((2, (P, P)), (3, (F, P)), (7, (F, F))):
        labels = [{"__name__": "batch_patches_build_info", "path": "new", "instance": str(n)} for n in range(instances)]
        prometheus_server.write([(each, [(time.time(), 1.0)]) for each in labels])
        assert (asked(run, analysis).verdict, asked(run, limit).verdict) == expected


# Known requests


def on_demo(tmp_path: Path, prometheus: PrometheusServer, demo: Demo) -> OpenRollout:
    """Wave 1 of the reference plan, raised on the demo's own flag file."""
    run = connected(in_wave_one(tmp_path, prometheus), web=demo.web)
    flags = run.connections.flags.model_copy(update={"path": str(demo.flags)})  # type: ignore[attr-defined]
    expose(run, flags)
    until(lambda: path_of(demo, "synthetic") == "new")
    return connected(run, flags=flags)


_EPOCHS = itertools.count(1000, 1000)


def expose(run: OpenRollout, flags: FlagBackend) -> None:
    epoch = next(_EPOCHS)
    flags.fence(run.flag, epoch)
    put(flags, run.flag, run.plan.exposure_at(1), epoch)


def path_of(demo: Demo, group: str) -> str:
    return str(httpx.get(f"{demo.service}/users/anybody?group={group}", timeout=5).json()["path"])


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("fault", "expected", "words"),
    [
        (None, P, "All 4 known requests are answered rightly"),
        ("corruption", F, "Corruption"),
        ("outage", F, "does not answer"),
    ],
)
def test_known_requests_are_sent_on_both_paths_of_a_real_service(
    tmp_path: Path, prometheus_server: PrometheusServer, demo: Demo, fault: str | None, expected: Verdict, words: str
) -> None:
    run = on_demo(tmp_path, prometheus_server, demo)
    assert path_of(demo, "synthetic-control") == "legacy"
    if fault:
        demo.fault(fault)
    started = time.monotonic()
    found = asked(run, of_plan(run, Synthetic))
    assert found.verdict is expected
    assert words in found.sentence
    assert time.monotonic() - started < 7
    counted = httpx.get(f"{demo.service}/metrics", timeout=5).text
    assert 'batch_patches_total{group="synthetic",path="new"}' in counted


def test_a_new_path_that_hangs_does_not_hold_up_the_tick(
    tmp_path: Path, prometheus_server: PrometheusServer, demo: Demo
) -> None:
    run = on_demo(tmp_path, prometheus_server, demo)
    demo.fault("outage")
    started = time.monotonic()
    ticked = evaluate(run, datetime.now(UTC), review=True)
    assert time.monotonic() - started < run.plan.guard.total_seconds()
    (found,) = [f for f in ticked.seen.judged.during if "synthetic" in f.text]
    assert found.verdict is F


def test_no_known_request_is_sent_once_the_way_back_has_begun(
    tmp_path: Path, prometheus_server: PrometheusServer, demo: Demo
) -> None:
    run = on_demo(tmp_path, prometheus_server, demo)
    criterion = of_plan(run, Synthetic)
    run.connections.flags.zero(run.flag, None)
    found = asked(run, criterion)
    assert (found.verdict, "at zero" in found.sentence) == (N, True)
    expose(run, run.connections.flags)
    at = utc_now().isoformat()
    body = {"reason": "r", "criterion": "c", "by": "b", "ordered_at": at, "zero_at": at, "revision": "", "epoch": 1}
    run.append(body_from_json(Kind.ROLLING_BACK, body | {"problem": ""}))
    assert run.connections.flags.read(run.flag).exposure != ZERO
    found = asked(run, criterion)
    assert (found.verdict, "rolled back" in found.sentence) == (N, True)


KNOWN = json.dumps([{"id": "one", "body": {"q": 1}, "answer": {"a": 1}}]).encode()


def test_right_answers_are_good_for_half_a_minute_and_others_are_asked_again_at_once(
    tmp_path: Path, prometheus_server: PrometheusServer, server: Answering
) -> None:
    sent: list[str] = []
    right = True

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
        if method == "GET":
            return 200, KNOWN, {}
        sent.append(path)
        new = headers["x-user-group"] == "synthetic"
        return 200, b'{"a": 1}' if right or not new else b'{"a": 2}', {"X-Path": "new" if new else "legacy"}

    server.answer = answer
    run = connected(in_wave_one(tmp_path, prometheus_server), web=Web(sources={"shop": server.url}))
    criterion = example("synthetic", patience="1s")
    assert asked(run, criterion).verdict is P
    assert len(sent) == 2
    right = False
    assert asked(run, criterion, later=timedelta(seconds=15)).verdict is P
    assert len(sent) == 2
    assert asked(run, criterion, later=timedelta(seconds=61)).verdict is F
    right = True
    assert asked(run, criterion, later=timedelta(seconds=62)).verdict is P
    assert len(sent) == 6
    for later in range(75, 3_000, 100):
        # Within the time that some answers are good for: what is asked anew then must not be undone at the next look.
        right = True
        assert asked(run, criterion, later=timedelta(seconds=later)).verdict is P
        right, before = False, len(sent)
        verdicts = [asked(run, criterion, later=timedelta(seconds=later + more)).verdict for more in range(31, 61, 5)]
        assert verdicts == sorted(verdicts, key=[P, F].index)
        assert len(sent) > before or verdicts == [P] * 6


@pytest.mark.parametrize(
    ("new", "legacy", "expected"),
    [
        ((200, b'{"a": 1}', "new"), (200, b'{"a": 1}', "legacy"), P),
        ((200, b'{"a": 2}', "new"), (200, b'{"a": 1}', "legacy"), F),
        ((500, b"", "new"), (200, b'{"a": 1}', "legacy"), F),
        (None, (200, b'{"a": 1}', "legacy"), F),
        (None, None, E),
        ((200, b'{"a": 1}', "legacy"), (200, b'{"a": 1}', "legacy"), E),
    ],
)
def test_known_requests_against_a_service_that_behaves_so(
    tmp_path: Path, prometheus_server: PrometheusServer, server: Answering, new: Any, legacy: Any, expected: Verdict
) -> None:
    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
        if method == "GET":
            return 200, KNOWN, {}
        assert (path, json.loads(body)) == ("/orders", {"q": 1})
        reply = new if headers["x-user-group"] == "synthetic" else legacy
        return None if reply is None else (reply[0], reply[1], {"X-Path": reply[2]})

    server.answer = answer
    run = connected(in_wave_one(tmp_path, prometheus_server), web=Web(sources={"shop": server.url}))
    found = asked(run, example("synthetic", patience="1s"))
    assert found.verdict is expected, found.sentence


def test_without_the_list_of_known_requests_there_is_no_evidence(
    tmp_path: Path, prometheus_server: PrometheusServer, server: Answering
) -> None:
    run = in_wave_one(tmp_path, prometheus_server)
    assert "add a part `web`" in asked(run, example("synthetic")).sentence
    connected(run, web=Web(sources={"shop": server.url}))
    for reply in ((404, b"[]", {}), (200, b"[]", {}), (200, b"x", {}), None):
        server.answer = lambda *_, reply=reply: reply  # type: ignore[misc]
        found = asked(run, example("synthetic", patience="1s"))
        assert found.verdict is E
        assert "not known" in found.sentence


# The test alarm


def test_a_test_alarm_reaches_the_inbox_once_and_is_remembered(
    tmp_path: Path, prometheus_server: PrometheusServer, demo: Demo
) -> None:
    run = connected(opened(tmp_path, prometheus_server), **demo.alarms)
    criterion = of_plan(run, AlarmTest)
    for _ in range(3):
        found = asked(run, criterion)
        assert (found.verdict, found.observed) == (P, 3), found.sentence
    (message,) = demo.messages("slack")
    assert message["channel"] == "alerts-critical"
    assert "TEST ALARM" in message["text"]
    (incident,) = demo.messages("pagerduty")
    assert (incident["status"], "TEST ALARM" in incident["summary"]) == ("resolved", True)
    assert len(incident["events"]) == 2
    assert run.refresh().evidence.tested["x.1"].verdict is P
    assert [e.kind for e in run.connections.journal.entries(run.rollout)].count(Kind.TESTED) == 1


@pytest.mark.parametrize(
    ("change", "expected", "words"),
    [
        ({"slack": None}, E, "add a part `slack`"),
        ({"pagerduty": None}, E, "add a part `pagerduty`"),
        ({"commands": None}, E, "add it to the part `commands`"),
        ({"commands": Commands(commands={"other": ("true",)})}, E, "no command 'alert-rule-tests'"),
        ({"commands": Commands(commands={"alert-rule-tests": ("sh", "-c", "echo bad rule; exit 3")})}, F, "bad rule"),
        ({"commands": Commands(commands={"alert-rule-tests": ("sleep", "9")}, timeout_seconds=0.3)}, E, "did not end"),
        ({"slack": Slack(token="x", base_url="http://127.0.0.1:9", timeout_seconds=1)}, E, "Slack"),
    ],
)
def test_an_alarm_that_does_not_arrive_does_not_pass(
    tmp_path: Path, prometheus_server: PrometheusServer, demo: Demo, change: Any, expected: Verdict, words: str
) -> None:
    run = connected(opened(tmp_path, prometheus_server), **(demo.alarms | change))
    found = asked(run, of_plan(run, AlarmTest))
    assert found.verdict is expected
    assert words in found.sentence
    if "commands" in change:
        assert demo.messages("slack") == demo.messages("pagerduty") == []
    assert all(incident["status"] == "resolved" for incident in demo.messages("pagerduty"))


def test_a_message_that_slack_does_not_show_is_a_failed_test(
    tmp_path: Path, prometheus_server: PrometheusServer, demo: Demo, server: Answering
) -> None:
    server.answer = lambda *_: (200, b'{"ok": true, "ts": "1.5", "channel": "C1", "messages": [{"ts": "1.4"}]}', {})
    lying = Slack(token="x", base_url=server.url)
    run = connected(opened(tmp_path, prometheus_server), **(demo.alarms | {"slack": lying}))
    found = asked(run, of_plan(run, AlarmTest))
    assert (found.verdict, "does not show it" in found.sentence) == (F, True)


# Preflight


@pytest.mark.parametrize("given", [True, False])
def test_preflight_looks_for_everything_that_the_plan_names_outside_of_prometheus(
    tmp_path: Path, prometheus_server: PrometheusServer, demo: Demo, given: bool
) -> None:
    run = opened(tmp_path, prometheus_server)
    if given:
        connected(run, web=demo.web, **demo.alarms)
    checks = preflight_checks(run.connections, run.plan, run.timing, started_by="a@b.c", now=utc_now())
    own = [c for c in checks if c.name.partition(".")[0] in ("figure", "known", "command")]
    assert len(own) == 5
    for finding in run_checks(tuple(own)):
        assert finding.verdict is P if given else finding.verdict in (E, F)
        assert given or "to the kit" in finding.sentence or "of the kit" in finding.sentence
    assert demo.messages("slack") == []


def test_preflight_finds_a_source_that_tells_nothing(
    tmp_path: Path, prometheus_server: PrometheusServer, server: Answering
) -> None:
    server.answer = lambda *_: (200, b"{}", {})
    sources = dict.fromkeys(("batch-patches", "support-desk", "cost-report"), server.url)
    run = connected(opened(tmp_path, prometheus_server), web=Web(sources=sources))
    checks = preflight_checks(run.connections, run.plan, run.timing, started_by="a@b.c", now=utc_now())
    own = tuple(c for c in checks if c.name.partition(".")[0] in ("figure", "known"))
    assert {f.verdict for f in run_checks(own)} == {E}


def test_where_all_is_well_everything_passes(
    tmp_path: Path, prometheus_server: PrometheusServer, server: Answering
) -> None:
    server.answer = all_is_well
    sources = dict.fromkeys(("batch-patches", "support-desk", "cost-report"), server.url)
    run = connected(in_wave_one(tmp_path, prometheus_server), web=Web(sources=sources))
    criteria = [c for step in (*run.plan.waves, run.plan.post_rollout) for c in step.criteria]
    own = [c for c in criteria if isinstance(c, Count | Synthetic)]
    assert len(own) == 4
    assert {asked(run, criterion).verdict for criterion in own} == {P}
