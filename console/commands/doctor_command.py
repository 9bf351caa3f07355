"""`tidegate doctor`: everything between this person and a rollout, with a remedy for each line."""

import contextlib
import json
import re
from collections.abc import Sequence

import typer
from rich.console import Console

from blocks.errors import Refused
from console.exits import Exit
from console.home import kit_path
from console.prefect_runs import use_named_server
from engine.doctor.examine import examine, stops
from engine.doctor.lines import State
from engine.rollout.open import NotAllowed

out = Console(highlight=False, soft_wrap=True)
_MARKS = {State.OK: "ok   ", State.NOTE: "note ", State.STOPS: "STOPS"}
_PLACE = re.compile(r"#\S+|[^@\s]+@[^@\s]+|pagerduty|teams|webhook")


def doctor(send: Sequence[str], *, as_json: bool) -> None:
    """Look at everything and print it; ends with 1 where something would stop a rollout."""
    for place in send:
        if _PLACE.fullmatch(place) is None:
            raise NotAllowed(
                f"--send: found {place!r}, allowed are #channel, an e-mail address, pagerduty, teams and webhook"
            )
    # Where no server is named, the line about variables says so.
    with contextlib.suppress(Refused):
        use_named_server()
    lines = examine(kit_path(), send)
    if as_json:
        print(json.dumps({"stops": stops(lines), "lines": [line.to_json() for line in lines]}, indent=1))
    else:
        for line in lines:
            out.print(f"{_MARKS[line.state]} {line.name}: {line.sentence}", markup=False)
            if line.remedy:
                out.print(f"        -> {line.remedy}", markup=False)
        count = sum(line.state is State.STOPS for line in lines)
        out.print(f"{count} of {len(lines)} would stop a rollout" if count else "nothing here would stop a rollout")
    raise typer.Exit(Exit.NO_GO if stops(lines) else Exit.DONE)
