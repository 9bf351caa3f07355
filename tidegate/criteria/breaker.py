"""The breaker: so many errors on the new path, in two ticks in a row, that no comparison is needed."""

from datetime import UTC, datetime
from itertools import pairwise

from tidegate.criteria.comparison_kinds import Breaker
from tidegate.criteria.threshold import on_dry_run
from tidegate.criteria.versus_control import Counted, unmeasured
from tidegate.plan.pace import Timing
from tidegate.statistics.sequential import Counts
from tidegate.values.units import format_percent
from tidegate.values.verdict import Finding, Verdict

LATE_SCRAPES = 2  # a tick's last sample must have arrived before it is asked for
_IN_A_ROW = 1.5  # ticks between two ends: more, and one between was not counted, or nobody came


def judge_breaker(id_: str, item: Breaker, counted: Counted, now: datetime, timing: Timing) -> Finding:
    """Two ticks in a row whose share of bad requests on the new path alone is beyond any doubt.

    What was fine long ago is not known to be fine now: that passes nothing.
    """
    limit = f"above {format_percent(item.above)} twice"
    every = sorted(row for wave in counted.waves for row in wave.rows)
    rows = [row for row in every if row.n_canary > 0]
    none = "no tick with requests on the new path yet"
    if not rows:
        return unmeasured(id_, item, [counted], limit, none)
    longest = _IN_A_ROW * timing.window(item.tick).total_seconds()
    twice = [two for one, two in pairwise(rows) if two.end - one.end <= longest and _bad(item, one) and _bad(item, two)]
    row = twice[0] if twice else rows[-1]
    share = 100 * row.bad_canary / row.n_canary
    if not twice and counted.trouble is not None and counted.trouble.reason.is_blindness:
        return unmeasured(id_, item, [counted], limit, none)
    counts = f"{row.bad_canary:,.0f} of {row.n_canary:,.0f} in a tick"
    then = f"; rolls back {limit}."
    verdict, is_ = Verdict.PASS, "is"
    if twice:
        verdict, then = Verdict.FAIL, f", twice in a row{then}"
    elif row.end < (fresh := _fresh_since(item, now, timing)):
        # Ticks that were counted and had no requests say that nobody came; where there is none, nobody looked.
        quiet = every[-1].end >= fresh
        verdict, is_ = Verdict.INCONCLUSIVE if quiet else Verdict.ERROR, "was"
        since = "without any request since" if quiet else "nothing was counted since"
        then = f", which ended at {datetime.fromtimestamp(row.end, UTC):%Y-%m-%d %H:%M} UTC; {since}."
    sentence = f"{counted.what} at the new path {is_} {share:.1f}% ({counts}){then}"
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, share, limit, row.n_canary, counted.what))


def _bad(item: Breaker, row: Counts) -> bool:
    return row.bad_canary >= item.at_least and 100 * row.bad_canary / row.n_canary > item.above


def _fresh_since(item: Breaker, now: datetime, timing: Timing) -> float:
    """When the newest tick must have ended; a wave counts from its raise, so that two are late by up to a tick each."""
    each = timing.window(item.tick) + timing.plan.scrape_interval * LATE_SCRAPES
    return (now - each * 2 - timing.guard).timestamp()
