"""What makes a finished rollout production-grade: tables over what was seen and stated."""

from datetime import timedelta

import pytest

from tests.tidegate.builders import ANN, BOB, STARTER, T0, finding, in_post_rollout, plan_of
from tidegate.journal.kinds import Kind
from tidegate.rollout.graduation import exercised, is_ready, readiness_findings, statements_for
from tidegate.values.samples import NoData, NoDataReason, Reading, sample
from tidegate.values.verdict import Verdict

READY = [{"text": "The team is confident", "role": "lead"}, {"text": "Costs are fine", "role": "commander"}]
PLAN = plan_of({"readiness": READY})


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (sample(1200, T0), Verdict.PASS),
        (sample(0, T0), Verdict.INCONCLUSIVE),
        (NoData(NoDataReason.TOO_FEW, T0), Verdict.INCONCLUSIVE),
        (NoData(NoDataReason.NO_SERIES, T0), Verdict.ERROR),
        (NoData(NoDataReason.UNREACHABLE, T0), Verdict.ERROR),
        (NoData(NoDataReason.SLOW, T0), Verdict.ERROR),
    ],
)
def test_a_path_that_nobody_used_proves_nothing(reading: Reading, verdict: Verdict) -> None:
    assert exercised(reading, "sum(x)").verdict is verdict


def test_each_statement_names_who_made_it_or_who_may() -> None:
    journal = in_post_rollout(PLAN)
    assert [f.verdict for f in readiness_findings(PLAN, journal.state)] == [Verdict.INCONCLUSIVE] * 2
    journal.append(Kind.READINESS_STATED, {"by": BOB, "stated": ["readiness.1"], "note": ""}, after=timedelta(1))
    first, second = readiness_findings(PLAN, journal.state)
    assert (first.verdict, first.sentence) == (Verdict.PASS, f"Stated by {BOB}.")
    assert STARTER in second.sentence


@pytest.mark.parametrize(("person", "numbers"), [(ANN, [1]), (ANN.upper(), [1]), (STARTER, [2]), ("x@y.z", [])])
def test_nobody_states_for_a_role_they_do_not_hold(person: str, numbers: list[int]) -> None:
    assert list(statements_for(PLAN, person)) == numbers


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_pass_is_ready(verdict: Verdict) -> None:
    assert is_ready([finding(Verdict.PASS), finding(verdict)]) == (verdict is Verdict.PASS)
    assert not is_ready([])
