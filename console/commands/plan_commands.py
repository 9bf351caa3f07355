"""`tidegate plan ...`: look at a plan; what changes one under way is added by `amend_commands`."""

import json
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from blocks.errors import Unreachable
from blocks.plans import plan_files
from console.home import connections, kit_path, plans_folder
from engine.rollout.not_allowed import NotAllowed
from tidegate.pages.plan_check import plan_report
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Plan
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding, Verdict

if TYPE_CHECKING:
    from tidegate.pages.emergency_card import Hands

# Each command imports what it alone needs: a plan is checked again and again while it is written.
out = Console(highlight=False)


def plan_from(name: str) -> Plan:
    """The plan in this file, wherever it lies, or of this name in the plans folder; raises PlanError or NotAllowed."""
    if Path(name).is_file():
        return load_plan(Path(name), Path.read_bytes)
    if Path(name).is_dir():
        raise NotAllowed(f"{name}: found a folder, allowed is a plan file")
    folder = plans_folder()
    if (folder / name).is_file():
        return load_plan(folder / name, Path.read_bytes)
    known = [path.relative_to(folder).as_posix() for path in plan_files(folder)]
    meant = "".join(f"; did you mean {near}?" for near in get_close_matches(name, known, 1))
    raise NotAllowed(f"{name}: there is no such file; in {folder} there are {', '.join(known) or 'none'}{meant}")


def check(plan: str, as_json: bool = False, prometheus: bool = False) -> None:
    """Say whether a plan can run, which lines still wait for their kind of check, and what its bounds mean."""
    loaded = plan_from(plan)
    report = plan_report(loaded, *_backend())
    if warning := _too_often(report.flag_readings_per_hour):
        report = replace(report, warnings=(*report.warnings, warning))
    findings = _against_prometheus(loaded) if prometheus else ()
    if as_json:
        asked = {"prometheus": [f.to_json() for f in findings]} if prometheus else {}
        print(json.dumps(report.to_json() | asked, indent=1))
    else:
        for line in (*report.lines, *(f"{f.text}: {f.verdict.value}. {f.sentence}" for f in findings)):
            out.print(line, markup=False, soft_wrap=True)
    if wrong := [f for f in findings if f.verdict is Verdict.FAIL]:
        raise NotAllowed(" ".join(f.sentence for f in wrong))
    if unknown := [f for f in findings if f.verdict is Verdict.ERROR]:
        raise Unreachable(" ".join(f.sentence for f in unknown))


def _against_prometheus(plan: Plan) -> tuple[Finding, ...]:
    from engine.preflight.checks import Check, run_checks
    from engine.preflight.queries import query_looks
    from engine.rollout.identity import utc_now
    from tidegate.plan.pace import Pace, Timing

    now = utc_now()
    looks = query_looks(connections(), plan, Timing(plan, Pace.of(now, plan.pace)), now)
    return run_checks(tuple(Check(*each) for each in looks))


def _backend() -> tuple[timedelta, str]:
    """How long the kit's flag backend takes to reach everybody; without a kit nothing is added."""
    if not kit_path().exists():
        return timedelta(0), "no kit file, so no flag backend is counted in"
    from blocks.flags.backend import Metered

    flags = connections().flags
    name = type(flags).__name__
    words = f"{name} reaches everybody within {format_duration(flags.propagation)}"
    if isinstance(flags, Metered):
        words += f", {flags.rate_limit}"
    return flags.propagation, words


def _too_often(an_hour: float) -> str:
    """What is said of a guard that alone takes much of the calls that the flag system allows; empty for nothing."""
    if not kit_path().exists():
        return ""
    from blocks.flags.backend import MOST_OF_A_LIMIT, Metered

    flags = connections().flags
    if not isinstance(flags, Metered) or flags.most_an_hour is None:
        return ""
    most = MOST_OF_A_LIMIT * flags.most_an_hour
    if an_hour <= most:
        return ""
    part = f"{most:g} ({100 * MOST_OF_A_LIMIT:g}% of {flags.most_an_hour})"
    return f"the flag is read {an_hour:g} times an hour, allowed here are {part}: choose a longer guard"


def show(plan: str, raw: bool = False, card: bool = False, as_json: bool = False) -> None:
    """Print the plan as a document for people, timeline included."""
    loaded = plan_from(plan)
    if as_json and card:
        raise NotAllowed("found --json with --card, allowed is one of them")
    if as_json:
        print(json.dumps({"plan_hash": loaded.hash, "plan": loaded.to_json()}, indent=1, ensure_ascii=False))
        return
    from tidegate.pages.emergency_card import emergency_card
    from tidegate.pages.plan_document import plan_document

    document = emergency_card(loaded, _hands(loaded)) if card else plan_document(loaded)
    if raw or not sys.stdout.isatty():
        print(document)
    else:
        from rich.markdown import Markdown

        out.print(Markdown(document))


def _hands(plan: Plan) -> "Hands":
    """What the kit tells of how things are done by hand; without a kit, nothing."""
    from blocks.calls.addresses import shown_address
    from tidegate.pages.emergency_card import Hands

    if not kit_path().exists():
        return Hands()
    via = connections()
    return Hands(
        flag_off=via.flags.by_hand(plan.flag.key),
        prometheus=shown_address(via.prometheus.url).rstrip("/"),
        to_legacy=via.load_balancer.by_hand() if via.load_balancer else "",
        commands=via.commands.commands if via.commands else {},
        sources={name: shown_address(url) for name, url in via.web.sources.items()} if via.web else {},
    )


def schema() -> None:
    """Print the JSON Schema of a plan, for editors."""
    from tidegate.plan.loading.json_schema import plan_schema

    print(json.dumps(plan_schema(), indent=1))


def calendar(plan: str, start: datetime, as_json: bool = False) -> None:
    """Print the real dates of every wave, in the plan's time zone."""
    from tidegate.plan.schedule import rollout_calendar

    loaded = plan_from(plan)
    day: date = start.date()
    rows = rollout_calendar(loaded, day)
    if as_json:
        print(json.dumps([row.to_json() for row in rows], indent=1))
        return
    from rich.table import Table

    table = Table(title=f"{loaded.title}, day 1 on {day:%A %Y-%m-%d} ({loaded.timezone})", title_justify="left")
    for heading in ("", "Gate opens", "Earliest raise", "Soak complete"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            row.title, *(f"{at:%a %Y-%m-%d %H:%M}" if at else "" for at in (row.gate_opens, row.raised, row.soaked))
        )
    out.print(table)
