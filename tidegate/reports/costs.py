"""The cost report: what a month costs, what each wave has cost, whose cost it is, and when it has paid for itself."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tidegate.criteria.external.cost_amounts import against_bounds, cents, cost_queries, money, monthly, planned_amounts
from tidegate.journal.bodies.evidence_bodies import WaveAccounted
from tidegate.journal.state import RolloutState
from tidegate.plan.model import Plan, timezone_of
from tidegate.plan.pace import DAY, Timing
from tidegate.values.costs import HOURS_IN_A_MONTH, Costs, break_even_after
from tidegate.values.units import format_duration, format_money

NAME = "costs"
_HOUR = timedelta(hours=1)


def cost_report(plan: Plan, state: RolloutState, timing: Timing, until: datetime) -> dict[str, Any]:
    """The report as data, from the journal alone; raises ValueError for a plan without `costs:`.

    Times are the plan's own, so a rehearsal's wave costs what the real one would.
    """
    costs = plan.costs
    if costs is None:
        raise ValueError(f"the plan {plan.name} has no costs:, allowed is a plan that says what it pays for")
    planned, newest = planned_amounts(costs), _newest(state)
    measured, month = _amounts(costs, newest), projected_month(costs, state)
    verdict, sentence = against_bounds(costs, month)
    waves = [_wave(plan, state, timing, number, start, end) for number, start, end in _spans(plan, state, until)]
    return {
        "report": NAME,
        "rollout": state.rollout,
        "title": plan.title,
        "flag": plan.flag.key,
        "day_seconds": timing.pace.real(DAY).total_seconds(),
        "until": until.isoformat(),
        "measured_at": newest.end.isoformat() if newest else None,
        "items": [_item(costs, name, planned, measured, newest) for name in costs.items],
        "planned_month": _plain(monthly(costs, planned).total),
        "projected_month": _plain(month),
        "expected": [_plain(costs.expected.at_least), _plain(costs.expected.at_most)],
        "limit": _plain(costs.limit),
        "verdict": verdict.value,
        "sentence": sentence,
        "waves": waves,
        "months": list(_months(plan, state, timing, until)),
        "total": {side: _plain(_sum(wave[side] for wave in waves)) for side in ("new", "old")},
        "benefit": _benefit(costs, month),
        "journal": {"entries": state.sequence, "head": state.head},
    }


def projected_month(costs: Costs, state: RolloutState) -> Decimal | None:
    """What a month costs at the amounts of the newest account; None where one of them is not known."""
    return monthly(costs, _amounts(costs, _newest(state))).total


def _newest(state: RolloutState) -> WaveAccounted | None:
    return max(state.evidence.accounts.values(), key=lambda account: account.end, default=None)


def _amounts(costs: Costs, account: WaveAccounted | None) -> dict[str, Decimal | None]:
    """The amounts of an account; what nobody measures is as planned, what could not be measured is unknown."""
    found = planned_amounts(costs)
    for name in cost_queries(costs):
        value = account.figures.get(f"amount_{name}") if account else None
        found[name] = None if value is None else Decimal(str(value))
    return found


def _item(
    costs: Costs,
    name: str,
    planned: Mapping[str, Decimal | None],
    measured: Mapping[str, Decimal | None],
    account: WaveAccounted | None,
) -> dict[str, Any]:
    item = costs.items[name]
    is_measured = name in cost_queries(costs)
    amount = measured[name]
    return {
        "item": name,
        "text": item.text,
        "unit": item.unit,
        "path": item.path.value,
        "existing": item.existing,
        "price": None if item.price is None else format_money(item.price),
        "per": item.per.value,
        "planned": _plain_amount(planned[name]),
        "measured": _plain_amount(amount) if is_measured else None,
        "why_not": (account.reasons.get(f"amount_{name}", "") if account else "not measured yet")
        if is_measured and amount is None
        else "",
        "month": _plain(None if amount is None else amount * item.monthly_price),
    }


def _spans(plan: Plan, state: RolloutState, until: datetime) -> Iterator[tuple[int, datetime, datetime]]:
    """Each stay in a wave until the next one, a step back to it included; the rollback ends the last.

    Nothing is raised for the post-rollout days: they are what follows the soak within a stay in the last wave.
    """
    end = state.rollback.zero_at if state.rollback is not None and state.rollback.zero_at else until
    last = len(plan.waves)
    for position, (number, start) in enumerate(state.stays):
        following = min(state.stays[position + 1][1], end) if position + 1 < len(state.stays) else end
        soaked = min((at for at in _soaked(state, last) if start <= at < following), default=following)
        if number == last and soaked < following:
            if start < soaked:
                yield number, start, soaked
            yield last + 1, soaked, following
        elif start < following:
            yield number, start, following


def _soaked(state: RolloutState, last: int) -> Iterator[datetime]:
    """When post-rollout days began; a step back takes their record, and leaves their account."""
    if (record := state.waves.get(last + 1)) is not None:
        yield record.raised_at
    if (account := state.evidence.accounts.get(last + 1)) is not None:
        yield account.start


def _share(account: WaveAccounted | None) -> tuple[Decimal | None, float | None, float | None]:
    """The new path's part of all requests completed, and both counts."""
    figures = account.figures if account else {}
    new, old = figures.get("requests_new"), figures.get("requests_old")
    if new is None:
        return None, new, old
    # With everybody on the new path, the old one may not even have a series.
    whole = Decimal(str(new)) + Decimal(str(old or 0.0))
    return (Decimal(str(new)) / whole if whole else None), new, old


