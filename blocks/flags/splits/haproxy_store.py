"""HAProxy's split as a flag: entries of a map, changed while it runs, and kept in the file for its next start."""

import re
import shlex
from collections.abc import Mapping
from urllib.parse import quote

from pydantic import Field

from blocks.errors import Refused
from blocks.flags.splits.haproxy_runtime import HaproxyRuntime
from blocks.flags.splits.shares import shares_of
from blocks.flags.splits.split_file import STATE, Section, SplitFile
from blocks.flags.splits.split_store import SplitStore
from tidegate.values.exposure import Exposure

_GROUP = re.compile(r"[^\s;\\<]+")
_HAND = f"""
import json, socket, sys
path, runtime, flag = sys.argv[1:]
out, keys, mine = [], [], False
for line in open(path, encoding="utf-8"):
    if line.startswith({STATE!r}): mine = json.loads(line[{len(STATE)}:])["flag"] == flag
    elif mine and line.strip():
        keys.append(line.split()[0])
        line = keys[-1] + " 0\\n"
    out.append(line)
for key in keys:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(runtime)
        connection.sendall(("set map " + path + " " + key + " 0\\n").encode())
        if said := connection.recv(1000).strip(): sys.exit(said.decode())
with open(path, "w", encoding="utf-8") as file: file.writelines(out)
"""


class HaproxyStore(SplitStore):
    """Flags as entries of one HAProxy map: shares in ten-thousandths for everyone and for groups, by flag."""

    path: str = Field(
        description="The map's file, as HAProxy's configuration names it.", pattern=r"^/[A-Za-z0-9._/-]+$"
    )
    socket: str = Field(description="HAProxy's runtime socket, of level admin.", pattern=r"^/")
    timeout_seconds: float = Field(default=2, gt=0, description="How long one command on the socket may take.")
    propagation_seconds: float = Field(default=1, ge=0, description="How long until every thread goes by the map.")

    def body(self, flag: str, exposure: Exposure) -> str:
        """An entry for everyone, and one for each group."""
        shares, key = shares_of(exposure), quote(flag, safe="")
        entries = {key: shares.everyone, **{f"{key}:{group}": share for group, share in shares.groups.items()}}
        return "".join(f"{name} {share}\n" for name, share in entries.items())

    def is_off(self, body: str) -> bool:
        """Whether each entry is 0."""
        return all(share == "0" for share in _entries(body).values())

    def why_not(self, flag: str, exposure: Exposure, others: Mapping[str, Section]) -> str:  # noqa: ARG002
        """A group that no entry can name."""
        bad = [group for group in shares_of(exposure).groups if _GROUP.fullmatch(group) is None]
        return f"found the group {bad[0]!r}, allowed in a map are names without blanks, ; \\ and <" if bad else ""

    def take_over(self, sections: Mapping[str, Section], file: SplitFile) -> None:
        """What runs first: a file alone changes nothing before the next start."""
        entries: dict[str, str] = {}
        for section in sections.values():
            entries |= _entries(section.body)
        self._runtime.replace_map(self.path, entries)
        file.replace(sections)

    def unlike(self, flag: str, section: Section) -> str:
        """An entry in force that the file has otherwise."""
        key, kept = quote(flag, safe=""), _entries(section.body)
        running = self._runtime.map(self.path)
        found = {name: share for name, share in running.items() if name == key or name.startswith(f"{key}:")}
        return "" if found == kept else f"the running HAProxy has {found or 'no entry'}, the file has {kept}"

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""
        return shlex.join(["python3", "-c", _HAND, self.path, self.socket, flag])

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        sections, running = SplitFile(self.path).sections(), self._runtime.map(self.path)
        with SplitFile(self.path).locked(self.timeout_seconds):
            pass
        for flag, section in sections.items():
            if why := self.unlike(flag, section):
                raise Refused(f"{self.path}: flag {flag}: {why}")
        return f"HAProxy at {self.socket} answers; its map {self.path} has {len(running)} entries"

    @property
    def _runtime(self) -> HaproxyRuntime:
        return HaproxyRuntime(self.socket, self.timeout_seconds)


def _entries(body: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in body.splitlines() if " " in line)
