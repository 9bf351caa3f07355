"""Signing in to the dashboard at a real OpenID Connect provider: who gets in, with which roles, and for how long."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.connections import OpenConnections
from blocks.errors import Refused, Unreachable
from blocks.kit import KitError, read_kit, write_kit
from blocks.sign_in import Errand, SignIn
from console.dashboard.access import configured_access
from console.dashboard.app import make_app
from console.dashboard.sign_ins import ERRAND_COOKIE, SESSION_COOKIE, SignIns, own_path
from engine.gates.gate import decide_gate
from engine.rollout.evaluation import hold
from engine.rollout.open import NotAllowed
from engine.rollout.session import utc_now
from tests.console.dashboards import PORT, Browser, served
from tests.console.prefect_stand_in import StandIn
from tests.e2e.waiting import wait_for
from tests.engine.conftest import seeds
from tests.engine.gate_world import GateWorld
from tests.oidc_provider import OidcProvider, came_back_with, claims_of, oidc_provider, walk_through
from tests.tidegate.builders import ANN, BOB
from tidegate.gates.approval import Answer
from tidegate.gates.statements import field_name, statements
from tidegate.journal.kinds import Kind
from tidegate.pages.journal_lines import entry_words

__all__ = ["seeds"]
STRANGER, GROUP = "eve@example.com", "release-commanders"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[OidcProvider]:
    with oidc_provider(tmp_path_factory.mktemp("provider"), keys) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, seeds: Path, prefect: StandIn) -> GateWorld:
    """A gate where names suffice, asked; two leads have to say go."""
    found = GateWorld(tmp_path, seeds, {"approvals": "open", "waves.0.gate": {"approvers": ["lead"], "quorum": 2}})
    found.open()
    return found


class Later:
    """A clock that can be set."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.by


@contextmanager
def dashboard(world: GateWorld, sign_in: SignIn, clock: Later | None = None) -> Iterator[str]:
    via = replace(world.run.connections, sign_in=sign_in)
    with served(via, sign_ins=SignIns(sign_in, clock or Later())) as url:
        yield url


@contextmanager
def browsing(url: str) -> Iterator[Browser]:
    with httpx.Client(base_url=url, headers=HTML, timeout=240) as http:
        yield Browser(http, origin=url)


@contextmanager
def signed_in(world: GateWorld, provider: OidcProvider, account: str, **fields: Any) -> Iterator[Browser]:
    """Somebody's browser, signed in at a dashboard of its own."""
    with dashboard(world, provider.sign_in(**fields)) as url, browsing(url) as page:
        assert walk_through(page.http, "/sign-in", account).status_code == 200
        yield page


def go(page: Browser, world: GateWorld, **more: str) -> str:
    """What the page says after a go with every box ticked."""
    stated = {field_name(s.key): "on" for s in statements(world.run.plan, 1)}
    form = {"decision": "go", "wave": "1", "attempt": str(world.open()), **stated, **more}
    shown = page.order(world.run.rollout, "answer", **form)
    found = re.search(r'id="outcome">([^<]+)<', shown)
    assert found is not None, shown
    return html.unescape(found[1])


def decided(world: GateWorld) -> str:
    """What the worker makes of the answer in the journal."""
    gate = world.run.refresh().gate
    assert gate is not None
    assert gate.answer is not None
    return decide_gate(world.run, 1, gate.attempt, Answer.from_json(gate.answer)).outcome.value


def entries(world: GateWorld, kind: Kind) -> list[dict[str, Any]]:
    return [e.json for e in world.run.connections.journal.entries(world.run.rollout) if e.kind is kind]


def is_out(page: Browser) -> bool:
    """Whether pages, streams and data are kept from this browser."""
    rollouts = page.http.get("/", follow_redirects=False)
    with page.http.stream("GET", "/events", headers={"Accept": "text/event-stream"}) as events:
        assert (rollouts.status_code, events.status_code) in ((303, 401), (200, 200))
    return rollouts.headers.get("location") == "/sign-in?then=%2F"


