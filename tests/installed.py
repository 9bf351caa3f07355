"""The wheel, built and installed as a tool into an environment of its own: how people have Tidegate."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
# Settings of whoever runs the tests: none of them reaches what is installed.
FOREIGN = ("TIDEGATE_", "PREFECT_", "PYTHON", "VIRTUAL_ENV")


@dataclass(frozen=True)
class InstalledTool:
    """Where `uv tool install` has put it: the environment, and the folder of its one command."""

    environment: Path
    commands: Path


def called(*argv: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with no settings of this machine but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    # A home that is not there: nothing of this machine's own settings counts.
    alone = {**kept, "TIDEGATE_HOME": str(cwd / "home"), "PREFECT_HOME": str(cwd / "prefect"), **variables}
    return subprocess.run(argv, cwd=cwd, env=alone, capture_output=True, text=True, timeout=280, check=False)


def installed(place: Path) -> InstalledTool:
    """What docs/first-plan.md says under Install, with the locked versions."""
    uv = Path(sys.executable).with_name("uv")
    built = called(uv, "build", "--quiet", "--wheel", "--build-constraints", LOCK, "--out-dir", place, ROOT, cwd=place)
    assert built.returncode == 0, built.stderr
    [wheel] = place.glob("tidegate-*.whl")
    folders = {"UV_TOOL_DIR": str(place / "tools"), "UV_TOOL_BIN_DIR": str(place / "bin")}
    asked = ("tool", "install", "--quiet", "--python", sys.executable, "--constraints", LOCK)
    done = called(uv, *asked, f"{wheel}[demo]", cwd=place, **folders)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (place / "bin").iterdir()] == ["tidegate"]
    return InstalledTool(place / "tools" / "tidegate", place / "bin")
