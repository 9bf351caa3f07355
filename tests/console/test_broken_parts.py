"""The rollback while its surroundings are broken: each part really stopped, locked, made read-only or answering errors."""

import json
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from blocks import Journal, PagerDuty, Slack
from blocks.errors import Refused
from blocks.kit import read_kit, write_kit
from console.commands.plan_commands import plan_from
from engine.exposure.raise_exposure import MayNotRaise, raise_exposure
from engine.notices.delivery import deliver, undelivered_messages
from engine.rollback.full_rollback import full_rollback
from engine.rollback.journal_fallback import fallback_path, merge_fallback
from engine.rollback.rollback import prove, roll_back, rollback_body
from engine.rollback.zero import Zeroed, zero_flag, zero_open_flag
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.orphans import Orphans
from engine.watch.supervisor import Carriers, _guard
from engine.watch.unguarded import Unguarded
from tests.blocks.conftest import LocalServer, local_server
from tests.blocks.flag_script import command_flag
from tests.conftest import PrometheusServer
from tests.console.conftest import Run
from tests.e2e.waiting import wait_for
from tests.engine.inbox import open_inbox
from tests.permits import approve_wave, put
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.notices.notice import Notice
from tidegate.plan.model import Plan
from tidegate.values.exposure import ZERO

__all__ = ["local_server"]
WHO = "release-engineer@company.com"


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit whose Prometheus does not answer."""
    path = tmp_path / "kit.yaml"
    values: dict[str, dict[str, object]] = {
        "journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}", "timeout_seconds": 0.5},
        "flags": {"path": str(tmp_path / "flags.json")},
        "prometheus": {"url": "http://127.0.0.1:9", "timeout_seconds": 0.2},
    }
    write_kit(path, values)
    monkeypatch.setenv("TIDEGATE_KIT", str(path))
    return path


def quick(**steps: Any) -> Plan:
    """The reference plan at a second's scrape, its full rollback made of `steps`."""
    body: dict[str, Any] = {**plan_from("batch-patches-v1.yaml").to_json(), "scrape_interval": "1s"}
    body["rollback"] |= {"proof": {"counter": f'sum(never_{uuid4().hex}{{path="new"}})', "quiet": "1s"}, **steps}
    return Plan.model_validate(body)


def raised(kit: Path, plan: Plan | None = None, via: Any = None) -> OpenRollout:
    """An open rollout whose first wave was raised."""
    via, plan = via or read_kit(kit), plan or quick(full=[], snapshot=None)
    name = f"r-{uuid4().hex[:6]}"
    opened = open_rollout(via, plan, name, started_by=WHO, pace=None, auto_approve=False, connection_set="default")
    claim, exposure = opened.keep_claim(), plan.exposure_at(2)
    revision = put(via.flags, opened.flag, exposure, claim.epoch)
    opened.append(
        body_from_json(
            Kind.RAISED, {"wave": 2, "exposure": exposure.to_json(), "epoch": claim.epoch, "revision": revision}
        )
    )
    return opened