def test_nothing_is_shown_or_done_before_somebody_signs_in(world: GateWorld, provider: OidcProvider) -> None:
    with dashboard(world, provider.sign_in()) as url, browsing(url) as page:
        name, before = world.run.rollout, world.run.refresh().sequence
        assert is_out(page)
        for path in ("/metrics", f"/rollouts/{name}/json", f"/rollouts/{name}/events", "/doctor"):
            assert page.http.get(path, headers={"Accept": "*/*"}).status_code == 401, path
        sent = page.http.get(f"/rollouts/{name}", follow_redirects=False)
        assert sent.headers["location"] == f"/sign-in?then=%2Frollouts%2F{name}"
        refused = page.press(name, "rollback", name=ANN, reason="now & then")
        assert refused.status_code == 401
        assert "Your sign-in has ended. Nothing was done." in refused.text
        assert f"tidegate rollback {name} --as {ANN} --reason &#39;now &amp; then&#39;" in refused.text
        assert world.run.refresh().sequence == before


def test_who_signed_in_gives_the_orders_and_the_cookie_is_kept_from_scripts(
    world: GateWorld, provider: OidcProvider
) -> None:
    provider.know("ann", **claims_of(email="Ann@Example.com"))
    name = world.run.rollout
    with dashboard(world, provider.sign_in()) as url, browsing(url) as page:
        shown = walk_through(page.http, f"/sign-in?then=/rollouts/{name}", "ann")
        assert (shown.url.path, f"You are {ANN}" in shown.text) == (f"/rollouts/{name}", True)
        [back] = [one for one in shown.history if one.url.path == "/signed-in"]
        cookie = back.headers["set-cookie"].lower()
        assert cookie.startswith(SESSION_COOKIE)
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie
        page.order(name, "pause", name="somebody-else@example.com")
        assert entries(world, Kind.HELD)[-1]["by"] == ANN
        page.order(name, "continue")
        [ordered] = entries(world, Kind.ORDERED)
        assert (ordered["by"], ordered["identity"]["issuer"]) == (ANN, provider.issuer)
        # An approver by the plan's own list, whatever their groups; what was proven stands in the journal.
        assert "Not begun: 1 of 2 approvals" in go(page, world)
        [answered] = entries(world, Kind.ANSWERED)
        proven = answered["identity"]
        assert (proven["person"], proven["subject"], proven["roles"]) == (ANN, "ann", [])
        assert decided(world) == "counted"


def test_a_group_gives_a_role_of_the_plan_to_whoever_it_does_not_name(world: GateWorld, provider: OidcProvider) -> None:
    provider.know("eve", **claims_of(email=STRANGER, groups=["staff", GROUP]))
    provider.know("bob", **claims_of(email=BOB))
    roles = {"lead": (GROUP,)}
    with signed_in(world, provider, "eve", roles=roles) as page:
        hold(world.run, "somebody", "wait")
        assert "Resumed (operator)" in page.order(world.run.rollout, "continue")
        assert "Not begun: 1 of 2 approvals" in go(page, world)
        [line] = [
            entry_words(e) for e in world.run.connections.journal.entries(world.run.rollout) if e.kind is Kind.ANSWERED
        ]
        assert line == f"{STRANGER} said go (by dashboard, signed in at {provider.issuer} as lead)"
        assert decided(world) == "counted"
        assert world.run.refresh().votes.roles == {STRANGER: ("lead",)}
        world.open()
        path = f"/rollouts/{world.run.rollout}"
        wait_for(lambda: f"Said go: {STRANGER}" in page.page(path), 30, "the page has what was decided beside it")
        said = page.page(path)
        assert f"On this page you are who you are by your sign-in at {provider.issuer}." in said
        assert "names are recorded but not proven" not in said
    with signed_in(world, provider, "bob", roles=roles) as page:
        assert go(page, world).startswith("✓ Go: go by")
        assert decided(world) == "go"
    assert world.run.refresh().votes.approved_wave == 1


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ([GROUP], {}),
        ([GROUP], {"emperor": (GROUP,)}),
        (["staff"], {"lead": (GROUP,)}),
        (None, {"lead": (GROUP,)}),
        ({GROUP: True}, {"lead": (GROUP,)}),
        ([{"name": GROUP}, 7, "", None], {"lead": (GROUP,)}),
        ([GROUP.upper()], {"lead": (GROUP,)}),
    ],
    ids=["no map", "unknown role", "other group", "no claim", "an object", "no words", "other spelling"],
)
def test_what_gives_no_role_gives_no_right_to_approve(
    world: GateWorld, provider: OidcProvider, groups: object, roles: dict[str, tuple[str, ...]]
) -> None:
    provider.know("eve", **claims_of(email=STRANGER, **({} if groups is None else {"groups": groups})))
    with signed_in(world, provider, "eve", roles=roles) as page:
        assert f"{STRANGER} may not approve this gate" in go(page, world)
        hold(world.run, "somebody", "wait")
        assert f"{STRANGER} may not resume" in page.order(world.run.rollout, "continue")
    assert entries(world, Kind.ANSWERED) == []
    assert world.run.refresh().holds


