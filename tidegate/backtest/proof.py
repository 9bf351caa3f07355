"""The checklist's line that asks for a back-test: a young one, of these very criteria, with few false rollbacks."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.backtest.result import criteria_hash
from tidegate.checklist.items import BacktestProof
from tidegate.checklist.judge_reports import found, too_old
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan, When
from tidegate.values.units import format_duration, format_percent
from tidegate.values.verdict import Finding, Verdict

_ADVICE = "run `tidegate backtest PLAN --from DAY --to DAY`"


def judge_backtest(
    item: BacktestProof, plan: Plan, newest: tuple[datetime, Mapping[str, Any]] | None, now: datetime
) -> Finding:
    """A young back-test of these criteria, long enough; each trigger that decides as the plan stands is counted."""
    if newest is None or too_old(newest[0], item.fresh, now):
        lately = f"no back-test of this flag in the last {format_duration(item.fresh)}"
        return found(item, Verdict.FAIL, f"{lately}: {_ADVICE}")
    at, body = newest
    start, end = (datetime.fromisoformat(body[name]) for name in ("start", "end"))
    what = f"The back-test of {at:%Y-%m-%d %H:%M} UTC over {start:%Y-%m-%d} to {end:%Y-%m-%d}"
    if body["criteria_hash"] != criteria_hash(plan):
        return found(item, Verdict.FAIL, f"{what} was of other criteria: {_ADVICE} again.")
    # The period is cut to whole looks, which may cost one of them.
    if end - start < item.covers - 2 * timedelta(seconds=body["look_seconds"]):
        return found(item, Verdict.FAIL, f"{what} is too short, allowed is {format_duration(item.covers)} or longer.")
    rows = _deciding(plan, body)
    missing = [str(wave) for wave in range(1, len(plan.waves) + 1) if wave not in {w["wave"] for w in body["waves"]}]
    if missing or not rows:
        lost = f"left out wave {missing[0]}" if missing else "could replay no trigger that decides"
        return found(item, Verdict.FAIL, f"{what} {lost}: {_ADVICE} again.")
    often = max(rows, key=lambda row: row["fired"]["percent"])
    blind = max(rows, key=lambda row: row["blind"])
    rate = often["fired"]
    words = f"{often['text']} fired in {rate['percent']:.1f}% of its waves ({rate['low']:.1f}%-{rate['high']:.1f}%)"
    bound = f"at most {format_percent(item.at_most)}"
    if rate["percent"] > item.at_most:
        return found(item, Verdict.FAIL, f"{what}: {words}, allowed is {bound}.", observed=rate["percent"], bound=bound)
    if blind["blind"] > item.blind_at_most:
        sentence = f"{what}: {blind['text']} saw nothing in {blind['blind']:.1f}% of its looks"
        return found(item, Verdict.FAIL, f"{sentence}, allowed is at most {format_percent(item.blind_at_most)}.")
    left_out = len(_decisive(plan)) - len(rows)
    without = f" Not in it, since they could not be replayed: {left_out} triggers." if left_out else ""
    return found(item, Verdict.PASS, f"{what}: at worst {words}.{without}", observed=rate["percent"], bound=bound)


def _decisive(plan: Plan) -> set[tuple[int, str]]:
    """Every trigger that decides as the plan stands now, by wave."""
    return {
        (wave, item.id)
        for wave in range(1, len(plan.waves) + 1)
        for item in in_force(plan, wave, When.TRIGGER)
        if not item.criterion.dry_run
    }


def _deciding(plan: Plan, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The replayed triggers that decide as the plan stands now, whether they were on dry run then or not."""
    decisive = _decisive(plan)
    return [
        row
        for row in body["criteria"]
        if row["fired"] is not None and row["when"] == When.TRIGGER and (row["wave"], row["criterion"]) in decisive
    ]
