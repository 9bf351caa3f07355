"""The effects of a wave's actions: notices queued once, and people looked up who have to stand by."""

from dataclasses import replace
from datetime import datetime, timedelta

from blocks.calls.bounded import bounded
from blocks.errors import ConnectionFault
from engine.notices.queueing import notify
from engine.notices.report_files import keep_report
from engine.rollout.session import OpenRollout
from tidegate.notices.actions_due import due_notices, due_standbys, standby_notice
from tidegate.notices.notice import Notice
from tidegate.plan.fields.actions import Report
from tidegate.reports.retrospective import retrospective_markdown
from tidegate.reports.standup import standup, standup_markdown

_LOOK_UP_SECONDS = 2.0  # once in a wave, in the guard's way, so it must be short


def carry_out(run: OpenRollout, now: datetime) -> None:
    """Queue what the actions of the wave under way have made due; repeated, it finds nothing more to do."""
    for notice in due_notices(run.plan, run.state, run.timing, now):
        notify(run, _with_report(run, notice, now) if notice.report else notice)
    for due in due_standbys(run.plan, run.state):
        on_call, problem = "", ""
        if due.action.service is not None:
            on_call, problem = _on_call(run, due.action.service, now)
        notify(run, standby_notice(run.plan, run.state, due, on_call, problem))


def _with_report(run: OpenRollout, notice: Notice, now: datetime) -> Notice:
    """The notice with what the meeting looks at; kept as a file, too. Trouble with the file keeps nobody from it."""
    entries = run.connections.journal.entries(run.rollout)[: run.state.sequence]
    body = standup(run.plan, run.state, run.timing, now, entries)
    write = retrospective_markdown if notice.report == Report.RETROSPECTIVE else standup_markdown
    text = write(body, run.plan)
    keep_report(run.rollout, notice.event, text)
    return replace(notice, body=f"{notice.body}\n\n{text}")


def _on_call(run: OpenRollout, service: str, now: datetime) -> tuple[str, str]:
    """Who is on call for the service now, or why nobody is known to be; nothing where PagerDuty cannot be read."""
    pagerduty = run.connections.pagerduty
    if pagerduty is None or pagerduty.api_token is None:
        return "", ""

    def look() -> tuple[str, str]:
        seen = pagerduty.service(service)
        if seen is None:
            return "", f"PagerDuty knows no service {service!r}"
        shifts = pagerduty.on_call(seen.policy, now, now + timedelta(minutes=1))
        names = ", ".join(dict.fromkeys(shift.who for shift in shifts))
        return names, "" if names else f"nobody is on call for {service} in PagerDuty"

    try:
        return bounded(look, _LOOK_UP_SECONDS, "PagerDuty")
    except ConnectionFault as fault:
        return "", f"PagerDuty could not be asked: {fault}"
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return "", f"PagerDuty's answer was not understood ({type(error).__name__})"
