"""The dashboard's pages and buttons on a real journal: what is pressed ends there by the rules of the command line."""

import html
import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from prefect.context import refresh_global_settings_context

from blocks.connections import OpenConnections
from blocks.journal.guard_checks import note_guard_check
from console.dashboard import orders
from console.dashboard.app import LOOK_SECONDS
from engine.gates.gate import open_gate
from engine.rollout.evaluation import hold
from engine.rollout.open import opening_body
from engine.rollout.session import OpenRollout
from tests.conftest import PrometheusServer
from tests.console.dashboards import Browser, browser, served
from tests.console.test_gates import at_the_last_gate
from tests.console.test_without_journal import in_wave_one
from tests.engine.world import World, healthy, no_alerts
from tests.tidegate.builders import BOB, MINUTE, plan_of
from tidegate.gates.statements import field_name, people_of, statements
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

COMMANDER = "commander@company.com"
ANYBODY = "Somebody on call"
HTML = "<script>alert('x')</script><img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def no_prefect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No server answers, and none is started: an answer is in the journal all the same. Its home is its own."""
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    refresh_global_settings_context()
    yield
    monkeypatch.undo()
    refresh_global_settings_context()


@pytest.fixture
def run(tmp_path: Path, prometheus_server: PrometheusServer) -> OpenRollout:
    """The reference plan in wave 1; no claim is held."""
    made = in_wave_one(tmp_path, prometheus_server)
    made.release_claim()
    return made


@pytest.fixture
def page(run: OpenRollout) -> Browser:
    return browser(run.connections)


def last(run: OpenRollout, kind: Kind) -> dict[str, object]:
    """The newest entry of this kind."""
    found = [e.json for e in run.connections.journal.entries(run.rollout) if e.kind is kind]
    return dict(found[-1])


def test_the_list_and_the_page_of_a_rollout(run: OpenRollout, page: Browser) -> None:
    assert f'href="/rollouts/{run.rollout}"' in page.page("/")
    text = page.page(f"/rollouts/{run.rollout}")
    for words in ("1 of 4 (10%)", "10% of internal", "Error Rate", "&lt; 2%", "Incidents", "ROLLBACK", "PAUSE"):
        assert words in text, words
    assert page.http.get("/rollouts/nothing").status_code == 404


def test_a_flag_that_somebody_else_changed_is_not_shown_as_planned(run: OpenRollout, page: Browser) -> None:
    assert "✓ as planned" in page.page(f"/rollouts/{run.rollout}")
    run.append(body_from_json(Kind.HELD, {"cause": "drift", "reason": "changed", "by": "tidegate"}))
    text = browser(run.connections).page(f"/rollouts/{run.rollout}")
    assert "as planned" not in text
    assert "✖ by the journal; the flag was changed by somebody else" in text


def test_pages_need_nothing_from_elsewhere_and_run_no_script_in_line(run: OpenRollout, page: Browser) -> None:
    answer = page.http.get(f"/rollouts/{run.rollout}")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", answer.text)
    assert not re.search(r"<[^>]+ (?:style|on[a-z]+)=", answer.text)
    for file in ("style.css", "page.js"):
        assert page.http.get(f"/static/{file}").status_code == 200
    assert page.http.get("/static/../app.py").status_code == 404
    assert page.http.get("/docs").status_code == 404


def test_every_field_has_its_label(run: OpenRollout, page: Browser) -> None:
    text = page.page(f"/rollouts/{run.rollout}")
    labels = set(re.findall(r'<label for="([^"]+)"', text))
    fields = re.findall(r"<input (?![^>]*type=)[^>]*>", text)
    ids = [found[1] for field in fields if (found := re.search(r'id="([^"]+)"', field))]
    assert fields
    assert len(ids) == len(fields)
    assert set(ids) <= labels
    assert 'aria-live="polite"' in text


def test_pause_needs_only_a_name_and_ends_in_the_journal(run: OpenRollout, page: Browser) -> None:
    text = page.order(run.rollout, "pause", name=ANYBODY, reason="something smells")
    assert "Held" in text
    assert run.refresh().holds[HoldCause.OPERATOR] == f"{ANYBODY}: something smells"
    assert "already" in page.order(run.rollout, "pause", name=ANYBODY)


