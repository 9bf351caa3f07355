"""The code service: judges one-time codes for workers that must not read the seeds, as another user, on a socket."""

import contextlib
import json
import os
import shutil
import socket
import stat
import threading
from datetime import datetime, timedelta
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import Any

from engine.gates.code_client import LONGEST_LINE
from engine.gates.code_judge import SeedsCodeJudge
from engine.gates.code_memory import KEPT
from engine.gates.private_json import PrivateFileError, read_private, write_private
from engine.gates.totp_seeds import ApproversError, read_seeds
from engine.rollout.identity import utc_now
from tidegate.gates.codes import LOCK, WRONG_ALLOWED, CodeProof

_AHEAD = timedelta(seconds=30)
_CLIENT_SECONDS = 5.0
_AT_ONCE = 32


class ServiceError(ValueError):
    """The service cannot be started so; one sentence."""


class GuardedJudge:
    """The judge by the seeds, and by this service's own clock: whoever asks may say any instant."""

    def __init__(self, seeds: Path) -> None:
        self._seeds = seeds
        self._guesses = seeds.with_name(f"{seeds.name}.guesses")
        self._one = threading.Lock()

    def judge(self, person: str, code: str, given_at: datetime, use: str = "") -> CodeProof:
        """What the code proves; never more than a few wrong guesses in a quarter of an hour, however they are dated."""
        now = utc_now()
        if given_at > now + _AHEAD:
            return CodeProof(given_at, problem="the answer was given in the future, by the clock of the code service")
        if given_at < now - KEPT + LOCK:
            return CodeProof(given_at, problem="the answer is older than the code service remembers")
        with self._one:
            try:
                recent = self._recent(person, now)
                if len(recent) >= WRONG_ALLOWED:
                    wait = f"after {WRONG_ALLOWED} wrong codes {person} is not believed"
                    until = f"{recent[-WRONG_ALLOWED] + LOCK:%H:%M:%S} UTC"
                    return CodeProof(given_at, problem=f"{wait} until {until}; hold and rollback still work")
                proof = SeedsCodeJudge(self._seeds).judge(person, code, given_at, use)
                if proof.wrong:
                    self._note(person, now)
                return proof
            except PrivateFileError as error:
                return CodeProof(given_at, problem=f"no code can be judged: {error}")

    def people(self) -> list[str]:
        """Who has a seed; raises ApproversError."""
        return sorted(read_seeds(self._seeds))

    def _recent(self, person: str, now: datetime) -> list[datetime]:
        known = read_private(self._guesses, "guesses").get(person, [])
        try:
            came = sorted(datetime.fromisoformat(one) for one in known)
            # A clock that was set back must not forget guesses, nor believe nobody for hours.
            return [one for one in came if abs(now - one) < LOCK]
        except (TypeError, ValueError):
            raise PrivateFileError(f"{self._guesses}: found something else than instants of guesses") from None

    def _note(self, person: str, now: datetime) -> None:
        known = read_private(self._guesses, "guesses")
        write_private(
            self._guesses, known | {person: [*(one.isoformat() for one in self._recent(person, now)), now.isoformat()]}
        )


class _Handler(StreamRequestHandler):
    timeout = _CLIENT_SECONDS  # for each read: who hangs here holds up nobody else
    server: "_Server"

    def handle(self) -> None:
        if not self.server.free.acquire(blocking=False):
            return
        try:
            with contextlib.suppress(OSError):
                line = self.rfile.readline(LONGEST_LINE)
                self.wfile.write(json.dumps(_answer(self.server.judge, line)).encode() + b"\n")
        finally:
            self.server.free.release()


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, judge: GuardedJudge) -> None:
        self.judge, self.free = judge, threading.Semaphore(_AT_ONCE)
        super().__init__(path, _Handler)


def _answer(judge: GuardedJudge, line: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(line)
        if asked == {"people": True}:
            return {"people": judge.people()}
        given = asked["judge"]
        at = datetime.fromisoformat(given["given_at"])
        if at.tzinfo is None or not all(isinstance(given[name], str) for name in ("person", "code", "use")):
            raise ValueError
        return {"proof": judge.judge(given["person"], given["code"], at, given["use"]).to_json()}
    except (ApproversError, PrivateFileError) as error:
        return {"error": str(error)}
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError):
        return {"error": "this is no question that is known here"}


def make_server(path: Path, seeds: Path, group: str = "") -> ThreadingUnixStreamServer:
    """The service, listening for the members of a group (without one: for its own user); raises ServiceError."""
    folder = path.parent
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & 0o022:
            raise ServiceError(
                f"{folder}: found mode {mode:04o}, allowed is a folder that only its owner may write: "
                "whoever writes there could put a socket of their own in this one's place"
            )
        read_seeds(seeds)
        _remove_dead(path)
        before = os.umask(0o177)
        try:
            server = _Server(str(path), GuardedJudge(seeds))
        finally:
            os.umask(before)
        if group:
            shutil.chown(path, group=int(group) if group.isdecimal() else group)
            path.chmod(0o660)
    except ApproversError as error:
        raise ServiceError(str(error)) from None
    except LookupError:
        path.unlink(missing_ok=True)
        raise ServiceError(f"--group: found {group!r}, allowed is a group of this machine") from None
    except OSError as error:
        raise ServiceError(f"{path}: no socket can be made there ({error.strerror or error})") from None
    return server


def _remove_dead(path: Path) -> None:
    """Remove the socket of a service that is gone; raises ServiceError where one still answers."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CLIENT_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ServiceError(f"{path}: another code service listens there already")
