"""Prometheus, asked for real; what a healthy one cannot be made to do comes from a local server."""

import json
import re
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import SecretStr

from blocks import Prometheus
from blocks.errors import Refused, Unreachable
from tests.blocks.conftest import LocalServer, Request
from tests.conftest import PrometheusServer
from tidegate.values.samples import NoData, NoDataReason, Sample

AT = datetime.fromtimestamp(int(time.time()) - 3600, UTC)


@pytest.fixture(scope="module")
def prometheus(prometheus_server: PrometheusServer) -> Prometheus:
    points = [(AT.timestamp() + second, float(100 + second)) for second in range(-60, 1, 5)]
    names = {"requests": ("new", "old"), "single": ("new",)}
    prometheus_server.write(
        [({"__name__": f"blk_{n}", "variant": v, "path": 'a"b\\c'}, points) for n, vs in names.items() for v in vs]
    )
    return Prometheus(url=prometheus_server.url)


def reason(reading: object) -> NoDataReason:
    assert isinstance(reading, NoData), reading
    return reading.reason


def test_one_value_and_every_reason_for_none(prometheus: Prometheus) -> None:
    answers = prometheus.instant(
        {
            "value": 'blk_single{variant="new"}',
            "absent": "blk_no_such_metric",
            "many": "blk_requests",
            "nan": "blk_single * NaN",
            "infinite": "blk_single / 0",
            "with/odd name": "sum(blk_requests) # a comment",
        },
        AT,
    )
    assert answers["value"] == Sample(100.0, AT)
    assert answers["with/odd name"] == Sample(200.0, AT)
    assert reason(answers["absent"]) is NoDataReason.NO_SERIES
    assert reason(answers["many"]) is NoDataReason.MANY_SERIES
    assert reason(answers["nan"]) is NoDataReason.NAN
    assert reason(answers["infinite"]) is NoDataReason.NAN


def test_only_the_query_at_fault_is_refused(prometheus: Prometheus) -> None:
    answers = prometheus.instant(
        {
            "good": "sum(blk_single)",
            "bad": "sum(blk_single",
            "scalar": "scalar(blk_single)",
            "collides": '{__name__=~"blk_.*",variant="new"} * 2',
            "range": "blk_single[1m]",
            "text": '"text"',
        },
        AT,
    )
    assert answers["good"] == answers["scalar"] == Sample(100.0, AT)
    assert reason(answers["bad"]) is NoDataReason.REFUSED
    assert "parse error" in answers["bad"].detail  # type: ignore[union-attr]
    assert reason(answers["collides"]) is NoDataReason.REFUSED
    assert reason(answers["range"]) is NoDataReason.REFUSED
    assert reason(answers["text"]) is NoDataReason.REFUSED


def test_series_that_differ_in_name_only_are_many_and_spoil_nothing(prometheus: Prometheus) -> None:
    answers = prometheus.instant({"both": '{__name__=~"blk_.*",variant="new"}', "good": "sum(blk_single)"}, AT)
    assert reason(answers["both"]) is NoDataReason.MANY_SERIES
    assert answers["good"] == Sample(100.0, AT)


def test_one_query_alone_and_none(prometheus: Prometheus) -> None:
    assert prometheus.instant({"alone": "blk_single"}, AT) == {"alone": Sample(100.0, AT)}
    assert prometheus.instant({}, AT) == {}


def test_fifteen_queries_take_one_round_trip(prometheus: Prometheus) -> None:
    counter = 'prometheus_http_requests_total{code="200",handler="/api/v1/query"}'

    def asked() -> float:
        with urllib.request.urlopen(f"{prometheus.url}/metrics") as page:
            return sum(
                float(line.split()[-1]) for line in page.read().decode().splitlines() if line.startswith(counter)
            )

    taken = []
    # A call that an earlier test gave up may still arrive meanwhile, but not each time.
    for _ in range(3):
        before = asked()
        answers = prometheus.instant({f"q{n}": f"{' + '.join(['sum(blk_single)'] * 60)} + {n}" for n in range(15)}, AT)
        assert [answers[f"q{n}"] for n in range(15)] == [Sample(6000.0 + n, AT) for n in range(15)]
        taken.append(asked() - before)
    assert min(taken) == 1


def test_range_gives_the_points(prometheus: Prometheus) -> None:
    start = AT - timedelta(seconds=20)
    points = prometheus.range("sum(blk_single)", start, AT, timedelta(seconds=10))
    assert points == [Sample(80.0, start), Sample(90.0, start + timedelta(seconds=10)), Sample(100.0, AT)]
    # Half seconds are kept, though the client library rounds them.
    half = prometheus.range("sum(blk_single)", start + timedelta(milliseconds=500), AT, timedelta(seconds=10))
    assert isinstance(half, list)
    assert [point.at for point in half] == [start + timedelta(seconds=s) for s in (0.5, 10.5)]