@pytest.mark.parametrize("order", ["pause", "rollback"])
def test_an_order_without_a_name_does_nothing(run: OpenRollout, page: Browser, order: str) -> None:
    before = run.refresh().sequence
    assert "Not done: name" in page.order(run.rollout, order, name="  ")
    assert run.refresh().sequence == before


def test_only_an_approver_continues(run: OpenRollout, page: Browser) -> None:
    hold(run, ANYBODY, "wait")
    assert "may not resume" in page.order(run.rollout, "continue", name="stranger@company.com")
    assert "allowed is an e-mail address" in page.order(run.rollout, "continue", name="Commander")
    assert HoldCause.OPERATOR in run.refresh().holds
    assert "Resumed (operator)" in page.order(run.rollout, "continue", name=COMMANDER, reason="fine again")
    assert run.refresh().holds == {}
    assert last(run, Kind.RESUMED)["by"] == COMMANDER


def test_rollback_is_at_zero_before_the_page_answers_and_is_proven_beside(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = World(tmp_path, prometheus_server, no_alerts())
    world.pass_time(20 * MINUTE, healthy)
    world.run.release_claim()
    text = browser(world.via).order(world.run.rollout, "rollback", name=ANYBODY, reason="customers call")
    assert "is at zero after" in text
    assert world.via.flags.read(world.run.flag).exposure == ZERO
    state = world.run.refresh()
    assert state.rollback is not None
    assert (state.rollback.by, state.rollback.reason) == (ANYBODY, "customers call")
    assert "ROLLING BACK" in text or "ROLLED BACK" in text
    proving = orders._provers[world.run.rollout]
    assert proving.name == f"prove {world.run.rollout}"


def test_rollback_works_while_the_journal_does_not_answer(run: OpenRollout, page: Browser, tmp_path: Path) -> None:
    page.page(f"/rollouts/{run.rollout}")
    run.connections.journal.close()
    (tmp_path / "journal.db").rename(tmp_path / "elsewhere.db")
    (tmp_path / "journal.db").mkdir()
    assert "is at zero after" in page.order(run.rollout, "rollback", name=ANYBODY)
    assert run.connections.flags.read(run.flag).exposure == ZERO


def gated(tmp_path: Path, prometheus: PrometheusServer) -> OpenRollout:
    """Asked before wave 4, which people alone decide, while nothing has been measured."""
    run = at_the_last_gate(tmp_path, prometheus)
    open_gate(run, 4, "00000000-0000-0000-0000-000000000000")
    run.release_claim()
    return run


def answer(page: Browser, run: OpenRollout, decision: str, attempt: str = "1", **fields: str) -> str:
    return page.order(run.rollout, "answer", decision=decision, wave="4", attempt=attempt, **fields)


def test_the_gate_form_shows_evidence_and_statements(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = gated(tmp_path, prometheus_server)
    text = browser(run.connections).page(f"/rollouts/{run.rollout}")
    assert "May Wave 4: Full Production (100% of production) begin?" in text
    assert "Operations team confident in monitoring" in text
    assert "manager@company.com" in text
    assert 'name="code"' not in text


def test_a_go_is_judged_as_on_the_command_line(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = gated(tmp_path, prometheus_server)
    page = browser(run.connections)
    before = run.refresh().sequence
    assert "Refused: stranger@company.com may not approve" in answer(page, run, "go", name="stranger@company.com")
    # Nothing was measured in wave 3, so whoever may say go cannot.
    assert "Refused:" in answer(page, run, "go", name=COMMANDER)
    assert "found &#39;perhaps&#39;, allowed are" in answer(page, run, "perhaps", name=COMMANDER)
    assert "asked anew" in answer(page, run, "go", attempt="7", name=COMMANDER)
    assert "found" in answer(page, run, "extend", name=COMMANDER, extension="soon")
    for _ in range(3):
        assert "extend needs a duration" in answer(page, run, "extend", name=COMMANDER)
    # Each refusal stands in the journal once, however often it is provoked, and nothing else does.
    written = run.connections.journal.entries(run.rollout, after=before)
    assert {entry.kind for entry in written} == {Kind.ORDERED}
    refused = [(entry.json["what"], entry.json["by"], entry.json["via"]) for entry in written]
    go, extend = "go at the gate before wave 4", "extend at the gate before wave 4"
    assert refused == [
        (go, "stranger@company.com", "dashboard"),
        (go, COMMANDER, "dashboard"),
        ("an answer at the gate before wave 4", COMMANDER, "dashboard"),
        (go, COMMANDER, "dashboard"),
        (extend, COMMANDER, "dashboard"),
    ]
    assert run.refresh().gate is not None
    assert run.state.gate.waits


def test_an_extension_is_an_answer_in_the_journal(tmp_path: Path, prometheus_server: PrometheusServer) -> None:
    run = gated(tmp_path, prometheus_server)
    text = answer(browser(run.connections), run, "extend", name=COMMANDER, extension="12h", note="to be sure")
    assert "Extended: extended by 12h" in text
    assert last(run, Kind.ANSWERED) == {
        "wave": 4,
        "attempt": 1,
        "via": "dashboard",
        "answer": {
            "decision": "extend",
            "approver": COMMANDER,
            "note": "to be sure",
            "extension": "12h",
            "stated": [],
            "given_for": f"wave 4, attempt 1, plan {run.plan.hash[:12]}",
        },
    }


def test_anybody_says_hold_at_a_gate_and_a_rollback_there_is_immediate(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = gated(tmp_path, prometheus_server)
    page = browser(run.connections)
    assert "Held: held at the gate" in answer(page, run, "hold", name=ANYBODY)
    assert "is at zero after" in answer(page, run, "rollback", name=ANYBODY, note="enough")
    assert run.connections.flags.read(run.flag).exposure == ZERO
    assert run.refresh().rollback is not None


def soaked(tmp_path: Path, prometheus: PrometheusServer) -> World:
    """The small plan after wave 1, asked before wave 2, which one approver may begin on a measured error rate."""
    entered = {"kind": "threshold", "when": "enter", "metric": "errors", "below": "2%", "text": "Still few errors"}
    lasting = {"kind": "earlier_waves", "when": "during", "waves": [1], "text": "As before"}
    person = {"kind": "human", "when": "enter", "role": "lead", "text": "All is ready"}
    changes = {"waves.1.criteria": [entered, lasting, person], "waves.1.gate": {"approvers": ["lead"]}}
    world = World(tmp_path, prometheus, no_alerts(changes))
    world.pass_time(80 * MINUTE, healthy, guard=MINUTE / 2)
    assert world.run.state.phase is Phase.SOAKED
    asked = {"wave": 2, "attempt": 1, "verdict": "PASS", "findings": [], "refusal": "", "flow_run": ""}
    world.run.append(body_from_json(Kind.GATE_OPENED, asked), world.now)
    world.run.release_claim()
    return world


def test_a_go_with_its_statement_on_good_evidence_reaches_the_journal(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = soaked(tmp_path, prometheus_server)
    run, page = world.run, browser(world.via)
    said = {"decision": "go", "wave": "2", "attempt": "1", "name": BOB}
    # Nothing was measured of late.
    assert "Refused:" in page.order(run.rollout, "answer", **said, states_second_3="on")
    world.scrape(datetime.now(UTC), healthy)
    text = page.order(run.rollout, "answer", **said, states_second_3="on")
    assert f"Go: go by {BOB}" in text
    given = last(run, Kind.ANSWERED)
    assert (given["via"], given["answer"]) == (
        "dashboard",
        {
            "decision": "go",
            "approver": BOB,
            "note": "",
            "extension": None,
            "stated": ["second.3"],
            "given_for": f"wave 2, attempt 1, plan {run.plan.hash[:12]}",
        },
    )
    # Given, not ruled on yet: that is the run's to do, with the evidence of that moment.
    assert run.refresh().phase is Phase.GATE


def test_what_people_write_is_never_markup(run: OpenRollout, page: Browser) -> None:
    page.order(run.rollout, "pause", name=HTML, reason=HTML)
    run.append(
        body_from_json(
            Kind.REVIEWED,
            {
                "wave": 1,
                "credit": 0,
                "healthy": False,
                "verdict": "FAIL",
                "metrics": [],
                "raw": {},
                "findings": [{"criterion": HTML, "text": HTML, "verdict": "FAIL", "sentence": HTML}],
            },
        ),
    )
    run.append(body_from_json(Kind.QUEUED, {"notice": {"event": "e", "title": HTML, "loudness": HTML}}))
    fresh = browser(run.connections)
    for path in ("/", f"/rollouts/{run.rollout}", f"/rollouts/{run.rollout}/orders"):
        text = fresh.page(path)
        assert "<script>alert" not in text
        assert "<img" not in text
    assert "&lt;script&gt;alert(&#39;x&#39;)" in fresh.page(f"/rollouts/{run.rollout}")


def test_a_metric_is_drawn_with_its_thresholds(run: OpenRollout) -> None:
    for value, level in ((1.0, "on target"), (None, "no data"), (6.0, "warning"), (11.0, "critical")):
        lines = [
            {"name": "error_rate", "title": "Error Rate", "level": level, "value": value, "n": 400.0, "control": 1.5}
        ]
        body = {"wave": 1, "credit": 0, "healthy": True, "verdict": "PASS", "findings": [], "metrics": lines, "raw": {}}
        run.append(body_from_json(Kind.REVIEWED, body))
    text = browser(run.connections).page(f"/rollouts/{run.rollout}")
    assert "now 11% (critical), lowest 1%, highest 11%" in text
    for bound in ("target &lt; 2%", "warning &gt; 5%", "critical &gt; 10%"):
        assert f">{bound}</text>" in text
    assert "old path now 1.50%" in text
    assert '<text class="mark critical"' in text


def test_an_open_rollout_is_shown_and_measured_however_many_ended_since(run: OpenRollout, page: Browser) -> None:
    body = opening_body(
        plan_of({"flag.key": "other"}),
        started_by=BOB,
        pace=None,
        auto_approve=False,
        connection_set="default",
        is_rehearsal=False,
    )
    for number in range(51):
        run.connections.journal.open_rollout(f"ended-{number}", "other", body.to_json(), datetime.now(UTC))
        OpenRollout(run.connections, f"ended-{number}").append(
            body_from_json(Kind.CLOSED, {"reason": "over", "by": BOB})
        )
    shown = page.page("/")
    assert f'href="/rollouts/{run.rollout}"' in shown
    assert 'href="/rollouts/ended-50"' in shown
    assert 'href="/rollouts/ended-0"' not in shown
    assert "1 older ones that have ended" in shown
    measured = page.page("/metrics")
    assert f'tidegate_review_age_seconds{{flag="{run.flag}",rollout="{run.rollout}"}}' in measured
    assert "tidegate_rollouts_open 1.0" in measured


def test_own_metrics(run: OpenRollout, page: Browser) -> None:
    hold(run, ANYBODY, "wait")
    text = page.http.get("/metrics").text
    key = f'flag="batch-patches-v1",rollout="{run.rollout}"'
    assert f"tidegate_rollout_wave{{{key}}} 1.0" in text
    assert f"tidegate_rollout_exposed{{{key}}} 1.0" in text
    assert f"tidegate_guard_check_age_seconds{{{key}}}" not in text, "nobody knows, which is an alarm"
    note_guard_check(run.connections.journal, run.rollout)
    age = page.http.get("/metrics").text.partition(f"tidegate_guard_check_age_seconds{{{key}}} ")[2].split("\n")[0]
    assert 0 <= float(age) < 60
    assert f"tidegate_exposure_percent{{{key}}} 10.0" in text
    assert f'tidegate_hold{{cause="operator",{key}}} 1.0' in text
    assert f'tidegate_hold{{cause="drift",{key}}} 0.0' in text
    assert f"tidegate_notices_unsent{{{key}}} 0.0" in text
    assert "tidegate_journal_up 1.0" in text
    assert "tidegate_watch_hosts 0.0" in text
    age = re.search(rf"tidegate_review_age_seconds{{{re.escape(key)}}} ([0-9.]+)", text)
    assert age is not None
    assert 3500 < float(age[1]) < 4000


def test_a_real_server_tells_its_viewers_what_changes(run: OpenRollout) -> None:
    with served(run.connections) as url, httpx.Client(base_url=url, timeout=20) as http:
        with http.stream("GET", f"/rollouts/{run.rollout}/events") as stream:
            lines = (line for line in stream.iter_lines() if line.startswith("data: "))
            first = json.loads(next(lines)[6:])
            assert "SILENT" in first["headline"]
            hold(run, ANYBODY, "wait")
            second = json.loads(next(lines)[6:])
            assert "HELD" in second["headline"]
            assert second["orders"] != first["orders"]
        assert LOOK_SECONDS <= 10
        assert http.get("/", headers={"Host": "evil.example"}).status_code == 421


def test_what_cannot_be_read_is_said_and_hides_nothing_else(run: OpenRollout, page: Browser) -> None:
    journal, at = run.connections.journal, run.state.opened_at
    assert at is not None
    body = {"plan": {"name": "later"}, "plan_hash": "0", "started_by": HTML, "pace_seconds": None}
    journal.open_rollout("later-1", "other-flag", {**body, "connections": "default", "approve": "ask"}, at)
    text = page.page("/")
    assert "later-1 cannot be read by this release" in text
    assert f'href="/rollouts/{run.rollout}"' in text
    assert page.http.get("/rollouts/later-1").status_code == 500
    measured = page.page("/metrics")
    assert "tidegate_rollouts_unreadable 1.0" in measured
    assert 'tidegate_rollout_unreadable{flag="other-flag",rollout="later-1"} 1.0' in measured


def test_without_a_journal_it_says_so(run: OpenRollout, page: Browser, tmp_path: Path) -> None:
    run.connections.journal.close()
    (tmp_path / "journal.db").unlink()
    (tmp_path / "journal.db").mkdir()
    answer = page.http.get(f"/rollouts/{run.rollout}")
    assert (answer.status_code, "The journal does not answer" in answer.text) == (503, True)
    assert "The journal does not answer" in page.page("/")
    assert "tidegate_journal_up 0.0" in page.page("/metrics")


def test_a_viewer_never_claims_and_never_writes(run: OpenRollout) -> None:
    def everything(via: OpenConnections) -> tuple[object, int]:
        return via.journal.current_claim(run.flag), len(via.journal.entries(run.rollout))

    before = everything(run.connections)
    page = browser(run.connections)
    for path in ("/", f"/rollouts/{run.rollout}", f"/rollouts/{run.rollout}/json", "/metrics"):
        page.page(path)
    assert everything(run.connections)[1] == before[1]


def test_rollback_on_a_page_from_before_a_restart_is_one_press_away(run: OpenRollout) -> None:
    """The dashboard was started anew: the form comes back as it was typed, with a command to copy beside it."""
    before = browser(run.connections)
    before.page(f"/rollouts/{run.rollout}")
    after = Browser(browser(run.connections).http, before.token)
    after.http.cookies = before.http.cookies
    said = {"name": ANYBODY, "reason": 'customers "call" <b>'}
    refused = after.press(run.rollout, "rollback", **said)
    assert refused.status_code == 403
    assert run.connections.flags.read(run.flag).exposure != ZERO, "an old token does nothing"
    assert "Press once more" in refused.text
    assert "<b>" not in refused.text
    line = html.unescape(re.search("<code>(tidegate rollback [^<]+)</code>", refused.text)[1])
    assert shlex.split(line) == ["tidegate", "rollback", run.rollout, "--as", ANYBODY, "--reason", said["reason"]]
    typed = {
        name: html.unescape(value)
        for name, value in re.findall('type="hidden" name="([a-z]+)" value="([^"]*)"', refused.text)
    }
    after.token = typed.pop("token")
    assert typed == said
    assert after.press(run.rollout, "rollback", **typed).status_code == 303
    assert run.connections.flags.read(run.flag).exposure == ZERO
    assert run.refresh().rollback.reason == said["reason"]


def test_a_refused_order_names_the_command_that_needs_no_page(run: OpenRollout, page: Browser) -> None:
    page.page(f"/rollouts/{run.rollout}")
    refused = page.press(run.rollout, "rollback", "https://evil.example", name=ANYBODY)
    assert (refused.status_code, f"tidegate rollback {run.rollout}" in refused.text) == (403, True)
    assert "<form" not in refused.text, "another site's page gets no form of ours to press"


def test_the_stream_says_which_process_serves_and_what_the_tab_shows(run: OpenRollout) -> None:
    with served(run.connections) as url, httpx.Client() as client:
        page = client.get(f"{url}/rollouts/{run.rollout}").text
        with client.stream("GET", f"{url}/rollouts/{run.rollout}/events") as events:
            line = next(line for line in events.iter_lines() if line.startswith("data: "))
    change = json.loads(line.removeprefix("data: "))
    assert f'data-instance="{change["instance"]}"' in page
    assert change["title"].endswith(run.rollout)
    assert change["tone"] in ("good", "warn", "bad", "idle")


def test_without_scripts_there_is_a_page_that_never_empties_its_form(run: OpenRollout, page: Browser) -> None:
    assert '<noscript><p class="banner warn">' in page.page(f"/rollouts/{run.rollout}")
    alone = page.page(f"/rollouts/{run.rollout}/decide")
    assert "http-equiv" not in alone
    assert "ROLLBACK now" in alone
    assert page.press(run.rollout, "pause", name=ANYBODY).status_code == 303


def test_a_go_that_does_not_begin_anything_says_what_is_missing_and_keeps_the_form(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = soaked(tmp_path, prometheus_server)
    run, page = world.run, browser(world.via)
    world.scrape(datetime.now(UTC), healthy)
    said = {"decision": "go", "wave": "2", "attempt": "1", "name": BOB}
    text = page.order(run.rollout, "answer", **said)
    assert "▮▮ Not begun: " in text
    assert "All is ready" in text
    assert "✓ Not begun" not in text


def test_what_was_typed_into_a_refused_form_stands_there_again(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    world = soaked(tmp_path, prometheus_server)
    page = browser(world.via)
    said = {"decision": "go", "wave": "2", "attempt": "1", "name": BOB, "note": "looked at it"}
    text = page.order(world.run.rollout, "answer", **said, states_second_3="on")
    assert "Refused:" in text
    assert 'value="looked at it"' in text
    assert re.search('name="states_second_3" value="on" checked', text)
    assert 'value="looked at it"' not in page.page(f"/rollouts/{world.run.rollout}"), "shown once"


def test_every_line_of_a_gate_stands_there_with_who_has_stated_it(
    tmp_path: Path, prometheus_server: PrometheusServer
) -> None:
    run = gated(tmp_path, prometheus_server)
    asked = statements(run.plan, 4)
    signed, *others = asked
    signer = people_of(run.plan, signed.role)[0]
    decided = {"wave": 4, "attempt": 1, "outcome": "counted", "reason": "", "by": signer, "extension_seconds": 0.0}
    run.append(body_from_json(Kind.GATE_DECIDED, {**decided, "stated": [signed.key]}))
    opened = {"wave": 4, "attempt": 2, "verdict": "PASS", "findings": [], "refusal": "", "flow_run": ""}
    run.append(body_from_json(Kind.GATE_OPENED, opened))
    text = html.unescape(browser(run.connections).page(f"/rollouts/{run.rollout}")).replace("<wbr>", "")
    for each in asked:
        assert each.text in text
    assert f"({signed.role}, stated by {signer})" in text
    assert f'name="{field_name(signed.key)}"' not in text, "what counts already is not asked again"
    assert others
    for other in others:
        assert f'name="{field_name(other.key)}"' in text
