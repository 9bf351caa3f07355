"""`tidegate init` against a real Prometheus, with series as Traefik has them: metrics that nobody here wrote."""

import json
import os
import py_compile
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.kit import read_kit
from demo.processes import free_port
from engine.first_plan.answers import LANGUAGES, QUESTIONS, AnswerError, checked
from engine.first_plan.choices import chosen
from engine.first_plan.plan_text import plan_text
from engine.first_plan.seen import Counter, ServiceSeen
from engine.first_plan.snippet import snippet
from tests.conftest import PrometheusServer
from tests.console.conftest import Run
from tests.permits import put
from tidegate.plan.loading.loader import load_plan
from tidegate.values.exposure import ZERO, Exposure, Layer

GIVEN = {
    "service": 'service="shop@docker"',
    "name": "new-cart",
    "lead": "lead@example.com",
    "on_call": "oncall@example.com, night@example.com",
    "flag_file": "/srv/flags/flags.json",
    "timezone": "Europe/Berlin",
    "group_label": "cohort",
}


@pytest.fixture
def nowhere() -> int:
    """A port at which nobody listens."""
    return free_port()


def traefik(server: PrometheusServer, **more: str) -> None:
    """An hour of a service behind Traefik, scraped each 30 s: 10 requests a second, two in a hundred failing."""
    now = time.time()
    instants = [now - 30 * n for n in range(120, -1, -1)]
    common = {"service": "shop@docker", "job": "traefik", "instance": "edge:8080", **more}

    def series(name: str, rate: float, **labels: str) -> tuple[dict[str, str], list[tuple[float, float]]]:
        start = instants[0]
        return {**common, **labels, "__name__": name}, [(at, round((at - start) * rate, 3)) for at in instants]

    found = [
        series("traefik_service_requests_total", 9.8, code="200", method="GET", protocol="http"),
        series("traefik_service_requests_total", 0.2, code="502", method="GET", protocol="http"),
        series("traefik_service_requests_bytes_total", 5000, code="200", method="GET", protocol="http"),
        ({**common, "__name__": "up"}, [(at, 1.0) for at in instants]),
    ]
    for le, rate in (("0.1", 8.0), ("0.3", 9.6), ("1.2", 10.0), ("+Inf", 10.0)):
        found.append(series("traefik_service_request_duration_seconds_bucket", rate, code="200", le=le))
    server.write(found)


def answered(folder: Path, server: PrometheusServer, **more: str) -> Path:
    path = folder / "answers.yaml"
    path.write_text(yaml.safe_dump({**GIVEN, "prometheus": server.url, **more}))
    return path


