"""What a shell completes, asked as bash, zsh and fish ask: commands, rollouts, plans and waves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from console.cli import main
from console.completing import plans
from tests.console.test_commands import _open as opened

SHELLS = ("bash", "zsh", "fish")


def completed(
    shell: str, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What is offered for this line, whose last word is not finished, each with its help (none in bash)."""
    words = line.split(" ")
    monkeypatch.setenv("_TIDEGATE_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setattr(sys, "argv", ["tidegate"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    # Zsh wants its colons escaped.
    told = capsys.readouterr().out.strip().replace("\\\\:", ":")
    if shell == "zsh":
        parts = [part.strip('"') for part in told.removeprefix("_arguments '*: :((").removesuffix("))'").split("\n")]
        return dict(part.split('":"', 1) if '":"' in part else (part, "") for part in parts)
    return dict(part.split("\t", 1) if "\t" in part else (part, "") for part in told.splitlines())


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_rollouts_waves_and_plans(
    shell: str, kit: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(kit)

    def found(line: str) -> dict[str, str]:
        return completed(shell, line, capsys, monkeypatch)

    assert set(found("tidegate st")) == {"start", "status"}
    assert set(found("tidegate plan ca")) == {"calendar"}
    for line in ("status ", "rollback ", "watch ", "journal ", f"hold {run.rollout[:4]}", "start --resume "):
        assert set(found(f"tidegate {line}")) == {run.rollout}, line
    assert set(found(f"tidegate rollback {run.rollout} --to-wave ")) == {str(w + 1) for w in range(len(run.plan.waves))}
    assert set(found("tidegate plan check rehe")) == {"rehearsal.yaml"}
    if shell != "bash":
        assert found("tidegate rollback ")[run.rollout] == f"{run.flag}, open"
        assert found("tidegate rollback --to-wave ")["1"] == run.plan.waves[0].title


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_kit_nothing_is_offered_and_nothing_is_said(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_KIT", str(tmp_path / "none.yaml"))
    # Zsh then offers what it does without any completion of ours.
    assert set(completed(shell, "tidegate status ", capsys, monkeypatch)) <= {"_files"}


def test_plans_anywhere_are_completed_by_their_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cart.yaml").touch()
    (tmp_path / "mine" / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert plans("mi") == ["mine/"]
    assert plans("mine/") == ["mine/cart.yaml"]
    assert plans("./mine/c") == ["./mine/cart.yaml"]
    assert plans(f"{tmp_path}/mine/") == [f"{tmp_path}/mine/cart.yaml"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_the_shell_takes(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    from console.arguments.setup import completion

    completion(shell)  # type: ignore[arg-type]
    script = capsys.readouterr().out
    assert f"_TIDEGATE_COMPLETE=complete_{shell}" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, timeout=30, check=True, capture_output=True)


def test_bash_itself_completes(kit: Path) -> None:
    run = opened(kit)
    folder = kit.parent / "bin"
    folder.mkdir()
    command = folder / "tidegate"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m console "$@"\n')
    command.chmod(0o755)
    ask = 'eval "$(tidegate completion bash)"; COMP_WORDS=(tidegate status ""); COMP_CWORD=2; _tidegate_completion tidegate'
    done = subprocess.run(
        ["bash", "-c", f'{ask}; echo "${{COMPREPLY[@]}}"'],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == run.rollout, done.stderr
