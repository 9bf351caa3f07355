"""Zero against every broken thing in turn: the flag ends at zero, or it is said that it does not, and what to type."""

import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import yaml

from blocks.kit import write_kit
from engine.rollout.session import OpenRollout
from tests.console.conftest import Run, answering_server
from tests.console.test_broken_parts import gone, kit, locked, raised
from tidegate.values.exposure import ZERO

__all__ = ["kit"]
WHOLE = (
    "journal: {{url: 'sqlite:////nowhere/x.db'}}\nflags: {{path: {flags}}}\nprometheus: {{url: 'http://127.0.0.1:9'}}\n"
)
Breakage = Callable[[Path, OpenRollout], AbstractContextManager[None]]


def _sql(statement: str) -> Breakage:
    @contextmanager
    def broken(kit: Path, _: OpenRollout) -> Iterator[None]:
        with sqlite3.connect(kit.parent / "journal.db") as base:
            base.execute(statement)
        yield

    return broken


@contextmanager
def _gone(kit: Path, opened: OpenRollout) -> Iterator[None]:
    with gone(kit.parent / "journal.db", opened):
        yield


@contextmanager
def _damaged(kit: Path, opened: OpenRollout) -> Iterator[None]:
    opened.connections.journal.close()
    for name in ("journal.db-wal", "journal.db-shm"):
        (kit.parent / name).unlink(missing_ok=True)
    (kit.parent / "journal.db").write_bytes(b"not a database " * 1000)
    yield


@contextmanager
def _locked(kit: Path, _: OpenRollout) -> Iterator[None]:
    with locked(kit.parent / "journal.db"):
        yield


@contextmanager
def _no_rows(kit: Path, opened: OpenRollout) -> Iterator[None]:
    opened.connections.journal.close()
    with sqlite3.connect(kit.parent / "journal.db") as base:
        base.execute("CREATE TRIGGER closed BEFORE UPDATE ON claims BEGIN SELECT raise(ABORT, 'read only'); END")
        base.execute("CREATE TRIGGER shut BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'read only'); END")
    yield


@contextmanager
def _read_only_mount(kit: Path, opened: OpenRollout) -> Iterator[None]:
    opened.connections.journal.close()
    journal = str(kit.parent / "journal.db")
    # Rights do not stop root: a mount does.
    subprocess.run(["mount", "--bind", journal, journal], check=True, timeout=30)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", journal], check=True, timeout=30)
        yield
    finally:
        opened.connections.journal.close()
        subprocess.run(["umount", "--lazy", journal], check=True, timeout=30)


def _kit(text: str) -> Breakage:
    @contextmanager
    def broken(kit: Path, _: OpenRollout) -> Iterator[None]:
        kit.write_text(text.format(flags=kit.parent / "flags.json"))
        yield

    return broken


@contextmanager
def _kit_of_everybody(kit: Path, _: OpenRollout) -> Iterator[None]:
    kit.chmod(0o644)
    yield


@contextmanager
def _channels_hang(kit: Path, _: OpenRollout) -> Iterator[None]:
    with answering_server() as server:
        server.answer = lambda *_: None
        pager = {"routing_key": "0" * 32, "url": server.url}
        write_kit(kit, {**yaml.safe_load(kit.read_text()), "pagerduty": pager})
        server.released.set()  # each call is let go without an answer as soon as it hangs
        yield


@contextmanager
def _channels_never_answer(kit: Path, _: OpenRollout) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # the kernel accepts, and nobody reads
        port = silent.getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        told = {
            "pagerduty": {"routing_key": "0" * 32, "url": url},
            "slack": {"token": "xoxb-smoke", "base_url": url},
            "mail": {"host": "127.0.0.1", "port": port, "sender": "tidegate@company.com"},
        }
        write_kit(kit, {**yaml.safe_load(kit.read_text()), **told})
        yield


BROKEN: dict[str, Breakage] = {
    "journal gone": _gone,
    "journal damaged": _damaged,
    "journal locked": _locked,
    "journal read-only": _read_only_mount,
    "journal that takes no rows": _no_rows,
    "journal's plan torn": _sql("UPDATE entries SET body = 'torn'"),
    "journal's instants nonsense": _sql("UPDATE entries SET at = 'yesterday'"),
    "clock of the past ahead": _sql("UPDATE entries SET at = '2999-01-01T00:00:00.000000+00:00'"),
    "lease without end": _sql("UPDATE claims SET until = 9e12, holder = 'somebody'"),
    "kit without a journal": _kit("flags: {{path: {flags}}}\n"),
    "kit with an odd journal": _kit("journal: 7\nflags: {{path: {flags}}}\n"),
    "kit with a journal twice": _kit(
        "journal: {{url: 'sqlite:////a.db'}}\njournal: {{url: 'sqlite:////b.db'}}\nflags: {{path: {flags}}}\n"
    ),
    "kit with an unknown part": _kit("journal: {{url: 'sqlite:////nowhere/x.db'}}\nflags: {{path: {flags}}}\nx: 1\n"),
    "kit with a channel twice": _kit(WHOLE + "slack: {{token: a}}\nslack: {{token: b}}\n"),
    "kit with a field twice": _kit(WHOLE + "slack: {{token: a, token: b}}\n"),
    "kit with an odd port": _kit(WHOLE + "mail: {{host: localhost, port: 0465, sender: a@b.c}}\n"),
    "kit with an impossible date": _kit(WHOLE + "mail: {{host: 2026-02-31}}\n"),
    "kit that others may read": _kit_of_everybody,
    "pager that hangs": _channels_hang,
    "channels that never answer": _channels_never_answer,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_the_flags_key_is_enough_whatever_else_is_broken(kit: Path, run: Run, broken: Breakage) -> None:
    opened = raised(kit)  # Prometheus is down and there is no Prefect server throughout
    opened.release_claim()
    began = time.monotonic()
    with broken(kit, opened):
        code, out, err = run("rollback", "--flag", opened.flag, "--as", "me", "--reason", "smoke")
        assert opened.connections.flags.read(opened.flag).exposure == ZERO, out + err
    assert time.monotonic() - began < 90, "something that zero does not need held it up"
    assert code == 3, out + err  # at zero, and not proven
    assert "is at zero" in err
    assert "not proven" in (out + err).lower()
    assert "Traceback" not in err


def test_a_kit_whose_flags_are_not_understood_says_that_nothing_is_at_zero(kit: Path, run: Run) -> None:
    opened = raised(kit)
    _ = kit.write_text("flags: [\n")
    code, _, err = run("rollback", "--flag", opened.flag)
    assert code == 2
    assert "NOT at zero" in err
