"""How verdicts combine: the worst counts, and nothing is no evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import finding
from tidegate.values.verdict import Finding, Verdict, worst

P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741
verdicts = st.sampled_from(Verdict)
several = st.lists(verdicts, max_size=8)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ([], I),
        ([N], I),
        ([N, N], I),
        ([P], P),
        ([P, N], P),
        ([P, I], I),
        ([I, E], E),
        ([E, F], F),
        ([P, I, E, F, N], F),
    ],
)
def test_the_worst_of_several_verdicts_is_this(given_: list[Verdict], expected: Verdict) -> None:
    assert worst(given_) is expected


@given(several, st.randoms())
def test_the_order_in_which_verdicts_come_does_not_matter(seen: list[Verdict], chance) -> None:
    shuffled = list(seen)
    chance.shuffle(shuffled)
    assert worst(shuffled) is worst(seen)


@given(st.lists(st.lists(verdicts.filter(lambda v: v is not N), min_size=1), min_size=1))
def test_combining_in_groups_gives_the_same_as_all_at_once(groups: list[list[Verdict]]) -> None:
    assert worst(worst(group) for group in groups) is worst(v for group in groups for v in group)


@given(several)
def test_what_is_not_applicable_never_helps(seen: list[Verdict]) -> None:
    assert worst([*seen, N]) is worst(seen)


@given(several.filter(lambda seen: any(v is not N for v in seen)), verdicts)
def test_one_more_verdict_never_makes_it_better(seen: list[Verdict], more: Verdict) -> None:
    order = [P, I, E, F]
    assert order.index(worst([*seen, more])) >= order.index(worst(seen))


@given(several)
def test_only_passes_pass(seen: list[Verdict]) -> None:
    applying = [v for v in seen if v is not N]
    assert (worst(seen) is P) == (applying != [] and set(applying) == {P})


def test_a_finding_is_read_back_from_what_the_journal_stores() -> None:
    first = finding(F, observed=1.5, bound="below 1%", n=200.0, query="up")
    stored = first.to_json()
    assert Finding(**{**stored, "verdict": Verdict(stored["verdict"])}) == first
