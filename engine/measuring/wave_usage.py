"""Writing a wave's accounts into the journal, while Prometheus still remembers it."""

from datetime import datetime
from functools import partial

from engine.measuring.answer_ages import answers_at
from engine.measuring.sources import gather
from engine.rollout.session import OpenRollout
from tidegate.plan.pace import SCRAPES_IN_A_WINDOW
from tidegate.rollout.wave_usage import account_body, account_queries, expected_points


def account(run: OpenRollout, wave: int, now: datetime) -> None:
    """Journal what the wave has used from its raise until `now`; a later account of the same wave replaces this one."""
    record = run.state.waves.get(wave)
    if record is None:
        return
    span = max(now - record.raised_at, run.plan.scrape_interval * SCRAPES_IN_A_WINDOW)
    queries = account_queries(run.plan, span, run.timing.window)
    # Each for itself: so long a time may be too much for some, and they must not take the others along.
    found = gather(partial(answers_at, run, {name: query}, now) for name, query in queries.items())
    answers = {name: reading for each in found for name, reading in each.items()}
    expected = expected_points(run.plan, span, run.timing.window)
    run.append(account_body(wave, record.raised_at, now, answers, expected), now)


def settle_accounts(run: OpenRollout) -> None:
    """Account for the wave before until the raise that ended it: its gate belongs to it."""
    record, before = run.state.record, run.state.evidence.accounts.get(run.state.wave - 1)
    if record is not None and before is not None and before.end < record.raised_at:
        account(run, run.state.wave - 1, record.raised_at)