def test_a_role_that_was_taken_away_counts_no_more(world: GateWorld, provider: OidcProvider) -> None:
    provider.know("eve", **claims_of(email=STRANGER, groups=[GROUP]))
    with signed_in(world, provider, "eve", roles={"lead": (GROUP,)}) as page:
        assert "Not begun: 1 of 2 approvals" in go(page, world)
        decided(world)
    provider.know("eve", **claims_of(email=STRANGER))
    with signed_in(world, provider, "eve", roles={"lead": (GROUP,)}) as page:
        assert f"{STRANGER} may not approve this gate" in go(page, world)


def test_where_the_plan_asks_for_codes_they_are_asked_and_no_group_stands_in(
    tmp_path: Path, seeds: Path, provider: OidcProvider, prefect: StandIn
) -> None:
    world = GateWorld(tmp_path, seeds)

    def rules(given: dict[str, object]) -> None:
        if world.answer(given)[0] == "refused":
            world.open()

    prefect.worker, prefect.asks = rules, world.run
    world.open()
    provider.know("ann", **claims_of())
    provider.know("eve", **claims_of(email=STRANGER, groups=[GROUP]))
    with signed_in(world, provider, "eve", roles={"lead": (GROUP,)}) as page:
        assert "go and extend need the one-time code" in go(page, world)
        assert f"{STRANGER} may not approve this gate" in go(page, world, code="123456")
    with signed_in(world, provider, "ann", roles={"lead": (GROUP,)}) as page:
        assert "go and extend need the one-time code" in go(page, world)
        assert go(page, world, code=world.code(ANN, utc_now())) == f"✓ Go: go by {ANN}"


def test_whoever_signs_out_is_out_and_their_old_cookie_with_them(world: GateWorld, provider: OidcProvider) -> None:
    provider.know("ann", **claims_of())
    with signed_in(world, provider, "ann") as page:
        page.page(f"/rollouts/{world.run.rollout}")
        cookie = page.http.cookies[SESSION_COOKIE]
        # Nobody else's page signs anybody out.
        assert page.http.post("/sign-out", data={"token": page.token}).status_code == 403
        assert not is_out(page)
        said = page.http.post("/sign-out", data={"token": page.token}, headers={"Origin": page.origin})
        assert "You are signed out" in said.text
        assert f'href="{provider.issuer}/session/end?client_id=tidegate"' in said.text
        assert is_out(page)
        page.http.cookies.set(SESSION_COOKIE, cookie)
        assert is_out(page)
        before = world.run.refresh().sequence
        assert page.press(world.run.rollout, "pause").status_code == 401
        assert world.run.refresh().sequence == before


def test_a_session_ends_and_what_was_typed_is_kept(world: GateWorld, provider: OidcProvider) -> None:
    provider.know("ann", **claims_of())
    clock, name = Later(), world.run.rollout
    with dashboard(world, provider.sign_in(session_minutes=60), clock) as url, browsing(url) as page:
        walk_through(page.http, "/sign-in", "ann")
        clock.by = timedelta(minutes=59)
        page.page(f"/rollouts/{name}")
        assert not is_out(page)
        clock.by, before = timedelta(minutes=60), world.run.refresh().sequence
        late = page.press(name, "rollback", reason="errors")
        assert (late.status_code, "errors" in late.text) == (401, True)
        assert 'href="/sign-in"' in late.text
        assert is_out(page)
        clock.by = timedelta(0)
        assert is_out(page)
        assert world.run.refresh().sequence == before
        # Signed in again, the page of before is this person's; the one that asked once more was nobody's.
        walk_through(page.http, "/sign-in", "ann")
        assert page.press(name, "pause", reason="errors").status_code == 303
        assert entries(world, Kind.HELD)[-1]["by"] == ANN
        kept = re.search(r'name="token" value="([0-9a-f]+)"', late.text)
        assert kept is not None
        page.token = kept[1]
        stale = page.press(name, "pause", reason="errors")
        assert (stale.status_code, "from before you signed in" in stale.text) == (403, True)


