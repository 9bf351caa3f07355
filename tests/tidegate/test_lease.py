"""The lease: how long exposure lasts, when it is renewed, and that one that ran out is a rollback."""

from datetime import timedelta

import pytest

from tests.tidegate.builders import MINUTE, T0, TIMING, finding, in_wave, plan_of
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan
from tidegate.rollout.decision import Drift, Judged, RollBack, decide
from tidegate.rollout.lease import lease_end, renewal_due
from tidegate.values.exposure import ZERO
from tidegate.values.verdict import Verdict

LEASED = plan_of({"flag.lease": {"lasts": "10m"}})
TEN = 10 * MINUTE


def everybody(plan: Plan) -> Plan:
    waves = [*plan.waves[:1], plan.waves[1].model_copy(update={"percent": 100.0})]
    return plan.model_copy(update={"waves": tuple(waves)})


@pytest.mark.parametrize(
    ("plan", "wave", "lasts"),
    [
        (plan_of(), 1, None),
        (LEASED, 1, TEN),
        (LEASED, 2, TEN),
        (everybody(LEASED), 2, None),
        (everybody(plan_of({"flag.lease": {"lasts": "10m", "at_full": True}})), 2, TEN),
    ],
)
def test_exposure_ends_where_the_plan_says_so_and_at_full_only_when_asked(
    plan: Plan, wave: int, lasts: timedelta | None
) -> None:
    assert lease_end(plan, plan.exposure_at(wave), T0) == (None if lasts is None else T0 + lasts)
    assert lease_end(plan, ZERO, T0) is None


@pytest.mark.parametrize(("left", "due"), [(10, False), (8, False), (7, True), (1, True), (0, False), (-1, False)])
def test_it_is_renewed_once_a_quarter_is_used_up_and_never_when_it_ran_out(left: int, due: bool) -> None:
    assert renewal_due(LEASED, T0 + left * MINUTE, T0) is due


def test_without_a_lease_nothing_is_renewed() -> None:
    assert not renewal_due(plan_of(), T0 + MINUTE, T0)
    assert not renewal_due(LEASED, None, T0)


def test_one_that_ran_out_is_a_rollback() -> None:
    state = in_wave(1, LEASED).state
    gone = Drift(str(state.exposure), "it ended by itself", is_zero=True, expired=True)
    no_traffic = finding(Verdict.FAIL, "no_canary_traffic")  # which follows from it
    decision = decide(state, Judged(T0, (no_traffic,), (), gone), TIMING)
    assert isinstance(decision, RollBack)
    assert decision.criterion == "lease"
    assert "Nobody renewed" in decision.reason


def test_the_journal_knows_until_when_and_forgets_it_after_a_rollback() -> None:
    journal = in_wave(1, LEASED)
    journal.append(Kind.LEASED)
    assert journal.state.lease_until == T0 + TEN
    journal.append(Kind.ROLLING_BACK)
    assert journal.state.lease_until is None
    journal.append(Kind.LEASED)
    assert journal.state.lease_until is None


def test_a_lease_too_short_to_be_renewed_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed is 5s or longer"):
        plan_of({"flag.lease": {"lasts": "1s"}})
