"""Commands that start, look at and roll back a rollout."""

import json
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault, Refused, Unreachable
from blocks.journal.block import RolloutRow
from blocks.journal.freezes import why_frozen
from console.commands.plan_commands import plan_from
from console.exits import Exit
from console.home import connections
from console.who import email
from engine.preflight.checks import Check, preflight_checks, run_checks
from engine.preflight.reuse import reuse_check
from engine.preflight.rollback_steps import rollback_step_checks
from engine.rollback.journal_fallback import keep_room
from engine.rollout.open import NotAllowed, must_be_free, new_rollout_name, open_rollout, refusal
from engine.rollout.session import OpenRollout, UnknownRollout, utc_now, why_unread
from engine.rollout.who_guards import why_unguarded
from tidegate.checklist.judge import section_verdicts
from tidegate.journal.bodies.lifecycle_bodies import Closed
from tidegate.notices.upkeep_due import open_words
from tidegate.pages.progress_page import progress_page
from tidegate.pages.tables import MARKS
from tidegate.plan.model import parse_pace
from tidegate.plan.pace import Pace, Timing
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Finding, Verdict, worst
from tidegate.views.status import status_json

out = Console(highlight=False)
log = Console(stderr=True, highlight=False)


def _pace(text: str | None) -> timedelta | None:
    try:
        return parse_pace(text) if text else None
    except ValueError as error:
        raise NotAllowed(f"--pace: {error}") from None


def show_findings(findings: tuple[Finding, ...]) -> None:
    """The findings as a table."""
    table = Table(show_header=True, header_style="bold")
    for heading in ("", "Check", "Verdict", "What was seen"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(MARKS[finding.verdict], finding.text, finding.verdict.value, finding.sentence)
    out.print(table)


def preflight(
    plan: str, started_by: str = "preflight@localhost.localdomain", pace: str | None = None, as_json: bool = False
) -> None:
    """Check connections, flag, queries, alert rules and gates of a plan. Changes nothing."""
    loaded, via, now = plan_from(plan), connections(), utc_now()
    day = _pace(pace) or loaded.pace
    timing = Timing(loaded, Pace.of(now, day))
    checks = (
        *preflight_checks(via, loaded, timing, started_by=started_by, now=now),
        *rollback_step_checks(via, loaded),
        reuse_check(via, loaded, now),
        _workers_check(),
    )
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=log) as progress:
        task = progress.add_task(f"0 of {len(checks)} checks", total=len(checks))
        seen: list[Finding] = []

        def done(finding: Finding) -> None:
            seen.append(finding)
            words = f"{MARKS[finding.verdict]} {finding.text}: {finding.sentence}"
            progress.console.print(words, markup=False, soft_wrap=True)
            progress.update(task, advance=1, description=f"{len(seen)} of {len(checks)} checks")

        findings = run_checks(checks, done)
    verdict = worst(f.verdict for f in findings)
    sections = section_verdicts(loaded, findings)
    if as_json:
        body = {"verdict": verdict.value, "sections": sections, "findings": [f.to_json() for f in findings]}
        print(json.dumps(body, indent=1))
    else:
        show_findings(findings)
        for section, said in sections.items():
            words = "stated by people at the gate" if said is Verdict.NOT_APPLICABLE else said.value
            out.print(f"{MARKS[said]} {section}: {words}", markup=False)
        out.print(f"[bold]{verdict.value}[/bold]")
    raise typer.Exit(Exit.DONE if verdict is Verdict.PASS else Exit.NO_GO)


def _workers_check() -> Check:
    """As on a worker's preflight, but of the server that this command line would start a run on."""
    from console.prefect_runs import use_named_server
    from engine.prefect_api.work_pools import workers_check

    # Where none is named, the check itself says so.
    with suppress(Refused):
        use_named_server()
    return workers_check()


def start(
    started_by: str,
    plan: str | None = None,
    pace: str | None = None,
    approve: str = "ask",
    dry_run: bool = False,
    resume: str | None = None,
    as_json: bool = False,
) -> None:
    """Open a rollout of this plan and start its run; with --resume, a new run for an open rollout."""
    if (plan is None) == (resume is None):
        raise NotAllowed(
            "found " + ("neither a plan nor" if plan is None else "a plan and") + " --resume, allowed is one of them"
        )
    if approve not in ("ask", "auto"):
        raise NotAllowed(f"--approve: found {approve!r}, allowed are ask, auto")
    via, who = connections(), email(started_by)
    if plan is None:
        _carry_on(OpenRollout(via, resume or ""), who, as_json=as_json)
        return
    loaded = plan_from(plan)
    day = _pace(pace) or loaded.pace
    why = refusal(via, loaded, started_by=who, pace=day, auto_approve=approve == "auto")
    if why:
        raise NotAllowed(why)
    if dry_run:
        preflight(plan, who, pace, as_json)
    name = start_rollout(plan, who, pace, approve)
    if as_json:
        print(json.dumps({"rollout": name}))
    else:
        out.print(f"started [bold]{name}[/bold]; watch it with `tidegate status {name}`, roll it back with")
        out.print(f"`tidegate rollback {name} --reason TEXT`")
        out.print(keep_room(), markup=False, soft_wrap=True)