def test_a_stream_of_changes_ends_with_its_session(world: GateWorld, provider: OidcProvider) -> None:
    provider.know("ann", **claims_of())
    clock = Later()
    with dashboard(world, provider.sign_in(), clock) as url, browsing(url) as page:
        walk_through(page.http, "/sign-in", "ann")
        with page.http.stream("GET", f"/rollouts/{world.run.rollout}/events") as events:
            lines = events.iter_lines()
            assert next(lines).startswith("data: ")
            clock.by = timedelta(hours=9)
            # It would go on for a quarter of an hour; the client waits 90 s for each piece.
            assert len([line for line in lines if line.startswith("data: ")]) <= 2


def test_a_form_of_one_person_is_no_order_of_another(world: GateWorld, provider: OidcProvider) -> None:
    provider.know("ann", **claims_of())
    provider.know("eve", **claims_of(email=STRANGER))
    with dashboard(world, provider.sign_in()) as url, browsing(url) as page:
        walk_through(page.http, "/sign-in", "ann")
        page.page(f"/rollouts/{world.run.rollout}")
        form_session = page.http.cookies["tidegate-session"]
        page.http.cookies.clear()
        page.http.cookies.set("tidegate-session", form_session)
        walk_through(page.http, "/sign-in", "eve")
        before = world.run.refresh().sequence
        assert page.press(world.run.rollout, "pause").status_code == 403
        assert world.run.refresh().sequence == before


def test_a_state_is_good_once_in_the_browser_that_began_and_for_ten_minutes(
    world: GateWorld, provider: OidcProvider
) -> None:
    provider.know("ann", **claims_of())
    clock = Later()
    with dashboard(world, provider.sign_in(), clock) as url, browsing(url) as page, browsing(url) as other:
        used = came_back_with(walk_through(page.http, "/sign-in", "ann"))
        page.http.cookies.delete(SESSION_COOKIE)
        again = page.http.get(used)
        assert (again.status_code, "was used already" in again.text) == (403, True)
        assert is_out(page)
        # Begun here, ended elsewhere: a link with somebody else's answer signs nobody in as them.
        page.http.cookies.clear()
        sent = page.http.get("/sign-in", follow_redirects=False).headers["location"]
        state = str(httpx.URL(sent).params["state"])
        foreign = other.http.get("/signed-in", params={"state": state, "code": "x"})
        assert (foreign.status_code, "another browser" in foreign.text) == (403, True)
        # It is spent by that, too.
        spent = page.http.get("/signed-in", params={"state": state, "code": "x"})
        assert "was used already" in spent.text
        for query in ("", "state=x&code=y", "error=access_denied", "error=%3Cscript%3E", "state=x&state=y&code=z"):
            refused = page.http.get(f"/signed-in?{query}")
            assert (refused.status_code, "<script>" in refused.text) == (403, False), query
        sent = page.http.get("/sign-in", follow_redirects=False).headers["location"]
        clock.by = timedelta(minutes=11)
        late = page.http.get("/signed-in", params={"state": httpx.URL(sent).params["state"], "code": "x"})
        assert (late.status_code, "began too long ago" in late.text) == (403, True)
        assert is_out(page)


@pytest.mark.parametrize(
    ("claims", "by", "said"),
    [
        ({}, timedelta(hours=2), "ExpiredTokenError"),
        ({}, -timedelta(hours=2), "not accepted"),
        ({"email_verified": False}, timedelta(0), "is not verified"),
        ({"email_verified": "true"}, timedelta(0), "is not verified"),
        ({"email": None}, timedelta(0), "holds no e-mail address"),
        ({"email": "ann"}, timedelta(0), "holds no e-mail address"),
        ({"email": ["ann@example.com"]}, timedelta(0), "holds no e-mail address"),
    ],
    ids=["expired", "not yet valid", "unverified", "a word", "no address", "no e-mail", "a list"],
)
def test_a_token_that_proves_nobody_signs_nobody_in(
    world: GateWorld, provider: OidcProvider, claims: dict[str, Any], by: timedelta, said: str
) -> None:
    provider.know("odd", **claims_of(**claims))
    clock = Later()
    clock.by = by
    with dashboard(world, provider.sign_in(), clock) as url, browsing(url) as page:
        refused = walk_through(page.http, "/sign-in", "odd")
        assert (refused.status_code, said in html.unescape(refused.text)) == (403, True), refused.text
        assert SESSION_COOKIE not in page.http.cookies
        clock.by = timedelta(0)
        assert is_out(page)


