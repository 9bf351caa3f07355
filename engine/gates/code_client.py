"""Codes judged by a service of its own: this process asks through a socket, and never sees a seed."""

import json
import os
import socket
import struct
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tidegate.gates.codes import CodeProof

VARIABLE = "TIDEGATE_CODES_SOCKET"
LONGEST_LINE = 8_192
_PATIENCE_SECONDS = 5.0  # less than the claim lasts under which codes are judged
_CREDENTIALS = struct.Struct("3i")


class NoCodeService(Exception):
    """The service cannot be asked; one sentence."""


def codes_socket() -> Path | None:
    """Where the service listens: TIDEGATE_CODES_SOCKET, else there is none."""
    named = os.environ.get(VARIABLE)
    return Path(named).absolute() if named else None


class SocketCodeJudge:
    """Judges by asking the service; whatever is wrong with that proves nothing."""

    def __init__(self, path: Path, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._path, self._patience = path, patience_seconds

    def judge(self, person: str, code: str, given_at: datetime, use: str = "") -> CodeProof:
        """What this person's code proves, by the service's word."""
        asked = {"judge": {"person": person, "code": code, "given_at": given_at.isoformat(), "use": use}}
        try:
            answer = self._ask(asked)
            proof = CodeProof.from_json(answer["proof"])
        except NoCodeService as fault:
            return CodeProof(given_at, problem=f"no code is accepted: {fault}")
        except (KeyError, TypeError, ValueError):
            return CodeProof(
                given_at, problem=f"no code is accepted: {self._whom} answered something else than a proof"
            )
        # A step counts only without a problem, whatever was said.
        return CodeProof(given_at, None if proof.problem else proof.step, proof.problem, proof.wrong)

    def people(self) -> frozenset[str]:
        """Who has a seed there; raises NoCodeService."""
        try:
            found = self._ask({"people": True})["people"]
        except (KeyError, TypeError):
            found = None
        if not isinstance(found, list) or not all(isinstance(person, str) for person in found):
            raise NoCodeService(f"{self._whom} answered something else than addresses")
        return frozenset(found)

    def user(self) -> int:
        """As which user the service runs; raises NoCodeService."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.settimeout(self._patience)
                peer.connect(str(self._path))
                found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except (OSError, AttributeError) as error:
            raise self._fault(error) from None
        return int(_CREDENTIALS.unpack(found)[1])

    @property
    def _whom(self) -> str:
        return f"the code service at {self._path}"

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + self._patience
        said = bytearray()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.settimeout(self._patience)
                peer.connect(str(self._path))
                peer.sendall(json.dumps(asked).encode() + b"\n")
                while not said.endswith(b"\n"):
                    # One deadline for the whole, however slowly it drips.
                    peer.settimeout(max(0.001, until - time.monotonic()))
                    piece = peer.recv(LONGEST_LINE)
                    said += piece
                    if not piece or len(said) > LONGEST_LINE * 16:
                        raise NoCodeService(f"{self._whom} ended before it had answered")
        except OSError as error:
            raise self._fault(error) from None
        try:
            answer = json.loads(said)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise NoCodeService(f"{self._whom} answered no JSON")
        if "error" in answer:
            raise NoCodeService(f"{self._whom}: {answer['error']}")
        return answer

    def _fault(self, error: Exception) -> NoCodeService:
        if isinstance(error, TimeoutError):
            return NoCodeService(f"{self._whom} did not answer within {self._patience:g} s")
        why = getattr(error, "strerror", None) or type(error).__name__
        return NoCodeService(f"{self._whom} cannot be reached ({why})")
