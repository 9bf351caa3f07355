"""Guessing the dashboard's password: side by side, over a restart, and never to the harm of the real person."""

import base64
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn

from console.dashboard.access import MARK, Access, configured_access
from console.dashboard.app import make_app
from console.dashboard.guesses import FREE, LONGEST_WAIT, MANY, Guesses
from engine.gates.private_json import PrivateFileError
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.dashboards import PORT, browser
from tests.console.test_without_journal import in_wave_one
from tests.e2e.waiting import wait_for
from tidegate.journal.kinds import Kind

PASSWORD = "correct horse battery"
HERE, THERE = "192.0.2.7", "198.51.100.9"


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}


@pytest.fixture
def run(tmp_path: Path, prometheus_server: PrometheusServer) -> OpenRollout:
    return in_wave_one(tmp_path, prometheus_server)


@contextmanager
def served_with_password(run: OpenRollout) -> Iterator[str]:
    app = make_app(run.connections, Access(frozenset()))
    config = uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
    server, sockets = uvicorn.Server(config), [config.bind_socket()]
    port = sockets[0].getsockname()[1]
    config.app = make_app(run.connections, configured_access("127.0.0.1", port, password=PASSWORD))
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, 20, "the dashboard listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def test_three_hundred_guesses_side_by_side_are_five(run: OpenRollout) -> None:
    with served_with_password(run) as url:
        known = httpx.Client(base_url=url, headers=basic(PASSWORD), timeout=30)
        assert known.get("/").status_code == 200

        def guess(number: int) -> int:
            # The right one is among them, late: it must not be found so.
            headers = basic(PASSWORD if number == 250 else f"wrong {number}")
            return stranger.get("/", headers=headers).status_code

        with ThreadPoolExecutor(30) as pool, httpx.Client(base_url=url, timeout=60) as stranger:
            found = Counter(pool.map(guess, range(300)))
        # On a machine so slow that the first waits are over meanwhile, one more for each of them.
        assert set(found) == {401, 429}
        assert FREE <= found[401] <= FREE + 2
        # From the very same address, a browser that was let in before goes on, and rolls back.
        page = known.get(f"/rollouts/{run.rollout}")
        assert page.status_code == 200
        token = page.text.split('name="token" value="')[1].split('"')[0]
        data = {"token": token, "name": "ann@example.com", "reason": "now"}
        pressed = known.post(f"/rollouts/{run.rollout}/rollback", data=data, headers={"Origin": url})
        assert pressed.status_code == 303
        known.close()
    assert any(e.kind is Kind.ROLLING_BACK for e in run.connections.journal.entries(run.rollout))


def test_the_page_says_how_long_and_what_goes_on_working(run: OpenRollout) -> None:
    page = browser(run.connections, configured_access("127.0.0.1", PORT, password=PASSWORD))
    for _ in range(FREE):
        assert page.http.get("/", headers=basic("wrong")).status_code == 401
    assert page.http.get("/").status_code == 401  # without a password nothing is guessed
    answer = page.http.get("/", headers=basic(PASSWORD))
    assert answer.status_code == 429
    assert 25 <= int(answer.headers["retry-after"]) <= 30
    assert "the next one is looked at in" in answer.text
    assert "tidegate rollback" in answer.text
    assert MARK not in answer.headers.get("set-cookie", "")


def test_nobody_waits_for_anothers_guesses() -> None:
    access = configured_access("127.0.0.1", PORT, password=PASSWORD)
    host = {"host": f"127.0.0.1:{PORT}"}
    for number in range(2 * MANY):
        with pytest.raises(Exception, match="password"):
            access.admit({**host, **lower(basic(str(number)))}, f"203.0.113.{number}")
    # While guesses come from everywhere, an address has one, and the right one is still taken.
    access.admit({**host, **lower(basic(PASSWORD))}, HERE)
    with pytest.raises(Exception, match="A password is needed"):
        access.admit({**host, **lower(basic("wrong"))}, THERE)
    with pytest.raises(Exception, match="Too many wrong passwords"):
        access.admit({**host, **lower(basic(PASSWORD))}, THERE)
    access.admit({**host, **lower(basic(PASSWORD))}, HERE)


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_behind_a_proxy_each_address_waits_for_itself() -> None:
    access = configured_access("127.0.0.1", PORT, password=PASSWORD)
    host = {"host": f"127.0.0.1:{PORT}"}
    for _ in range(FREE):
        with pytest.raises(Exception, match="A password is needed"):
            access.admit({**host, **lower(basic("wrong")), "x-forwarded-for": f"1.2.3.4, {HERE}"}, "127.0.0.1")
    right = {**host, **lower(basic(PASSWORD))}
    access.admit({**right, "x-forwarded-for": THERE}, "127.0.0.1")
    with pytest.raises(Exception, match="Too many wrong passwords"):
        access.admit({**right, "x-forwarded-for": HERE}, "127.0.0.1")
    # Nobody else is believed about where a request came from.
    with pytest.raises(Exception, match="Too many wrong passwords"):
        access.admit({**right, "x-forwarded-for": THERE}, HERE)


def test_waits_grow_to_an_end_and_are_forgotten_after_a_day() -> None:
    now = [datetime(2026, 3, 2, tzinfo=UTC)]
    guesses = Guesses(clock=lambda: now[0])
    waits = []
    for _ in range(FREE + 7):
        guesses.was_wrong("address x")
        waits.append(guesses.wait("address x").total_seconds())
        now[0] += guesses.wait("address x")
    assert waits == [0] * (FREE - 1) + [30, 60, 120, 240, 480, 900, 900, 900]
    now[0] -= timedelta(days=300)
    assert guesses.wait("address x") <= LONGEST_WAIT
    now[0] += timedelta(days=302)
    guesses.was_wrong("address x")
    assert guesses.wait("address x") == timedelta(0)


def test_a_restart_forgives_nothing_and_knows_its_browsers(tmp_path: Path) -> None:
    path = tmp_path / "dashboard-guesses.json"
    before = Guesses(path)
    mark = before.mark()
    for _ in range(FREE):
        before.was_wrong(before.who(HERE, ""))
    after = Guesses(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert after.wait(after.who(HERE, "")) > timedelta(seconds=20)
    assert after.wait(after.who(HERE, mark)) == timedelta(0)
    assert after.who(HERE, mark) == before.who(THERE, mark)
    for forged in ("", "a.b", mark.replace(".", ".0"), mark[:-1], "é.é", "."):
        assert after.who(HERE, forged) == f"address {HERE}"
    path.write_text('{"key": 5}')
    with pytest.raises(PrivateFileError, match="wrong guesses"):
        Guesses(path)


def test_a_known_browsers_guesses_count_too_and_networks_count_as_one() -> None:
    guesses = Guesses()
    mark = guesses.mark()
    for _ in range(FREE):
        guesses.was_wrong(guesses.who(HERE, mark))
    assert guesses.wait(guesses.who(THERE, mark)) > timedelta(0)
    assert guesses.wait(guesses.who(HERE, "")) == timedelta(0)
    assert guesses.who("2001:db8::1", "") == guesses.who("2001:db8::ffff:2", "") != guesses.who("2001:db8:0:1::1", "")
    assert guesses.who("::ffff:192.0.2.7", "") == guesses.who(HERE, "")