def test_range_leaves_out_what_is_not_finite(prometheus: Prometheus) -> None:
    query = "sum(blk_single) / (sum(blk_single) > bool 85) * 0 + 1"
    points = prometheus.range(query, AT - timedelta(seconds=20), AT, timedelta(seconds=10))
    assert isinstance(points, list)
    assert [point.value for point in points] == [1.0, 1.0]
    whole = prometheus.range("sum(blk_single) * NaN", AT - timedelta(seconds=20), AT, timedelta(seconds=10))
    assert reason(whole) is NoDataReason.NAN


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("blk_no_such_metric", NoDataReason.NO_SERIES),
        ("blk_requests", NoDataReason.MANY_SERIES),
        ("sum(", NoDataReason.REFUSED),
    ],
)
def test_range_says_why_there_are_no_points(prometheus: Prometheus, query: str, wanted: NoDataReason) -> None:
    assert reason(prometheus.range(query, AT - timedelta(seconds=20), AT, timedelta(seconds=10))) is wanted


def _rule(name: str, expression: str, **labels: str) -> dict[str, object]:
    return {"alert": name, "expr": expression, "labels": labels}


def test_alerts(prometheus: Prometheus, prometheus_server: PrometheusServer) -> None:
    odd = 'a "quoted" \\ name'
    rules = [
        _rule("Fires", "vector(1)", service="blk", team=odd),
        _rule("Quiet", "vector(1) > 2", service="blk"),
        _rule(
            "Broken",
            'label_replace(vector(1), "x", "1", "", "") + on() group_left() (blk_requests or up)',
            service="sick",
        ),
        _rule("TidegateNoData", "vector(1)", service="blk"),
        _rule("Own", "vector(1)", service="blk", tidegate="own"),
        _rule("Other", "vector(1)", service="other"),
    ]
    prometheus_server.add_rules("blocks", [{"name": "blocks", "rules": rules}])
    now = datetime.now(UTC)
    reading = prometheus.alerts({"service": "blk"}, now)
    assert (reading.firing, reading.healthy_rules, reading.problem) == (("Fires",), 2, None)
    reading = prometheus.alerts({"service": "blk", "team": odd}, now)
    assert (reading.firing, reading.healthy_rules) == (("Fires",), 1)
    reading = prometheus.alerts({"service": "nobody"}, now)
    assert (reading.firing, reading.healthy_rules, reading.problem) == ((), 0, None)
    late = prometheus.alerts({"service": "blk"}, now + timedelta(minutes=5))
    assert late.healthy_rules == 0
    wrong = prometheus.alerts({'service="blk"} or up{x': "1"}, now)
    assert wrong.problem is not None
    assert wrong.problem.reason is NoDataReason.REFUSED


def test_the_rules_are_asked_for_once_by_all_who_look_at_the_same_time(
    prometheus_server: PrometheusServer,
) -> None:
    prometheus = Prometheus(url=prometheus_server.url)

    def asked() -> float:
        text = httpx.get(f"{prometheus.url}/metrics", timeout=5).text
        found = re.findall(
            r'^prometheus_http_requests_total{code="200",handler="/api/v1/rules"} (\S+)$', text, re.MULTILINE
        )
        return sum(map(float, found))

    before, now = asked(), datetime.now(UTC)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: prometheus.alerts({"service": "blk"}, now), range(8)))
    # One more where the eight took over a second.
    assert 1 <= asked() - before <= 2


def test_check(prometheus: Prometheus) -> None:
    assert prometheus.url in prometheus.check()


def _json(status: int, body: object) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


# Fits the rules API as well, which is asked at the same time.
VECTOR = {"resultType": "vector", "result": [{"metric": {}, "value": [1, "5"]}], "groups": []}


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (_json(500, {"status": "error", "error": "out of memory"}), NoDataReason.UNREACHABLE),
        (_json(503, {"status": "error", "errorType": "timeout", "error": "query timed out"}), NoDataReason.SLOW),
        (_json(429, {}), NoDataReason.UNREACHABLE),
        (_json(401, {}), NoDataReason.REFUSED),
        ((200, {}, b"<html>a log-in page</html>"), NoDataReason.UNREACHABLE),
        (_json(200, {"status": "success"}), NoDataReason.UNREACHABLE),
        (_json(200, ["no", "object"]), NoDataReason.UNREACHABLE),
        (_json(200, {"status": "success", "data": {"result": None}}), NoDataReason.UNREACHABLE),
        (_json(200, {"status": "success", "data": VECTOR, "warnings": ["one store is down"]}), NoDataReason.PARTIAL),
        (None, NoDataReason.SLOW),
    ],
)
def test_trouble_is_a_value(
    local_server: LocalServer, answer: tuple[int, dict[str, str], bytes], wanted: NoDataReason
) -> None:
    local_server.answer = lambda _: answer
    prometheus = Prometheus(url=local_server.url, timeout_seconds=0.3 if answer is None else 5)
    for reading in prometheus.instant({"a": "x", "b": "y"}, AT).values():
        assert reason(reading) is wanted
    assert reason(prometheus.instant({"a": "x"}, AT)["a"]) is wanted
    assert reason(prometheus.range("x", AT, AT, timedelta(seconds=1))) is wanted
    problem = prometheus.alerts({"service": "x"}, AT).problem
    assert problem is not None
    assert problem.reason is wanted


