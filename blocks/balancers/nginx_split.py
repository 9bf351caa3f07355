"""The load balancer's own split: an nginx include file keyed by user, swapped in whole and reloaded."""

import os
import re
import shlex
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from blocks.balancers.traffic_split import Split, TrafficSplit
from blocks.calls.nginx_reload import NginxReload
from blocks.errors import NotTaken, Refused
from blocks.whole_file import replace, text_of

_WORD = r"^[a-zA-Z0-9_.-]+$"
_VARIABLE = r"^\$[a-z0-9_]+$"
_SHARE = re.compile(r"^    ([0-9.]+)% (\S+);$", re.MULTILINE)
_REST = re.compile(r"^    \* (\S+);$", re.MULTILINE)
_HEAD = "# Written by Tidegate."
# One block and nothing else, whatever its names were then: anything more in the file is somebody's.
_OURS = re.compile(
    rf'{re.escape(_HEAD)}\nsplit_clients "[^"\n]*" \$\w+ {{\n(?:    [0-9.]+% [\w.-]+;\n)?    \* [\w.-]+;\n}}\n'
)


class NginxSplit(TrafficSplit, NginxReload):
    """An nginx that sends a share of the users to the new path, or everybody to legacy."""

    _block_type_name: ClassVar[str | None] = "Tidegate nginx Split"
    _block_type_slug: ClassVar[str | None] = "tidegate-nginx-split"
    _description: ClassVar[str | None] = "A split_clients file that nginx includes, written and reloaded by Tidegate."

    path: str = Field(description="The file that nginx.conf includes inside http {}.", pattern=r"^/")
    variable: str = Field(default="$tidegate_path", description="The variable that proxy_pass uses.", pattern=_VARIABLE)
    key: str = Field(default="$http_x_user_id", description="The variable that names a user.", pattern=_VARIABLE)
    salt: str = Field(default="tidegate", description="What keeps this split apart from others.", pattern=_WORD)
    new: str = Field(default="new", description="The upstream of the new path.", pattern=_WORD)
    legacy: str = Field(default="legacy", description="The upstream of legacy.", pattern=_WORD)
    timeout_seconds: float = Field(default=10, gt=0, description="How long each of the two may take.")

    def read(self) -> Split:
        """What the file says now; raises Refused where it cannot be read."""
        if (text := text_of(self.path)) is None:
            raise Refused(f"{self.path}: it cannot be read (FileNotFoundError)")
        return self._understood(text)

    def split(self, percent: float) -> Split:
        """Send this share of the users to the new path, everybody else to legacy; raises ConnectionFault.

        Repeated, it changes nothing, but nginx is reloaded again: a former writer may have died in between.
        """
        if not 0 <= percent <= 100:
            raise Refused(f"found a share of {percent:g}%, allowed is 0% to 100%")
        wanted = self._text(percent)
        before = text_of(self.path)
        self._must_be_ours(before)
        if before != wanted:
            replace(self.path, wanted)

        def put_back() -> None:
            if before is not None and before != wanted:
                replace(self.path, before)

        self.take_over_file(put_back, None if percent else lambda: replace(self.path, wanted))
        found = self.read()
        if found.percent != round(percent, 2):
            raise NotTaken(f"{self.path}: written was {percent:g}% to {self.new}, read back {found.description}")
        return found

    def by_hand(self) -> str:
        """The shell command by which a person sends everybody to legacy when Tidegate is gone."""
        path = shlex.quote(self.path)
        ours = f"{{ [ ! -s {path} ] || head -n 1 {path} | grep -qx {shlex.quote(_HEAD)}; }}"
        written = f"{ours} && printf %s {shlex.quote(self._text(0))} > {path}"
        return f"{written} && {shlex.join(self.test)} && {shlex.join(self.reload)}"

    def check(self) -> str:
        """A sentence saying what was found; raises Refused or Unreachable."""
        self._must_be_ours(text_of(self.path))
        self.must_be_sound()
        if not os.access(Path(self.path).parent, os.W_OK):
            raise Refused(f"{self.path}: its folder cannot be written")
        return f"nginx's configuration is sound; {self.read().description}"

    def _text(self, percent: float) -> str:
        share = f"{percent:.2f}".rstrip("0").rstrip(".")
        # nginx refuses a share of 0%; the new path comes first, so that nobody moves when another share follows.
        first = f"    {share}% {self.new};\n" if share != "0" else ""
        head = f'{_HEAD}\nsplit_clients "{self.salt}${{{self.key[1:]}}}" {self.variable} {{\n'
        return f"{head}{first}    * {self.legacy};\n}}\n"

    def _understood(self, text: str) -> Split:
        shares, rest = _SHARE.findall(text), _REST.findall(text)
        if rest != [self.legacy] or any(name != self.new for _, name in shares) or len(shares) > 1:
            return Split(None, "the file holds another split than ours")
        percent = float(shares[0][0]) if shares else 0.0
        if text != self._text(percent):
            return Split(None, "the file holds another split than ours")
        if percent == 0:
            return Split(0.0, f"everybody goes to {self.legacy}")
        return Split(percent, f"{percent:g}% of the users go to {self.new}")

    def _must_be_ours(self, text: str | None) -> None:
        if text is None or not text.strip() or _OURS.fullmatch(text):
            return
        raise Refused(
            f"{self.path}: found a file that Tidegate did not write; it is left as it is. Allowed is a file of its own "
            f"that holds one split_clients block for {self.variable} and that nginx includes inside http {{}}"
        )
