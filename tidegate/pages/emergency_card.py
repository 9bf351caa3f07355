"""The rollback by hand, on one page: for the day on which Tidegate itself is gone."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.plan.model import Plan
from tidegate.plan.rollback import ByHand, FlushCache, LoadBalancer, Restore, RollbackStep, StopService, VerifyLegacy
from tidegate.values.units import format_duration


@dataclass(frozen=True, slots=True)
class Hands:
    """What the connections tell of how things are done without Tidegate; what is missing has to be known by people."""

    flag_off: str = ""
    prometheus: str = ""
    to_legacy: str = ""
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def emergency_card(plan: Plan, hands: Hands) -> str:
    """The card, in Markdown; it holds no secret, since commands and addresses stand in it and tokens do not."""
    back = plan.rollback
    lines = [
        f"# {plan.title}: the rollback by hand",
        "",
        f"For the day on which Tidegate itself is gone. Flag `{plan.flag.key}` of {plan.service}.",
        "",
        "## 1. Turn the flag off for everybody",
        "",
        *_block(hands.flag_off, f"In your flag system: {plan.flag.key} off for everybody, always-on groups included."),
        f"## 2. See that nobody is sent to the new path for {format_duration(back.proof.quiet)}",
        "",
        "Ask twice; the number must stand still.",
        "",
        *_block(_ask(hands, back.proof.counter), f"In Prometheus: `{back.proof.counter}`"),
    ]
    if back.full:
        lines += ["## 3. If it still moves", ""]
        for number, step in enumerate(back.full, start=1):
            lines += [f"{number}. {step.text}{_warning(step)}", "", *_block(_done(step, hands), _wanted(step))]
    lines += ["## Tell people", "", *(f"- {contact.title}: {contact.email}" for contact in plan.contacts)]
    lines += [f"- {line}" for line in back.communication]
    ends = "A Tidegate that comes back takes a flag at zero for a rollback by hand, records it, and never undoes it."
    return "\n".join([*lines, "", ends]) + "\n"


def _block(command: str, otherwise: str) -> Iterator[str]:
    yield from (["```sh", command, "```"] if command else [otherwise])
    yield ""


def _ask(hands: Hands, query: str) -> str:
    if not hands.prometheus:
        return ""
    return (
        f"curl -sG {shlex.quote(hands.prometheus + '/api/v1/query')} --data-urlencode {shlex.quote('query=' + query)}"
    )


def _warning(step: RollbackStep) -> str:
    match step:
        case Restore(loses=loses):
            return f" (ask first: {loses} The snapshot's name goes where {{snapshot}} stands)"
        case FlushCache():
            return " (ask first)"
        case _:
            return ""


def _done(step: RollbackStep, hands: Hands) -> str:
    match step:
        case LoadBalancer():
            return hands.to_legacy
        case StopService(command=name) | Restore(command=name):
            return shlex.join(hands.commands.get(name, ()))
        case FlushCache(database=int(database)):
            return f"redis-cli -n {database} FLUSHDB"
        case FlushCache(prefix=prefix):
            match = shlex.quote(f"{prefix}*")
            return f"redis-cli --scan --pattern {match} | tr '\\n' '\\0' | xargs -0 -n 500 redis-cli UNLINK"
        case VerifyLegacy(source=name) if name in hands.sources:
            return f"curl -si {shlex.quote(hands.sources[name])}"
        case _:
            return ""


def _wanted(step: RollbackStep) -> str:
    match step:
        case StopService(command=name) | Restore(command=name):
            return f"The command that your connections call `{name}`."
        case VerifyLegacy(source=name):
            return f"The address that your connections call `{name}`."
        case ByHand():
            return "Done by people."
        case _:
            return "As you do it without Tidegate."


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
tops = [at for name, at, _ in members(text.index("{")) if name == "flags"]
places = [(start, end) for top in tops for name, start, end in members(top) if name == flag]
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
    if not isinstance(own, dict) or all(isinstance(value, bool) for value in own.values()):
        found = found if isinstance(found, dict) else {}
        found.update(state="ENABLED", variants={"on": True, "off": False}, defaultVariant="off", targeting={})
    elif "off" in own: found.update(state="ENABLED", defaultVariant="off", targeting={})
    else: found["state"] = "DISABLED"\
"""


def flagd_off(path: str, flag: str) -> str:
    """A shell command that leaves nobody exposed in a flagd file, in one write, every other byte untouched."""
    return _command(_OFF, path, flag)


def flagd_undo(path: str, flag: str) -> str:
    """A shell command that switches a flag on again that was switched off (state DISABLED), as it was before."""
    return _command('found["state"] = "ENABLED"', path, flag)


def _command(change: str, path: str, flag: str) -> str:
    code = _IN_PLACE.replace("CHANGE", change)
    return f"python3 -c {shlex.quote(code)} {shlex.quote(path)} {shlex.quote(flag)}"
