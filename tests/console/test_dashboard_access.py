"""Who gets in and whose orders count: foreign pages, foreign names, and listening beyond this machine."""

import base64
from pathlib import Path
from typing import Any

import pytest

from console.dashboard.access import PASSWORD_VARIABLE, configured_access, read_password
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.dashboards import ORIGIN, PORT, Browser, browser
from tests.console.test_without_journal import in_wave_one
from tidegate.journal.kinds import Kind

WHO = "anybody@company.com"
PASSWORD = "correct horse battery"
HEADER = "X-Forwarded-Email"


@pytest.fixture
def run(tmp_path: Path, prometheus_server: PrometheusServer) -> OpenRollout:
    return in_wave_one(tmp_path, prometheus_server)


@pytest.mark.parametrize(
    ("case", "origin", "token", "extra"),
    [
        ("no origin", "", None, {}),
        ("foreign origin", "https://evil.example", None, {}),
        ("origin of another port", "http://127.0.0.1:9999", None, {}),
        ("opaque origin", "null", None, {}),
        ("no token", ORIGIN, "", {}),
        ("wrong token", ORIGIN, "0" * 64, {}),
        ("not ascii", ORIGIN, "é", {}),
        ("another site says the browser", ORIGIN, None, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_orders_of_foreign_pages_are_refused(
    run: OpenRollout, case: str, origin: str | None, token: str | None, extra: dict[str, str]
) -> None:
    page = browser(run.connections)
    page.page(f"/rollouts/{run.rollout}")
    page.http.headers.update(extra)
    page.token = page.token if token is None else token
    before = run.refresh().sequence
    for order in ("pause", "continue", "rollback", "answer"):
        assert page.press(run.rollout, order, origin, name=WHO).status_code == 403, case
    assert run.refresh().sequence == before


def test_a_token_belongs_to_its_session_and_its_process(run: OpenRollout) -> None:
    mine, other = browser(run.connections), browser(run.connections)
    mine.page(f"/rollouts/{run.rollout}")
    other.page(f"/rollouts/{run.rollout}")
    assert mine.press(run.rollout, "pause", name=WHO).status_code == 303
    stolen = Browser(mine.http, other.token)
    assert stolen.press(run.rollout, "pause", name=WHO).status_code == 403
    no_cookie = browser(run.connections)
    no_cookie.token = mine.token
    assert no_cookie.press(run.rollout, "pause", name=WHO).status_code == 403


def test_the_cookie_is_kept_from_scripts_and_other_sites(run: OpenRollout) -> None:
    cookie = browser(run.connections).http.get("/").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:8600", ""])
def test_a_host_name_that_is_not_its_own_is_refused(run: OpenRollout, host: str) -> None:
    page = browser(run.connections)
    for path in ("/", f"/rollouts/{run.rollout}", "/metrics", "/static/page.js", "/nothing"):
        assert page.http.get(path, headers={"Host": host}).status_code == 421
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert page.http.post(f"/rollouts/{run.rollout}/pause", data={"name": WHO}, headers=headers).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_its_own_names_are_served(run: OpenRollout, host: str) -> None:
    assert browser(run.connections).http.get("/", headers={"Host": f"{host}:{PORT}"}).status_code == 200


@pytest.mark.parametrize("body", ["json", "long"])
def test_what_is_no_form_is_refused(run: OpenRollout, body: str) -> None:
    page = browser(run.connections)
    page.page(f"/rollouts/{run.rollout}")
    path, headers = f"/rollouts/{run.rollout}/pause", {"Origin": ORIGIN}
    if body == "json":
        assert page.http.post(path, json={"token": page.token, "name": WHO}, headers=headers).status_code == 415
    else:
        data = {"token": page.token, "name": WHO, "reason": "x" * 30_000}
        assert page.http.post(path, data=data, headers=headers).status_code == 413


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}


def test_with_a_password_nothing_is_shown_without_it(run: OpenRollout) -> None:
    page = browser(run.connections, configured_access("127.0.0.1", PORT, password=PASSWORD))
    for path in ("/", "/metrics"):
        answer = page.http.get(path)
        assert (answer.status_code, "Basic" in answer.headers["www-authenticate"]) == (401, True)
    for wrong in (basic("wrong"), basic(""), {"Authorization": "Basic ???"}, {"Authorization": f"Bearer {PASSWORD}"}):
        assert page.http.get("/", headers=wrong).status_code == 401
    assert page.http.get("/", headers=basic(PASSWORD)).status_code == 200


def test_behind_a_proxy_the_proxy_says_who_asks(run: OpenRollout) -> None:
    access = configured_access("127.0.0.1", PORT, identity_header=HEADER)
    page = browser(run.connections, access)
    assert page.http.get("/").status_code == 403
    page.http.headers[HEADER] = "ann@company.com"
    assert "You are ann@company.com" in page.page("/")
    page.order(run.rollout, "pause", name="somebody-else@company.com")
    held = [e.json["by"] for e in run.connections.journal.entries(run.rollout) if e.kind is Kind.HELD]
    assert held == ["ann@company.com"]


def test_whoever_goes_around_the_proxy_is_refused(run: OpenRollout) -> None:
    access = configured_access("127.0.0.1", PORT, identity_header=HEADER, proxies=["10.0.0.7"])
    assert browser(run.connections, access).http.get("/", headers={HEADER: "ann@company.com"}).status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gate.example", "::ffff:192.168.1.5"])
def test_beyond_this_machine_it_does_not_listen_unguarded(host: str) -> None:
    with pytest.raises(NotAllowed, match="without a password"):
        configured_access(host, PORT, names=["gate.example:8600"])


@pytest.mark.parametrize(
    ("host", "more", "hosts"),
    [
        ("127.0.0.1", {}, {f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"[::1]:{PORT}"}),
        ("192.168.1.5", {"password": PASSWORD}, {f"192.168.1.5:{PORT}"}),
        ("192.168.1.5", {"identity_header": HEADER}, {f"192.168.1.5:{PORT}"}),
        ("0.0.0.0", {"password": PASSWORD, "names": ["Gate.Example"]}, {"gate.example"}),
    ],
)
def test_the_names_it_answers_to(host: str, more: dict[str, object], hosts: set[str]) -> None:
    assert configured_access(host, PORT, **more).hosts == hosts  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "sentence"), [({"password": "short"}, "at least 12"), ({"password": PASSWORD}, "--name")]
)
def test_bad_settings_are_one_sentence(more: dict[str, str], sentence: str) -> None:
    with pytest.raises(NotAllowed, match=sentence):
        configured_access("0.0.0.0", PORT, **more)  # type: ignore[arg-type]


def test_the_password_lies_in_a_file_that_nobody_else_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "password"
    with pytest.raises(NotAllowed, match="cannot be read"):
        read_password(path)
    path.write_text(f"{PASSWORD}\n")
    path.chmod(0o644)
    with pytest.raises(NotAllowed, match="0644"):
        read_password(path)
    path.chmod(0o600)
    assert read_password(path) == PASSWORD
    path.write_text("\n")
    with pytest.raises(NotAllowed, match="found nothing"):
        read_password(path)
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    assert read_password(None) == PASSWORD


@pytest.mark.parametrize(
    ("more", "issuer", "said"),
    [
        ({}, "", "Approvals are open: names are recorded but not proven."),
        ({"identity_header": HEADER}, "", "On this page you are who the proxy says. Names given on the command line"),
        ({}, "https://id.example.com", "by your sign-in at https://id.example.com. Names given on the command line"),
    ],
)
def test_a_page_says_what_it_proves_of_a_name(more: dict[str, Any], issuer: str, said: str) -> None:
    assert said in configured_access("127.0.0.1", PORT, **more).proof_words(issuer)
