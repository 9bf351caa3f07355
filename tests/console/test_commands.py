"""The command line as people type it: wrong things give one sentence, exit code 2, and change nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.kit import read_kit
from console.commands.plan_commands import plan_from
from console.home import PLANS
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout
from tests.console.conftest import Run
from tests.permits import put
from tests.tidegate.plan_texts import changed
from tests.tidegate.test_plan_mistakes import MISTAKES
from tidegate.journal.kinds import Kind

WHO = "release-engineer@company.com"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plan", "check", "nowhere.yaml"], "there is no such file"),
        (["plan", "check", "."], "found a folder"),
        (["start", "rehearsal.yaml", "--as", "nobody"], "allowed is an e-mail address"),
        (["start", "rehearsal.yaml", "--as", WHO, "--approve", "perhaps"], "allowed are ask, auto"),
        (["start", "rehearsal.yaml", "--as", WHO, "--pace", "fast"], "--pace"),
        (["start", "batch-patches-v1.yaml", "--as", WHO, "--pace", "15s"], "environment: rehearsal"),
        (["start", "batch-patches-v1.yaml", "--as", WHO, "--approve", "auto"], "environment: rehearsal"),
        (["start", "rehearsal.yaml", "--as", WHO], "environment: rehearsal"),
        (["demo", "--fault", "earthquake"], "allowed are"),
        (["demo", "--pace", "0s"], "--pace"),
        (["status", "no-such-rollout"], "no rollout"),
        (["journal", "no-such-rollout"], "no rollout"),
        (["approve", "no-such-rollout", "--as", WHO, "--decision", "go"], "no rollout"),
        (["rollback", "--reason", "just so"], "no rollout is open"),
        (["rollback", "a", "--flag", "b", "--reason", "just so"], "allowed is one of them"),
        (["hold", "no-such-rollout", "--as", WHO, "--reason", "just so"], "no rollout"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(kit: Path, run: Run, arguments: list[str], sentence: str) -> None:
    before = kit.read_bytes()
    code, out, err = run(*arguments)
    assert (code, sentence in err) == (2, True), (code, out, err)
    assert "Traceback" not in err
    assert kit.read_bytes() == before
    assert read_kit(kit).journal.rollouts() == []
    assert not (kit.parent / "flags.json").exists()


@pytest.mark.parametrize("arguments", [["frobnicate"], ["plan", "calendar", "rehearsal.yaml"], ["approve"]])
def test_an_unknown_word_or_a_missing_option_is_a_usage_error(kit: Path, run: Run, arguments: list[str]) -> None:
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_bad_plan_is_refused_by_every_command_with_file_and_field(
    kit: Path, run: Run, tmp_path: Path, mistake: str
) -> None:
    old, new, field, words = MISTAKES[mistake]
    path = tmp_path / "bad.yaml"
    path.write_text(changed(old, new))
    for command in (["plan", "check", str(path)], ["start", str(path), "--as", WHO]):
        code, _, err = run(*command)
        assert code == 2, err
        assert "bad.yaml:" in err
        assert f" {field}: " in err or not field
        assert words in err
        assert "Traceback" not in err
    assert read_kit(kit).journal.rollouts() == []


def test_a_part_that_is_unreachable_is_exit_code_3(kit: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()
    code, _, err = run("start", "batch-patches-v1.yaml", "--as", WHO)
    assert code == 3, err
    assert read_kit(kit).journal.rollouts() == []


def test_a_kit_that_others_may_read_is_refused(kit: Path, run: Run) -> None:
    kit.chmod(0o644)
    code, _, err = run("status")
    assert code == 2
    assert "0600" in err


def test_a_second_start_names_the_owner(kit: Path, run: Run) -> None:
    _open(kit)
    code, _, err = run("start", "batch-patches-v1.yaml", "--as", WHO)
    assert code == 2
    assert WHO in err


def test_a_flag_that_is_not_at_zero_is_not_started(kit: Path, run: Run) -> None:
    via, plan = read_kit(kit), plan_from("batch-patches-v1.yaml")
    via.flags.fence(plan.flag.key, 1)
    put(via.flags, plan.flag.key, plan.exposure_at(2), 1)
    code, _, err = run("start", "batch-patches-v1.yaml", "--as", WHO)
    assert code == 2
    assert "serves 25% of production" in err


def test_rollback_works_with_prefect_and_prometheus_down_and_says_that_proof_is_missing(kit: Path, run: Run) -> None:
    opened = _open(kit)
    code, _, err = run("rollback", "--reason", "smoke on the water", "--as", "me")
    assert "is at zero" in err
    assert code == 3
    run_again = OpenRollout(read_kit(kit), opened.rollout)
    assert run_again.state.rollback is not None
    assert run_again.state.rollback.proven is False
    assert run_again.state.rollback.reason == "smoke on the water"


def test_journal_verify_finds_a_changed_line(kit: Path, run: Run) -> None:
    _open(kit)
    assert run("journal", "verify")[0] == 0
    import sqlite3

    with sqlite3.connect(kit.parent / "journal.db") as base:
        base.execute("UPDATE entries SET body = replace(body, 'release-engineer', 'somebody-else')")
    code, out, _ = run("journal", "verify")
    assert code == 1
    assert "changed after it was written" in out


def test_plan_commands_answer_in_words_and_in_json(kit: Path, run: Run) -> None:
    for name in sorted(p.name for p in PLANS.glob("*.yaml")):
        assert "no line waits for a kind of check" in run("plan", "check", name)[1]
        assert json.loads(run("plan", "check", name, "--json")[1])["pending"] == []
        assert "Wave 4" in run("plan", "show", name)[1]
        rows = json.loads(run("plan", "calendar", name, "--start", "2026-03-02", "--json")[1])
        assert [row["day"] for row in rows][:4] == [1, 3, 5, 7]
    assert json.loads(run("plan", "schema")[1])["type"] == "object"
    # Some of its commands change the plan of a rollout under way.
    assert "amend a plan" in " ".join(run("plan", "--help")[1].split())


def test_status_and_journal_show_an_open_rollout(kit: Path, run: Run) -> None:
    opened = _open(kit)
    assert opened.rollout in run("status")[1].replace("\n", "")
    shown = json.loads(run("status", opened.rollout, "--json")[1])
    assert (shown["phase"], shown["wave"], shown["exposure"]) == ("preparing", 0, "0% (nobody)")
    assert "opened" in run("journal", opened.rollout)[1]
    entries = json.loads(run("journal", opened.rollout, "--json")[1])
    assert [entry["kind"] for entry in entries] == [Kind.OPENED]


def _open(kit: Path) -> OpenRollout:
    via, plan = read_kit(kit), plan_from("batch-patches-v1.yaml")
    name = f"{plan.flag.key}-{uuid4().hex[:6]}-{datetime.now(UTC):%S}"
    return open_rollout(via, plan, name, started_by=WHO, pace=None, auto_approve=False, connection_set="default")


def test_an_order_by_somebody_who_may_not_give_it_is_refused_with_1(kit: Path, run: Run) -> None:
    opened = _open(kit)
    code, _, err = run("resume", opened.rollout, "--as", "nobody@example.com", "--reason", "let it go on")
    assert code == 1
    assert "nobody@example.com may not resume" in err
