"""A server's clock by its Date headers: what a whole second cannot tell is no skew."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import pytest

from blocks.prometheus.block import Prometheus
from blocks.prometheus.server_clock import ServerClock
from tests.blocks.conftest import Answer, LocalServer, Request
from tidegate.values.samples import Sample

SECOND = timedelta(seconds=1)
HALF_AN_HOUR = timedelta(minutes=30)


def dated(clock: ServerClock, ahead: timedelta) -> None:
    now = time.monotonic()
    said = datetime.now(UTC) + ahead
    clock.answered(format_datetime(said, usegmt=True), None, now, now)


@pytest.mark.parametrize("ahead", [timedelta(0), 0.4 * SECOND, -0.4 * SECOND])
def test_what_a_date_header_cannot_tell_is_no_skew(ahead: timedelta) -> None:
    clock = ServerClock()
    dated(clock, ahead)
    skew = clock.skew()
    assert skew is not None
    assert abs(skew) < SECOND
    assert clock.shift() == timedelta(0)


@pytest.mark.parametrize("ahead", [HALF_AN_HOUR, -HALF_AN_HOUR, 7 * SECOND])
def test_a_clock_that_is_off_is_told_and_corrected(ahead: timedelta) -> None:
    clock = ServerClock()
    dated(clock, ahead)
    skew = clock.skew()
    assert skew is not None
    assert abs(skew - ahead) <= SECOND
    assert abs(clock.shift() - ahead) <= SECOND


def test_an_answer_that_lay_in_a_cache_is_as_old_as_it_says() -> None:
    clock, now = ServerClock(), time.monotonic()
    clock.answered(format_datetime(datetime.now(UTC) - 600 * SECOND, usegmt=True), "600", now, now)
    assert clock.skew() == timedelta(0)


def test_the_way_of_an_answer_is_no_skew() -> None:
    clock, now = ServerClock(), time.monotonic()
    clock.answered(format_datetime(datetime.now(UTC) - 8 * SECOND, usegmt=True), None, now - 10, now)
    assert clock.skew() == timedelta(0)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 99 Jan 2026 00:00:00 GMT"])
def test_what_is_no_date_tells_nothing(date: str | None) -> None:
    clock = ServerClock()
    clock.answered(date, None, 0, 0)
    assert clock.skew() is None


def answering(ahead: timedelta, asked: list[float]) -> Callable[[Request], Answer]:
    """A Prometheus whose clock is ahead, and that keeps the instants it was asked for."""

    def answer(request: Request) -> Answer:
        form = parse_qs(request.body.decode())
        asked.extend(float(one) for name in ("time", "end") for one in form.get(name, ()))
        theirs = datetime.now(UTC) + ahead
        at = float(form.get("time", ["0"])[0])
        points = f'"values": [[{form["end"][0]}, "5"]]' if "end" in form else f'"value": [{at}, "5"]'
        kind = "matrix" if "end" in form else "vector"
        body = f'{{"status": "success", "data": {{"resultType": "{kind}", "result": [{{"metric": {{}}, {points}}}]}}}}'
        headers = {"Content-Type": "application/json", "Date": format_datetime(theirs, usegmt=True)}
        return 200, headers, body.encode()

    return answer


@pytest.mark.parametrize("ahead", [HALF_AN_HOUR, -HALF_AN_HOUR])
def test_prometheus_is_asked_by_its_own_clock_from_the_first_answer_on(
    local_server: LocalServer, ahead: timedelta
) -> None:
    asked: list[float] = []
    local_server.dated = False
    local_server.answer = answering(ahead, asked)
    prometheus, now = Prometheus(url=local_server.url), datetime.now(UTC)
    # What people see and the journal keeps stays by our clock.
    assert prometheus.instant({"a": "x"}, now)["a"] == Sample(5.0, now)
    assert abs(asked[-1] - (now + ahead).timestamp()) <= 2
    [point] = prometheus.range("x", now - SECOND, now, SECOND)  # type: ignore[misc]
    assert abs(point.at - now) < timedelta(milliseconds=2)
    assert abs(asked[-1] - (now + ahead).timestamp()) <= 2
    skew = prometheus.skew()
    assert skew is not None
    assert abs(skew - ahead) <= 2 * SECOND


def test_without_a_date_its_time_is_asked_for(local_server: LocalServer) -> None:
    local_server.dated = False
    late = datetime.now(UTC).timestamp() - 60

    def answer(_: Request) -> Answer:
        body = f'{{"data": {{"resultType": "vector", "result": [{{"metric": {{}}, "value": [0, "{late}"]}}]}}}}'
        return 200, {"Content-Type": "application/json"}, body.encode()

    local_server.answer = answer
    prometheus = Prometheus(url=local_server.url)
    assert prometheus.skew() is None, "nobody was asked yet"
    prometheus.check()
    skew = prometheus.skew()
    assert skew is not None
    assert timedelta(seconds=-90) < skew < timedelta(seconds=-50)


def test_threads_that_start_together_share_one_client(dead_port: int) -> None:
    """What one's answers tell of the clock is what another judges by, as in a preflight of many checks."""
    together = threading.Barrier(8)

    def client(prometheus: Prometheus) -> int:
        together.wait(30)
        return id(prometheus.get_client())

    with ThreadPoolExecutor(8) as pool:
        for _ in range(30):
            asked = Prometheus(url=f"http://127.0.0.1:{dead_port}")
            assert len(set(pool.map(client, [asked] * 8))) == 1
