"""Codes are spent beside their seeds: once, whatever journal asks, whichever process, whenever it dies."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from engine.gates import code_memory
from engine.gates.code_judge import SeedsCodeJudge
from engine.rollout.session import utc_now
from tests.engine.gate_world import GateWorld
from tests.engine.test_answering import other_code
from tests.tidegate.builders import ANN
from tidegate.gates.codes import WRONG_ALLOWED

HOLDS_THE_LOCK = """
import sys
from pathlib import Path
from engine.gates.code_memory import code_memory
with code_memory(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""
JUDGES = """
import sys
from datetime import datetime
from pathlib import Path
from engine.gates.code_judge import SeedsCodeJudge
sys.stdin.readline()
proof = SeedsCodeJudge(Path(sys.argv[1])).judge(sys.argv[2], sys.argv[3], datetime.fromisoformat(sys.argv[4]))
print(proof.step is not None, flush=True)
"""


@pytest.fixture
def worlds(tmp_path: Path, seeds: Path) -> tuple[GateWorld, GateWorld]:
    """Two gates in two journals, with one file of seeds."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    first, second = (GateWorld(folder, seeds) for folder in folders)
    return first, second


@contextmanager
def holder(seeds: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_LOCK, str(seeds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_code_that_one_journal_spent_is_worth_nothing_in_another(worlds: tuple[GateWorld, GateWorld]) -> None:
    one, two = worlds
    now = utc_now()
    given = two.given(ANN, now)
    assert one.answer(one.given(ANN, now), now)[0] == "go"
    assert two.answer(given, now) == ("refused", f"the code of {ANN} was used already; wait for the next one")


def test_wrong_codes_are_counted_over_all_journals(worlds: tuple[GateWorld, GateWorld]) -> None:
    one, two = worlds
    now = utc_now()
    for turn in range(WRONG_ALLOWED):
        world = worlds[turn % 2]
        assert "wrong or too old" in world.answer(world.given(ANN, now, code=other_code(world, now)), now)[1]
    for world in (one, two):
        outcome, reason = world.answer(world.given(ANN, now), now)
        assert (outcome, f"after 5 wrong codes {ANN} is not believed until" in reason) == ("refused", True)
        assert world.answer(world.given(ANN, now, decision="hold", code=""), now)[0] == "held"


def test_of_processes_that_judge_one_code_at_once_one_believes_it(worlds: tuple[GateWorld, GateWorld]) -> None:
    now, seeds = utc_now(), worlds[0].seeds
    arguments = [sys.executable, "-c", JUDGES, str(seeds), ANN, worlds[0].code(ANN, now), now.isoformat()]
    judges = [subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for judge in judges:
        assert judge.stdin is not None
        judge.stdin.write("now\n")
        judge.stdin.flush()
    said = [judge.communicate(timeout=60)[0].strip() for judge in judges]
    assert sorted(said) == ["False", "False", "False", "True"]


def test_a_judge_that_was_killed_holds_up_nobody(worlds: tuple[GateWorld, GateWorld]) -> None:
    world, now = worlds[0], utc_now()
    with holder(world.seeds) as process:
        process.kill()
        process.wait(timeout=10)
        assert world.answer(world.given(ANN, now), now)[0] == "go"


def test_a_judge_that_was_stopped_makes_codes_worthless_for_a_while_and_hold_goes_on(
    worlds: tuple[GateWorld, GateWorld], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_memory, "_PATIENCE_SECONDS", 0.3)
    world, now = worlds[0], utc_now()
    with holder(world.seeds) as process:
        os.kill(process.pid, signal.SIGSTOP)
        outcome, reason = world.answer(world.given(ANN, now), now)
        assert (outcome, "another process keeps it locked" in reason) == ("refused", True)
        assert world.answer(world.given(ANN, now, decision="hold", code=""), now)[0] == "held"
        os.kill(process.pid, signal.SIGCONT)
    assert world.answer(world.given(ANN, now), now)[0] == "go"


def test_what_is_remembered_is_no_secret_and_read_by_nobody_else(worlds: tuple[GateWorld, GateWorld]) -> None:
    world, now = worlds[0], utc_now()
    code = world.code(ANN, now)
    assert world.answer(world.given(ANN, now), now)[0] == "go"
    memory = world.seeds.with_name(f"{world.seeds.name}.used")
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    seed = json.loads(world.seeds.read_text())[ANN]
    assert [secret for secret in (code, seed) if secret in memory.read_text()] == []


@pytest.mark.parametrize(
    ("text", "mode", "problem"),
    [
        ("{", 0o600, "this is no JSON"),
        ("[]", 0o600, "found a list"),
        (json.dumps({ANN: 7}), 0o600, "found something else than used codes and guesses"),
        (json.dumps({ANN: [{"step": 1}]}), 0o600, "found something else than used codes and guesses"),
        ("{}", 0o644, "found mode 0644, allowed is 0600"),
    ],
)
def test_while_nobody_can_tell_what_was_used_no_code_counts(
    worlds: tuple[GateWorld, GateWorld], text: str, mode: int, problem: str
) -> None:
    world, now = worlds[0], utc_now()
    memory = world.seeds.with_name(f"{world.seeds.name}.used")
    memory.write_text(text)
    memory.chmod(mode)
    outcome, reason = world.answer(world.given(ANN, now), now)
    assert (outcome, problem in reason) == ("refused", True)
    assert memory.read_text() == text


def test_the_same_use_gets_the_same_answer_and_any_other_is_refused(worlds: tuple[GateWorld, GateWorld]) -> None:
    world, now = worlds[0], utc_now()
    judge, code = SeedsCodeJudge(world.seeds), world.code(ANN, now)
    first = judge.judge(ANN, code, now, "this answer")
    assert first.step is not None
    assert judge.judge(ANN, code, now, "this answer") == first
    for use in ("another answer", ""):
        assert "was used already" in judge.judge(ANN, code, now, use).problem


def test_a_code_of_long_ago_stays_used_for_as_long_as_a_gate_can_wait(worlds: tuple[GateWorld, GateWorld]) -> None:
    world, then = worlds[0], utc_now() - timedelta(days=29)
    judge, code = SeedsCodeJudge(world.seeds), world.code(ANN, then)
    assert judge.judge(ANN, code, then).step is not None
    assert judge.judge(ANN, world.code(ANN, utc_now()), utc_now()).step is not None
    assert "was used already" in judge.judge(ANN, code, then).problem
