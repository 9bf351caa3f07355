"""`tidegate report`: what the journal tells, for the stand-up and for the files."""

import json
from enum import StrEnum

import typer
from rich.console import Console

from console.exits import Exit
from console.home import connections
from engine.measuring.wave_usage import account
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from tidegate.journal.kinds import Kind
from tidegate.reports.closeout import NAME as CLOSEOUT
from tidegate.reports.closeout import closeout, reported_body, why_not_the_recorded
from tidegate.reports.closeout_page import closeout_markdown
from tidegate.reports.costs import NAME as COSTS
from tidegate.reports.costs import cost_report
from tidegate.reports.costs_page import costs_markdown
from tidegate.reports.postmortem import postmortem
from tidegate.reports.standup import standup, standup_markdown
from tidegate.views.status import status_json

log = Console(stderr=True, highlight=False)


class ReportKind(StrEnum):
    """Which report."""

    STANDUP = "standup"
    CLOSEOUT = CLOSEOUT
    COSTS = COSTS


def report(rollout: str, which: ReportKind, as_json: bool = False, verify: bool = False) -> None:
    """Print a report in Markdown. The hash of a close-out is written to the journal."""
    if verify and which is not ReportKind.CLOSEOUT:
        raise NotAllowed(f"--verify: found with {which.value}, allowed with {CLOSEOUT}, whose hash the journal keeps")
    run = OpenRollout(connections(), rollout)
    if which is ReportKind.STANDUP:
        entries = run.connections.journal.entries(rollout)[: run.state.sequence]
        body = standup(run.plan, run.state, run.timing, utc_now(), entries)
        print(json.dumps(body, indent=1, ensure_ascii=False) if as_json else standup_markdown(body, run.plan))
    elif which is ReportKind.COSTS:
        _costs(run, as_json=as_json)
    elif verify:
        _verify(run)
    else:
        _close_out(run, as_json=as_json)


def _costs(run: OpenRollout, *, as_json: bool) -> None:
    if run.plan.costs is None:
        raise NotAllowed(f"the plan of {run.rollout} has no costs:, allowed is a plan that says what it pays for")
    now = utc_now()
    # What has ended was accounted for at its end.
    if run.state.phase.is_open and run.state.rollback is None and run.state.wave:
        account(run, run.state.wave, now)
    body = cost_report(run.plan, run.state, run.timing, now)
    print(json.dumps(body, indent=1, ensure_ascii=False) if as_json else costs_markdown(body))


def _close_out(run: OpenRollout, *, as_json: bool) -> None:
    if run.state.phase.is_open:
        raise NotAllowed(
            f"{run.rollout} is {run.state.phase.value.replace('_', ' ')}: it is closed out once it has ended"
        )
    entries = run.connections.journal.entries(run.rollout)
    recorded = run.state.reports.get(CLOSEOUT)
    # What was recorded is shown again, unless something has happened since.
    since = entries[recorded.sequence :] if recorded else []
    unchanged = recorded is not None and all(entry.kind is Kind.REPORTED for entry in since)
    body = closeout(run.plan, entries[: recorded.sequence] if unchanged and recorded else entries)
    if not unchanged or recorded is None or recorded.sha256 != reported_body(body).sha256:
        run.append(reported_body(body))
        log.print(f"its SHA-256 {reported_body(body).sha256} stands in the journal", markup=False)
    print(json.dumps(body, indent=1, ensure_ascii=False) if as_json else closeout_markdown(body))


def _verify(run: OpenRollout) -> None:
    recorded = run.state.reports.get(CLOSEOUT)
    if recorded is None:
        raise NotAllowed(
            f"no close-out of {run.rollout} has been written yet: `tidegate report {run.rollout} {CLOSEOUT}`"
        )
    broken = run.connections.journal.verify(run.rollout)
    why = why_not_the_recorded(run.plan, run.connections.journal.entries(run.rollout), recorded)
    for problem in [*broken, *([f"the close-out: {why}"] if why else [])]:
        log.print(problem, markup=False)
    if broken or why:
        raise typer.Exit(Exit.NO_GO)
    print(f"intact: SHA-256 {recorded.sha256}")


def write_postmortem(rollout: str, as_json: bool = False) -> None:
    """Print the draft of a post-mortem in Markdown, or with what is known of the rollback, from the journal alone."""
    run = OpenRollout(connections(), rollout)
    try:
        draft = postmortem(run.connections.journal.entries(rollout))
    except ValueError as error:
        raise NotAllowed(str(error)) from None
    if as_json:
        known = status_json(run.plan, run.state, run.timing)["rollback"]
        print(json.dumps({"rollout": rollout, "rollback": known, "markdown": draft}, indent=1, ensure_ascii=False))
    else:
        print(draft, end="")