def test_a_plan_a_kit_and_the_services_lines(
    tmp_path: Path, run: Run, prometheus_server: PrometheusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    traefik(prometheus_server)
    into = tmp_path / "mine"
    code, out, err = run("init", "--answers", str(answered(tmp_path, prometheus_server)), "--into", str(into))
    assert code == 0, err
    assert "found: traefik_service_requests_total" in out
    assert "NOT found: traefik_service_requests_total has no label path: the snippet counts by path" in out
    assert "NOT found: no alert rule that names the service" in out
    assert stat.S_IMODE((into / "kit.yaml").stat().st_mode) == 0o600
    kit = read_kit(into / "kit.yaml")
    assert (kit.prometheus.url, kit.plans and kit.plans.folder) == (prometheus_server.url, str(into))
    text = (into / "new-cart.yaml").read_text()
    assert "scrape_interval: 30s" in text
    assert "guard: 30s" in text
    assert re.search("2.00 % of the requests of the last [0-9]+ (min|h) failed", text), (
        "as long as the targets were seen"
    )
    assert "warning: { above: 4% }" in text
    assert "critical: { above: 10% }" in text
    assert "p95 of the last" in text
    assert "new_cart_requests_total" in text, "no series of the service knows the path"
    py_compile.compile(str(into / "rollout.py"), doraise=True)
    monkeypatch.setenv("TIDEGATE_KIT", str(into / "kit.yaml"))
    code, out, err = run("plan", "check", "new-cart.yaml")
    assert code == 0, err
    before = {path: path.read_text() for path in into.iterdir() if path.suffix in (".yaml", ".py")}
    code, _, err = run("init", "--answers", str(answered(tmp_path, prometheus_server)), "--into", str(into))
    assert (code, "there already" in err) == (2, True)
    assert {path: path.read_text() for path in before} == before


def test_series_that_know_path_and_group_are_taken_as_they_are(
    tmp_path: Path, run: Run, prometheus_server: PrometheusServer
) -> None:
    traefik(prometheus_server, service="cart@docker", path="old", cohort="staff")
    given = answered(tmp_path, prometheus_server, service='service="cart@docker"')
    code, out, err = run("init", "--answers", str(given), "--into", str(tmp_path / "mine"))
    assert code == 0, err
    text = (tmp_path / "mine" / "new-cart.yaml").read_text()
    assert 'traefik_service_requests_total{ code=~"5..", {{ selector }}, service="cart@docker" }' in text
    assert "has no label path" not in out


def test_a_label_of_addresses_is_not_taken_for_that_of_old_and_new(
    tmp_path: Path, run: Run, prometheus_server: PrometheusServer
) -> None:
    traefik(prometheus_server, service="pages@docker", path="/cart", cohort="staff")
    given = answered(tmp_path, prometheus_server, service='service="pages@docker"', environment="rehearsal")
    code, out, err = run("init", "--answers", str(given), "--into", str(tmp_path / "mine"))
    assert code == 0, err
    assert "NOT found: traefik_service_requests_total has no path=old (but /cart): the snippet counts by path" in out
    assert "new_cart_requests_total" in (tmp_path / "mine" / "new-cart.yaml").read_text()
    assert read_kit(tmp_path / "mine" / "kit.yaml").is_rehearsal, "a pace of seconds is allowed"


def test_of_a_young_service_the_rate_is_that_of_the_time_it_was_seen(
    tmp_path: Path, run: Run, prometheus_server: PrometheusServer
) -> None:
    traefik(prometheus_server, service="young@docker")
    given = answered(tmp_path, prometheus_server, service='service="young@docker"')
    _, out, _ = run("init", "--answers", str(given), "--into", str(tmp_path / "mine"))
    assert re.search(r"found: traefik_service_requests_total, 3\d,\d{3} in the last 60 min", out), out
    # Ten a second fill a window of five minutes; spread over a whole day it would take an hour.
    assert "    window: 5m" in (tmp_path / "mine" / "new-cart.yaml").read_text()


def test_the_flag_is_made_off_and_one_that_is_there_stays(
    tmp_path: Path, run: Run, prometheus_server: PrometheusServer
) -> None:
    file = tmp_path / "flags" / "flags.json"
    given = answered(tmp_path, prometheus_server, flag_file=str(file))
    again = ("init", "--answers", str(given), "--into", str(tmp_path / "mine"), "--force")
    assert f"NOT written: {file}, its folder is not on this machine" in run(*again)[1]
    file.parent.mkdir()
    assert f"written: {file} with the flag new-cart, off" in run(*again)[1]
    flags = FlagdFile(path=str(file))
    assert flags.read("new-cart").exposure == ZERO
    raised = Exposure((Layer("staff", ("staff",), 100.0),), attribute="cohort")
    flags.fence("new-cart", 2)
    put(flags, "new-cart", raised, 2)
    assert f"found: {file} has the flag new-cart, which stays as it is" in run(*again)[1]
    assert flags.read("new-cart").exposure == raised
    file.write_text("{")
    assert "NOT written: " in run(*again)[1]
    assert file.read_text() == "{"


def test_a_service_that_is_not_there_is_said_and_the_plan_is_sound_all_the_same(
    tmp_path: Path, run: Run, prometheus_server: PrometheusServer
) -> None:
    given = answered(tmp_path, prometheus_server, service="nowhere")
    code, out, err = run("init", "--answers", str(given), "--into", str(tmp_path))
    assert code == 0, err
    assert 'NOT found: no series at all has job="nowhere"' in out
    assert run("plan", "check", str(tmp_path / "new-cart.yaml"))[0] == 0


def test_without_prometheus_nothing_is_written(tmp_path: Path, run: Run, nowhere: int) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text(yaml.safe_dump({**GIVEN, "prometheus": f"http://127.0.0.1:{nowhere}"}))
    assert run("init", "--answers", str(path), "--into", str(tmp_path / "mine"))[0] == 3
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"flag": "x"}, "flag: no such answer, allowed are prometheus"),
        ({"lead": ""}, "lead: found nothing"),
        ({"lead": "bob"}, "lead: found 'bob', allowed is e-mail addresses"),
        ({"path_label": 'p"'}, "path_label: found"),
        ({"service": 'job="a"} or vector(1) #'}, "service: found"),
        ({"old": "new"}, "old: found 'new'"),
        ({"flag_file": "flags.json"}, "flag_file: found 'flags.json', allowed is an absolute path"),
        ({"environment": "staging"}, "environment: found 'staging', allowed are production, rehearsal"),
        ({"language": "cobol"}, "language: found 'cobol', allowed are python"),
        ({"timezone": "Mars/North"}, "timezone: found 'Mars/North'"),
    ],
)
def test_a_wrong_answer_is_one_sentence(change: dict[str, str], said: str) -> None:
    with pytest.raises(AnswerError) as raised:
        checked({**GIVEN, **change})
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_of_each_language_count_what_the_plan_asks_for(language: str) -> None:
    text = snippet(checked({**GIVEN, "language": language}))
    assert "@" not in text.replace("@openfeature", "").replace("@grpc", "")
    for name in ("new_cart_decisions", "new_cart_requests", "new_cart_duration_seconds", "/srv/flags/flags.json"):
        assert name in text
    for value in ("new", "old", "staff", "everyone", "ok", "error", "cohort"):
        assert f'"{value}"' in text or f"'{value}'" in text
    assert set(QUESTIONS) >= {"prometheus", "service"}


