"""A real Unleash with a real PostgreSQL: flags to change, people who change them, its own answers to look at."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from blocks.flags.unleash.unleash import Unleash
from demo.processes import free_port
from demo.unleash.people import EDITOR, VIEWER, call, new_person
from demo.unleash.server import ENVIRONMENT, server_settings
from demo.unleash_program import provide_unleash
from tests.postgresql import empty_database, postgresql_server

_START_SECONDS = 240


@dataclass
class UnleashServer:
    """The server on loopback; `admin` may do everything, `client` is what SDKs have."""

    url: str
    database: str
    log: Path
    admin: str = f"*:*.{uuid.uuid4().hex}"
    client: str = f"default:{ENVIRONMENT}.{uuid.uuid4().hex}"
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and return once it is healthy."""
        settings = server_settings(self.url, self.database, admin=self.admin, sdk=self.client)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                provide_unleash().argv, env={**os.environ, **settings}, stdout=log, stderr=log
            )
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=2).close()
            except OSError:
                time.sleep(0.05)  # it announces nothing
            else:
                return
        raise AssertionError(f"Unleash did not start: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def backend(self, **fields: Any) -> Unleash:
        """The connection to it."""
        given = {
            "url": self.url,
            "token": SecretStr(self.admin),
            "environment_name": ENVIRONMENT,
            "timeout_seconds": 20,
        }
        return Unleash(**{**given, "propagation_seconds": 3, "environment": "rehearsal", **fields})

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """One call of its admin API."""
        try:
            return call(self.url, method, path, token or self.admin, body)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error

    def create(self, *flags: str) -> None:
        """Flags of these names, off and without strategies, whatever they were.

        None is deleted: what Unleash still does about a new flag would fail, and end it.
        """
        named = (list(flags),)
        with psycopg.connect(self.database, autocommit=True) as connection:
            there = {name for (name,) in connection.execute("SELECT name FROM features WHERE name = ANY(%s)", named)}
            connection.execute("DELETE FROM feature_strategies WHERE feature_name = ANY(%s)", named)
            connection.execute("UPDATE feature_environments SET enabled = false WHERE feature_name = ANY(%s)", named)
            connection.execute("UPDATE features SET archived_at = NULL WHERE name = ANY(%s)", named)
            connection.execute("DELETE FROM dependent_features WHERE child = ANY(%s)", named)
            connection.execute("DELETE FROM change_request_settings")
        for flag in flags:
            if flag not in there:
                self.ask("POST", "projects/default/features", {"name": flag, "type": "release"})

    def demand_change_requests(self, *, demanded: bool = True) -> None:
        """As a project of the Enterprise edition does; this edition obeys the setting, but cannot make it."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("DELETE FROM change_request_settings")
            if demanded:
                connection.execute("INSERT INTO change_request_settings VALUES ('default', %s, 1)", (ENVIRONMENT,))

    def viewer(self) -> str:
        """The personal token of a new viewer, who may change nothing."""
        return self.editor(f"viewer-{uuid.uuid4().hex[:6]}", VIEWER)

    def editor(self, name: str, role: int = EDITOR) -> str:
        """The personal token of a new person, by default an editor."""
        return new_person(self.url, self.admin, name, role)

    def environment(self, flag: str) -> Any:
        """The flag's environment, as it stands there."""
        found = self.ask("GET", f"projects/default/features/{flag}")["environments"]
        return next(one for one in found if one["name"] == ENVIRONMENT)

    def served(self) -> Any:
        """What SDKs of this environment are given, once the newest change is in it."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            found = connection.execute("SELECT max(id) FROM events WHERE environment = %s", (ENVIRONMENT,)).fetchone()
        newest, end = (found or (0,))[0] or 0, time.monotonic() + 60
        request = urllib.request.Request(f"{self.url}/api/client/features", headers={"Authorization": self.client})
        while True:
            with urllib.request.urlopen(request, timeout=30) as answer:
                state = json.load(answer)
            if state["meta"]["revisionId"] >= newest:
                return state
            assert time.monotonic() < end, f"SDKs are given revision {state['meta']}, the newest event is {newest}"
            time.sleep(0.05)  # Unleash looks for changes once a second, and announces nothing


@contextmanager
def unleash_server(folder: Path) -> Iterator[UnleashServer]:
    """A running server, gone at the end."""
    with postgresql_server() as address:
        server = UnleashServer(f"http://127.0.0.1:{free_port()}", empty_database(address), folder / "unleash.log")
        server.start()
        try:
            yield server
        finally:
            server.kill()