def token_for(provider: OidcProvider, client: str) -> tuple[str, Errand]:
    """A real ID token of Ann for this client, and the errand that it was fetched on."""
    provider.know("ann", **claims_of())
    sign_in = provider.sign_in(client_id=client)
    # Nobody listens there: what the browser would bring back stands in the address.
    errand = Errand("http://127.0.0.1:9/signed-in", "a state", "a nonce", "v" * 64)
    codes: list[str] = []

    def stop(request: httpx.Request) -> None:
        if request.url.port == 9:
            codes.append(request.url.params["code"])
            raise httpx.ConnectError("it ends here")

    with httpx.Client(event_hooks={"request": [stop]}, timeout=240) as http, pytest.raises(httpx.ConnectError):
        walk_through(http, sign_in.address(errand), "ann")
    return sign_in.id_token(errand, codes[0]), errand


def test_a_token_for_somebody_else_of_another_sign_in_or_not_signed_by_the_provider_proves_nothing(
    provider: OidcProvider, keys: Path, tmp_path: Path
) -> None:
    sign_in, now = provider.sign_in(), utc_now()
    token, errand = token_for(provider, "tidegate")
    assert sign_in.proven(token, errand.nonce, now).person == ANN
    with pytest.raises(Refused, match="nonce"):
        sign_in.proven(token, "another nonce", now)
    with pytest.raises(Refused, match="nobody has begun"):
        sign_in.proven(token, "", now)
    other, errand = token_for(provider, "another")
    assert provider.sign_in(client_id="another").proven(other, errand.nonce, now).person == ANN
    with pytest.raises(Refused, match="not accepted .*aud"):
        sign_in.proven(other, errand.nonce, now)
    # Another provider with the very same keys: signed rightly, by the wrong one.
    with oidc_provider(tmp_path / "second", keys) as second:
        theirs, errand = token_for(second, "tidegate")
        with pytest.raises(Refused, match="not accepted .*iss"):
            sign_in.proven(theirs, errand.nonce, now)
    with oidc_provider(tmp_path / "third") as third:
        forged, errand = token_for(third, "tidegate")
        with pytest.raises(Refused, match="not accepted"):
            sign_in.proven(forged, errand.nonce, now)
    head, body, signature = token.split(".")
    nobody_signed = "eyJhbGciOiJub25lIn0." + body + "."
    for wrong in (f"{head}.{body}.", nobody_signed, f"{head}.{body}.{signature[:-8]}AAAAAAAA", "", "a.b.c", body):
        with pytest.raises(Refused, match="not accepted") as refused:
            sign_in.proven(wrong, "a nonce", now)
        assert body not in str(refused.value)


def test_a_code_is_good_once_and_its_refusal_repeats_no_secret(provider: OidcProvider) -> None:
    _, errand = token_for(provider, "tidegate")
    with pytest.raises(Refused, match=r"did not take the code of this sign-in \(400\)") as refused:
        provider.sign_in().id_token(errand, "used-or-made-up")
    with pytest.raises(Refused, match=r"did not take the code of this sign-in \(401\)") as wrong:
        provider.sign_in(client_secret="not the secret").id_token(errand, "any")
    for text in (str(refused.value), str(wrong.value), repr(provider.sign_in()), provider.sign_in().check()):
        assert provider.secret not in text
        assert "not the secret" not in text


def test_a_provider_that_does_not_answer_or_is_another_signs_nobody_in(
    world: GateWorld, provider: OidcProvider
) -> None:
    dead = provider.sign_in(issuer="http://127.0.0.1:9", timeout_seconds=2)
    with pytest.raises(Unreachable):
        dead.check()
    with dashboard(world, dead) as url, browsing(url) as page:
        failed = page.http.get("/sign-in")
        assert (failed.status_code, "tidegate rollback" in failed.text) == (403, True)
        assert is_out(page)
    elsewhere = provider.sign_in(issuer=provider.issuer.replace("127.0.0.1", "localhost"))
    with pytest.raises(Refused, match="calls itself"):
        elsewhere.check()


