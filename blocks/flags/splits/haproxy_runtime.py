"""HAProxy's runtime socket: a map is read and replaced while it runs, without a reload."""

import re
import socket
import time
from collections.abc import Mapping

from blocks.errors import Refused, Unreachable

_CREATED = re.compile(r"New version created: ([0-9]+)")
_MAX_BYTES = 5_000_000


class HaproxyRuntime:
    """The socket at a path; each command has a connection of its own and ends within `seconds`."""

    def __init__(self, path: str, seconds: float) -> None:
        self._path, self._seconds = path, seconds

    def map(self, name: str) -> dict[str, str]:
        """The map's entries as they are in force; raises Unreachable or Refused."""
        said = self._said(f"show map {name}")
        lines = (line.split(" ", 2) for line in said.splitlines() if line.startswith("0x"))
        return {parts[1]: parts[2] for parts in lines if len(parts) == 3}

    def replace_map(self, name: str, entries: Mapping[str, str]) -> None:
        """Put these in its place, all at once; raises Unreachable or Refused."""
        created = _CREATED.search(self._said(f"prepare map {name}"))
        if created is None:
            raise Refused(f"HAProxy at {self._path}: no new version of the map {name} could be made")
        version = created[1]
        if entries:
            lines = "\n".join(f"{key} {value}" for key, value in entries.items())
            self._said(f"add map @{version} {name} <<\n{lines}\n")
        self._said(f"commit map @{version} {name}")

    def _said(self, command: str) -> str:
        until, said = time.monotonic() + self._seconds, bytearray()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._seconds)
                connection.connect(self._path)
                connection.sendall(f"{command}\n".encode())
                while True:
                    connection.settimeout(max(0.001, until - time.monotonic()))
                    if not (chunk := connection.recv(65_536)):
                        break
                    said += chunk
                    if time.monotonic() > until or len(said) > _MAX_BYTES:
                        raise TimeoutError
        except OSError as error:
            why = error.strerror or f"no answer within {self._seconds:g} s"
            raise Unreachable(f"HAProxy at {self._path}: {why}") from error
        text = said.decode(errors="replace").strip()
        if text and not text.startswith(("0x", "New version created")):
            raise Refused(f"HAProxy at {self._path}: {' '.join(text.split())[:300]}")
        return text