@pytest.mark.parametrize("a_day", [0, 5, 700, 20_000, 90_000, 5_000_000, 1e12])
@pytest.mark.parametrize("scrape", [None, 1.0, 15.0, 60.0, 300.0])
@pytest.mark.parametrize("errors", [None, 0.0, 3.21, 40.0])
def test_whatever_was_seen_the_plan_is_sound(a_day: float, scrape: float | None, errors: float | None) -> None:
    counter = Counter("http_requests_total", {"code": frozenset({"200"})}, "code", 'code=~"5.."', a_day)
    seen = ServiceSeen(counter=counter, errors=errors, histogram="http_seconds", p95_ms=3.2, scrape_seconds=scrape)
    text = plan_text(checked(GIVEN), seen, chosen(seen))
    plan = load_plan(Path("new-cart.yaml"), lambda _: text.encode())
    assert len(plan.waves) == 2
    choices = chosen(seen)
    warning, critical = (float(one.value.rstrip("%")) for one in (choices.warning, choices.critical))
    assert (errors or 0.0) < warning < critical < 100


@pytest.mark.parametrize("errors", [2.0, 2.0000000001, 2.0004, 1.9996])
def test_a_bound_is_twice_the_share_that_is_told(errors: float) -> None:
    """What Prometheus extrapolates is never quite a round number."""
    choices = chosen(ServiceSeen(errors=errors))
    assert choices.warning.value == "4%"
    assert choices.warning.why.startswith("2.00 % of the requests of the last day failed")


RUN = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import rollout
from prometheus_client import generate_latest
end = time.monotonic() + 20
while rollout.route("u1", "staff") != "new" and time.monotonic() < end:
    time.sleep(0.1)
rollout.completed("new", "staff", 0.2, failed=True)
print(json.dumps([rollout.route("u1", "staff"), rollout.route("u2", "everyone"), generate_latest().decode()]))
"""


def test_the_python_lines_follow_the_flag_by_group_and_count_from_zero(tmp_path: Path) -> None:
    flags = FlagdFile(path=str(tmp_path / "flags.json"))
    flags.fence("new-cart", 1)
    put(flags, "new-cart", Exposure((Layer("staff", ("staff",), 100.0),), attribute="cohort"), 1)
    (tmp_path / "rollout.py").write_text(snippet(checked({**GIVEN, "flag_file": str(tmp_path / "flags.json")})))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    staff, other, metrics = json.loads(done.stdout)
    assert (staff, other) == ("new", "old")
    assert 'new_cart_requests_total{cohort="staff",outcome="error",path="new"} 1.0' in metrics
    assert 'new_cart_requests_total{cohort="everyone",outcome="error",path="old"} 0.0' in metrics
    assert 'new_cart_decisions_total{path="old"}' in metrics
