"""A package that is there as an installer leaves it, without asking any index: for what others may add to Tidegate."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def installed(folder: Path, package: str, group: str, entry: str, files: dict[str, str]) -> dict[str, str]:
    """The environment of processes in which the package is there, with these modules and this entry point."""
    for name, text in files.items():
        (folder / name).write_text(text)
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def run_its_tests(file: Path, env: dict[str, str], seconds: int = 280) -> None:
    """Its own test file, run where the package is installed."""
    asked = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    done = subprocess.run(
        [*asked, f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), str(file)],
        env=env, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def tidegate(*argv: str, env: dict[str, str]) -> tuple[int, str]:
    """The exit code of a command, and all that it said on one line."""
    asked = [sys.executable, "-c", "from console.cli import main; main()", *argv]
    done = subprocess.run(asked, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())