def _carry_on(run: OpenRollout, who: str, *, as_json: bool) -> None:
    """Start a new run for an open rollout; the fence keeps it from doing what another one does already."""
    from console.prefect_runs import start_run, use_named_server
    from engine.prefect_api.work_pools import must_be_polled

    if not run.state.phase.is_open:
        raise NotAllowed(f"--resume: {run.rollout} is {run.state.phase.value.replace('_', ' ')} already")
    use_named_server()
    must_be_polled()
    start_run("rollout/rollout", {"plan": run.plan.name, "started_by": who, "resume": run.rollout})
    if as_json:
        print(json.dumps({"rollout": run.rollout}))
        return
    out.print(f"a new run carries [bold]{run.rollout}[/bold] on")
    for cause, why in run.state.holds.items():
        ends = f"`tidegate resume {run.rollout} --as EMAIL --reason TEXT`"
        out.print(f"it is held ({cause.value}: {why}); {ends} ends that", markup=False, soft_wrap=True)


def start_rollout(plan: str, started_by: str, pace: str | None, approve: str) -> str:
    """Open the rollout in the journal and start its run; closed again when no run is started, whatever the reason.

    Raises Refused where no Prefect server is named, NobodyCarries where no worker would take its runs.
    """
    from console.prefect_runs import start_run, use_named_server
    from engine.prefect_api.work_pools import must_be_polled

    loaded, via = plan_from(plan), connections()
    name = new_rollout_name(loaded, uuid4().hex)
    # What no server has to be asked for comes first.
    must_be_free(via, loaded, name)
    use_named_server()
    must_be_polled()
    try:
        open_rollout(
            via,
            loaded,
            name,
            started_by=started_by,
            pace=_pace(pace) or loaded.pace,
            auto_approve=approve == "auto",
            connection_set="default",
        )
        start_run("rollout/rollout", {"plan": plan, "started_by": started_by, "resume": name})
    except BaseException as error:
        # Ctrl-C, too: whatever is left open would be carried on by the watch.
        _close_unstarted(via, name, started_by, error)
        raise
    return name


def _close_unstarted(via: OpenConnections, name: str, by: str, error: BaseException) -> None:
    stopped = isinstance(error, KeyboardInterrupt)
    why = "Stopped at the keyboard before its run was started." if stopped else f"No run could be started: {error}"
    try:
        run = OpenRollout(via, name)
        run.append(Closed(why, by), unless=lambda s: not s.phase.is_open or s.exposure != ZERO)
        goes_on = run.state.phase.is_open
    except UnknownRollout:
        return
    except ConnectionFault:
        goes_on = True
    if goes_on:
        close = f"tidegate close {name} --as {by} --reason TEXT"
        log.print(f"{name} may be open, and would then be carried on by the watch; `{close}` ends it", soft_wrap=True)
    elif stopped:
        log.print(f"{name} is closed again; nobody was exposed", soft_wrap=True)


def status(rollout: str | None = None, as_json: bool = False) -> None:
    """Show one rollout (waves, soak, last evidence, rollback), or list them all."""
    via = connections()
    if rollout is not None:
        run = OpenRollout(via, rollout)
        unguarded = why_unguarded(run)
        if as_json:
            print(json.dumps(status_json(run.plan, run.state, run.timing) | {"unguarded": unguarded}, indent=1))
        else:
            if unguarded:
                out.print(unguarded, markup=False, soft_wrap=True)
            out.print(Markdown(progress_page(run.plan, run.state, run.timing, utc_now())))
        return
    runs: list[OpenRollout] = []
    unreadable: dict[RolloutRow, str] = {}
    for row in via.journal.rollouts():
        try:
            runs.append(OpenRollout(via, row.rollout))
        except Unreachable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this one, the others are listed
            unreadable[row] = why_unread(error)
    if not as_json and (freeze := why_frozen(via.journal)):
        out.print(f"{freeze}; `tidegate unfreeze --as EMAIL --reason TEXT` ends that", markup=False, soft_wrap=True)
    if as_json:
        listed = [status_json(run.plan, run.state, run.timing) for run in runs]
        lost = [{"rollout": row.rollout, "open": row.is_open, "unreadable": why} for row, why in unreadable.items()]
        print(json.dumps([*listed, *lost], indent=1))
        return
    for row, why in unreadable.items():
        guarded = "open and NOT guarded" if row.is_open else "over"
        out.print(f"{row.rollout} cannot be read and is {guarded}: {why}", markup=False, soft_wrap=True)
    if not runs and not unreadable:
        out.print("no rollouts yet")
        return
    for run in runs:
        if unguarded := why_unguarded(run):
            out.print(f"{run.rollout}: {unguarded}", markup=False, soft_wrap=True)
    now = utc_now()
    upkeep = [open_words(run.plan, run.state, run.timing, now) for run in runs]
    asked = any(upkeep)
    table = Table()
    for heading in ("Rollout", "Phase", "Exposure", "Started by", "Opened", *(["Upkeep"] if asked else [])):
        # The name is what people type: it is never cut.
        table.add_column(heading, no_wrap=heading == "Rollout", overflow="fold")
    for run, left in zip(runs, upkeep, strict=True):
        state = run.state
        phase, opened = state.phase.value.replace("_", " "), f"{state.opened_at:%Y-%m-%d %H:%M}"
        cells = (run.rollout, phase, str(state.exposure), state.started_by, opened)
        table.add_row(*cells, *([left] if asked else []))
    out.print(table)


__all__ = ["UnknownRollout", "start_rollout"]
