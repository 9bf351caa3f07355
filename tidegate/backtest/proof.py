"""The checklist's line that asks for a back-test: a young one, of these very criteria, with few false rollbacks."""

from datetime import datetime, timedelta

from tidegate.backtest.compared_result import TWICE
from tidegate.backtest.result import criteria_hash
from tidegate.checklist.items import BacktestProof
from tidegate.checklist.judge_reports import found, too_old
from tidegate.journal.bodies.body import Objects
from tidegate.journal.bodies.lifecycle_bodies import Backtested
from tidegate.plan.in_force import in_force
from tidegate.plan.model import Plan, When
from tidegate.values.units import format_duration, format_percent
from tidegate.values.verdict import Finding, Verdict

_ADVICE = "run `tidegate backtest PLAN --from DAY --to DAY`"


def judge_backtest(
    item: BacktestProof, plan: Plan, newest: tuple[datetime, Backtested] | None, now: datetime
) -> Finding:
    """A young back-test of these criteria, long enough; each trigger that decides as the plan stands is counted."""
    if newest is None or too_old(newest[0], item.fresh, now):
        lately = f"no back-test of this flag in the last {format_duration(item.fresh)}"
        return found(item, Verdict.FAIL, f"{lately}: {_ADVICE}")
    at, body = newest
    start, end = body.start, body.end
    what = f"The back-test of {at:%Y-%m-%d %H:%M} UTC over {start:%Y-%m-%d} to {end:%Y-%m-%d}"
    if body.criteria_hash != criteria_hash(plan):
        return found(item, Verdict.FAIL, f"{what} was of other criteria: {_ADVICE} again.")
    # The period is cut to whole looks, which may cost one of them.
    if end - start < item.covers - 2 * timedelta(seconds=body.look_seconds):
        return found(item, Verdict.FAIL, f"{what} is too short, allowed is {format_duration(item.covers)} or longer.")
    rows = _deciding(plan, body)
    missing = [str(wave) for wave in range(1, len(plan.waves) + 1) if wave not in {w["wave"] for w in body.waves}]
    if missing or not rows:
        lost = f"left out wave {missing[0]}" if missing else "could replay no trigger that decides"
        return found(item, Verdict.FAIL, f"{what} {lost}: {_ADVICE} again.")
    often = max(rows, key=lambda row: row["fired"]["percent"])
    no_data = max(rows, key=lambda row: row["no_data"])
    rate = often["fired"]
    words = f"{often['text']} fired in {rate['percent']:.1f}% of its waves ({rate['low']:.1f}%-{rate['high']:.1f}%)"
    bound = f"at most {format_percent(item.at_most)}"
    if rate["percent"] > item.at_most:
        return found(item, Verdict.FAIL, f"{what}: {words}, allowed is {bound}.", observed=rate["percent"], bound=bound)
    if no_data["no_data"] > item.no_data_at_most:
        sentence = f"{what}: {no_data['text']} saw nothing in {no_data['no_data']:.1f}% of its looks"
        return found(item, Verdict.FAIL, f"{sentence}, allowed is at most {format_percent(item.no_data_at_most)}.")
    over_rollouts, rolled_back = _whole_rollouts(plan, body)
    if rolled_back is None or rolled_back > item.at_most:
        allowed = f"allowed is {bound}" if rolled_back is not None else f"{_ADVICE} again"
        return found(item, Verdict.FAIL, f"{what}: {over_rollouts}, {allowed}.", observed=rolled_back, bound=bound)
    left_out = len(_decisive(plan)) - len(rows)
    without = f" Not in it, since they could not be replayed: {left_out} triggers." if left_out else ""
    sentence = f"{what}: at worst {words}{over_rollouts and f'; {over_rollouts}'}.{without}"
    return found(item, Verdict.PASS, sentence, observed=rate["percent"], bound=bound)


def _whole_rollouts(plan: Plan, body: Backtested) -> tuple[str, float | None]:
    """What the comparisons that decide would have done to whole rollouts, and the share rolled back in percent.

    Nothing, and 0, for a plan without such comparisons; None where it has some and there is no figure.
    """
    asked = [one for wave in plan.waves for one in wave.criteria if When.TRIGGER in one.when and not one.dry_run]
    if not any(one.series_compared(plan) for one in asked):
        return "", 0.0
    if body.compared is None:
        return "there is no figure of whole rollouts by its comparisons (it takes labels, and all waves)", None
    back, held = body.compared["rolled_back"], body.compared["held"]
    words = (
        f"comparisons rolled back {back['percent']:.1f}% of healthy rollouts ({back['low']:.1f}%-{back['high']:.1f}%) "
        f"and held {held['percent']:.1f}%"
    )
    twice = next((one for one in body.compared["found"] if one["factor"] == TWICE), None)
    if twice is not None and twice["rolled_back_seconds"] is not None:
        words += f", and twice as many errors after {twice['rolled_back_seconds'] / 60:.0f} min at the median"
    return words, float(back["percent"])


def _decisive(plan: Plan) -> set[tuple[int, str]]:
    """Every trigger that decides as the plan stands now, by wave."""
    return {
        (wave, item.id)
        for wave in range(1, len(plan.waves) + 1)
        for item in in_force(plan, wave, When.TRIGGER)
        if not item.criterion.dry_run
    }


def _deciding(plan: Plan, body: Backtested) -> Objects:
    """The replayed triggers that decide as the plan stands now, whether they were on dry run then or not."""
    decisive = _decisive(plan)
    return [
        row
        for row in body.criteria
        if row["fired"] is not None and row["when"] == When.TRIGGER and (row["wave"], row["criterion"]) in decisive
    ]
