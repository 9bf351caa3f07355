"""How a person changes a flagd file in YAML when Tidegate is gone: by its lines, with nothing but Python."""

import shlex

_BY_LINES = r"""
import os, re, sys, time
path, flag, order = sys.argv[1:]
lines = open(path, encoding="utf-8", newline="").read().split("\n")
def indent(line): return len(line) - len(line.lstrip(" "))
def bare(line): return line.strip() == "" or line.strip().startswith("#")
NAME = re.compile(r'''\s*(?:"([^"]*)"|'([^']*)'|([^\s"'#-].*?))\s*:(?:\s+(.*))?$''')
def named(line):
    found = NAME.match(line.rstrip())
    if not found: return "", ""
    value = " " + (found[4] or "")
    return next((g for g in found.groups()[:3] if g is not None), ""), value.partition(" #")[0].strip()
def stop(why):
    sys.exit(path + ": " + why + ". Nothing was changed: set the flag's defaultVariant and targeting by hand")
def parts(start, end, is_part):
    begins = [n for n in range(start, end) if not bare(lines[n]) and is_part(lines[n])]
    return [(a, b) for a, b in zip(begins, begins[1:] + [end])]
tops = [n for n, line in enumerate(lines) if re.match(r'''(["']?)flags\1\s*:\s*(#.*)?$''', line.rstrip())]
if len(tops) != 1: stop("flags is no mapping over several lines")
top = tops[0]
inside = [n for n in range(top + 1, len(lines)) if not bare(lines[n])]
column = indent(lines[inside[0]]) if inside else 0
is_list = bool(inside) and lines[inside[0]].lstrip().startswith("- ")
def ends(line): return indent(line) < column or (indent(line) == 0 and not (is_list and line.startswith("-")))
end = next((n for n in inside if ends(lines[n])), len(lines))
done = False
for start, stop_at in reversed(parts(top + 1, end, lambda line: indent(line) == column)):
    first = start + 1
    if is_list:
        lines[start] = lines[start].replace("-", " ", 1)
        first = start
    body = [n for n in range(first, stop_at) if not bare(lines[n])]
    inner = indent(lines[body[0]]) if body else 0
    def begins(line): return indent(line) == inner and not line.lstrip().startswith("- ")
    members = [(named(lines[a])[0], a, b) for a, b in parts(first, stop_at, begins)]
    key = named(lines[start])[0]
    if is_list: key = next((named(lines[a])[1].strip("'\"") for name, a, b in members if name == "key"), "")
    if key == flag:
        if not is_list and named(lines[start])[1]: stop("flag " + flag + " is written on one line")
        text = {name: "\n".join(lines[a:b]).partition(":")[2] for name, a, b in members}
        off = re.search(r'''tidegateOff["']?\s*:\s*["']?([^"'\s,}]+)''', text.get("metadata", ""))
        pairs = re.findall(r'''["']?([^\s"'{},:]+)["']?\s*:\s*([^\s,}]+)''', text.get("variants", ""))
        plain = off is None and all(value in ("true", "false") for _, value in pairs)
        name = off[1] if off else "off"
        new = {"state": "ENABLED"}
        if order == "off" and (plain or name in [one for one, _ in pairs]):
            new.update({"defaultVariant": '"' + name + '"', "targeting": "{}"})
            if plain: new["variants"] = '{"on": true, "off": false}'
        elif order == "off": new["state"] = "DISABLED"
        rest = "\r" if lines[start].endswith("\r") else ""
        gone = {n for one, a, b in members if one in new for n in range(a, b)}
        kept = [line for n, line in enumerate(lines[first:stop_at], first) if n not in gone]
        after = []
        while kept and not kept[-1].strip(): after.insert(0, kept.pop())
        made = [" " * inner + one + ": " + value + rest for one, value in new.items()]
        lines[first:stop_at] = kept + made + after
        done = True
    if is_list: lines[start] = " " * column + "-" + lines[start][column + 1:]
if not done: sys.exit(flag + " is not in " + path)
with open(path, "r+b", buffering=0) as file:
    file.write("\n".join(lines).encode())
    file.truncate()
newer = max(time.time(), os.stat(path).st_mtime + 1)
os.utime(path, (newer, newer))
"""


def yaml_off(path: str, flag: str) -> str:
    """A shell command that leaves nobody exposed in a flag file in YAML, every other line untouched."""
    return _command(path, flag, "off")


def yaml_on(path: str, flag: str) -> str:
    """A shell command that switches a flag on again that was switched off (state DISABLED)."""
    return _command(path, flag, "on")


def _command(path: str, flag: str, order: str) -> str:
    return f"python3 -c {shlex.quote(_BY_LINES)} {shlex.quote(path)} {shlex.quote(flag)} {order}"
