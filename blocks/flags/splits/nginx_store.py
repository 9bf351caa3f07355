"""nginx's split as a flag: an include file of our own, tested and taken over by a reload."""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import Field

from blocks.calls.nginx_reload import NginxReload
from blocks.errors import Refused
from blocks.flags.splits.shares import WHOLE, shares_of
from blocks.flags.splits.split_file import STATE, Section, SplitFile
from blocks.flags.splits.split_store import SplitStore
from tidegate.values.exposure import Exposure
from tidegate.values.names import slug

_WORD = r"^[a-zA-Z0-9_.-]+$"
_VARIABLE = r"^\$[a-z0-9_]+$"
_WAITING = "waiting_for_reload"
_HAND = f"""
import json, sys
path, flag, new, legacy = sys.argv[1:]
out, mine = [], False
for line in open(path, encoding="utf-8"):
    if line.startswith({STATE!r}): mine = json.loads(line[{len(STATE)}:])["flag"] == flag
    elif mine and line.endswith("% " + new + ";\\n"): continue
    elif mine and line.endswith(" " + new + ";\\n"): line = line[:-len(new) - 2] + legacy + ";\\n"
    out.append(line)
with open(path, "w", encoding="utf-8") as file: file.writelines(out)
"""


class NginxStore(SplitStore, NginxReload):
    """Flags as splits of nginx: for each a variable that names the upstream, by a hash of the user and the group."""

    path: str = Field(description="The file that nginx.conf includes inside http {}.", pattern=r"^/[A-Za-z0-9._/-]+$")
    key: str = Field(
        default="$http_x_user_id",
        description="What names a user; several variables together, such as ${http_x_tenant}${http_x_user_id}.",
        pattern=r"^(\$[a-z0-9_]+|(\$\{[a-z0-9_]+\})+)$",
    )
    group: str = Field(default="$http_x_user_group", description="The variable that names a group.", pattern=_VARIABLE)
    new: str = Field(default="new", description="The upstream of the new path.", pattern=_WORD)
    legacy: str = Field(default="legacy", description="The upstream of legacy.", pattern=_WORD)

    def variable(self, flag: str) -> str:
        """The variable that proxy_pass uses for this flag."""
        return "$tidegate_" + re.sub(r"[^a-z0-9]+", "_", slug(flag))

    def body(self, flag: str, exposure: Exposure) -> str:
        """A split for each share that is neither nobody's nor everybody's, and which group has which."""
        shares, variable, lines = shares_of(exposure), self.variable(flag), list[str]()
        for share in sorted({shares.everyone, *shares.groups.values()} - {0, WHOLE}):
            # The new path comes first, and all splits use one hash, so that nobody moves when another share follows.
            lines.append(f'split_clients "{quote(flag, safe="")}{self.key}" {variable}_{share} {{')
            lines += [f"    {share / 100:g}% {self.new};", f"    * {self.legacy};", "}"]
        lines += [f"map {self.group} {variable} {{", f"    default {self._where(variable, shares.everyone)};"]
        lines += [f"    {_quoted(group)} {self._where(variable, share)};" for group, share in shares.groups.items()]
        return "\n".join([*lines, "}", ""])

    def is_off(self, body: str) -> bool:
        """Whether no line names the new path."""
        return re.search(rf" {re.escape(self.new)};$", body, re.MULTILINE) is None

    def why_not(self, flag: str, exposure: Exposure, others: Mapping[str, Section]) -> str:
        """Two flags of one variable, or groups that nginx, which knows no capitals, takes for one."""
        same = [one for one in others if one != flag and self.variable(one) == self.variable(flag)]
        if same:
            return f"flag {flag} and flag {same[0]} would both be {self.variable(flag)}: allowed is another file"
        small: dict[str, str] = {}
        for group in shares_of(exposure).groups:
            if (other := small.setdefault(group.lower(), group)) != group:
                return f"found the groups {other!r} and {group!r}, which nginx takes for one: allowed is one of them"
        return ""

    def take_over(self, sections: Mapping[str, Section], file: SplitFile) -> None:
        """Written, tested, and taken over by a reload; until then the file itself says that it was not."""
        before = file.sections()
        changed = {flag: _marked(one, True) for flag, one in sections.items() if before.get(flag) != one}
        written = {**sections, **changed}
        file.replace(written)
        # What follows takes a while, in which a zero may come past the lock.
        off = all(self.is_off(one.body) for one in changed.values())
        keep = (lambda: file.replace({**file.sections(), **changed})) if off else None
        self.take_over_file(lambda: file.exchange(changed, before), keep)
        file.exchange(written, {flag: _marked(one, False) for flag, one in written.items()})

    def unlike(self, flag: str, section: Section) -> str:  # noqa: ARG002
        """That no reload was seen to take it over; nginx itself does not tell what it goes by."""
        return "nginx was not seen to take over what the file says" if section.state.get(_WAITING) else ""

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""
        written = shlex.join(["python3", "-c", _HAND, self.path, flag, self.new, self.legacy])
        return f"{written} && {shlex.join(self.test)} && {shlex.join(self.reload)}"

    def check(self) -> str:
        """A sentence saying what was found; raises Refused or Unreachable."""
        sections = SplitFile(self.path).sections()
        self.must_be_sound()
        if not os.access(Path(self.path).parent, os.W_OK):
            raise Refused(f"{self.path}: its folder cannot be written")
        return f"nginx's configuration is sound; {self.path} has {len(sections)} flags"

    def _where(self, variable: str, share: int) -> str:
        return {0: self.legacy, WHOLE: self.new}.get(share, f"{variable}_{share}")


def _marked(section: Section, waiting: bool) -> Section:
    """The same, waiting for nginx to take it over or not."""
    state = {key: value for key, value in section.state.items() if key != _WAITING}
    return Section({**state, _WAITING: True} if waiting else state, section.body)


def _quoted(group: str) -> str:
    # The first backslash keeps words such as default, and a beginning ~, from being nginx's own.
    escaped = group.replace("\\", "\\\\").replace('"', '\\"')
    return f'"\\\\{escaped}"'