def _rates(plan: Plan, state: RolloutState, number: int) -> tuple[Decimal | None, Decimal | None]:
    """What an hour of this wave costs on the new and on the old path; shared costs go by the requests of each."""
    costs = plan.costs
    if costs is None:
        return None, None
    account = state.evidence.accounts.get(number)
    month, (share, _, _) = monthly(costs, _amounts(costs, account)), _share(account)
    shared = month.shared
    if shared is None or (shared and share is None):
        return None, None
    for_new = shared * (share or 0)
    new = None if month.new is None else (month.new + for_new) / HOURS_IN_A_MONTH
    old = None if month.old is None else (month.old + shared - for_new) / HOURS_IN_A_MONTH
    return new, old


def _wave(
    plan: Plan, state: RolloutState, timing: Timing, number: int, start: datetime, end: datetime
) -> dict[str, Any]:
    hours = _hours(timing, start, end)
    rates = _rates(plan, state, number)
    new, old = (None if rate is None else rate * hours for rate in rates)
    account = state.evidence.accounts.get(number)
    # After a step back a wave has several stays: the requests of its newest account are those of one of them.
    mine = account if account and start <= account.start < end else None
    share, requests, others = _share(mine)
    return {
        "wave": number,
        "title": plan.waves[number - 1].title if number <= len(plan.waves) else "Post-rollout",
        "from": start.isoformat(),
        "until": end.isoformat(),
        "hours": _plain(hours),
        "requests_new": requests,
        "requests_old": others,
        "share_percent": None if share is None else _plain(share * 100),
        "new": _plain(new),
        "old": _plain(old),
        "per_1000_requests": _per_1000(rates[0], mine),
    }


def _per_1000(rate: Decimal | None, account: WaveAccounted | None) -> str | None:
    """Over the time that was accounted for, which need not be the whole wave; really passed, as the requests were."""
    requests = account.figures.get("requests_new") if account else None
    if account is None or rate is None or not requests:
        return None
    span = account.end - account.start
    return f"{rate * Decimal(str(span / _HOUR)) / Decimal(str(requests)) * 1000:.4f}"


def _hours(timing: Timing, start: datetime, end: datetime) -> Decimal:
    """How many hours of the plan lie between."""
    span = timing.pace.plan_time(end) - timing.pace.plan_time(start)
    return Decimal(str(round(span / _HOUR, 6)))


def _months(plan: Plan, state: RolloutState, timing: Timing, until: datetime) -> Iterator[dict[str, Any]]:
    """What each month of the plan's calendar has cost so far."""
    zone, found = timezone_of(plan), dict[str, list[Decimal | None]]()
    for number, start, end in _spans(plan, state, until):
        at, last = timing.pace.plan_time(start), timing.pace.plan_time(end)
        rates = _rates(plan, state, number)
        while at < last:
            local = at.astimezone(zone)
            year, month = (local.year + local.month // 12, local.month % 12 + 1)
            following = min(last, datetime(year, month, 1, tzinfo=zone))
            hours = Decimal(str(round((following - at) / _HOUR, 6)))
            sums = found.setdefault(f"{local:%Y-%m}", [Decimal(0), Decimal(0)])
            for side, rate in enumerate(rates):
                so_far = sums[side]
                sums[side] = None if so_far is None or rate is None else so_far + rate * hours
            at = following
    for name, (new, old) in found.items():
        yield {"month": name, "new": _plain(new), "old": _plain(old)}


def _benefit(costs: Costs, month: Decimal | None) -> dict[str, Any] | None:
    benefit = costs.benefit
    if benefit is None:
        return None
    after = None if month is None else break_even_after(benefit, month)
    wanted = benefit.break_even
    return {
        "text": benefit.text,
        "month": _plain(benefit.monthly),
        "once": _plain(benefit.once),
        "left": None if month is None else _plain(benefit.monthly - month),
        "break_even_days": None if after is None else round(after / timedelta(days=1), 1),
        "expected": None if wanted is None else [format_duration(wanted.at_least), format_duration(wanted.at_most)],
        "as_expected": None if wanted is None or month is None else after is not None and after <= wanted.at_most,
    }


def _sum(amounts: Iterator[str | None]) -> Decimal | None:
    found = list(amounts)
    return None if None in found else sum((Decimal(x) for x in found if x is not None), Decimal(0))


def dollars(plain: str | None) -> str:
    """An amount of this report as people read it: `$175.04`, or `unknown`."""
    return money(None if plain is None else Decimal(plain))


def _plain(amount: Decimal | None) -> str | None:
    """`175.04`: exact in JSON, where a number would be a floating one."""
    return None if amount is None else f"{cents(amount):f}"


def _plain_amount(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{round(amount, 2).normalize():f}"
