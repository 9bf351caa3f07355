"""How a person changes a flagd file when Tidegate is gone: commands that need nothing but Python."""

import shlex

from blocks.flags.flagd.flagd_by_hand_yaml import yaml_off, yaml_on

_IN_PLACE = """\
import json, os, sys, time
path, flag = sys.argv[1:]
old = open(path, "rb").read()
text = old.decode("utf-8", "surrogateescape")
json.loads(text)
decode = json.JSONDecoder().raw_decode
def members(at):
    at, found = at + 1, []
    while True:
        while text[at] in ", \\t\\r\\n": at += 1
        if text[at] == "}": return found
        name, at = decode(text, at)
        while text[at] in ": \\t\\r\\n": at += 1
        start, at = at, decode(text, at)[1]
        found.append((name, start, at))
def entries(at):
    if text[at] == "{": return members(at)
    at, found = at + 1, []
    while True:
        while text[at] in ", \\t\\r\\n": at += 1
        if text[at] == "]": return found
        start, (value, at) = at, decode(text, at)
        if isinstance(value, dict): found.append((value.get("key"), start, at))
tops = [at for name, at, _ in members(text.index("{")) if name == "flags"]
places = [(start, end) for top in tops for name, start, end in entries(top) if name == flag]
for start, end in reversed(places):
    found = json.loads(text[start:end])
    CHANGE
    text = text[:start] + json.dumps(found, separators=(",", ":")).ljust(end - start) + text[end:]
if not places: sys.exit(flag + " is not in " + path)
with open(path, "r+b", buffering=0) as file: file.write(text.encode("utf-8", "surrogateescape"))
newer = max(time.time(), os.stat(path).st_mtime + 1)
os.utime(path, (newer, newer))
"""
_OFF = """\
own = found.get("variants") if isinstance(found, dict) else None
    meta = found.get("metadata") if isinstance(found, dict) else None
    off = meta.get("tidegateOff") if isinstance(meta, dict) else None
    if not isinstance(own, dict) or (off is None and all(isinstance(value, bool) for value in own.values())):
        found = found if isinstance(found, dict) else {}
        found.update(state="ENABLED", variants={"on": True, "off": False}, defaultVariant="off", targeting={})
    elif (off or "off") in own: found.update(state="ENABLED", defaultVariant=off or "off", targeting={})
    else: found["state"] = "DISABLED"\
"""


def flagd_off(path: str, flag: str) -> str:
    """A shell command that leaves nobody exposed in a flagd file, in one write, every other byte untouched."""
    return yaml_off(path, flag) if path.endswith((".yaml", ".yml")) else _command(_OFF, path, flag)


def flagd_undo(path: str, flag: str) -> str:
    """A shell command that switches a flag on again that was switched off (state DISABLED), as it was before."""
    if path.endswith((".yaml", ".yml")):
        return yaml_on(path, flag)
    return _command('found["state"] = "ENABLED"', path, flag)


def _command(change: str, path: str, flag: str) -> str:
    code = _IN_PLACE.replace("CHANGE", change)
    return f"python3 -c {shlex.quote(code)} {shlex.quote(path)} {shlex.quote(flag)}"
