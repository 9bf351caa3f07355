"""`tidegate plan ...`: look at a plan; what changes one under way is added by `amend_commands`."""

import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from blocks.calls.addresses import shown_address
from blocks.errors import Unreachable
from console.home import PLANS, connections, kit_path
from console.options import Json
from engine.preflight.checks import Check, run_checks
from engine.preflight.queries import query_looks
from engine.rollout.identity import utc_now
from engine.rollout.open import NotAllowed
from tidegate.pages.emergency_card import Hands, emergency_card
from tidegate.pages.plan_check import plan_report
from tidegate.pages.plan_document import plan_document
from tidegate.plan.loading.json_schema import plan_schema
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.plan.schedule import rollout_calendar
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding, Verdict

PlanPath = Annotated[str, typer.Argument(metavar="PLAN", help="A plan file, or the name of one in plans/.")]
plans = typer.Typer(no_args_is_help=True, help="Check, show, date and amend a plan.")
out = Console(highlight=False)


def add_to(app: typer.Typer) -> None:
    """Add the plan commands."""
    app.add_typer(plans, name="plan")


def plan_from(name: str) -> Plan:
    """The plan in this file, or of this name in plans/; raises PlanError or NotAllowed."""
    for path in (Path(name), PLANS / name):
        if path.is_file():
            return load_plan(path, Path.read_bytes)
    if Path(name).is_dir():
        raise NotAllowed(f"{name}: found a folder, allowed is a plan file")
    known = ", ".join(sorted(p.name for p in PLANS.glob("*.yaml")))
    raise NotAllowed(f"{name}: there is no such file; in plans/ there are {known}")


@plans.command("check")
def check(
    plan: PlanPath,
    as_json: Json = False,
    prometheus: Annotated[
        bool,
        typer.Option("--prometheus", help="Ask the kit's Prometheus, too, what the queries select."),
    ] = False,
) -> None:
    """Say whether a plan can run, which lines still wait for their kind of check, and what its bounds mean."""
    loaded = plan_from(plan)
    report = plan_report(loaded, *_backend())
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
    now = utc_now()
    looks = query_looks(connections(), plan, Timing(plan, Pace.of(now, plan.pace)), now)
    return run_checks(tuple(Check(*each) for each in looks))


def _backend() -> tuple[timedelta, str]:
    """How long the kit's flag backend takes to reach everybody; without a kit nothing is added."""
    if not kit_path().exists():
        return timedelta(0), "no kit file, so no flag backend is counted in"
    flags = connections().flags
    name = type(flags).__name__
    return flags.propagation, f"{name} reaches everybody within {format_duration(flags.propagation)}"


@plans.command("show")
def show(
    plan: PlanPath,
    raw: Annotated[bool, typer.Option("--markdown", help="The Markdown text itself.")] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Only the rollback by hand, for the day Tidegate itself is gone.")
    ] = False,
) -> None:
    """Print the plan as a document for people, timeline included."""
    loaded = plan_from(plan)
    document = emergency_card(loaded, _hands(loaded)) if card else plan_document(loaded)
    if raw or not sys.stdout.isatty():
        print(document)
    else:
        out.print(Markdown(document))


def _hands(plan: Plan) -> Hands:
    """What the kit tells of how things are done by hand; without a kit, nothing."""
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


@plans.command("schema")
def schema() -> None:
    """Print the JSON Schema of a plan, for editors."""
    print(json.dumps(plan_schema(), indent=1))


@plans.command("calendar")
def calendar(
    plan: PlanPath,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Day 1, as YYYY-MM-DD.")],
    as_json: Json = False,
) -> None:
    """Print the real dates of every wave, in the plan's time zone."""
    loaded = plan_from(plan)
    day: date = start.date()
    rows = rollout_calendar(loaded, day)
    if as_json:
        print(json.dumps([row.to_json() for row in rows], indent=1))
        return
    table = Table(title=f"{loaded.title}, day 1 on {day:%A %Y-%m-%d} ({loaded.timezone})", title_justify="left")
    for heading in ("", "Gate opens", "Earliest raise", "Soak complete"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            row.title, *(f"{at:%a %Y-%m-%d %H:%M}" if at else "" for at in (row.gate_opens, row.raised, row.soaked))
        )
    out.print(table)
