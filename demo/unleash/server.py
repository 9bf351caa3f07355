"""The demo's Unleash: the real server on loopback with a database that begins empty, and the flag."""

import importlib.util
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.batch_patches.flag import FLAG
from demo.processes import (
    PartFailed,
    Process,
    ended_early,
    free_port,
    is_running,
    start_process,
    stop_processes,
    wait_ready,
)
from demo.unleash.people import call, new_person
from demo.unleash_program import find_unleash

ENVIRONMENT = "development"
ADMINISTRATOR = "admin"
# With an empty database the server first makes its tables, in some hundred steps.
READY_SECONDS = 400.0
_LOOK_SECONDS = 0.1
_NEEDED = ("pgserver", "UnleashClient")


@dataclass(frozen=True)
class UnleashPart:
    """Where it answers, and the file (0600) with what its users have."""

    url: str
    secrets: str

    @property
    def tidegate_token(self) -> str:
        """The personal token of the user `tidegate`, an editor."""
        return self._secret("tidegate")

    @property
    def sdk_token(self) -> str:
        """What services evaluate the flag with."""
        return self._secret("sdk")

    @property
    def admin_token(self) -> str:
        """An administrator's, of whom the event log has no name."""
        return self._secret("admin")

    @property
    def password(self) -> str:
        """What the user `admin` logs in with."""
        return self._secret("password")

    def _secret(self, name: str) -> str:
        return str(json.loads(Path(self.secrets).read_text(encoding="utf-8"))[name])


def server_settings(url: str, database: str, *, admin: str, sdk: str) -> dict[str, str]:
    """The environment of a server that asks nobody on the internet; the tokens are made at its first start."""
    return {
        "DATABASE_URL": database,
        "DATABASE_SSL": "false",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": url.rpartition(":")[2],
        "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false",
        "LOG_LEVEL": "warn",
        "NODE_ENV": "production",
        "INIT_ADMIN_API_TOKENS": admin,
        "INIT_BACKEND_API_TOKENS": sdk,
        "UNLEASH_URL": url,
    }


def start_unleash(home: Path) -> tuple[UnleashPart, list[Process]]:
    """PostgreSQL and Unleash, with the flag, off for all; raises PartMissing or PartFailed, and leaves nothing."""
    _must_be_installed()
    find_unleash()
    folder = home / "unleash"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    url = f"http://127.0.0.1:{free_port()}"
    part = UnleashPart(url, str((folder / "secrets.json").absolute()))
    known = {
        "admin": f"*:*.{secrets.token_hex(16)}",
        "sdk": f"default:{ENVIRONMENT}.{secrets.token_hex(16)}",
        "password": f"Correct-{secrets.token_hex(8)}",
    }
    processes: list[Process] = []
    try:
        database, address = _start_database(home, folder / "database-address")
        processes.append(database)
        settings = server_settings(url, address, admin=known["admin"], sdk=known["sdk"])
        _write_secret(folder / "settings.json", {**settings, "UNLEASH_DEFAULT_ADMIN_PASSWORD": known["password"]})
        processes.append(start_server(home))
        wait_ready(f"{url}/health", READY_SECONDS, processes[-1])
        # Not an administrator: what a team would give to it.
        known["tidegate"] = new_person(url, known["admin"], "tidegate")
        call(url, "POST", "projects/default/features", known["admin"], {"name": FLAG, "type": "release"})
        _write_secret(Path(part.secrets), known)
    except BaseException:
        stop_processes(processes)
        raise
    return part, processes


def start_server(home: Path) -> Process:
    """Unleash's server alone, on the database that runs, with the settings that `start_unleash` left here."""
    settings = json.loads((home / "unleash/settings.json").read_text(encoding="utf-8"))
    return start_process("unleash", find_unleash().argv, settings, home / "logs/unleash.log")


def _start_database(home: Path, address: Path) -> tuple[Process, str]:
    address.unlink(missing_ok=True)
    argv = [sys.executable, "-P", "-m", "demo.unleash.database", "--address", str(address.absolute())]
    process = start_process("unleash-database", argv, None, home / "logs/unleash-database.log")
    end = time.monotonic() + READY_SECONDS
    while not address.is_file():
        if not is_running(process):
            raise ended_early(process)
        if time.monotonic() > end:
            raise PartFailed(f"{process.name} was not ready after {READY_SECONDS:g} s")
        # Nothing announces that a file has been written.
        time.sleep(_LOOK_SECONDS)
    return process, address.read_text(encoding="utf-8")


def _must_be_installed() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PartFailed(f"--flags unleash needs {' and '.join(missing)}: pip install 'tidegate[demo,demo-unleash]'")


def _write_secret(path: Path, body: Mapping[str, str]) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(dict(body), file)
