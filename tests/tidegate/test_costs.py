"""The cost model: exact sums, refused contradictions, and a report whose figures follow from the journal."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.tidegate.builders import PLAN, T0, TIMING, Journal, in_wave, plan_of, raise_wave
from tidegate.criteria.external.cost_amounts import against_bounds, monthly, planned_amounts, projected
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.reports.costs import cost_report
from tidegate.reports.costs_page import costs_markdown
from tidegate.values.costs import Benefit, Costs, break_even_after
from tidegate.values.model import ContradictionsError
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.units import Money, format_money, parse_money
from tidegate.values.verdict import Verdict

HOUR = timedelta(hours=1)
MODEL: dict[str, Any] = {
    "expected": {"at_least": "$150", "at_most": "$200"},
    "limit": "$300",
    "items": {
        "instances": {"text": "Instances", "amount": 2, "price": "$0.10", "per": "hour", "query": "count(up)"},
        "storage": {"text": "Storage", "amount": 50, "unit": "GB", "price": "$0.08"},
        "fleet": {"text": "The old fleet", "amount": 1, "price": "$7.30", "path": "old"},
        "balancer": {"text": "Balancer", "amount": 1, "price": "$14.60", "path": "shared"},
        "monitoring": {"text": "Prometheus", "amount": 1, "existing": True, "path": "shared"},
    },
    "benefit": {
        "text": "No manual work",
        "monthly": "$290",
        "break_even": {"at_least": "14d", "at_most": "21d"},
    },
}
COSTS = Costs.model_validate(MODEL)
PAID = plan_of({"costs": MODEL})


def model(**changes: Any) -> Costs:
    return Costs.model_validate({**MODEL, **changes})


def accounted(journal: Journal, wave: int, **figures: float | None) -> Journal:
    record = journal.state.waves[wave]
    lost = {name: "no series" for name, value in figures.items() if value is None}
    body = {"wave": wave, "start": record.raised_at.isoformat(), "end": journal.now.isoformat()}
    journal.append(Kind.ACCOUNTED, {**body, "figures": figures, "reasons": lost})
    return journal


def told(journal: Journal, timing: Timing = TIMING) -> dict[str, Any]:
    return cost_report(journal.plan, journal.state, timing, journal.now)


def test_a_month_is_exact() -> None:
    month = monthly(COSTS, planned_amounts(COSTS))
    assert (month.new, month.old, month.shared) == (Decimal(150), Decimal("7.30"), Decimal("14.60"))
    assert month.total == Decimal("171.90")
    assert projected(COSTS, {"instances": Sample(3, T0)}) == Decimal("244.90")


def test_one_amount_that_is_not_known_makes_the_month_unknown() -> None:
    lost = projected(COSTS, {"instances": NoData(NoDataReason.NO_SERIES, T0)})
    assert isinstance(lost, NoData)
    assert lost.detail == "instances: no_series"
    assert isinstance(projected(COSTS, {"instances": Sample(-1, T0)}), NoData)
    assert monthly(COSTS, {"instances": None}).total is None


@pytest.mark.parametrize(
    ("month", "verdict", "words"),
    [
        (None, Verdict.INCONCLUSIVE, "not known"),
        ("149.99", Verdict.PASS, "is everything counted?"),
        ("150", Verdict.PASS, "$150.00 a month is within the expected $150 to $200"),
        ("200.01", Verdict.INCONCLUSIVE, "more than the expected"),
        ("299.99", Verdict.INCONCLUSIVE, "more than the expected"),
        ("300", Verdict.FAIL, "not below the limit of $300"),
    ],
)
def test_a_month_is_held_against_what_was_expected(month: str | None, verdict: Verdict, words: str) -> None:
    found, sentence = against_bounds(COSTS, None if month is None else Decimal(month))
    assert (found, words in sentence) == (verdict, True), sentence


@given(st.decimals(0, 1000, places=2), st.decimals(0, 1000, places=2))
def test_a_dearer_month_never_lifts_the_verdict(one: Decimal, other: Decimal) -> None:
    rank = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    cheap, dear = (rank.index(against_bounds(COSTS, x)[0]) for x in sorted((one, other)))
    assert cheap <= dear


@pytest.mark.parametrize(
    ("monthly_benefit", "once", "month", "days"),
    [
        ("$290", "$0", "145", 15.2),
        ("$300", "$0", "200", 20.3),
        ("$200", "$0", "200", 30.4),
        ("$199", "$0", "200", None),
        ("$300", "$100", "200", 30.4),
        ("$300", "$200", "200", 60.8),  # the second month's cost is spent by then, too
    ],
)
def test_when_it_has_paid_for_itself(monthly_benefit: str, once: str, month: str, days: float | None) -> None:
    benefit = Benefit.model_validate({"text": "x", "monthly": monthly_benefit, "once": once})
    after = break_even_after(benefit, Decimal(month))
    assert (None if after is None else round(after / timedelta(days=1), 1)) == days


@pytest.mark.parametrize(
    ("where", "value", "path", "words"),
    [
        ("limit", "$199", "limit", "allowed is $200 (expected.at_most) or more"),
        ("limit", 300, "limit", "an amount such as $30.37"),
        ("limit", "$-3", "limit", "an amount such as $30.37"),
        ("expected", {"at_least": "$9", "at_most": "$8"}, "expected.at_most", "allowed is $9"),
        ("items", {"a": {"text": "x", "amount": 1}}, "items.a.price", "missing, allowed is an amount"),
        ("items", {"a": {"text": "x", "amount": 1, "price": "$1", "existing": True}}, "items.a.price", "costs nothing"),
        ("items", {"a": {"text": "x", "amount": True, "price": "$1"}}, "items.a.amount", "a number such as 2"),
        ("items", {"a": {"text": "x", "amount": "nan", "price": "$1"}}, "items.a.amount", "a number from 0"),
        ("items", {"a": {"text": "x", "amount": -1, "price": "$1"}}, "items.a.amount", "a number from 0"),
        ("items", {"a": {"text": "x", "amount": 1, "existing": True}}, "items", "nothing of it costs anything"),
        ("benefit", {"text": "x", "monthly": "$0"}, "benefit.monthly", "above $0"),
    ],
)
def test_what_contradicts_itself_is_refused(where: str, value: Any, path: str, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model(**{where: value})
    found = []
    for error in refused.value.errors():
        cause = error.get("ctx", {}).get("error")
        base = list(map(str, error["loc"]))
        if isinstance(cause, ContradictionsError):
            found += [(".".join([*base, *map(str, at)]), text) for at, text in cause.problems]
        else:
            found.append((".".join(base), str(cause)))
    assert any(at == path and words in text for at, text in found), found


@pytest.mark.parametrize("text", ["$0", "$30.37", "$0.0416", "$300", "$0.10"])
def test_money_is_read_as_it_is_written(text: str) -> None:
    assert format_money(parse_money(text)) == text
    assert TypeAdapter(Money).dump_python(parse_money(text), mode="json") == text


def test_a_plan_with_costs_reads_back_the_same() -> None:
    again = Plan.model_validate(json.loads(json.dumps(PAID.to_json())))
    assert again == PAID
    assert again.hash == PAID.hash


def two_waves() -> Journal:
    """Ten hours of wave 1 with two instances, four of wave 2 with three; a quarter of all requests is new."""
    journal = in_wave(1, PAID)
    journal.now += 10 * HOUR
    accounted(journal, 1, amount_instances=2.0, requests_new=2500.0, requests_old=7500.0)
    journal.append(Kind.SOAKED, {"wave": 1})
    raise_wave(journal, 2)
    journal.now += 4 * HOUR
    return accounted(journal, 2, amount_instances=3.0, requests_new=4000.0, requests_old=4000.0)


def test_each_wave_costs_its_time_at_what_it_used() -> None:
    report = told(two_waves())
    # Ten hours at 0.20 + 4/730 for storage and a quarter of 0.02; four at 0.30 + 4/730 and half of 0.02.
    first, second = report["waves"]
    assert (first["hours"], first["new"], first["old"]) == ("10.00", "2.10", "0.25")
    assert (second["hours"], second["new"], second["old"]) == ("4.00", "1.26", "0.08")
    assert (first["share_percent"], second["share_percent"]) == ("25.00", "50.00")
    assert first["per_1000_requests"] == "0.8419"
    assert report["total"] == {"new": "3.36", "old": "0.33"}
    assert report["projected_month"] == "244.90"
    assert (report["planned_month"], report["verdict"]) == ("171.90", "INCONCLUSIVE")
    text = costs_markdown(report)
    assert "| First | 10.00 | 2500 (25.00%) | $2.10 | $0.25 | $0.8419 |" in text
    assert "| Prometheus | shared | 1 | as planned | existing | $0.00 |" in text


def test_the_post_rollout_days_cost_what_they_use_and_not_what_the_last_wave_did() -> None:
    """48 hours of the last wave with two instances, then 14 days with ten."""
    journal = in_wave(2, PAID)
    journal.now += 48 * HOUR
    journal.append(Kind.SOAKED, {"wave": 2})
    accounted(journal, 2, amount_instances=2.0, requests_new=1.0, requests_old=0.0)
    journal.now += 14 * 24 * HOUR
    accounted(journal, 3, amount_instances=10.0, requests_new=9.0, requests_old=0.0)
    report = told(journal)
    wave, after = report["waves"][-2:]
    assert (wave["wave"], wave["hours"], wave["requests_new"]) == (2, "48.00", 1.0)
    assert (after["title"], after["hours"], after["requests_new"]) == ("Post-rollout", "336.00", 9.0)
    # 0.20 and 1.00 an hour for instances, and 4 + 14.60 a month for what is there in any case.
    assert (wave["new"], after["new"]) == ("10.82", "344.56")
    assert [month["new"] for month in report["months"]] == ["355.38"]
    assert report["projected_month"] == "755.90"


def test_after_a_step_back_the_requests_of_an_account_are_those_of_its_stay() -> None:
    journal = two_waves()
    journal.append(Kind.LOWERED, {"wave": 1, "exposure": PAID.exposure_at(1).to_json()})
    journal.now += 5 * HOUR
    assert [w["requests_new"] for w in told(journal)["waves"]] == [2500.0, 4000.0, None]
    report = told(accounted(journal, 1, amount_instances=2.0, requests_new=30.0, requests_old=70.0))
    assert [w["requests_new"] for w in report["waves"]] == [None, 4000.0, 30.0]
    assert [w["share_percent"] for w in report["waves"]] == [None, "50.00", "30.00"]
    first = costs_markdown(report).split("| First | 10.00 |")[1].splitlines()[0]
    assert first.startswith(" not counted |")


def test_months_add_up_to_the_waves() -> None:
    journal = in_wave(1, PAID)
    journal.now += timedelta(days=40)
    report = told(accounted(journal, 1, amount_instances=2.0, requests_new=1.0, requests_old=1.0))
    assert [x["month"] for x in report["months"]] == ["2026-03", "2026-04"]
    months = sum(Decimal(x["new"]) for x in report["months"])
    assert abs(months - Decimal(report["total"]["new"])) <= Decimal("0.01")


@pytest.mark.parametrize(
    "figures",
    [
        {"amount_instances": None, "requests_new": 1.0, "requests_old": 1.0},
        {"amount_instances": 2.0, "requests_new": None, "requests_old": 1.0},
        {},
    ],
)
def test_what_was_not_measured_costs_an_unknown_amount_and_never_nothing(figures: dict[str, float | None]) -> None:
    journal = in_wave(1, PAID)
    journal.now += HOUR
    report = told(accounted(journal, 1, **figures) if figures else journal)
    [wave] = report["waves"]
    assert wave["new"] is None
    assert report["total"]["new"] is None
    assert "unknown" in costs_markdown(report)
    if figures.get("amount_instances") is None:
        assert (report["projected_month"], report["verdict"]) == (None, "INCONCLUSIVE")


def test_the_way_back_ends_what_a_wave_costs() -> None:
    journal = two_waves()
    journal.append(Kind.ROLLING_BACK, {})
    journal.now += 100 * HOUR
    assert told(journal)["waves"][-1]["hours"] == "4.00"


def test_a_rehearsal_costs_what_the_real_thing_would() -> None:
    journal = two_waves()
    timing = Timing(PAID, Pace.of(T0, HOUR))
    assert told(journal, timing)["waves"][0]["hours"] == "240.00"


def test_a_plan_without_costs_has_no_cost_report() -> None:
    with pytest.raises(ValueError, match="has no costs:"):
        told(in_wave(1, PLAN))
