"""HAProxy's own split: one entry of a map, changed by the runtime socket while it runs, and kept in the map's file."""

import os
import re
import shlex
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from blocks.balancers.traffic_split import Split, TrafficSplit
from blocks.errors import NotTaken, Refused
from blocks.flags.splits.haproxy_runtime import HaproxyRuntime
from blocks.whole_file import replace, text_of

_HEAD = "# Written by Tidegate."
_WHOLE = 10_000
_NUMBER = re.compile(r"[0-9]{1,5}")
_HAND = f"""
import socket, sys
path, runtime, key = sys.argv[1:]
text = open(path, encoding="utf-8").read()
if text.strip() and not text.startswith({_HEAD!r}): sys.exit(path + ": Tidegate did not write it")
with open(path, "w", encoding="utf-8") as file: file.write({_HEAD!r} + "\\n" + key + " 0\\n")
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(runtime)
    connection.sendall(("set map " + path + " " + key + " 0\\n").encode())
    said = connection.recv(1000).strip()
    # Without an entry nobody is sent to the new path.
    if said and b"not found" not in said: sys.exit(said.decode())
"""


class HaproxySplit(TrafficSplit):
    """A HAProxy that sends a share of the users to the new path, or everybody to legacy."""

    _block_type_name: ClassVar[str | None] = "Tidegate HAProxy Split"
    _block_type_slug: ClassVar[str | None] = "tidegate-haproxy-split"
    _description: ClassVar[str | None] = "An entry of a HAProxy map, changed by its runtime socket without a reload."

    path: str = Field(
        description="The map's file, as HAProxy's configuration names it.", pattern=r"^/[A-Za-z0-9._/-]+$"
    )
    socket: str = Field(description="HAProxy's runtime socket, of level admin.", pattern=r"^/")
    key: str = Field(
        default="new", description="The map's entry with the new path's ten-thousandths.", pattern=r"^[a-zA-Z0-9_.-]+$"
    )
    timeout_seconds: float = Field(default=2, gt=0, description="How long one command on the socket may take.")

    def read(self) -> Split:
        """What is in force, by the running HAProxy; a share only where its file says the same."""
        running, written = self._runtime.map(self.path).get(self.key), self._written()
        if running is None or not _NUMBER.fullmatch(running) or int(running) > _WHOLE:
            return Split(None, f"the running HAProxy has no share of {self.key} in {self.path}")
        percent = int(running) / 100
        if written != running:
            return Split(None, f"the running HAProxy has {percent:g}%, and {self.path} would bring in another share")
        if percent == 0:
            return Split(0.0, "everybody goes to legacy")
        return Split(percent, f"{percent:g}% of the users go to the new path")

    def split(self, percent: float) -> Split:
        """Send this share of the users to the new path, everybody else to legacy; raises ConnectionFault.

        The file first: a HAProxy that is started again in between, or cannot be reached, comes up with it.
        """
        if not 0 <= percent <= 100:
            raise Refused(f"found a share of {percent:g}%, allowed is 0% to 100%")
        share = str(round(percent * 100))
        self._must_be_ours()
        replace(self.path, f"{_HEAD}\n{self.key} {share}\n")
        self._runtime.replace_map(self.path, {self.key: share})
        found = self.read()
        if found.percent != int(share) / 100:
            raise NotTaken(f"{self.path}: written was {percent:g}% to the new path, read back {found.description}")
        return found

    def by_hand(self) -> str:
        """The shell command by which a person sends everybody to legacy when Tidegate is gone."""
        return shlex.join(["python3", "-c", _HAND, self.path, self.socket, self.key])

    def check(self) -> str:
        """A sentence saying what was found; raises Refused or Unreachable."""
        self._must_be_ours()
        self._runtime.map(self.path)
        if not os.access(Path(self.path).parent, os.W_OK):
            raise Refused(f"{self.path}: its folder cannot be written")
        return f"HAProxy answers; {self.read().description}"

    @property
    def _runtime(self) -> HaproxyRuntime:
        return HaproxyRuntime(self.socket, self.timeout_seconds)

    def _written(self) -> str | None:
        found = re.fullmatch(rf"{re.escape(_HEAD)}\n{re.escape(self.key)} ([0-9]+)\n", text_of(self.path) or "")
        return found[1] if found else None

    def _must_be_ours(self) -> None:
        text = text_of(self.path) or ""
        if text.strip() and not re.fullmatch(rf"{re.escape(_HEAD)}\n\S+ [0-9]+\n", text):
            raise Refused(
                f"{self.path}: found a file that Tidegate did not write; it is left as it is. Allowed is a map of its "
                f"own with the one entry {self.key}"
            )
