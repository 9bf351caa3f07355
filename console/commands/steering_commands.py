"""Commands that steer a rollout under way: hold, resume, extend, close, supersede, freeze, unfreeze."""

import json

from rich.console import Console

from console.authorize import asked_code, asks_for_code, ordered
from console.home import connections
from console.who import email, some_name
from engine.rollout.evaluation import hold as hold_exposure
from engine.rollout.journal_trust import accept_break
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from engine.steering.orders import Announced, end_holds, extend_soak, freeze_everything, unfreeze_everything
from engine.steering.orders import close as close_rollout
from tidegate.values.units import format_duration, parse_duration

out = Console(highlight=False)


def hold(rollout: str, who: str, reason: str) -> None:
    """Keep exposure where it is until `tidegate resume`; guarding goes on. Needs a name, nothing else."""
    done = hold_exposure(OpenRollout(connections(), rollout), some_name(who), reason)
    out.print("held" if done else "it is held already")


def resume(rollout: str, who: str, reason: str, code: str = "", break_glass: bool = False, second: str = "") -> None:
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


def extend(rollout: str, who: str, by: str, reason: str, code: str = "") -> None:
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


def close(rollout: str, who: str, reason: str, leave_exposed: bool = False, code: str = "") -> None:
    """End a rollout that goes no further. The flag stays as it is."""
    _end(rollout, who, reason, leave_exposed=leave_exposed, code=code)


def supersede(
    rollout: str,
    who: str,
    newer: str,
    reason: str = "a newer release takes its place",
    leave_exposed: bool = False,
    code: str = "",
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


def freeze(who: str, reason: str, as_json: bool = False) -> None:
    """Stop every raise of every rollout, also of those opened later, until `tidegate unfreeze`. Needs a name."""
    _say("frozen", freeze_everything(connections(), some_name(who), reason), as_json=as_json)


def unfreeze(who: str, reason: str, as_json: bool = False) -> None:
    """Let rollouts be raised again after `tidegate freeze`; each still needs its gate."""
    _say("unfrozen", unfreeze_everything(connections(), email(who), reason), as_json=as_json)


def _say(what: str, done: Announced, *, as_json: bool) -> None:
    if as_json:
        people = {"notified": list(done.notified), "not_notified": dict(done.not_notified)}
        print(json.dumps({what: done.changed, **people}))
        return
    already = "raising was frozen already" if what == "frozen" else "raising was not frozen"
    out.print(f"raising is {what} in every rollout of this journal" if done.changed else already)
    if done.notified:
        out.print(f"notified: {', '.join(done.notified)}", markup=False)
    for rollout, why in done.not_notified.items():
        out.print(f"it holds for {rollout}, too, whose people could not be notified: {why}", markup=False)
