"""Prefect's server on a database whose tables are there: making them would be most of what each start costs."""

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from demo.provision import cache_folder

_MOST_SECONDS = 600


def write_empty_database(path: Path) -> None:
    """Put a database there that holds the tables of this version of Prefect and nothing else; made once, then copied."""
    kept = cache_folder() / f"prefect-{version('prefect')}.db"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        # Whoever comes first makes it, and the others wait: no longer than that may take.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_file():
            _make(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kept, path)


def _make(kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        made = Path(folder) / "made.db"
        others = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        own = {"PREFECT_HOME": folder, "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{made}"}
        argv = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        done = subprocess.run(
            argv, env={**others, **own}, capture_output=True, text=True, timeout=_MOST_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        with closing(sqlite3.connect(made)) as base:
            # What stands in the log beside it comes into the file, which alone is kept.
            assert base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
            assert base.execute("SELECT count(*) FROM flow_run").fetchone() == (0,)
        made.replace(kept)


@contextmanager
def prefect_on_empty_database() -> Iterator[None]:
    """A real Prefect server for this process's client, with nothing in its database."""
    # Otherwise it reports its start to the internet, and waits for that.
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    from prefect.testing.utilities import prefect_test_harness

    def folder_with_tables() -> str:
        folder = tempfile.mkdtemp()
        write_empty_database(Path(folder) / "prefect-test.db")
        return folder

    with pytest.MonkeyPatch.context() as patch:
        # It takes the folder that is made here, and the file of this name in it.
        patch.setattr("prefect.testing.utilities.mkdtemp", folder_with_tables)
        with prefect_test_harness(server_startup_timeout=120):
            yield
