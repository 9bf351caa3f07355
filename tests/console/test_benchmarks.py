"""The benchmarks are run by hand and seldom: here each of them at least finds everything that it imports."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_each_benchmark_finds_what_it_imports() -> None:
    scripts = sorted(path.stem for path in FOLDER.glob("*.py"))
    assert "watch" in scripts
    # As `python benchmarks/x.py` sees it: its own folder first, and the project's.
    paths = {"PYTHONPATH": f"{FOLDER}:{FOLDER.parent}"}
    argv = [sys.executable, "-c", "\n".join(f"import {script}" for script in scripts)]
    done = subprocess.run(argv, env=paths, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
