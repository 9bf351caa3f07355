"""The rollback by hand, on one page: for the day on which Tidegate itself is gone."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.plan.fields.rollback import (
    ByHand,
    FlushCache,
    LoadBalancer,
    Restore,
    RollbackStep,
    StopService,
    VerifyLegacy,
)
from tidegate.plan.model import Plan
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