def test_rules_that_hang_are_waited_for_once_by_all_who_look_at_the_same_time(local_server: LocalServer) -> None:
    local_server.answer = lambda request: (
        None if "/rules" in request.path else _json(200, {"status": "success", "data": VECTOR})
    )
    prometheus = Prometheus(url=local_server.url, timeout_seconds=1.5)
    began, now = time.monotonic(), datetime.now(UTC)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: prometheus.alerts({"service": "blk"}, now), range(8)))
    assert time.monotonic() - began < 4 * 1.5
    assert {one.problem.reason for one in found if one.problem} == {NoDataReason.SLOW}
    assert all(one.problem for one in found)
    assert 1 <= len([1 for request in local_server.arrived if "/rules" in request.path]) <= 2


def test_a_warning_spoils_only_its_own_query(local_server: LocalServer) -> None:
    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        warned = {"warnings": ["partial"]} if b"sick" in request.body else {}
        return _json(200, {"status": "success", "data": VECTOR, **warned})

    local_server.answer = answer
    answers = Prometheus(url=local_server.url).instant({"good": "well", "bad": "sick"}, AT)
    assert answers["good"] == Sample(5.0, AT)
    assert reason(answers["bad"]) is NoDataReason.PARTIAL


def test_nobody_there(dead_port: int) -> None:
    prometheus = Prometheus(url=f"http://127.0.0.1:{dead_port}")
    started = time.monotonic()
    assert reason(prometheus.instant({"a": "x", "b": "y"}, AT)["a"]) is NoDataReason.UNREACHABLE
    assert time.monotonic() - started < 4
    with pytest.raises(Unreachable):
        prometheus.check()


def test_each_question_arrives_whole_with_what_belongs_to_all(local_server: LocalServer) -> None:
    """What all have alike is prepared once; a cookie that came since is sent back, as a balancer wants it."""
    body = json.dumps({"status": "success", "data": VECTOR}).encode()
    local_server.answer = lambda _: (200, {"Set-Cookie": "node=2; Path=/"}, body)
    prometheus = Prometheus(url=local_server.url, headers={"X-Scope-OrgID": SecretStr("one")})
    asked = ['a{b="\u00fc&c"}', "vector(1)", "vector(20)"]
    for query in asked:
        assert prometheus.instant({"a": query}, AT)["a"] == Sample(5.0, AT)
    arrived = local_server.arrived
    assert [parse_qs(one.body.decode())["query"] for one in arrived] == [[query] for query in asked]
    assert [one.headers["Content-Length"] for one in arrived] == [str(len(one.body)) for one in arrived]
    assert {one.headers["X-Scope-OrgID"] for one in arrived} == {"one"}
    assert {one.headers["Content-Type"] for one in arrived} == {"application/x-www-form-urlencoded"}
    assert ["Cookie" in one.headers for one in arrived] == [False, True, True]


def test_a_cookie_that_the_server_has_ended_is_sent_no_more(local_server: LocalServer) -> None:
    body = json.dumps({"status": "success", "data": VECTOR}).encode()
    cookies = iter(("session=1; Path=/", "session=; Path=/; Max-Age=0", "other=; Path=/; Max-Age=0"))
    local_server.answer = lambda _: (200, {"Set-Cookie": next(cookies)}, body)
    prometheus = Prometheus(url=local_server.url)
    for query in ("vector(1)", "vector(2)", "vector(3)"):
        prometheus.instant({"a": query}, AT)
    assert ["Cookie" in one.headers for one in local_server.arrived] == [False, True, False]


def test_the_token_is_sent_and_not_shown(local_server: LocalServer) -> None:
    local_server.answer = lambda _: _json(403, {"error": "not for you"})
    prometheus = Prometheus(url=local_server.url, token=SecretStr("top-secret"))
    with pytest.raises(Refused) as refused:
        prometheus.check()
    request = local_server.arrived[0]
    assert request.headers["Authorization"] == "Bearer top-secret"
    # In the body: an address of fifteen queries is too long for many a gateway.
    assert (request.method, request.path, b"query=vector" in request.body) == ("POST", "/api/v1/query", True)
    assert "top-secret" not in f"{refused.value}{prometheus}"
