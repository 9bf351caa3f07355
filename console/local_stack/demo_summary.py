"""The end of a demo: what was measured, what was said, how long the rollback took."""

from datetime import datetime, timedelta

import httpx
from rich.console import Console
from rich.table import Table

from engine.rollout.session import OpenRollout
from tidegate.values.promql_template import selector
from tidegate.values.samples import Sample
from tidegate.values.units import format_percent, seconds_between

Shares = dict[int, tuple[float, float]]
out = Console(highlight=False)


def share_of_wave(run: OpenRollout, wave: int, now: datetime, span: timedelta) -> tuple[float, float] | None:
    """Requests of the wave's audience that were routed to the new path, in percent, and how many were counted."""
    plan = run.plan
    matcher = plan.audiences[plan.waves[wave - 1].audience].matcher
    window = f"[{max(round(span.total_seconds()), 4)}s]"
    asked = {
        name: f"sum(increase(batch_patches_total{{{selector(path, matcher)}}}{window}))"
        for name, path in (("new", plan.variants.canary), ("old", plan.variants.control))
    }
    seen = run.connections.prometheus.instant(asked, now)
    new, old = seen["new"], seen["old"]
    if not isinstance(new, Sample) or not isinstance(old, Sample) or new.value + old.value < 1:
        return None
    return 100 * new.value / (new.value + old.value), new.value + old.value


def show_summary(run: OpenRollout, shares: Shares, inbox: str, fault: str | None) -> None:
    """Print it."""
    state = run.refresh()
    out.rule("Summary")
    out.print(f"{run.rollout}: [bold]{state.phase.value.replace('_', ' ')}[/bold]. {state.end_reason}")
    table = Table()
    for heading in ("Wave", "Intended", "Measured by Prometheus", "Requests"):
        table.add_column(heading)
    for number, (share, count) in sorted(shares.items()):
        wave = run.plan.waves[number - 1]
        intended = f"{format_percent(wave.percent)} of {wave.audience}"
        table.add_row(wave.title, intended, f"{share:.1f}%", f"{count:.0f}")
    if shares:
        out.print(table)
    back = state.rollback
    if back is not None:
        out.print(f"[bold]Why:[/bold] {back.reason}", soft_wrap=True)
        zero, last, proof = (
            seconds_between(back.ordered_at, at) for at in (back.zero_at, back.last_request_at, back.proven_at)
        )
        out.print(
            f"[bold]How fast:[/bold] order to zero {zero}, to the last request on the new path {last}, "
            f"to the proof {proof}. {back.sentence}",
            soft_wrap=True,
        )
    elif fault is None and run.plan.pace is not None:
        days = run.plan.post_rollout.soak.total_seconds() / 86_400
        out.print(
            f"One plan day took {run.timing.pace.real(timedelta(days=1)).total_seconds():.0f} s; "
            f"the post-rollout time was shortened to {days:.0f} plan days."
        )
    messages = httpx.get(f"{inbox}/messages", timeout=5).json()
    counts = {kind: sum(m["kind"] == kind for m in messages) for kind in ("slack", "pagerduty", "mail")}
    # The test alarm before wave 1 is no incident.
    counts["pagerduty"] -= sum(m["kind"] == "pagerduty" and "TEST ALARM" in m["summary"] for m in messages)
    out.print(f"Messages: Slack {counts['slack']}, PagerDuty incidents {counts['pagerduty']}, mails {counts['mail']}.")
