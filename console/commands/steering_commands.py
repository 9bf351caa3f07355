"""Commands that steer a rollout under way: hold, resume, extend, close, supersede, freeze, unfreeze."""

import json
from typing import Annotated

import typer
from rich.console import Console

from console.authorize import asked_code, asks_for_code, ordered
from console.commands.rollout_commands import As, Name, Rollout, email, some_name
from console.home import connections
from console.options import Json
from engine.rollout.commands import Announced, end_holds, extend_soak, freeze_everything, unfreeze_everything
from engine.rollout.commands import close as close_rollout
from engine.rollout.evaluation import hold as hold_exposure
from engine.rollout.journal_trust import accept_break
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from tidegate.values.units import format_duration, parse_duration

out = Console(highlight=False)
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Code = Annotated[str, typer.Option(help="Your one-time code, where the plan asks for one; left out, asked.")]
LeaveExposed = Annotated[
    bool, typer.Option("--leave-exposed", help="The flag stays raised and is watched no more (an approver only).")
]


def add_to(app: typer.Typer) -> None:
    """Add the steering commands."""
    for command in (hold, resume, extend, close, supersede, freeze, unfreeze):
        app.command()(command)


def hold(rollout: Rollout, who: Name, reason: Reason) -> None:
    """Keep exposure where it is until `tidegate resume`; guarding goes on. Needs a name, nothing else."""
    done = hold_exposure(OpenRollout(connections(), rollout), some_name(who), reason)
    out.print("held" if done else "it is held already")


def resume(
    rollout: Rollout,
    who: As,
    reason: Reason,
    code: Code = "",
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Go on with a journal that is broken; needs --with, pages everybody.")
    ] = False,
    second: Annotated[str, typer.Option("--with", metavar="EMAIL", help="The other person, of another role.")] = "",
) -> None:
    """End a hold; needs an approver of some gate of the plan, and a code where the plan asks for codes."""
    if break_glass != bool(second):
        raise NotAllowed("--break-glass and --with belong together: it takes two people of different roles")
    run, person = OpenRollout(connections(), rollout), email(who)
    if break_glass:
        accepted = accept_break(run, person, email(second, "--with"), reason)
        out.print(f"resumed (journal); accepted: {accepted}", markup=False)
        return
    if asks_for_code(run):
        out.print(ordered("resume", run, by=person, reason=reason, code=code or asked_code()), markup=False)
        return
    ended = end_holds(run, person, reason)
    out.print(f"resumed ({', '.join(ended)})" if ended else "nothing was held")


def extend(
    rollout: Rollout,
    who: As,
    by: Annotated[str, typer.Option(help="How much longer, e.g. 12h.")],
    reason: Reason,
    code: Code = "",
) -> None:
    """Let the wave under way soak longer; needs an approver. At a gate: `tidegate approve --decision extend`."""
    try:
        span = parse_duration(by)
    except ValueError as error:
        raise NotAllowed(f"--by: {error}") from None
    run, person = OpenRollout(connections(), rollout), email(who)
    if asks_for_code(run):
        longer, typed = format_duration(span), code or asked_code()
        out.print(ordered("extend", run, by=person, longer=longer, reason=reason, code=typed), markup=False)
        return
    extend_soak(run, person, span, reason)
    out.print(f"extended by {format_duration(span)}")


def close(rollout: Rollout, who: As, reason: Reason, leave_exposed: LeaveExposed = False, code: Code = "") -> None:
    """End a rollout that goes no further. The flag stays as it is."""
    _end(rollout, who, reason, leave_exposed=leave_exposed, code=code)


def supersede(
    rollout: Rollout,
    who: As,
    newer: Annotated[str, typer.Option("--by", help="The release or rollout that takes its place.")],
    reason: Reason = "a newer release takes its place",
    leave_exposed: LeaveExposed = False,
    code: Code = "",
) -> None:
    """End a rollout that a newer release replaces, and say which one. The flag stays as it is."""
    _end(rollout, who, reason, leave_exposed=leave_exposed, code=code, newer=some_name(newer, "--by"))


def _end(rollout: str, who: str, reason: str, *, leave_exposed: bool, code: str, newer: str = "") -> None:
    run, person = OpenRollout(connections(), rollout), email(who)
    if leave_exposed and asks_for_code(run):
        said = ordered("leave-exposed", run, by=person, reason=reason, newer=newer, code=code or asked_code())
        out.print(said, markup=False)
        return
    close_rollout(run, person, reason, leave_exposed=leave_exposed, superseded_by=newer)
    did = f"superseded by {newer}" if newer else "closed"
    out.print(f"{did}; {run.flag} stays at {run.state.exposure}", markup=False)


def freeze(who: Name, reason: Reason, as_json: Json = False) -> None:
    """Stop every raise of every rollout, also of those opened later, until `tidegate unfreeze`. Needs a name."""
    _say("frozen", freeze_everything(connections(), some_name(who), reason), as_json=as_json)


def unfreeze(who: As, reason: Reason, as_json: Json = False) -> None:
    """Let rollouts be raised again after `tidegate freeze`; each still needs its gate."""
    _say("unfrozen", unfreeze_everything(connections(), email(who), reason), as_json=as_json)


def _say(what: str, done: Announced, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({what: done.changed, "told": list(done.told), "not_told": dict(done.not_told)}))
        return
    already = "raising was frozen already" if what == "frozen" else "raising was not frozen"
    out.print(f"raising is {what} in every rollout of this journal" if done.changed else already)
    if done.told:
        out.print(f"told: {', '.join(done.told)}", markup=False)
    for rollout, why in done.not_told.items():
        out.print(f"it holds for {rollout}, too, whose people could not be told: {why}", markup=False)