def test_people_come_back_to_this_machine_unless_the_kit_says_where(world: GateWorld, provider: OidcProvider) -> None:
    sign_ins = SignIns(provider.sign_in())
    assert (
        "redirect_uri=http%3A%2F%2F127.0.0.1%3A8600%2Fsigned-in" in sign_ins.begin("http://127.0.0.1:8600", "/", "")[0]
    )
    with pytest.raises(Refused, match="to this machine only"):
        sign_ins.begin("http://gate.example", "/", "")
    public = provider.sign_in(public_url="https://gate.example")
    assert "redirect_uri=https%3A%2F%2Fgate.example%2Fsigned-in" in SignIns(public).begin("http://evil", "/", "")[0]
    via = replace(world.run.connections, sign_in=public)
    from fastapi.testclient import TestClient

    app = make_app(via, configured_access("127.0.0.1", PORT, sign_in=public))
    sent = TestClient(app, base_url="http://gate.example").get("/sign-in", follow_redirects=False)
    # Served by https somewhere in front: every cookie is for https alone.
    assert sent.headers["set-cookie"].startswith(ERRAND_COOKIE)
    assert "Secure" in sent.headers["set-cookie"]


@pytest.mark.parametrize(
    "then",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/%0d%0aX: y", "javascript:x", "", "/a b", "/?x"],
)
def test_no_sign_in_leads_elsewhere(then: str) -> None:
    assert own_path(then) == "/"
    assert own_path("/rollouts/batch-patches-v1.2/gate") == "/rollouts/batch-patches-v1.2/gate"


@pytest.mark.parametrize(
    ("host", "fields", "more", "sentence"),
    [
        ("0.0.0.0", {}, {}, "sign_in without public_url"),
        ("127.0.0.1", {}, {"identity_header": "X-Forwarded-Email"}, "one way to know who asks"),
    ],
)
def test_settings_that_let_nobody_be_known_are_refused(
    host: str, fields: dict[str, Any], more: dict[str, str], sentence: str
) -> None:
    sign_in = SignIn(issuer="https://id.example", client_id="x", client_secret="s", **fields)
    with pytest.raises(NotAllowed, match=sentence):
        configured_access(host, PORT, sign_in=sign_in, **more)  # type: ignore[arg-type]
    public = SignIn(issuer="https://id.example", client_id="x", client_secret="s", public_url="https://gate.example")
    access = configured_access("0.0.0.0", PORT, sign_in=public)
    assert (access.hosts, access.secure) == ({"gate.example"}, True)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"issuer": "http://id.example"}, "issuer: found 'http://id.example', allowed is: .*https"),
        ({"public_url": "http://gate.example"}, "public_url: .*https"),
        ({"client_secret": ""}, "client_secret: found a value"),
        ({"scopes": ["email"]}, "scopes: .*openid"),
        ({"session_minutes": 100_000}, "session_minutes"),
        ({"roles": {"lead": "release-commanders"}}, "roles"),
    ],
)
def test_a_kit_with_a_wrong_sign_in_is_one_sentence(tmp_path: Path, fields: dict[str, object], sentence: str) -> None:
    path = tmp_path / "kit.yaml"
    kit: dict[str, dict[str, Any]] = {
        "journal": {"url": f"sqlite:///{tmp_path / 'j.db'}"},
        "flags": {"path": str(tmp_path / "flags.json")},
        "prometheus": {"url": "http://127.0.0.1:9"},
        "sign_in": {"issuer": "https://id.example", "client_id": "tidegate", "client_secret": "s3cr3t-s3cr3t"},
    }
    write_kit(path, kit)
    found: OpenConnections = read_kit(path)
    assert found.sign_in is not None
    assert "s3cr3t" not in repr(found)
    with pytest.raises(KitError, match=sentence) as refused:
        write_kit(path, {**kit, "sign_in": {**kit["sign_in"], **fields}})
    assert "s3cr3t" not in str(refused.value)


def test_the_metrics_have_a_password_of_their_own(world: GateWorld, provider: OidcProvider) -> None:
    from fastapi.testclient import TestClient

    sign_in = provider.sign_in()
    via = replace(world.run.connections, sign_in=sign_in)
    app = make_app(via, configured_access("127.0.0.1", PORT, password="correct horse battery", sign_in=sign_in))
    http = TestClient(app, base_url=f"http://127.0.0.1:{PORT}")
    assert http.get("/metrics", auth=("x", "correct horse battery")).status_code == 200
    assert http.get("/metrics", auth=("x", "wrong")).status_code == 401
    shown = http.get("/", auth=("x", "correct horse battery"), headers=HTML, follow_redirects=False)
    assert shown.headers["location"] == "/sign-in?then=%2F"