@contextmanager
def locked(journal: Path) -> Iterator[None]:
    held = sqlite3.connect(journal, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        held.execute("ROLLBACK")
        held.close()


def kinds(opened: OpenRollout) -> list[Kind]:
    return [entry.kind for entry in opened.connections.journal.entries(opened.rollout)]


def test_with_the_journal_locked_the_flags_key_is_enough_and_the_record_follows_once(kit: Path, run: Run) -> None:
    opened = raised(kit)
    opened.release_claim()
    with locked(kit.parent / "journal.db"):
        code, out, err = run("rollback", "--flag", opened.flag, "--reason", "smoke", "--as", "me")
        assert code == 3
        assert "is at zero" in err
        assert "Not proven" in out
        assert f"kept in {fallback_path()}" in out
        assert read_kit(kit).flags.read(opened.flag).exposure == ZERO
        assert stat.S_IMODE(fallback_path().stat().st_mode) == 0o600
        assert fallback_path().parent == kit.parent
        assert merge_quietly_fails(opened)
        assert fallback_path().stat().st_size > 0
    assert merge_fallback(opened) == 2
    assert opened.state.phase is Phase.ROLLING_BACK
    assert opened.state.rollback is not None
    assert (opened.state.rollback.reason, opened.state.rollback.by) == ("smoke", "me")
    assert merge_fallback(OpenRollout(opened.connections, opened.rollout)) == 0
    assert kinds(opened).count(Kind.ROLLING_BACK) == 1
    assert opened.connections.journal.verify() == []


def merge_quietly_fails(opened: OpenRollout) -> bool:
    from blocks.errors import ConnectionFault

    with pytest.raises(ConnectionFault):
        merge_fallback(opened)
    return True


def test_an_entry_that_was_merged_but_not_forgotten_is_not_written_twice(kit: Path) -> None:
    opened = raised(kit)
    opened.connections.journal.close()
    with locked(kit.parent / "journal.db"):
        roll_back(opened, reason="smoke", criterion="by hand", by=WHO)
    kept = fallback_path().read_bytes()
    assert merge_fallback(opened) == 1
    # The process died between the two.
    fallback_path().write_bytes(kept)
    assert merge_fallback(opened) == 0
    assert fallback_path().stat().st_size == 0
    assert kinds(opened).count(Kind.ROLLING_BACK) == 1


def test_another_rollouts_entry_and_a_torn_line_stay_where_they_are(kit: Path) -> None:
    opened = raised(kit)
    with locked(kit.parent / "journal.db"):
        roll_back(opened, reason="smoke", criterion="by hand", by=WHO)
    own = fallback_path().read_text()
    other = own.replace(opened.rollout, "somebody-elses").replace('"fallback": "', '"fallback": "0')
    fallback_path().write_text(f'{other}{own}{{"fallback": "torn", "rol')
    assert merge_fallback(opened) == 1
    assert fallback_path().read_text().splitlines() == [other.strip(), '{"fallback": "torn", "rol']


@contextmanager
def gone(journal: Path, opened: OpenRollout) -> Iterator[None]:
    """In the journal's place there is something that is none."""
    opened.connections.journal.close()
    away = journal.with_suffix(".away")
    journal.rename(away)
    journal.write_bytes(b"no database" * 1_000)
    try:
        yield
    finally:
        opened.connections.journal.close()
        away.replace(journal)


def test_with_the_journal_gone_the_flags_key_alone_suffices(kit: Path, run: Run) -> None:
    opened = raised(kit)
    with gone(kit.parent / "journal.db", opened):
        code, _, err = run("rollback", "--flag", opened.flag, "--reason", "smoke")
        assert code == 3
        assert "is at zero" in err
        assert "NOT proven" in err
        assert read_kit(kit).flags.read(opened.flag).exposure == ZERO
        assert json.loads(fallback_path().read_text())["rollout"] == ""
    assert merge_fallback(opened) == 1
    assert opened.state.rollback is not None
    assert opened.state.rollback.reason == "smoke"


def test_the_flags_key_alone_pages_and_says_that_the_proof_is_missing(kit: Path, run: Run) -> None:
    with open_inbox() as inbox:
        pager = {"routing_key": "demo", "url": inbox.pagerduty.url}
        write_kit(kit, {**yaml.safe_load(kit.read_text()), "pagerduty": pager})
        opened = raised(kit)
        opened.release_claim()
        code, _, _ = run("rollback", "--flag", opened.flag, "--reason", "smoke", "--as", "me")
        told = [str(m["summary"]) for m in inbox.store.all("pagerduty") if opened.rollout in str(m["dedup_key"])]
    assert code == 3
    assert told[0].startswith("Rolled back"), told
    assert any("NOT proven" in title for title in told), told


def test_without_a_key_a_journal_that_is_gone_says_what_to_type(kit: Path, run: Run) -> None:
    opened = raised(kit)
    with gone(kit.parent / "journal.db", opened):
        code, _, err = run("rollback", "--reason", "smoke")
    assert code == 3
    assert "tidegate rollback --flag KEY" in err
    assert read_kit(kit).flags.read(opened.flag).exposure != ZERO


@pytest.mark.parametrize("typed", [(), ("--flag", "batch-patches-v1"), ("NAME",)])
def test_zero_comes_before_the_journal_is_read_whatever_stands_in_it(
    kit: Path, run: Run, typed: tuple[str, ...]
) -> None:
    opened = raised(kit)
    with sqlite3.connect(kit.parent / "journal.db") as base:
        base.execute("UPDATE entries SET body = 'torn' WHERE sequence = 2")
    code, _, err = run("rollback", *(opened.rollout if word == "NAME" else word for word in typed))
    assert code == 3, err
    assert read_kit(kit).flags.read(opened.flag).exposure == ZERO
    # What is torn is passed over, and the order stands in the journal all the same; Prometheus is away here.
    assert OpenRollout(read_kit(kit), opened.rollout).state.rollback is not None
    assert "is at zero" in err
    assert "Traceback" not in err


def test_an_open_rollouts_flag_is_known_without_reading_its_journal(kit: Path) -> None:
    opened = raised(kit)
    with sqlite3.connect(kit.parent / "journal.db") as base:
        base.execute("UPDATE entries SET body = 'torn' WHERE sequence = 2")
    assert zero_open_flag(opened.connections, "another") is None
    zeroed = zero_open_flag(opened.connections, opened.rollout)
    assert zeroed is not None
    assert zeroed.zero_at is not None
    assert opened.connections.flags.read(opened.flag).exposure == ZERO


def test_a_key_that_no_rollout_has_is_told(kit: Path, run: Run) -> None:
    opened = raised(kit)
    before = (kit.parent / "flags.json").read_bytes()
    code, _, err = run("rollback", "--flag", "batch-patchs-v1")
    assert code == 2
    assert "Like it: batch-patches-v1." in err
    assert "--create" in err
    assert (kit.parent / "flags.json").read_bytes() == before
    assert read_kit(kit).flags.read(opened.flag).exposure != ZERO
    code, _, err = run("rollback", "--flag", "batch-patchs-v1", "--create")
    assert (code, "batch-patchs-v1 is at zero" in err) == (1, True), err


@pytest.mark.parametrize("unknown", ["journal", "file", "no file", "key of old"])
def test_a_key_that_may_be_known_is_zeroed(kit: Path, run: Run, unknown: str) -> None:
    opened, key, file = raised(kit), "of-old", kit.parent / "flags.json"
    if unknown == "key of old":
        opened.connections.journal.seize(key, "r-of-old", "holder", timedelta(seconds=0))
    if unknown == "file":
        file.write_text(file.read_text()[:-3])
    if unknown == "no file":
        file.unlink()
    journal = kit.parent / "journal.db"
    with gone(journal, opened) if unknown == "journal" else nullcontext():
        code, _, err = run("rollback", "--flag", key)
    assert code in (1, 3), err
    if unknown == "file":
        assert "could NOT be set to zero" in err
        assert "is no JSON" in err
    else:
        assert f"{key} is at zero" in err
        assert read_kit(kit).flags.read(key).revision != "absent"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--full", "--confirm-step", "everything"), "allowed are load_balancer, stop_service, flush_cache, restore"),
        (("--confirm-step", "restore"), "without --full"),
    ],
)
def test_a_confirmation_that_means_nothing_changes_nothing(
    kit: Path, run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    opened = raised(kit)
    code, _, err = run("rollback", *arguments)
    assert (code, sentence in err) == (2, True), err
    assert read_kit(kit).flags.read(opened.flag).exposure != ZERO


def test_with_prometheus_down_the_flag_is_off_and_the_missing_proof_is_paged(kit: Path) -> None:
    opened = raised(kit)
    roll_back(opened, reason="smoke", criterion="by hand", by=WHO)
    proof = prove(opened)
    assert proof is not None
    assert not proof.proven
    assert "cannot be read (unreachable)" in proof.sentence
    assert opened.connections.flags.read(opened.flag).exposure == ZERO
    [page] = [n for n in opened.state.notices.queued.values() if n["event"].startswith("proof-missing")]
    assert page["loudness"] == "page"


def test_the_postmortem_is_printed_for_what_was_rolled_back_only(kit: Path, run: Run) -> None:
    opened = raised(kit)
    code, _, err = run("postmortem", opened.rollout)
    assert (code, "was not rolled back" in err) == (2, True)
    roll_back(opened, reason="smoke on the water", criterion="by hand", by=WHO)
    code, out, _ = run("postmortem", opened.rollout)
    assert code == 0
    assert "**smoke on the water.** Ordered by release-engineer@company.com" in out


def test_with_slack_down_the_pager_has_it_and_slack_gets_it_later(kit: Path, local_server: LocalServer) -> None:
    slack_answers = threading.Event()

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        if "chat.postMessage" in request.path:
            ok = b'{"ok": true, "ts": "1.2", "channel": "C1"}'
            return (200, {"Content-Type": "application/json"}, ok) if slack_answers.is_set() else (503, {}, b"{}")
        return 202, {"Content-Type": "application/json"}, b'{"status": "success", "dedup_key": "k", "message": "ok"}'

    local_server.answer = answer
    via = replace(
        read_kit(kit),
        slack=Slack(token="xoxb-1", base_url=f"{local_server.url}/api/"),
        pagerduty=PagerDuty(routing_key="0" * 32, url=local_server.url),
    )
    opened = raised(kit, via=via)
    roll_back(opened, reason="smoke", criterion="by hand", by=WHO)
    # In the critical channel, and in the rollout's thread.
    assert deliver(opened) == 2
    assert "rolling-back/pagerduty" in opened.state.notices.sent
    assert {due.part for due in undelivered_messages(opened)} == {"slack"}
    slack_answers.set()
    assert deliver(opened) == 0
    assert "rolling-back/slack" in opened.refresh().notices.sent
    assert kinds(opened).count(Kind.SENT) == 3


def test_with_journal_and_pager_down_slack_is_told_at_once(kit: Path, local_server: LocalServer) -> None:
    told = threading.Event()

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        if "chat.postMessage" not in request.path:
            return 500, {}, b"{}"
        told.set()
        return 200, {"Content-Type": "application/json"}, b'{"ok": true, "ts": "1.2", "channel": "C1"}'

    local_server.answer = answer
    via = replace(
        read_kit(kit),
        slack=Slack(token="xoxb-1", base_url=f"{local_server.url}/api/"),
        pagerduty=PagerDuty(routing_key="0" * 32, url=local_server.url),
    )
    opened = raised(kit, via=via)
    with locked(kit.parent / "journal.db"):
        roll_back(opened, reason="smoke", criterion="by hand", by=WHO)
        assert told.wait(20)
    assert b"smoke" in local_server.arrived[-1].body
    assert merge_fallback(opened) == 1
    assert "rolling-back" in opened.state.notices.queued


def test_a_flag_api_that_answers_errors_is_tried_on_while_the_steps_are_taken(
    kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prometheus_server: PrometheusServer
) -> None:
    monkeypatch.setattr("engine.rollback.rollback.ZERO_PATIENCE", timedelta(seconds=30))
    flags = tmp_path / "flags"
    flags.mkdir()
    plan = quick(full=["Call the team"], snapshot=None)
    opened = raised(kit, plan, replace(read_kit(kit), flags=command_flag(flags)))
    (flags / "broken").touch()
    assert roll_back(opened, reason="smoke", criterion="by hand", by=WHO).zero_at is None

    def mend() -> None:
        while not opened_steps(opened):
            time.sleep(0.05)
        (flags / "broken").unlink()

    mender = threading.Thread(target=mend)
    mender.start()
    prove(opened)
    mender.join()
    assert [record.outcome for record in opened.refresh().recovery.steps.values()] == ["by_hand"]
    assert opened.connections.flags.read(opened.flag).exposure == ZERO
    assert opened.state.rollback is not None
    assert opened.state.rollback.zero_at is not None
    assert kinds(opened).index(Kind.STEP) < len(kinds(opened)) - 1 - kinds(opened)[::-1].index(Kind.ROLLING_BACK)


def opened_steps(opened: OpenRollout) -> bool:
    return Kind.STEP in kinds(opened)


def test_steps_are_taken_and_kept_while_the_journal_is_away(kit: Path) -> None:
    opened = raised(kit, quick(full=["Call the team", "Call the customer"], snapshot=None))
    with locked(kit.parent / "journal.db"):
        done = full_rollback(opened, by=WHO)
    assert [step.outcome for step in done] == ["by_hand", "by_hand"]
    assert len(fallback_path().read_text().splitlines()) == 2
    assert merge_fallback(opened) == 2
    assert [r.text for r in opened.state.recovery.steps.values()] == ["Call the team", "Call the customer"]
    assert all(
        "fallback" in json.loads(json.dumps(dict(e.json)))
        for e in Journal.entries(opened.connections.journal, opened.rollout)[-2:]
    )


def guarded_until(opened: OpenRollout, condition: Callable[[], bool], what: str) -> None:
    """The watch, with this rollout alone."""
    watching, orphans = OpenRollout(opened.connections, opened.rollout), Orphans()
    wait_for(
        lambda: _guard(watching, utc_now(), Carriers(orphans), Unguarded(watching.connections)) and condition(),
        20,
        what,
    )


def test_a_write_that_lands_after_zero_is_taken_back_by_whoever_takes_the_rollback_over(
    kit: Path, tmp_path: Path
) -> None:
    flags = tmp_path / "flags"
    flags.mkdir()
    opened = raised(kit, via=replace(read_kit(kit), flags=command_flag(flags)))
    late = (flags / opened.flag).read_text()
    roll_back(opened, reason="smoke", criterion="by hand", by=WHO)
    # The wave's own `set`, under way since before the order.
    (flags / opened.flag).write_text(late)
    opened.connections = replace(opened.connections, flags=command_flag(flags))
    guarded_until(opened, lambda: '"layers": []' in (flags / opened.flag).read_text(), "zero again")


def test_who_takes_a_rollback_over_sends_its_pages(kit: Path) -> None:
    with open_inbox() as inbox:
        opened = raised(kit, via=replace(read_kit(kit), pagerduty=inbox.pagerduty))
        # Its process died between the entry and the page.
        zeroed = zero_flag(opened.connections, opened.flag, opened.rollout, utc_now())
        opened.append(rollback_body(zeroed, reason="smoke", criterion="by hand", by=WHO))

        def told() -> list[str]:
            return [str(m["summary"]) for m in inbox.store.all("pagerduty") if opened.rollout in str(m["dedup_key"])]

        guarded_until(opened, lambda: any("NOT proven" in title for title in told()), "the missing proof is paged")
        assert told()[0].startswith("Rolled back")


@pytest.mark.parametrize("phase", [Phase.WAVE, Phase.ROLLING_BACK])
def test_a_flag_system_that_is_away_keeps_nobody_from_taking_the_claim(kit: Path, tmp_path: Path, phase: Phase) -> None:
    flags = tmp_path / "flags"
    flags.mkdir()
    opened = raised(kit, via=replace(read_kit(kit), flags=command_flag(flags)))
    opened.release_claim()
    if phase is Phase.ROLLING_BACK:
        zeroed = Zeroed(utc_now(), None, "", None, "503")
        opened.append(rollback_body(zeroed, reason="smoke", criterion="by hand", by=WHO))
    (flags / "broken").touch()
    taker = OpenRollout(opened.connections, opened.rollout)
    seized = opened.connections.journal.seize(opened.flag, opened.rollout, "host:2:x", timedelta(seconds=30))
    opened.connections.journal.release(seized)
    assert taker.keep_claim().epoch > seized.epoch
    (flags / "broken").unlink()
    taker.keep_claim()
    # The holder before is fenced as soon as the flag system answers; on the rollback what stands there is not written.
    epoch = json.loads((flags / opened.flag).read_text())["epoch"]
    assert (epoch == taker.keep_claim().epoch) is (phase is Phase.WAVE)


def closed_at_zero_and_raised_by_hand(kit: Path, plan: Plan) -> OpenRollout:
    opened = raised(kit, plan)
    roll_back(opened, reason="smoke", criterion="by hand", by=WHO)
    body = {"proven": True, "counter": 1.0, "last_request_at": None, "proven_at": utc_now().isoformat()}
    opened.append(body_from_json(Kind.PROVEN, body | {"sentence": "The new path is chosen no more."}))
    assert opened.state.phase is Phase.ROLLED_BACK
    assert opened.claim is not None
    put(opened.connections.flags, opened.flag, opened.plan.exposure_at(1), opened.claim.epoch)
    opened.release_claim()
    return opened


@pytest.mark.parametrize("typed", [("NAME",), ("--flag", "batch-patches-v1"), ("NAME", "--full")])
def test_a_flag_that_is_up_again_after_its_rollback_is_rolled_back_by_the_same_order(
    kit: Path, run: Run, typed: tuple[str, ...]
) -> None:
    opened = closed_at_zero_and_raised_by_hand(kit, quick(full=[], snapshot=None))
    order = [opened.rollout if word == "NAME" else word for word in typed]
    code, out, _ = run("rollback", *order, "--as", "me")
    assert opened.connections.flags.read(opened.flag).exposure == ZERO
    # What was proven then says nothing about now: Prometheus is away.
    assert (code, "cannot be read" in out) == (3, True), out
    [notice] = [n for n in opened.refresh().notices.queued.values() if n["event"].startswith("zeroed-again")]
    assert (notice["loudness"], "NOT proven" in notice["title"]) == ("page", True)
    assert opened.state.phase is Phase.ROLLED_BACK


def test_an_order_after_the_rollback_that_cannot_be_written_is_no_success(kit: Path, run: Run) -> None:
    opened = closed_at_zero_and_raised_by_hand(kit, quick(full=[], snapshot=None))
    flags = kit.parent / "flags.json"
    flags.rename(flags.with_suffix(".away"))
    flags.mkdir()
    code, out, err = run("rollback", opened.rollout, "--full", "--as", "me")
    assert (code, "could NOT be set to zero" in err) == (3, True), (out, err)
    assert "could not be set to zero" in out


def test_what_a_full_disk_cut_off_neither_stops_guarding_nor_swallows_the_next_entry(kit: Path) -> None:
    opened = raised(kit)
    fallback_path().write_bytes('{"fallback": "torn", "reason": "naïve'.encode()[:-3])
    with locked(kit.parent / "journal.db"):
        roll_back(opened, reason="one\u2028line \x85", criterion="by hand", by=WHO)
    assert merge_fallback(opened) == 1
    assert opened.state.rollback is not None
    assert opened.state.rollback.reason == "one\u2028line \x85"
    assert fallback_path().read_bytes().startswith(b'{"fallback": "torn"')
    assert fallback_path().read_bytes().count(b"\n") == 1


def test_nothing_is_raised_while_the_writers_of_before_cannot_be_kept_off(kit: Path, tmp_path: Path) -> None:
    flags = tmp_path / "flags"
    flags.mkdir()
    opened = raised(kit, via=replace(read_kit(kit), flags=command_flag(flags)))
    opened.append(body_from_json(Kind.SOAKED, {"wave": 2}))
    approve_wave(opened, 3, "commander@company.com")
    opened.release_claim()
    seized = opened.connections.journal.seize(opened.flag, opened.rollout, "host:2:x", timedelta(seconds=30))
    opened.connections.journal.release(seized)
    (flags / "broken-set").touch()
    with pytest.raises(MayNotRaise, match="cannot be kept off"):
        raise_exposure(OpenRollout(opened.connections, opened.rollout), 3)
    (flags / "broken-set").unlink()
    # What is left to refuse it is the evidence that nobody can measure here.
    with pytest.raises(MayNotRaise, match="Alerts cannot be read"):
        raise_exposure(OpenRollout(opened.connections, opened.rollout), 3)


def test_a_page_that_cannot_be_written_holds_up_neither_zero_nor_the_proof(
    kit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = raised(kit)
    zeroed = Zeroed(utc_now(), None, "", opened.claim, "503")
    opened.append(rollback_body(zeroed, reason="smoke", criterion="by hand", by=WHO))

    def full(run: OpenRollout, notice: Notice) -> None:
        if notice.event.startswith("rolling-back"):
            raise Refused("the disk is full")

    monkeypatch.setattr("engine.rollback.rollback.notify", full)
    proof = prove(opened)
    assert proof is not None
    assert opened.connections.flags.read(opened.flag).exposure == ZERO
